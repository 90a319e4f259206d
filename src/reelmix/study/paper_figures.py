"""The paper's figures of accuracy: 3, 4, 5 and 9."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reelmix.study.cells import Cell, Outcome
from reelmix.study.figure import (
    Bars,
    Figure,
    Lines,
    Series,
)
from reelmix.study.missing import Protocol
from reelmix.study.plan import (
    NAMES,
    Exhibit,
    Found,
    Plan,
    changed,
    compared,
    decrease,
    estimate,
    whiskers,
    written,
)
from reelmix.study.published import PUBLISHED_FIG9_DECREASE
from reelmix.study.report import Section
from reelmix.study.strategies import nothing_lost
from reelmix.study.table import Column, Row, Table

METRICS = ("recall@10", "ndcg@10")
CONSTRUCTIONS = {"Dual-CM": "concatenation", "Dual-M": "maximum", "Dual-WS": "sum"}
NEIGHBOURS = (10, 30, 50, 70)
AGGREGATIONS = {"DualGNN-Mean": "mean", "DualGNN-Softmax": "softmax"}
RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)
LOSING: Mapping[Protocol, tuple[str, ...]] = {
    "edges": ("mmgcn", "dualgnn"),
    "features": ("vbpr", "mmgcn", "dualgnn"),
}
"""Fig. 9: the models that each protocol can take something from; VBPR has no edges."""


def _bars(plan: Plan, outcomes: Mapping[str, Sequence[Outcome]]) -> Bars:
    """One group of bars a metric, one bar a variant, with the spread over seeds."""
    series: list[Series] = []
    for name, ours in outcomes.items():
        estimates = [estimate(ours, metric) for metric in METRICS]
        spread = tuple(one.spread for one in estimates) if len(plan.seeds) > 1 else None
        series.append(Series(name, tuple(one.mean for one in estimates), spread))
    return Bars(tuple(written(metric) for metric in METRICS), tuple(series), "metric (0 to 1)")


# Fig. 3


def _single(plan: Plan) -> dict[str, list[Cell]]:
    modalities = plan.split.dataset.modalities
    alone = {f"Dual/{name}": plan.cells("dualgnn", modalities=(name,)) for name in modalities}
    return {**(alone if len(modalities) > 1 else {}), "DualGNN": plan.cells("dualgnn")}


def _figure3(plan: Plan, found: Found) -> Section:
    plan = plan.sweep()
    outcomes = {name: found(cells) for name, cells in _single(plan).items()}
    singles = {name: ours for name, ours in outcomes.items() if name != "DualGNN"}
    text: tuple[str, ...] = ()
    if singles:
        best = max(singles, key=lambda name: estimate(singles[name], "recall@10").mean)
        claim = f"The paper finds the fusion above every single modality; the best one here is {best}"
        text = (compared(claim, outcomes["DualGNN"], singles[best], "recall@10"),)
    figure = Figure(
        "fig3",
        "Fig. 3. One modality alone, and all of them",
        "DualGNN with one modality in the whole process, user graph included, beside DualGNN with all. "
        + whiskers(plan),
        _bars(plan, outcomes),
    )
    return Section("fig3", "Fig. 3: single modalities", text, figures=(figure,))


# Fig. 4


def _constructed(plan: Plan) -> dict[str, list[Cell]]:
    return {name: plan.cells("dualgnn", construction=how) for name, how in CONSTRUCTIONS.items()}


def _figure4(plan: Plan, found: Found) -> Section:
    plan = plan.sweep()
    outcomes = {name: found(cells) for name, cells in _constructed(plan).items()}
    text = tuple(
        compared(f"The paper finds Dual-WS above {name}", outcomes["Dual-WS"], outcomes[name], "recall@10")
        for name in ("Dual-CM", "Dual-M")
    )
    figure = Figure(
        "fig4",
        "Fig. 4. How the modalities of a user become one vector",
        "DualGNN with concatenation (Dual-CM), maximum (Dual-M) and weighted sum (Dual-WS). "
        + whiskers(plan),
        _bars(plan, outcomes),
    )
    return Section("fig4", "Fig. 4: construction", text, figures=(figure,))


# Fig. 5


def _neighbours(plan: Plan) -> dict[str, list[list[Cell]]]:
    return {
        name: [plan.cells("dualgnn", neighbours=k, aggregation=how) for k in NEIGHBOURS]
        for name, how in AGGREGATIONS.items()
    }


def _figure5(plan: Plan, found: Found) -> Section:
    plan = plan.sweep()
    outcomes = {name: [found(cells) for cells in row] for name, row in _neighbours(plan).items()}
    figures = tuple(
        Figure(
            f"fig5_{metric.partition('@')[0]}",
            f"Fig. 5. {written(metric)} against the number of neighbours",
            "DualGNN with the K users that share most items, weighed alike (Mean) or by a softmax over the "
            "number of common items (Softmax). " + whiskers(plan),
            _lines(NEIGHBOURS, "neighbours K", outcomes, metric, len(plan.seeds) > 1),
        )
        for metric in METRICS
    )
    mean, softmax = (max(row, key=lambda ours: estimate(ours, "recall@10").mean) for row in outcomes.values())
    text = (
        compared("The paper finds Softmax above Mean; at the best K of each", softmax, mean, "recall@10"),
        *(_rise_and_fall(name, row) for name, row in outcomes.items()),
    )
    return Section("fig5", "Fig. 5: neighbours", text, figures=figures)


def _lines(
    x: Sequence[float],
    label: str,
    outcomes: Mapping[str, Sequence[Sequence[Outcome]]],
    metric: str,
    spread: bool,
    percent: bool = False,
) -> Lines:
    series: list[Series] = []
    for name, row in outcomes.items():
        estimates = [estimate(ours, metric) for ours in row]
        whiskers = tuple(one.spread for one in estimates) if spread else None
        series.append(Series(name, tuple(one.mean for one in estimates), whiskers))
    return Lines(tuple(float(one) for one in x), label, tuple(series), written(metric), percent_x=percent)


def _rise_and_fall(name: str, row: Sequence[Sequence[Outcome]]) -> str:
    means = [estimate(ours, "recall@10").mean for ours in row]
    best = int(np.argmax(means))
    return (
        f"{name}: Recall@10 is highest at K = {NEIGHBOURS[best]} ({means[best]:.4f}), and {means[0]:.4f} at "
        f"K = {NEIGHBOURS[0]}, {means[-1]:.4f} at K = {NEIGHBOURS[-1]}; the paper sees a slow rise to 40 "
        "(MovieLens) or 50 (TikTok) and then a fall."
    )


# Fig. 9


def _losing(plan: Plan, protocol: Protocol) -> dict[str, list[list[Cell]]]:
    """What is lost stays lost, whatever the settings would fill in."""
    return {
        name: [
            plan.cells(name, protocol=protocol, ratio=ratio, missing="mask")
            if ratio
            else nothing_lost(plan, name, {"missing": "mask"})
            for ratio in RATIOS
        ]
        for name in LOSING[protocol]
    }


def _figure9(plan: Plan, found: Found) -> Section:
    plan = plan.sweep()
    tables: list[Table] = []
    figures: list[Figure] = []
    text: list[str] = []
    for protocol in LOSING:
        outcomes = {name: [found(cells) for cells in row] for name, row in _losing(plan, protocol).items()}
        named = {NAMES[name]: row for name, row in outcomes.items()}
        figures.append(
            Figure(
                f"fig9_{protocol}",
                f"Fig. 9, protocol {protocol!r}. Recall@10 when items lose modalities",
                f"{_LOST[protocol]} At 100 % every item lacks one modality. {whiskers(plan)}",
                _lines(RATIOS, "items that lost a modality", named, "recall@10", len(plan.seeds) > 1, True),
            )
        )
        tables.append(_decreases(protocol, outcomes))
        lost = {name: decrease(row[0], row[-1], metric="recall@10") for name, row in outcomes.items()}
        text.append(
            f"Protocol {protocol!r}: at 100 % "
            + ", ".join(
                f"{NAMES[name]} {changed(one.mean)} of its Recall@10" for name, one in lost.items() if one
            )
            + (
                ". The paper: MMGCN 15.61 and 29.7 %, DualGNN 1.45 and 4.12 % (MovieLens, TikTok)."
                if protocol == "edges"
                else "."
            )
        )
    return Section("fig9", "Fig. 9: missing modalities", tuple(text), tuple(tables), tuple(figures))


_LOST: Mapping[Protocol, str] = {
    "edges": "An item that loses a modality keeps its content at layer 0 and loses its edges in that "
    "modality's graph, as in the paper.",
    "features": "An item that loses a modality has neither its content nor edges in that modality's graph.",
}


def _decreases(protocol: Protocol, outcomes: Mapping[str, Sequence[Sequence[Outcome]]]) -> Table:
    rows = [
        Row(
            (
                NAMES[name],
                written(metric),
                *(decrease(row[0], ours, metric=metric) for ours in row[1:]),
                *(
                    PUBLISHED_FIG9_DECREASE[data].get(name) if protocol == "edges" else None
                    for data in ("tiktok", "movielens")
                ),
            )
        )
        for name, row in outcomes.items()
        for metric in METRICS
    ]
    columns = [Column(f"{ratio:.0%}", 2, "number") for ratio in RATIOS[1:]]
    if protocol == "edges":
        published = (
            Column("100%, paper's TikTok", 2, "number"),
            Column("100%, paper's MovieLens", 2, "number"),
        )
    else:
        published = ()
    return Table(
        f"fig9_{protocol}",
        f"Relative decrease in percent, protocol {protocol!r}",
        (Column("Model"), Column("Metric"), *columns, *published),
        tuple(Row(row.cells[: 2 + len(columns) + len(published)]) for row in rows),
        (_LOST[protocol], "Negative: better than with all modalities. The paper does not name its metric."),
    )


def _flat(rows: Mapping[str, Sequence[Sequence[Cell]]]) -> list[Cell]:
    return [cell for row in rows.values() for cells in row for cell in cells]


ACCURACY_FIGURES: dict[str, Exhibit] = {
    "fig3": Exhibit(
        "single modalities", lambda plan: _flat({"": list(_single(plan.sweep()).values())}), _figure3
    ),
    "fig4": Exhibit(
        "construction", lambda plan: _flat({"": list(_constructed(plan.sweep()).values())}), _figure4
    ),
    "fig5": Exhibit("number of neighbours", lambda plan: _flat(_neighbours(plan.sweep())), _figure5),
    "fig9": Exhibit(
        "missing modalities",
        lambda plan: [cell for protocol in LOSING for cell in _flat(_losing(plan.sweep(), protocol))],
        _figure9,
    ),
}
"""The paper's figures of accuracy by the name that ``reelmix study`` takes."""

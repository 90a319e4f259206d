"""How much accuracy is kept when items lack modalities: by pattern, at serving, in the paper's protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reelmix.study.cells import Cell
from reelmix.study.figure import Figure
from reelmix.study.missing import Pattern
from reelmix.study.paper_tables import seeds_note
from reelmix.study.plan import NAMES, Exhibit, Found, Plan, decrease, estimate, whiskers
from reelmix.study.published import PUBLISHED_FIG9_DECREASE
from reelmix.study.report import Section
from reelmix.study.statistics import Estimate
from reelmix.study.strategies import (
    AHEAD,
    METRIC,
    Measured,
    Rows,
    ahead,
    decreases,
    levels,
    lines,
    measured,
    models_of,
    notes,
    nothing_lost,
    rates_of,
    rows_of,
    strategies,
    strategies_of,
    treated,
    verdict,
)
from reelmix.study.table import Column, Row, Table

RATES = (0.3, 0.6, 0.9)
PATTERNS: Mapping[Pattern, str] = {
    "random": "any items",
    "unpopular": "unpopular items first",
    "newest": "new items first",
}


# Patterns


def _patterns(plan: Plan) -> list[Pattern]:
    """Those that the data allow."""
    timed = plan.split.dataset.interactions.timestamps is not None
    return [pattern for pattern in PATTERNS if timed or pattern != "newest"]


def _losing(plan: Plan, model: str, modality: str, pattern: Pattern) -> Rows:
    return rows_of(plan, model, rates_of(plan, RATES), protocol=pattern, modality=modality)


def _curves(plan: Plan, found: Found) -> Section:
    rows: list[Row] = []
    figures: list[Figure] = []
    losses: dict[str, list[Measured]] = {model: [] for model in models_of(plan)}
    several = len(strategies_of(plan)) > 1
    for modality in plan.split.dataset.modalities:
        for pattern in _patterns(plan):
            for model, ours in losses.items():
                outcomes = measured(_losing(plan, model, modality, pattern), found)
                ours.append(outcomes)
                texts = (NAMES[model], modality, PATTERNS[pattern])
                rows += [Row((*texts, name, *decreases([outcomes], name))) for name in outcomes]
                if several:
                    figures.append(_curve(plan, modality, pattern, levels([outcomes]), model))
            masked = {NAMES[model]: levels(ours[-1:])["mask"] for model, ours in losses.items()}
            figures.append(_curve(plan, modality, pattern, masked))
    if several:
        figures = [_mean_curve(plan, model, ours) for model, ours in losses.items()] + figures
    title = "Decrease of Recall@20 in percent when items lack one modality"
    lost = tuple(Column(f"{rate:.0%} lost", 1, "number") for rate in rates_of(plan, RATES)[1:])
    means = Table(
        "missing_mean",
        f"{title}, mean over the modalities and which items",
        (Column("Model"), Column("Strategy"), *lost, AHEAD),
        tuple(
            Row((NAMES[model], name, *decreases(ours, name), ahead(ours, name)))
            for model, ours in losses.items()
            for name in ours[0]
        ),
        notes(plan),
    )
    each = (Column("Model"), Column("Modality"), Column("Which items"), Column("Strategy"))
    table = Table("missing", title, (*each, *lost), tuple(rows), notes(plan))
    text = [verdict(model, ours) for model, ours in losses.items() if several]
    return Section(
        "missing", "One modality, more and more items", tuple(text), (means, table), tuple(figures)
    )


def _curve(
    plan: Plan, modality: str, pattern: Pattern, rows: Mapping[str, Sequence[Estimate]], model: str = ""
) -> Figure:
    """The strategies of a model, or, without one, all models with mask."""
    title = f"{NAMES[model]}, Recall@20" if model else "Recall@20"
    return Figure(
        "_".join(filter(None, ("missing", modality, pattern, model))),
        f"{title} when items lack {modality}: {PATTERNS[pattern]}",
        f"Share of the items with {modality} that lost it, content and edges, before training"
        f"{'' if model else '; mask'}. {whiskers(plan, 'bands')}",
        lines(f"items that lost {modality}", rates_of(plan, RATES), rows),
    )


def _mean_curve(plan: Plan, model: str, losses: Sequence[Measured]) -> Figure:
    return Figure(
        f"missing_mean_{model}",
        f"{NAMES[model]}, Recall@20 when items lack one modality",
        "Share of the items with a modality that lost it, content and edges, before training; mean over the "
        f"modalities and over which items lose them first. {whiskers(plan, 'bands')}",
        lines("items that lost a modality", rates_of(plan, RATES), levels(losses)),
    )


# At serving


def _trained_with(plan: Plan) -> dict[str, Mapping[str, Any]]:
    """The strategies that leave unknown what is not known: the others have nothing to do here."""
    return {name: changes for name, changes in strategies_of(plan).items() if name in ("mask", "dropout")}


def _gone(plan: Plan, model: str) -> dict[tuple[str, str], list[Cell]]:
    return {
        (modality, name): plan.cells(model, protocol="serving", ratio=1.0, modality=modality, **changes)
        for modality in plan.split.dataset.modalities
        for name, changes in _trained_with(plan).items()
    }


def _serving(plan: Plan, found: Found) -> Section:
    rows: list[Row] = []
    for model in models_of(plan):
        whole = {n: found(nothing_lost(plan, model, changes)) for n, changes in _trained_with(plan).items()}
        for (modality, name), cells in _gone(plan, model).items():
            ours = found(cells)
            rows.append(
                Row(
                    (
                        NAMES[model],
                        modality,
                        name,
                        estimate(whole[name], METRIC),
                        estimate(ours, METRIC),
                        decrease(whole[name], ours, metric=METRIC),
                    )
                )
            )
    table = Table(
        "serving",
        "A modality that is gone when the model serves, although it was trained with it",
        (
            Column("Model"),
            Column("Gone"),
            Column("Trained with"),
            Column("Recall@20, all there", 4, "number"),
            Column("Recall@20, gone", 4, "number"),
            Column("Decrease in %", 1, "number"),
        ),
        tuple(rows),
        (seeds_note(plan),),
    )
    return Section("serving", "Gone at serving", (), (table,))


# The paper's own protocol


def _edges(plan: Plan) -> dict[str, tuple[list[Cell], list[Cell]]]:
    return {
        name: (
            nothing_lost(plan, "dualgnn", changes),
            plan.cells("dualgnn", protocol="edges", ratio=1.0, **changes),
        )
        for name, changes in _trained_with(plan).items()
        if "dualgnn" in models_of(plan)
    }


def _paper(plan: Plan, found: Found) -> Section:
    rows: list[Row] = []
    if "dualgnn" not in models_of(plan):
        return Section("edges", "The paper's protocol", ("DualGNN is not among the chosen models.",))
    for name, cells in _edges(plan).items():
        whole, less = (found(some) for some in cells)
        rows.append(
            Row((name, estimate(whole, METRIC), estimate(less, METRIC), decrease(whole, less, metric=METRIC)))
        )
    published = PUBLISHED_FIG9_DECREASE["tiktok"]["dualgnn"]
    table = Table(
        "edges",
        "DualGNN in the paper's protocol: every item out of one modality's graph, its content known",
        (
            Column("Trained with"),
            Column("Recall@20, all edges", 4, "number"),
            Column("Recall@20, edges lost", 4, "number"),
            Column("Decrease in %", 2, "number"),
        ),
        tuple(rows),
        (
            f"The paper reports {published} % on its TikTok, which is another data set. Filling in does not "
            "apply: no content is missing.",
            seeds_note(plan),
        ),
    )
    return Section("edges", "The paper's protocol", (), (table,))


def _flat(rows: Mapping[Any, Sequence[Sequence[Cell]]]) -> list[Cell]:
    return [cell for row in rows.values() for cells in row for cell in cells]


def _serving_cells(plan: Plan) -> list[Cell]:
    return [
        cell
        for model in models_of(plan)
        for cells in (
            *_gone(plan, model).values(),
            *(nothing_lost(plan, model, changes) for changes in _trained_with(plan).values()),
        )
        for cell in cells
    ]


ROBUSTNESS: dict[str, Exhibit] = {
    "strategies": Exhibit(
        "ways of treating what is missing",
        lambda plan: [cell for model in models_of(plan) for cell in _flat(treated(plan, model))],
        strategies,
    ),
    "missing": Exhibit(
        "one modality, more and more items",
        lambda plan: [
            cell
            for modality in plan.split.dataset.modalities
            for pattern in _patterns(plan)
            for model in models_of(plan)
            for cell in _flat(_losing(plan, model, modality, pattern))
        ],
        _curves,
    ),
    "serving": Exhibit("gone at serving", _serving_cells, _serving),
    "edges": Exhibit(
        "the paper's protocol",
        lambda plan: [cell for pair in _edges(plan).values() for cells in pair for cell in cells],
        _paper,
    ),
}
"""The parts of ``reelmix study robustness``."""

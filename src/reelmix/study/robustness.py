"""How much accuracy is kept when items lack modalities, and which way of treating them keeps most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reelmix.models import MODELS
from reelmix.study.cells import Cell, Outcome
from reelmix.study.figure import Figure, Lines, Series
from reelmix.study.missing import Pattern
from reelmix.study.paper_tables import seeds_note
from reelmix.study.plan import NAMES, Exhibit, Found, Plan, decrease, estimate, whiskers
from reelmix.study.published import PUBLISHED_FIG9_DECREASE
from reelmix.study.report import Section
from reelmix.study.table import Column, Row, Table

METRIC = "recall@20"
DROPOUT = 0.2
STRATEGIES: Mapping[str, Mapping[str, Any]] = {
    "mask": {},
    "zero": {"missing": "zero"},
    "mean": {"missing": "mean"},
    "neighbours": {"missing": "neighbours"},
    "propagation": {"missing": "propagation"},
    "pagerank": {"missing": "pagerank"},
    "dropout": {"modality_dropout": DROPOUT},
}
"""What is done about a modality that an item lacks; ``mask`` is the default."""

RATES = (0.0, 0.3, 0.6, 0.9)
RATIOS = (0.0, 0.5, 1.0)
PATTERNS: Mapping[Pattern, str] = {
    "random": "any items",
    "unpopular": "unpopular items first",
    "newest": "new items first",
}


MULTIMODAL = tuple(n for n in NAMES if n in MODELS and "missing" in MODELS[n].Config.model_fields)
"""The models that items without a modality make a difference to."""


def _models(plan: Plan) -> tuple[str, ...]:
    """Those that are measured."""
    return tuple(n for n in MULTIMODAL if plan.models is None or n in plan.models)


def _lines(label: str, x: Sequence[float], rows: Mapping[str, Sequence[Sequence[Outcome]]]) -> Lines:
    """A line a row, with the spread over seeds."""
    series: list[Series] = []
    for name, row in rows.items():
        estimates = [estimate(ours, METRIC) for ours in row]
        spread = tuple(one.spread for one in estimates) if len(row[0]) > 1 else None
        series.append(Series(name, tuple(one.mean for one in estimates), spread))
    return Lines(tuple(x), label, tuple(series), "Recall@20", percent_x=True)


# Ways of treating what is missing


def _treated(plan: Plan, model: str) -> dict[str, list[list[Cell]]]:
    """Each strategy at each ratio of the paper's protocol in which the content is unknown."""
    return {
        name: [
            plan.cells(model, protocol="features", ratio=ratio, **changes)
            if ratio
            else plan.cells(model, **changes)
            for ratio in RATIOS
        ]
        for name, changes in STRATEGIES.items()
    }


def _strategies(plan: Plan, found: Found) -> Section:
    rows: list[Row] = []
    figures: list[Figure] = []
    text: list[str] = []
    for model in _models(plan):
        outcomes = {n: [found(cells) for cells in row] for n, row in _treated(plan, model).items()}
        plain = outcomes["mask"]
        figures.append(
            Figure(
                f"strategies_{model}",
                f"{NAMES[model]}: ways of treating a modality that an item lacks",
                "Each of the chosen items lost one modality, content and edges; at 100 % every item lacks "
                "one. " + whiskers(plan),
                _lines("items that lost a modality", RATIOS, outcomes),
            )
        )
        for name, row in outcomes.items():
            losses = [decrease(plain[0], ours, METRIC) for ours in row[1:]]
            rows.append(Row((NAMES[model], name, *(estimate(ours, METRIC) for ours in row), *losses)))
        text.append(_verdict(model, {name: row[-1] for name, row in outcomes.items()}))
    table = Table(
        "strategies",
        "Ways of treating what is missing: Recall@20, and the decrease from the complete data",
        (
            Column("Model"),
            Column("Strategy"),
            *(Column(f"{ratio:.0%} lost", 4, "number") for ratio in RATIOS),
            *(Column(f"Decrease at {ratio:.0%}, in %", 1, "number") for ratio in RATIOS[1:]),
        ),
        tuple(rows),
        (
            f"dropout: mask, and {DROPOUT:.0%} of the present modalities hidden at each step of training. "
            "The decrease is from the same model with mask and nothing lost, seed by seed; below zero is "
            "better.",
            seeds_note(plan),
        ),
    )
    return Section("strategies", "Ways of treating what is missing", tuple(text), (table,), tuple(figures))


def _verdict(model: str, at_most: Mapping[str, Sequence[Outcome]]) -> str:
    """Whether any strategy beats mask by more than the spread over seeds."""
    mask = estimate(at_most["mask"], METRIC)
    best = max(at_most, key=lambda name: estimate(at_most[name], METRIC).mean)
    one = estimate(at_most[best], METRIC)
    if best == "mask":
        lead = "mask itself ranks best"
    elif one.spread is None or mask.spread is None:
        lead = f"{best} ranks best, of one seed alone"
    else:
        beyond = one.mean - mask.mean > max(one.spread, mask.spread)
        lead = f"{best} ranks best, {'beyond' if beyond else 'within'} the spread over seeds"
    return (
        f"{NAMES[model]}, every item without one modality: {lead} (Recall@20 {one.mean:.4f}; mask "
        f"{mask.mean:.4f})."
    )


# Patterns


def _patterns(plan: Plan) -> list[Pattern]:
    """Those that the data allow."""
    timed = plan.split.dataset.interactions.timestamps is not None
    return [pattern for pattern in PATTERNS if timed or pattern != "newest"]


def _losing(plan: Plan, modality: str, pattern: Pattern) -> dict[str, list[list[Cell]]]:
    return {
        model: [
            plan.cells(model, protocol=pattern, ratio=rate, modality=modality) if rate else plan.cells(model)
            for rate in RATES
        ]
        for model in _models(plan)
    }


def _curves(plan: Plan, found: Found) -> Section:
    rows: list[Row] = []
    figures: list[Figure] = []
    for modality in plan.split.dataset.modalities:
        for pattern in _patterns(plan):
            losing = _losing(plan, modality, pattern)
            outcomes = {n: [found(cells) for cells in row] for n, row in losing.items()}
            named = {NAMES[name]: row for name, row in outcomes.items()}
            figures.append(
                Figure(
                    f"missing_{modality}_{pattern}",
                    f"Recall@20 when items lack {modality}: {PATTERNS[pattern]}",
                    f"Share of the items with {modality} that lost it, content and edges, before training; "
                    f"mask. {whiskers(plan)}",
                    _lines(f"items that lost {modality}", RATES, named),
                )
            )
            for name, row in outcomes.items():
                losses = [decrease(row[0], ours, METRIC) for ours in row[1:]]
                rows.append(Row((NAMES[name], modality, PATTERNS[pattern], *losses)))
    table = Table(
        "missing",
        "Decrease of Recall@20 in percent when items lack one modality",
        (
            Column("Model"),
            Column("Modality"),
            Column("Which items"),
            *(Column(f"{rate:.0%} lost", 1, "number") for rate in RATES[1:]),
        ),
        tuple(rows),
        (
            "Mask; from the same model with nothing lost, seed by seed; below zero is better.",
            seeds_note(plan),
        ),
    )
    return Section("missing", "One modality, more and more items", (), (table,), tuple(figures))


# At serving


def _gone(plan: Plan, model: str) -> dict[tuple[str, str], list[Cell]]:
    return {
        (modality, name): plan.cells(model, protocol="serving", ratio=1.0, modality=modality, **changes)
        for modality in plan.split.dataset.modalities
        for name, changes in (("mask", {}), ("dropout", STRATEGIES["dropout"]))
    }


def _serving(plan: Plan, found: Found) -> Section:
    rows: list[Row] = []
    for model in _models(plan):
        whole = {name: found(plan.cells(model, **STRATEGIES[name])) for name in ("mask", "dropout")}
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
                        decrease(whole[name], ours, METRIC),
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
            plan.cells("dualgnn", **STRATEGIES[name]),
            plan.cells("dualgnn", protocol="edges", ratio=1.0, **STRATEGIES[name]),
        )
        for name in ("mask", "dropout")
        if "dualgnn" in _models(plan)
    }


def _paper(plan: Plan, found: Found) -> Section:
    rows: list[Row] = []
    if "dualgnn" not in _models(plan):
        return Section("edges", "The paper's protocol", ("DualGNN is not among the chosen models.",))
    for name, cells in _edges(plan).items():
        whole, less = (found(some) for some in cells)
        rows.append(
            Row((name, estimate(whole, METRIC), estimate(less, METRIC), decrease(whole, less, METRIC)))
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
        for model in _models(plan)
        for cells in (
            *_gone(plan, model).values(),
            *(plan.cells(model, **STRATEGIES[n]) for n in ("mask", "dropout")),
        )
        for cell in cells
    ]


ROBUSTNESS: dict[str, Exhibit] = {
    "strategies": Exhibit(
        "ways of treating what is missing",
        lambda plan: [cell for model in _models(plan) for cell in _flat(_treated(plan, model))],
        _strategies,
    ),
    "missing": Exhibit(
        "one modality, more and more items",
        lambda plan: [
            cell
            for modality in plan.split.dataset.modalities
            for pattern in _patterns(plan)
            for cell in _flat(_losing(plan, modality, pattern))
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

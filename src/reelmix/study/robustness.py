"""How much accuracy is kept when items lack modalities, and which way of treating them keeps most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any, get_args

from reelmix.graph import Missing
from reelmix.models import MODELS
from reelmix.study.cells import Cell, Outcome
from reelmix.study.figure import Figure, Lines, Series
from reelmix.study.missing import Pattern
from reelmix.study.paper_tables import seeds_note
from reelmix.study.plan import NAMES, Exhibit, Found, Plan, changed, decrease, estimate, whiskers
from reelmix.study.published import PUBLISHED_FIG9_DECREASE
from reelmix.study.report import Section
from reelmix.study.statistics import Estimate
from reelmix.study.table import Column, Row, Table

METRIC = "recall@20"
DROPOUT = 0.2
STRATEGIES: Mapping[str, Mapping[str, Any]] = {
    **{name: {"missing": name, "modality_dropout": 0.0} for name in get_args(Missing)},
    "dropout": {"missing": "mask", "modality_dropout": DROPOUT},
}
"""What is done about a modality that an item lacks."""

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


def _strategies_of(plan: Plan) -> dict[str, Mapping[str, Any]]:
    """Those that are measured; mask always is, as what the others are held against."""
    return {
        name: changes
        for name, changes in STRATEGIES.items()
        if plan.strategies is None or name in (*plan.strategies, "mask")
    }


def _lines(label: str, x: Sequence[float], rows: Mapping[str, Sequence[Sequence[Outcome]]]) -> Lines:
    """A line a row, with the spread over seeds."""
    series: list[Series] = []
    for name, row in rows.items():
        estimates = [estimate(ours, METRIC) for ours in row]
        spread = tuple(one.spread for one in estimates) if len(row[0]) > 1 else None
        series.append(Series(name, tuple(one.mean for one in estimates), spread))
    return Lines(tuple(x), label, tuple(series), "Recall@20", percent_x=True, bands=True)


# Ways of treating what is missing

Rows = dict[str, list[list[Cell]]]
"""Of each strategy, the cells of every rate of loss."""
Measured = dict[str, list[list[Outcome]]]
"""What came of them."""


def _rows(plan: Plan, model: str, rates: Sequence[float], **lost: Any) -> Rows:
    """Each strategy at each rate of loss."""
    return {
        name: [
            plan.cells(model, ratio=rate, **lost, **changes) if rate else _whole(plan, model, changes)
            for rate in rates
        ]
        for name, changes in _strategies_of(plan).items()
    }


def _whole(plan: Plan, model: str, changes: Mapping[str, Any]) -> list[Cell]:
    """With nothing lost; where there is nothing to fill in, all ways of filling in are the same model."""
    dataset = plan.split.dataset
    complete = all(len(own.items) == dataset.n_items for own in dataset.features.values())
    return plan.cells(model, **{k: v for k, v in changes.items() if not (complete and k == "missing")})


def _measured(rows: Rows, found: Found) -> Measured:
    return {name: [found(cells) for cells in row] for name, row in rows.items()}


def _treated(plan: Plan, model: str) -> Rows:
    """Each strategy at each ratio of the paper's protocol in which the content is unknown."""
    return _rows(plan, model, RATIOS, protocol="features")


def _strategies(plan: Plan, found: Found) -> Section:
    rows: list[Row] = []
    figures: list[Figure] = []
    text: list[str] = []
    for model in _models(plan):
        outcomes = _measured(_treated(plan, model), found)
        figures.append(
            Figure(
                f"strategies_{model}",
                f"{NAMES[model]}: ways of treating a modality that an item lacks",
                "Each of the chosen items lost one modality, content and edges; at 100 % every item lacks "
                "one. " + whiskers(plan, "bands"),
                _lines("items that lost a modality", RATIOS, outcomes),
            )
        )
        for name, row in outcomes.items():
            levels = (estimate(ours, METRIC) for ours in row)
            rows.append(Row((NAMES[model], name, *levels, *_decreases(outcomes, name))))
        text.append(_verdict(model, [outcomes]))
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
        _notes(plan),
    )
    return Section("strategies", "Ways of treating what is missing", tuple(text), (table,), tuple(figures))


_FROM_MASK = (
    "The decrease is from the same model with mask and nothing lost, seed by seed; below zero is better."
)


def _notes(plan: Plan) -> tuple[str, ...]:
    dropout = f"dropout: mask, and {DROPOUT:.0%} of the present modalities hidden at each step of training."
    return (*([dropout] if "dropout" in _strategies_of(plan) else []), _FROM_MASK, seeds_note(plan))


def _decreases(outcomes: Measured, strategy: str) -> list[Estimate | None]:
    """What a strategy loses at each rate above 0, in percent of what mask has with nothing lost."""
    return [decrease(outcomes["mask"][0], ours, METRIC) for ours in outcomes[strategy][1:]]


def _verdict(model: str, losses: Sequence[Measured]) -> str:
    """Which strategy ranks best on validation, and whether it beats mask by more than its spread over seeds.

    Args:
        model: whose.
        losses: what came of each strategy, one for each way in which modalities were lost.
    """
    ahead = {name: _ahead_of_mask(losses, name) for name in losses[0] if name != "mask"}
    best = max(ahead, key=lambda name: ahead[name].mean, default="mask")
    if best == "mask" or ahead[best].mean <= 0:
        return f"{NAMES[model]}: on validation no other strategy ranks better than mask."
    lead = ahead[best]
    if lead.spread is None:
        sure = f"{lead.mean:.4f}, of one seed alone"
    else:
        sure = (
            f"{lead.mean:.4f} ± {lead.spread:.4f}, {'beyond' if lead.mean > lead.spread else 'within'} its "
            "spread over the seeds"
        )
    test = [f"{name} {_mean_change(losses, name)}" for name in (best, "mask")]
    return (
        f"{NAMES[model]}: on validation {best} ranks best, ahead of mask by {sure} (Recall@20, mean over all "
        f"that was lost). On test, {' and '.join(test)}."
    )


def _ahead_of_mask(losses: Sequence[Measured], strategy: str) -> Estimate:
    """By how much a strategy's validation metric is above that of mask: mean over all losses, by seed."""
    differences = [
        [ours.metrics["validation"][METRIC] - mask.metrics["validation"][METRIC] for ours, mask in pairs]
        for outcomes in losses
        for pairs in (
            zip(ours, mask, strict=True)
            for ours, mask in zip(outcomes[strategy][1:], outcomes["mask"][1:], strict=True)
        )
    ]
    return Estimate.of(mean(by_loss) for by_loss in zip(*differences, strict=True))


def _mean_change(losses: Sequence[Measured], strategy: str) -> str:
    found = [one.mean for outcomes in losses for one in _decreases(outcomes, strategy) if one]
    return changed(mean(found)) if found else "had nothing to lose"


# Patterns


def _patterns(plan: Plan) -> list[Pattern]:
    """Those that the data allow."""
    timed = plan.split.dataset.interactions.timestamps is not None
    return [pattern for pattern in PATTERNS if timed or pattern != "newest"]


def _losing(plan: Plan, model: str, modality: str, pattern: Pattern) -> Rows:
    return _rows(plan, model, RATES, protocol=pattern, modality=modality)


def _curves(plan: Plan, found: Found) -> Section:
    rows: list[Row] = []
    figures: list[Figure] = []
    losses: dict[str, list[Measured]] = {model: [] for model in _models(plan)}
    for modality in plan.split.dataset.modalities:
        for pattern in _patterns(plan):
            for model, ours in losses.items():
                outcomes = _measured(_losing(plan, model, modality, pattern), found)
                ours.append(outcomes)
                texts = (NAMES[model], modality, PATTERNS[pattern])
                rows += [Row((*texts, name, *_decreases(outcomes, name))) for name in outcomes]
                if len(outcomes) > 1:
                    figures.append(_curve(plan, modality, pattern, outcomes, model))
            masked = {NAMES[model]: ours[-1]["mask"] for model, ours in losses.items()}
            figures.append(_curve(plan, modality, pattern, masked))
    table = Table(
        "missing",
        "Decrease of Recall@20 in percent when items lack one modality",
        (
            Column("Model"),
            Column("Modality"),
            Column("Which items"),
            Column("Strategy"),
            *(Column(f"{rate:.0%} lost", 1, "number") for rate in RATES[1:]),
        ),
        tuple(rows),
        _notes(plan),
    )
    several = len(_strategies_of(plan)) > 1
    text = [_verdict(model, ours) for model, ours in losses.items() if several]
    return Section("missing", "One modality, more and more items", tuple(text), (table,), tuple(figures))


def _curve(
    plan: Plan, modality: str, pattern: Pattern, rows: Mapping[str, list[list[Outcome]]], model: str = ""
) -> Figure:
    """The strategies of a model, or, without one, all models with mask."""
    title = f"{NAMES[model]}, Recall@20" if model else "Recall@20"
    return Figure(
        "_".join(filter(None, ("missing", modality, pattern, model))),
        f"{title} when items lack {modality}: {PATTERNS[pattern]}",
        f"Share of the items with {modality} that lost it, content and edges, before training"
        f"{'' if model else '; mask'}. {whiskers(plan, 'bands')}",
        _lines(f"items that lost {modality}", RATES, rows),
    )


# At serving


def _trained_with(plan: Plan) -> dict[str, Mapping[str, Any]]:
    """The strategies that leave unknown what is not known: the others have nothing to do here."""
    return {name: changes for name, changes in _strategies_of(plan).items() if name in ("mask", "dropout")}


def _gone(plan: Plan, model: str) -> dict[tuple[str, str], list[Cell]]:
    return {
        (modality, name): plan.cells(model, protocol="serving", ratio=1.0, modality=modality, **changes)
        for modality in plan.split.dataset.modalities
        for name, changes in _trained_with(plan).items()
    }


def _serving(plan: Plan, found: Found) -> Section:
    rows: list[Row] = []
    for model in _models(plan):
        whole = {n: found(_whole(plan, model, changes)) for n, changes in _trained_with(plan).items()}
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
            _whole(plan, "dualgnn", changes),
            plan.cells("dualgnn", protocol="edges", ratio=1.0, **changes),
        )
        for name, changes in _trained_with(plan).items()
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
            *(_whole(plan, model, changes) for changes in _trained_with(plan).values()),
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
            for model in _models(plan)
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

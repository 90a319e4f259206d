"""Ways of treating a modality that an item lacks, and which of them keeps most accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean
from typing import Any, get_args

from reelmix.errors import ConfigError
from reelmix.graph import Missing
from reelmix.models import MODELS
from reelmix.study.cells import Cell, Outcome
from reelmix.study.figure import Figure, Lines, Series
from reelmix.study.paper_tables import seeds_note
from reelmix.study.plan import NAMES, Found, Plan, changed, decrease, whiskers
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

RATES = (0.5, 1.0)
MULTIMODAL = tuple(n for n in NAMES if n in MODELS and "missing" in MODELS[n].Config.model_fields)
"""The models that items without a modality make a difference to."""


def models_of(plan: Plan) -> tuple[str, ...]:
    """Those that are measured.

    Raises:
        ConfigError: none of those that were asked for is in these tables.
    """
    found = tuple(n for n in MULTIMODAL if plan.models is None or n in plan.models)
    if not found:
        raise ConfigError(
            expected=f"a model that these tables have: {', '.join(MULTIMODAL)}",
            found=", ".join(plan.models or ()),
            where="models",
            fix="Name one of them, or ask for cold_items alone.",
        )
    return found


def strategies_of(plan: Plan) -> dict[str, Mapping[str, Any]]:
    """Those that are measured; mask always is, as what the others are held against."""
    return {
        name: changes
        for name, changes in STRATEGIES.items()
        if plan.strategies is None or name in (*plan.strategies, "mask")
    }


def rates_of(plan: Plan, usual: tuple[float, ...]) -> tuple[float, ...]:
    """Shares of the items that lose a modality: none, then those asked for, or else the usual ones."""
    return (0.0, *(usual if plan.rates is None else plan.rates))


def lines(label: str, x: Sequence[float], rows: Mapping[str, Sequence[Estimate]]) -> Lines:
    """A line a row, with the spread over seeds."""
    series = [
        Series(
            name,
            tuple(one.mean for one in row),
            tuple(one.spread for one in row) if row[0].n > 1 else None,
        )
        for name, row in rows.items()
    ]
    return Lines(tuple(x), label, tuple(series), "Recall@20", percent_x=True, bands=True)


# Ways of treating what is missing

Rows = dict[str, list[list[Cell]]]
"""Of each strategy, the cells of every rate of loss."""
Measured = dict[str, list[list[Outcome]]]
"""What came of them."""


def rows_of(plan: Plan, model: str, rates: Sequence[float], **lost: Any) -> Rows:
    """Each strategy at each rate of loss."""
    return {
        name: [
            plan.cells(model, ratio=rate, **lost, **changes) if rate else nothing_lost(plan, model, changes)
            for rate in rates
        ]
        for name, changes in strategies_of(plan).items()
    }


def nothing_lost(plan: Plan, model: str, changes: Mapping[str, Any]) -> list[Cell]:
    """With nothing lost; where there is nothing to fill in, all ways of filling in are the same model."""
    dataset = plan.split.dataset
    complete = all(len(own.items) == dataset.n_items for own in dataset.features.values())
    return plan.cells(model, **{k: v for k, v in changes.items() if not (complete and k == "missing")})


def measured(rows: Rows, found: Found) -> Measured:
    """The outcomes in the place of their cells."""
    return {name: [found(cells) for cells in row] for name, row in rows.items()}


def treated(plan: Plan, model: str) -> Rows:
    """Each strategy at each rate of the paper's protocol in which the content is unknown."""
    return rows_of(plan, model, rates_of(plan, RATES), protocol="features")


def strategies(plan: Plan, found: Found) -> Section:
    """A table and a curve of every strategy for each model, and which ranks best."""
    rows: list[Row] = []
    figures: list[Figure] = []
    text: list[str] = []
    rates = rates_of(plan, RATES)
    for model in models_of(plan):
        outcomes = measured(treated(plan, model), found)
        reached = levels([outcomes])
        figures.append(
            Figure(
                f"strategies_{model}",
                f"{NAMES[model]}: ways of treating a modality that an item lacks",
                "Each of the chosen items lost one modality, content and edges; at 100 % every item lacks "
                "one. " + whiskers(plan, "bands"),
                lines("items that lost a modality", rates, reached),
            )
        )
        rows += [
            Row((NAMES[model], name, *row, *decreases([outcomes], name), ahead([outcomes], name)))
            for name, row in reached.items()
        ]
        text.append(verdict(model, [outcomes]))
    table = Table(
        "strategies",
        "Ways of treating what is missing: Recall@20, and the decrease from the complete data",
        (
            Column("Model"),
            Column("Strategy"),
            *(Column(f"{rate:.0%} lost", 4, "number") for rate in rates),
            *(Column(f"Decrease at {rate:.0%}, in %", 1, "number") for rate in rates[1:]),
            AHEAD,
        ),
        tuple(rows),
        notes(plan),
    )
    return Section("strategies", "Ways of treating what is missing", tuple(text), (table,), tuple(figures))


_FROM_MASK = (
    "The decrease is from the same model with mask and nothing lost, seed by seed; below zero is better."
)


def notes(plan: Plan) -> tuple[str, ...]:
    """What stands below a table of strategies."""
    dropout = f"dropout: mask, and {DROPOUT:.0%} of the present modalities hidden at each step of training."
    return (*([dropout] if "dropout" in strategies_of(plan) else []), _FROM_MASK, seeds_note(plan))


AHEAD = Column("Ahead of mask on validation", 4, "number")
"""By how much a strategy ranks better than mask, mean over all rates and all that was lost."""


def levels(losses: Sequence[Measured]) -> dict[str, list[Estimate]]:
    """Recall@20 of each strategy at each rate, from 0 on.

    Args:
        losses: what came of each strategy, one for each way in which modalities were lost: the mean is taken,
            seed by seed.
    """

    def level(ours: Iterable[Sequence[Outcome]]) -> Estimate:
        by_seed = zip(*ours, strict=True)
        return Estimate.of(mean(outcome.metrics["test"][METRIC] for outcome in one) for one in by_seed)

    return {
        name: [level(ours) for ours in zip(*(outcomes[name] for outcomes in losses), strict=True)]
        for name in losses[0]
    }


def decreases(losses: Sequence[Measured], strategy: str) -> list[Estimate | None]:
    """What a strategy loses at each rate above 0, in percent of mask with nothing lost: mean over losses."""
    return [
        decrease(losses[0]["mask"][0], *lost, metric=METRIC)
        for lost in zip(*(outcomes[strategy][1:] for outcomes in losses), strict=True)
    ]


def verdict(model: str, losses: Sequence[Measured]) -> str:
    """Which strategy ranks best on validation, and whether it beats mask by more than its spread over seeds.

    Args:
        model: whose.
        losses: what came of each strategy, one for each way in which modalities were lost.
    """
    leads = {name: lead for name in losses[0] if (lead := ahead(losses, name))}
    best = max(leads, key=lambda name: leads[name].mean, default="mask")
    if best == "mask" or leads[best].mean <= 0:
        return f"{NAMES[model]}: on validation no other strategy ranks better than mask."
    lead = leads[best]
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


def ahead(losses: Sequence[Measured], strategy: str) -> Estimate | None:
    """By how much a strategy's validation metric is above that of mask: mean over all losses, by seed.

    None for mask.
    """
    if strategy == "mask":
        return None
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
    found = [one.mean for one in decreases(losses, strategy) if one]
    return changed(mean(found)) if found else "had nothing to lose"

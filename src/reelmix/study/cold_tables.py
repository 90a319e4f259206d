"""Tables of what the paper leaves out: items and users that training has never seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reelmix.recommender.item_content import VECTORS
from reelmix.study.cells import Cell, Outcome
from reelmix.study.cold import ColdProtocol
from reelmix.study.paper_tables import seeds_note
from reelmix.study.plan import EVERY_NAME, Exhibit, Found, Plan, written
from reelmix.study.report import Section
from reelmix.study.statistics import Estimate, paired_bootstrap
from reelmix.study.table import Column, Row, Table

SHARE = 0.2
"""Of the items, or of the users, held out."""

ITEM_MODELS = ("popularity", "lightgcn", "vbpr", "mmgcn", "dualgnn", "reelmix")
USER_MODELS = ("popularity", "ease", "gfcf", "lightgcn", "dualgnn", "reelmix")
SHOWN = ("recall@10", "recall@20", "ndcg@20")


def _cold(plan: Plan, model: str, protocol: ColdProtocol) -> list[Cell]:
    """A cell for each seed, since each holds out others; of floors and chance too."""
    if model == "random":
        training = next(iter(plan.chosen.values())).training
        return [Cell("random", {}, training, rng, protocol=protocol, ratio=SHARE) for rng in plan.seeds]
    chosen = plan.chosen[model]
    return [
        Cell(model, chosen.settings, chosen.training, rng, protocol=protocol, ratio=SHARE)
        for rng in plan.seeds
    ]


def _name(model: str) -> str:
    return EVERY_NAME.get(model, "Random")


def _asked(plan: Plan, models: Sequence[str]) -> list[str]:
    """Chance first, then those that know nothing of content, for comparison, and the chosen ones that do."""
    return ["random", *(n for n in models if plan.models is None or n in plan.models or n not in VECTORS)]


def _mean(outcomes: Sequence[Outcome], stage: str, metric: str) -> Estimate:
    return Estimate.of([outcome.metrics[stage][metric] for outcome in outcomes])


# Items


def _items(plan: Plan, found: Found) -> Section:
    outcomes = {name: found(_cold(plan, name, "cold_items")) for name in _asked(plan, ITEM_MODELS)}
    rows = [
        Row(
            (
                _name(name),
                *(_mean(ours, "cold", metric) for metric in SHOWN),
                *(_mean(ours, "test", metric) for metric in SHOWN),
            )
        )
        for name, ours in outcomes.items()
    ]
    table = Table(
        "cold_items",
        "New items. Ranked among the held-out items alone, and among all",
        (
            Column("Model"),
            *(Column(f"{written(metric)}, among new", 4, "number") for metric in SHOWN),
            *(Column(f"{written(metric)}, among all", 4, "number") for metric in SHOWN),
        ),
        tuple(rows),
        (
            f"{SHARE:.0%} of the items, other ones for each seed, are held out of training with all that is "
            "known of them, and taken in afterwards with their content. Relevant are the held-out items that "
            "a user interacted with. LightGCN and popularity know nothing of them and rank them at random.",
            seeds_note(plan),
        ),
    )
    chance = _mean(outcomes["random"], "cold", "recall@20").mean
    text: list[str] = []
    for name in (name for name in outcomes if name in VECTORS):
        new, every = (_mean(outcomes[name], stage, "recall@20").mean for stage in ("cold", "test"))
        times = f"{new / chance:.1f} times as much as chance, " if chance else ""
        text.append(
            f"Among the new items, {_name(name)} finds {times}{new:.4f} in Recall@20 (chance {chance:.4f}); "
            f"among all items it finds {every:.4f} of them."
        )
    return Section("cold_items", "New items", tuple(text), (table,))


# Users


def _users(plan: Plan, found: Found) -> Section:
    outcomes = {name: found(_cold(plan, name, "cold_users")) for name in _asked(plan, USER_MODELS)}
    rows: list[Row] = []
    text: list[str] = []
    for name, ours in outcomes.items():
        again = None if name == "random" else _retrained(plan, found, name, ours)
        kept = None
        if again is not None:
            pairs = [
                (cold.metrics["test"]["recall@20"], float(whole["recall@20"].mean()))
                for cold, whole in zip(ours, again, strict=True)
            ]
            shares = [100 * cold / whole for cold, whole in pairs if whole]  # of nothing there is no share
            kept = Estimate.of(shares) if shares else None
        overlap = [one.metrics["overlap"]["overlap@20"] for one in ours if one.metrics.get("overlap")]
        rows.append(
            Row(
                (
                    _name(name),
                    *(_mean(ours, "test", metric) for metric in SHOWN),
                    None if again is None else Estimate.of([float(one["recall@20"].mean()) for one in again]),
                    kept,
                    Estimate.of(overlap) if overlap else None,
                )
            )
        )
        if again is not None and name in ("dualgnn", "reelmix"):
            first = np.concatenate([one.per_user["recall@20"] for one in ours])
            second = np.concatenate([one["recall@20"] for one in again])
            interval = paired_bootstrap(first, second, rng=0)
            low, high = f"{interval.low:+.4f}", f"{interval.high:+.4f}"
            text.append(
                f"{_name(name)} for users whom training has not seen, less the same after training with "
                f"them: Recall@20 {interval.difference:+.4f} (95 % interval over users {low} to {high})."
            )
    table = Table(
        "cold_users",
        "New users. From their history without training, beside training with them",
        (
            Column("Model"),
            *(Column(written(metric), 4, "number") for metric in SHOWN),
            Column("Recall@20 retrained", 4, "number"),
            Column("Kept (%)", 1, "number"),
            Column("Overlap@20", 3, "number"),
        ),
        tuple(rows),
        (
            f"{SHARE:.0%} of the users, other ones for each seed, are held out of training; their training "
            "interactions are then the history that the model is given. Retrained: the same users ranked "
            "after training with everybody.",
            "Overlap: what share of the top 20 of a user who was in training is also found from their "
            "history alone.",
            seeds_note(plan),
        ),
    )
    return Section("cold_users", "New users", tuple(text), (table,))


def _retrained(plan: Plan, found: Found, name: str, cold: Sequence[Outcome]) -> list[dict[str, np.ndarray]]:
    """The metrics of the same users after training with everybody, seed by seed."""
    whole = found(plan.cells(name))
    whole = [*whole] * len(cold) if len(whole) == 1 else whole
    return [
        {metric: values[np.isin(full.users, part.users)] for metric, values in full.per_user.items()}
        for full, part in zip(whole, cold, strict=True)
    ]


COLD_TABLES: dict[str, Exhibit] = {
    "cold_items": Exhibit(
        "new items",
        lambda plan: [cell for name in _asked(plan, ITEM_MODELS) for cell in _cold(plan, name, "cold_items")],
        _items,
    ),
    "cold_users": Exhibit(
        "new users",
        lambda plan: [
            cell
            for name in _asked(plan, USER_MODELS)
            for cell in (*_cold(plan, name, "cold_users"), *(plan.cells(name) if name in EVERY_NAME else []))
        ],
        _users,
    ),
}
"""By the name that ``reelmix study`` takes."""

"""The paper's tables, I to IV, with the published numbers beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reelmix.data.describe import describe
from reelmix.models import MODELS
from reelmix.study.cells import Cell, Outcome
from reelmix.study.paired import paired_tests
from reelmix.study.plan import BASELINES, NAMES, Exhibit, Found, Plan, compared, estimate, written
from reelmix.study.published import PUBLISHED_TABLE2, PUBLISHED_TABLE3, PUBLISHED_TABLE4
from reelmix.study.report import Section
from reelmix.study.table import Column, Row, Table, mark_best
from reelmix.training.config import TrainingConfig

METRICS = ("recall@10", "ndcg@10", "recall@5", "ndcg@5", "recall@1", "ndcg@1")
TIMED_EPOCHS = 5
OTHER_DATA = (
    "The published numbers were measured on other versions of the data sets, which are not public: they are "
    "for orientation, and a difference from ours is no finding by itself."
)
VARIANTS: dict[str, dict[str, Any]] = {
    "Dual-A-U": {"emphasis": "mean", "user_layers": 0},
    "Dual-A": {"emphasis": "mean"},
    "Dual-U": {"user_layers": 0},
    "DualGNN": {},
}
"""Table IV: what each variant of DualGNN leaves out."""

_COMPLEXITY = {
    "dualgnn": "O(M L |E| d + L' |U| K d)",
    "mmgcn": "O(M L |E| d + M L |V| d^2)",
    "lightgcn": "O(L |E| d)",
    "lr_gccf": "O(L |E| d)",
    "star_gcn": "O(B |E| d + B |V| d^2)",
    "vbpr": "none",
}


# Table I


def _table1_cells(plan: Plan) -> list[Cell]:
    training = TrainingConfig.read({"epochs": TIMED_EPOCHS}, where="table1")
    layers = {
        name: {"layers": 2} if "layers" in MODELS[name].Config.model_fields else {} for name in _COMPLEXITY
    }
    return [Cell(name, layers[name], training, plan.seeds[0], alone=True) for name in _COMPLEXITY]


def _table1(plan: Plan, found: Found) -> Section:
    outcomes = dict(zip(_COMPLEXITY, found(_table1_cells(plan)), strict=True))
    fastest = outcomes["lightgcn"].epoch_seconds
    rows = [
        Row(
            (
                NAMES[name],
                complexity,
                outcomes[name].epoch_seconds,
                outcomes[name].epoch_seconds / fastest,
                outcomes[name].parameters,
            )
        )
        for name, complexity in _COMPLEXITY.items()
    ]
    split = plan.split
    n_nodes, edges = split.dataset.n_users + split.dataset.n_items, len(split.train)
    table = Table(
        "table1",
        "Table I. Time of an epoch, beside the analytical complexity of its graph convolution",
        (
            Column("Model"),
            Column("Graph convolution"),
            Column("Seconds an epoch", 2, "number"),
            Column("Times LightGCN", 1, "number"),
            Column("Trained numbers", 0, "number"),
        ),
        tuple(rows),
        (
            f"Here |E| = {edges:,} training interactions, |V| = {n_nodes:,} nodes, |U| = "
            f"{split.dataset.n_users:,} users, M = {len(split.dataset.modalities)} modalities, d = 64, L = 2 "
            "layers, B = 2 blocks; the loss costs O(T d) for all.",
            f"Median wall time of training and validating, over {TIMED_EPOCHS} epochs, default settings, "
            "batches of 2,048, with nothing else running. The paper counts three modalities and gives no "
            "times.",
        ),
    )
    slower = outcomes["mmgcn"].epoch_seconds / outcomes["dualgnn"].epoch_seconds
    text = (
        "The paper compares DualGNN, MMGCN and LightGCN by analysis alone. Measured, an epoch of MMGCN takes "
        f"{slower:.1f} times as long as one of DualGNN, which takes "
        f"{outcomes['dualgnn'].epoch_seconds / fastest:.1f} times as long as one of LightGCN.",
    )
    return Section("table1", "Table I: complexity", text, (table,))


# Table II


def _table2(plan: Plan, found: Found) -> Section:
    own = describe(plan.split.dataset)
    sizes = ", ".join(f"{one.name} {one.size:,}" for one in own.modalities)
    coverage = ", ".join(f"{one.name} {one.item_share:.1%}" for one in own.modalities)
    rows = [
        Row((own.name, own.interactions, own.items, own.users, own.sparsity, sizes or None, coverage or None))
    ]
    for name, one in PUBLISHED_TABLE2.items():
        sizes = ", ".join(f"{modality} {size:,}" for modality, size in one.feature_sizes.items())
        rows.append(
            Row((f"{name} (paper)", one.interactions, one.items, one.users, one.sparsity, sizes, None))
        )
    table = Table(
        "table2",
        "Table II. The data set, and those of the paper",
        (
            Column("Data set"),
            Column("Interactions", 0, "number"),
            Column("Items", 0, "number"),
            Column("Users", 0, "number"),
            Column("Sparsity (%)", 2, "number"),
            Column("Feature sizes"),
            Column("Items that have it"),
        ),
        tuple(rows),
    )
    return Section("table2", "Table II: data", (), (table,))


# Table III


def _table3_cells(plan: Plan) -> list[Cell]:
    return [cell for name in NAMES for cell in plan.cells(name)]


def _table3(plan: Plan, found: Found) -> Section:
    outcomes = {name: found(plan.cells(name)) for name in NAMES}
    shown = (*METRICS, "recall@20")
    rows = [
        Row(
            (
                NAMES[name],
                *(estimate(ours, metric) for metric in shown),
                round(estimate(ours, "coverage@20").mean * plan.split.dataset.n_items),
            )
        )
        for name, ours in outcomes.items()
    ]
    best = {
        metric: max(BASELINES, key=lambda name: estimate(outcomes[name], metric).mean) for metric in shown
    }
    gains = tuple(_gain(outcomes["dualgnn"], outcomes[best[metric]], metric) for metric in shown)
    rows.append(Row(("%Improv.", *gains, None), digits=2))
    titles = [written(metric) for metric in shown]
    table = Table(
        "table3",
        "Table III. Accuracy of all models",
        (
            Column("Model"),
            *(Column(title, 4, "number") for title in titles),
            Column("Items in lists of 20", 0, "number"),
        ),
        tuple(rows),
        (
            seeds_note(plan),
            "%Improv.: DualGNN over the best of the paper's five baselines, in percent of it; the floors "
            "(the first three rows) do not count among them.",
            "The last column: how many distinct items stand in the lists of 20 of all users.",
        ),
    )
    table = mark_best(table, titles, among=range(len(NAMES)))
    first = max(outcomes, key=lambda name: estimate(outcomes[name], "recall@10").mean)
    champion = best["recall@10"]
    text = (
        f"The best Recall@10 is that of {NAMES[first]}. The best of the paper's baselines is "
        f"{NAMES[champion]}; against it DualGNN changes Recall@10 by {_percent(gains[0])}, where the paper "
        "reports gains of 6.17 % "
        "(MovieLens) and 9.11 % (TikTok).",
        compared(
            f"The paper's claim that DualGNN beats {NAMES[champion]}",
            outcomes["dualgnn"],
            outcomes[champion],
            "recall@10",
        ),
    )
    others = {NAMES[name]: found for name, found in outcomes.items() if name != "dualgnn"}
    tests = paired_tests(
        "table3_tests",
        "DualGNN against each model, user by user",
        "DualGNN",
        outcomes["dualgnn"],
        others,
        ("recall@10", "ndcg@10"),
    )
    return Section("table3", "Table III: accuracy", text, (table, tests, _published3(outcomes)))


def _gain(ours: Sequence[Outcome], theirs: Sequence[Outcome], metric: str) -> float | None:
    """In percent of theirs; None where they find nothing."""
    base = estimate(theirs, metric).mean
    return 100 * (estimate(ours, metric).mean / base - 1) if base else None


def _percent(gain: float | None) -> str:
    return "no percentage, as that finds nothing" if gain is None else f"{gain:+.1f} %"


def _published3(outcomes: dict[str, list[Outcome]]) -> Table:
    rows = [
        Row(
            (
                NAMES[name],
                *(
                    number
                    for metric in ("recall@10", "ndcg@10")
                    for number in (
                        estimate(outcomes[name], metric),
                        PUBLISHED_TABLE3["tiktok"][name][metric],
                        PUBLISHED_TABLE3["movielens"][name][metric],
                    )
                ),
            )
        )
        for name in (*BASELINES, "dualgnn")
    ]
    columns = [
        Column(f"{written(metric)}, {source}", 4, "number")
        for metric in ("recall@10", "ndcg@10")
        for source in ("here", "paper's TikTok", "paper's MovieLens")
    ]
    return Table(
        "table3_published",
        "Table III beside the published numbers",
        (Column("Model"), *columns),
        tuple(rows),
        (OTHER_DATA,),
    )


# Table IV


def _table4_cells(plan: Plan) -> list[Cell]:
    return [cell for changes in VARIANTS.values() for cell in plan.cells("dualgnn", **changes)]


def _table4(plan: Plan, found: Found) -> Section:
    outcomes = {name: found(plan.cells("dualgnn", **changes)) for name, changes in VARIANTS.items()}
    shown = ("recall@10", "ndcg@10", "recall@20")
    titles = [written(metric) for metric in shown]
    rows: list[Row] = []
    for name, ours in outcomes.items():
        published = "dualgnn" if name == "DualGNN" else name
        theirs = [PUBLISHED_TABLE4[data][published]["recall@10"] for data in ("tiktok", "movielens")]
        rows.append(Row((name, *(estimate(ours, metric) for metric in shown), *theirs)))
    table = Table(
        "table4",
        "Table IV. The parts of DualGNN",
        (
            Column("Variant"),
            *(Column(title, 4, "number") for title in titles),
            Column("Recall@10, paper's TikTok", 4, "number"),
            Column("Recall@10, paper's MovieLens", 4, "number"),
        ),
        tuple(rows),
        (
            "Dual-A: the mean over modalities instead of a learned emphasis. Dual-U: without the user graph. "
            "Dual-A-U: neither. All with the settings chosen for DualGNN.",
            seeds_note(plan),
            OTHER_DATA,
        ),
    )
    claims = (
        ("The paper finds Dual-A above Dual-A-U (the user graph helps)", "Dual-A", "Dual-A-U"),
        ("The paper finds Dual-U above Dual-A-U (the emphasis helps)", "Dual-U", "Dual-A-U"),
        ("The paper finds DualGNN above Dual-U (the user graph helps)", "DualGNN", "Dual-U"),
        ("The paper finds DualGNN above Dual-A (the emphasis helps)", "DualGNN", "Dual-A"),
    )
    text = tuple(compared(claim, outcomes[a], outcomes[b], "recall@10") for claim, a, b in claims)
    return Section("table4", "Table IV: ablation", text, (mark_best(table, titles),))


def seeds_note(plan: Plan) -> str:
    """What a table's numbers are over, and where the settings come from."""
    seeds = ", ".join(str(seed) for seed in plan.seeds)
    untuned = [
        NAMES[name]
        for name, chosen in plan.chosen.items()
        if not chosen.tuned and name in NAMES and name != "popularity"
    ]
    source = (
        "Settings from the search." if not untuned else f"Default settings, no search: {_listed(untuned)}."
    )
    if len(plan.seeds) == 1:
        return f"Seed {seeds} alone. {source}"
    return f"Mean and standard deviation over the seeds {seeds}; closed forms have none. {source}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < len(NAMES) - 1 else "all models"


TABLES: dict[str, Exhibit] = {
    "table1": Exhibit("time of an epoch", _table1_cells, _table1),
    "table2": Exhibit("statistics of the data set", lambda plan: [], _table2),
    "table3": Exhibit("accuracy of all models", _table3_cells, _table3),
    "table4": Exhibit("the parts of DualGNN", _table4_cells, _table4),
}
"""The paper's tables by the name that ``reelmix study`` takes."""

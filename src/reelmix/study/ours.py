"""Reelmix beside the others, what each of its parts is worth, and what it loses with a modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reelmix.study.cells import Cell
from reelmix.study.paired import paired_tests
from reelmix.study.paper_tables import mark_best, seeds_note
from reelmix.study.plan import (
    EVERY_NAME,
    Exhibit,
    Found,
    Plan,
    compared,
    decrease,
    estimate,
    written,
)
from reelmix.study.report import Section
from reelmix.study.table import Column, Row, Table

METRICS = ("recall@1", "recall@5", "recall@10", "recall@20", "ndcg@5", "ndcg@10", "ndcg@20")
TESTED = ("recall@1", "recall@5", "ndcg@5", "recall@10", "ndcg@10", "recall@20", "ndcg@20")

OTHERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "GF-CF": ("gfcf", {}),
    "LightGCN": ("lightgcn", {}),
    "LightGCN, softmax": ("lightgcn", {"loss": "softmax"}),
    "LightGCN, BPR": ("lightgcn", {"loss": "bpr"}),
    "DualGNN": ("dualgnn", {}),
    "VBPR": ("vbpr", {}),
    "MMGCN": ("mmgcn", {}),
    "STAR-GCN": ("star_gcn", {}),
    "LR-GCCF": ("lr_gccf", {}),
}
"""What Reelmix is held against, by the name in the table: model and changed settings."""

PARTS: Mapping[str, Mapping[str, Any]] = {
    "leaving interactions out": {"leave_out": False},
    "lookalikes": {"lookalikes": 0},
    "the user graph": {"emphasis_from": "history"},
    "emphasis": {"emphasis_from": "none"},
    "content in layer 0": {"content": "none"},
    "the bias of items": {"bias": False},
    "learning the temperature": {"learn_temperature": False},
    "dropout": {"dropout": 0.0},
    "averaged weights": {"averaging": 0.0},
    "the regression": {"regression": 0.0},
    "the choice of a stronger one": {"choose_regression": False},
}
"""What is taken away from Reelmix, one at a time; averaging is the training loop's."""

LOSING = ("reelmix", "dualgnn")
LOST = ("recall@10", "ndcg@10", "recall@20", "ndcg@20")
"""As deep as the paper's lists go, and twice as deep."""


def _others(plan: Plan) -> dict[str, list[Cell]]:
    """The cells of each; a loss that the search chose already is not listed twice."""
    kept: dict[str, list[Cell]] = {}
    for name, (model, changes) in OTHERS.items():
        cells = plan.cells(model, **changes)
        if cells not in kept.values():
            kept[name] = cells
    return kept


def _comparison(plan: Plan, found: Found) -> Section:
    outcomes = {name: found(cells) for name, cells in _others(plan).items()}
    outcomes["Reelmix"] = found(plan.cells("reelmix"))
    rows = [
        Row(
            (
                name,
                *(estimate(ours, metric) for metric in METRICS),
                round(estimate(ours, "coverage@20").mean * plan.split.dataset.n_items),
            )
        )
        for name, ours in outcomes.items()
    ]
    titles = [written(metric) for metric in METRICS]
    table = Table(
        "reelmix",
        "Reelmix beside the others",
        (
            Column("Model"),
            *(Column(title, 4, "number") for title in titles),
            Column("Items in lists of 20", 0, "number"),
        ),
        tuple(rows),
        (
            *_notes(plan),
            "A row with a loss in its name has the settings of the row above it, but for the loss.",
        ),
    )
    text = tuple(
        compared(f"Reelmix before {name}", outcomes["Reelmix"], outcomes[name], "recall@20")
        for name in ("LightGCN", "DualGNN")
    )
    tests = paired_tests(
        "reelmix_tests",
        "Reelmix against each of them, user by user",
        "Reelmix",
        outcomes.pop("Reelmix"),
        outcomes,
        TESTED,
    )
    return Section("reelmix", "Reelmix beside the others", text, (mark_best(table, titles), tests))


def _notes(plan: Plan) -> tuple[str, ...]:
    """What the numbers are over, and where all settings come from: the paper's note leaves Reelmix out."""
    note = seeds_note(plan)
    return (note,) if plan.chosen["reelmix"].tuned else (note, "Reelmix: as in reelmix train, no search.")


def _without(plan: Plan) -> dict[str, list[Cell]]:
    """Reelmix, and Reelmix without each of its parts."""
    found = {"nothing": plan.cells("reelmix")}
    for part, changes in PARTS.items():
        training = {key: value for key, value in changes.items() if key == "averaging"}
        own = {key: value for key, value in changes.items() if key not in training}
        cells = [
            replace(cell, training=cell.training.model_copy(update=training))
            for cell in plan.cells("reelmix", **own)
        ]
        if cells != found["nothing"]:  # else there is no such part here
            found[part] = cells
    return found


def _ablation(plan: Plan, found: Found) -> Section:
    plan = plan.sweep()
    outcomes = {part: found(cells) for part, cells in _without(plan).items()}
    whole = outcomes["nothing"]
    shown = ("recall@20", "ndcg@20")
    rows = []
    for part, ours in outcomes.items():
        cells: list[Any] = [part, estimate(ours, "recall@20", stage="validation")]
        for stage in ("validation", "test"):
            if stage == "test":
                cells += [estimate(ours, metric) for metric in shown]
            cells += [
                None if ours is whole else decrease(whole, ours, metric=metric, stage=stage)
                for metric in shown
            ]
        rows.append(Row(tuple(cells)))
    lost = {
        stage: [Column(f"{written(metric)} lost, %, {stage}", 1, "number") for metric in shown]
        for stage in ("validation", "test")
    }
    table = Table(
        "ablation",
        "Reelmix without each of its parts",
        (
            Column("Without"),
            Column("Recall@20, validation", 4, "number"),
            *lost["validation"],
            *(Column(f"{written(metric)}, test", 4, "number") for metric in shown),
            *lost["test"],
        ),
        tuple(rows),
        (*_notes(plan), "What is lost is taken seed by seed; below zero, it ranks better without."),
    )
    return Section("ablation", "What each part is worth", (), (table,))


def _losing(plan: Plan) -> dict[tuple[str, str], tuple[list[Cell], list[Cell]]]:
    return {
        (name, protocol): (
            plan.cells(name),
            plan.cells(name, protocol=protocol, ratio=1.0),
        )
        for name in LOSING
        for protocol in ("edges", "features")
    }


def _missing(plan: Plan, found: Found) -> Section:
    plan = plan.sweep()
    rows = []
    for (name, protocol), (all_there, lost) in _losing(plan).items():
        whole, less = found(all_there), found(lost)
        shares = (decrease(whole, less, metric=metric) for metric in LOST)
        rows.append(Row((EVERY_NAME[name], protocol, estimate(less, "recall@20"), *shares)))
    table = Table(
        "lost",
        "What is lost when every item lacks one modality",
        (
            Column("Model"),
            Column("Protocol"),
            Column("Recall@20 then", 4, "number"),
            *(Column(f"Lost of {written(metric)}, %", 2, "number") for metric in LOST),
        ),
        tuple(rows),
        (
            *_notes(plan),
            "edges: an item keeps its content at layer 0, and leaves the modality's graph, as in the paper, "
            "whose DualGNN loses 4.12 % on TikTok. features: its content is gone too.",
        ),
    )
    return Section("lost", "Every item without one of its modalities", (), (table,))


OURS: dict[str, Exhibit] = {
    "reelmix": Exhibit(
        "Reelmix beside the others",
        lambda plan: [cell for cells in (*_others(plan).values(), plan.cells("reelmix")) for cell in cells],
        _comparison,
    ),
    "ablation": Exhibit(
        "Reelmix without each of its parts",
        lambda plan: [cell for cells in _without(plan.sweep()).values() for cell in cells],
        _ablation,
    ),
    "lost": Exhibit(
        "every item without one of its modalities",
        lambda plan: [cell for pair in _losing(plan.sweep()).values() for cells in pair for cell in cells],
        _missing,
    ),
}
"""What is measured of Reelmix, by the name that ``reelmix study`` takes."""

"""A control that the paper lacks: do models rank as well with the content of other items?"""

from __future__ import annotations

from typing import Any

from reelmix.study.cells import Cell
from reelmix.study.paper_tables import VARIANTS, seeds_note
from reelmix.study.plan import Exhibit, Found, Plan, compared, estimate, per_user
from reelmix.study.report import Section
from reelmix.study.statistics import paired_bootstrap
from reelmix.study.table import Column, Row, Table

_CONTROLLED: dict[str, tuple[str, dict[str, Any]]] = {
    "VBPR": ("vbpr", {}),
    "MMGCN": ("mmgcn", {}),
    "Dual-U": ("dualgnn", VARIANTS["Dual-U"]),
    "DualGNN": ("dualgnn", {}),
}


def _pairs(plan: Plan) -> dict[str, tuple[list[Cell], list[Cell]]]:
    """Each model with the items' own content, and with that of other items."""
    return {
        name: (plan.cells(model, **changes), plan.cells(model, protocol="shuffle", ratio=1.0, **changes))
        for name, (model, changes) in _CONTROLLED.items()
    }


def _control(plan: Plan, found: Found) -> Section:
    plan = plan.sweep()
    rows: list[Row] = []
    text: list[str] = []
    for name, (own, others) in _pairs(plan).items():
        first, second = found(own), found(others)
        interval = paired_bootstrap(per_user(first, "recall@10"), per_user(second, "recall@10"), rng=0)
        rows.append(
            Row(
                (
                    name,
                    estimate(first, "recall@10"),
                    estimate(second, "recall@10"),
                    interval.difference,
                    interval.low,
                    interval.high,
                )
            )
        )
        text.append(compared(f"The content of its own items helps {name}", first, second, "recall@10"))
    table = Table(
        "control",
        "Control. Recall@10 with the items' own content, and with that of other items",
        (
            Column("Model"),
            Column("Own content", 4, "number"),
            Column("Content of others", 4, "number"),
            Column("Difference", 4, "number"),
            Column("95 % from", 4, "number"),
            Column("to", 4, "number"),
        ),
        tuple(rows),
        (
            "Not in the paper. In the second column the items that have a modality exchanged their content "
            "at random before training: a model that ranks as well with it does not rank by content.",
            seeds_note(plan),
        ),
    )
    return Section("control", "Control: does content matter?", tuple(text), (table,))


CONTROL = Exhibit(
    "content exchanged between items",
    lambda plan: [cell for pair in _pairs(plan.sweep()).values() for cells in pair for cell in cells],
    _control,
)

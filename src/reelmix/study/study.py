"""A study of a data set: the cells of its exhibits are measured, tables and figures drawn, a report made."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from reelmix.data.describe import describe
from reelmix.errors import ConfigError, nearest
from reelmix.extras import optional
from reelmix.models import MODELS
from reelmix.study.cells import Cell, Measuring, Outcome
from reelmix.study.cold_tables import COLD_TABLES
from reelmix.study.control import CONTROL
from reelmix.study.markdown import to_markdown
from reelmix.study.ours import OURS
from reelmix.study.paper_figures import ACCURACY_FIGURES
from reelmix.study.paper_tables import TABLES
from reelmix.study.paper_vectors import VECTOR_FIGURES
from reelmix.study.plan import NAMES, Exhibit, Plan
from reelmix.study.report import Report, Section, write_report
from reelmix.study.robustness import ROBUSTNESS
from reelmix.study.table import Column, Row, Table

_FIGURES = ACCURACY_FIGURES | VECTOR_FIGURES
EXHIBITS: dict[str, Exhibit] = {
    **TABLES,
    **{name: _FIGURES[name] for name in sorted(_FIGURES)},
    "control": CONTROL,
}
"""The paper's tables and figures by name, and the control; together they are ``reelmix study all``."""

BEYOND: dict[str, Exhibit] = {**ROBUSTNESS, **COLD_TABLES}
"""What the paper leaves out, by name; together they are ``reelmix study robustness``."""

WHOLE = {
    "all": (
        "The DualGNN study",
        "The tables and figures of the DualGNN paper (Wang et al., IEEE TMM 2023), measured again",
    ),
    "robustness": (
        "Missing modalities, new items, new users",
        "What is kept when items lack modalities, and for items and users that training has not seen",
    ),
}
"""What makes a report: its title, and what its first sentence says was done."""


def require_packages() -> None:
    """Misses a package before hours of training, not after.

    Raises:
        ConfigError: one that tables, figures and reports need is not installed.
    """
    for package in ("matplotlib", "sklearn", "jinja2"):
        optional(package)


def exhibits(name: str) -> dict[str, Exhibit]:
    """The exhibit of this name, or all of them.

    Raises:
        ConfigError: there is none of that name.
    """
    if name == "all":
        return EXHIBITS
    if name == "robustness":
        return BEYOND
    every = EXHIBITS | BEYOND | OURS
    if name not in every:
        raise ConfigError(
            expected="a table or figure",
            found=repr(name),
            where="name",
            fix=nearest(name, [*every, *WHOLE]),
        )
    return {name: every[name]}


def cells_of(chosen: Mapping[str, Exhibit], plan: Plan) -> list[Cell]:
    """All that has to be measured for these exhibits."""
    return [cell for exhibit in chosen.values() for cell in exhibit.cells(plan)]


def sections_of(
    chosen: Mapping[str, Exhibit], plan: Plan, measuring: Measuring, outcomes: Mapping[str, Outcome]
) -> tuple[Section, ...]:
    """What the exhibits show, once their cells are measured."""
    identity = measuring.identity()

    def found(cells: Iterable[Cell]) -> list[Outcome]:
        return [outcomes[cell.key(identity)] for cell in cells]

    return tuple(exhibit.section(plan, found) for exhibit in chosen.values())


def write_study(
    sections: Sequence[Section],
    plan: Plan,
    outcomes: Mapping[str, Outcome],
    out: Path,
    *,
    name: str,
    command: str,
) -> Path:
    """Writes every table (CSV, Markdown, LaTeX) and figure (SVG, PNG, JSON) into ``out``.

    Args:
        sections: what to write.
        plan: what they were measured by.
        outcomes: of the cells behind them.
        out: the folder.
        name: what was asked for; for one of ``WHOLE`` also make the report, as one page (report.html) and as
            Markdown with its pictures (index.md).
        command: what made it.

    Returns:
        The report, or the folder.
    """
    for section in sections:
        for exhibit in (*section.tables, *section.figures):
            exhibit.write(out)
    if name not in WHOLE:
        return out
    report = _report(sections, plan, outcomes, name, command)
    to_markdown(report, out / "index.md")
    return write_report(report, out / "report.html")


def _report(
    sections: Sequence[Section], plan: Plan, outcomes: Mapping[str, Outcome], name: str, command: str
) -> Report:
    dataset = plan.split.dataset
    own = describe(dataset)
    title, done = WHOLE[name]
    lead = (
        f"{done} on {own.name}: {own.users:,} users, {own.items:,} items, {own.interactions:,} interactions, "
        f"{', '.join(dataset.modalities)}. Every model with the same data, sampler, training loop and "
        "evaluator; "
        "settings and epochs are chosen on validation, and the test part is ranked once."
    )
    split = plan.split
    packages = ("reelmix", "torch", "numpy", "scipy")
    hours = sum(outcome.seconds for outcome in outcomes.values()) / 3600
    facts = [
        ("Data set", own.name + (" (simulated)" if own.simulated else "")),
        ("Where it comes from", own.provenance or "unknown"),
        ("Content hash", dataset.content_hash),
        ("Split", f"{split.method}: {len(split.train):,} / {len(split.validation):,} / {len(split.test):,}"),
        ("Seeds", ", ".join(str(seed) for seed in plan.seeds)),
        ("Trained and measured", f"{len(outcomes)} cells, {hours:.1f} hours one after the other"),
        ("Machine", f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"),
        ("Versions", ", ".join(f"{name} {version(name)}" for name in packages)),
        ("Python", platform.python_version()),
        ("Command", command),
        ("Written", datetime.now(UTC).isoformat(timespec="minutes")),
    ]
    return Report(f"{title} on {own.name}", lead, tuple(facts), (*sections, _chosen(plan)))


def _chosen(plan: Plan) -> Section:
    """The settings of every model."""
    rows = [
        Row((NAMES[name], _settings(plan, name), "search" if plan.chosen[name].tuned else "defaults"))
        for name in NAMES
    ]
    columns = (Column("Model"), Column("Settings that are not the defaults"), Column("From"))
    table = Table("settings", "The settings of every model", columns, tuple(rows))
    return Section("settings", "Settings", (), (table,))


def _settings(plan: Plan, name: str) -> str:
    chosen = plan.chosen[name]
    shown = {"learning_rate": chosen.training.learning_rate} if name in MODELS else {}
    words = (
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in {**shown, **chosen.settings}.items()
    )
    return ", ".join(words) or "none"

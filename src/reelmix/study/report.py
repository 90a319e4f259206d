"""A report of tables and figures as one page that needs nothing beside it: no network, no script."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from reelmix.errors import ConfigError
from reelmix.extras import optional
from reelmix.files import write_atomic
from reelmix.study.drawing import draw
from reelmix.study.figure import Figure
from reelmix.study.table import Table


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        anchor: what follows ``#`` in a link to it: letters, digits, ``_`` and ``-``.
        title: its heading.
        text: plain paragraphs; an address that starts with http:// or https:// becomes a link.
        tables, figures: what follows the text, in this order.
    """

    anchor: str
    title: str
    text: tuple[str, ...] | list[str] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Report:
    """What was measured, on what, and how.

    Attributes:
        title: one line.
        lead: a paragraph that says what was found.
        facts: pairs of a name and what it is: the dataset, versions, seeds, machine, time.
        sections: the parts, in order.

    Raises:
        ConfigError: an anchor is not of its form, or two sections, tables or figures have one name.
    """

    title: str
    lead: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]

    def __post_init__(self) -> None:
        names = ["content", "contents", "contents-title"]  # the page's own
        for section in self.sections:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", section.anchor):
                raise ConfigError(
                    expected="letters, digits, _ and - (first a letter)",
                    found=repr(section.anchor),
                    where="anchor of a section",
                    fix="Put other words into its title.",
                )
            names.append(section.anchor)
            names += [f"table-{table.name}" for table in section.tables]
            names += [f"figure-{figure.name}" for figure in section.figures]
        name, times = Counter(names).most_common(1)[0]
        if times > 1:
            raise ConfigError(
                expected="sections, tables and figures of different names",
                found=f"{times} called {name!r}",
                where=f"report {self.title!r}",
                fix="Rename one, or show it once.",
            )


def write_report(report: Report, path: str | Path) -> Path:
    """Writes the report as one HTML page, whole or not at all, and gives its path.

    The page holds each figure as SVG and each table, with their numbers as JSON and CSV to unfold. It reads
    on a telephone, in the dark and on paper.

    Raises:
        ConfigError: jinja2 or matplotlib is not installed.
        StorageError: the file cannot be written, or the disk is full.
    """
    jinja2 = optional("jinja2")
    page = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    page.filters |= {"linked": _linked, "drawn": _drawn, "table": _table}
    template = files("reelmix.study").joinpath("report.html").read_text(encoding="utf-8")
    write_atomic(Path(path), page.from_string(template).render(report=report))
    return Path(path)


def _drawn(figure: Figure) -> Any:
    """Our own SVG, which escapes its texts."""
    return _safe(draw(figure)[0].decode())


def _table(table: Table) -> Any:
    """Our own table, which escapes its texts; the page sets the notes below, where they need no scrolling."""
    return _safe(replace(table, notes=()).to_html())


def _linked(text: str) -> Any:
    """The text, its addresses as links; everything in it is escaped."""
    parts = re.split(r"(https?://[^\s<>\"]*[^\s<>\".,;:!?)\]'])", text)
    link = _safe('<a href="{0}">{0}</a>')
    return _safe("").join(link.format(part) if place % 2 else part for place, part in enumerate(parts))


def _safe(html: str) -> Any:
    return optional("markupsafe").Markup(html)

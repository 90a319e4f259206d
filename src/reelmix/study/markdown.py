"""A report as Markdown, with its pictures beside it: for a documentation site or a repository."""

from __future__ import annotations

from pathlib import Path

from reelmix.files import write_atomic
from reelmix.study.report import Report


def to_markdown(report: Report, path: Path) -> Path:
    """Writes the report; its figures are linked as the SVG files that stand in the same folder.

    Raises:
        StorageError: the file cannot be written, or the disk is full.
    """
    parts = [f"# {report.title}", report.lead]
    for section in report.sections:
        parts += [f"## {section.title}", *section.text]
        parts += [table.to_markdown().strip().replace("## ", "### ", 1) for table in section.tables]
        for figure in section.figures:
            parts += [f"### {figure.title}", f"![{figure.title}]({figure.name}.svg)", figure.caption]
    parts += ["## How it was measured", "\n".join(f"- **{name}**: {value}" for name, value in report.facts)]
    write_atomic(path, "\n\n".join(parts) + "\n")
    return path

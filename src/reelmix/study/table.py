"""A table of texts and numbers, and the forms that a reader, a paper, a page and a program want it in."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Literal

from reelmix.errors import ConfigError, DataError, nearest
from reelmix.files import write_atomic
from reelmix.study.statistics import Estimate

Cell = str | int | float | Estimate | None
"""What stands in a table; None is what was not measured, and is shown as an en dash."""

MISSING = "–"


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: its heading, and its name in the CSV file.
        digits: after the decimal point of its numbers, where they are shown; whole numbers have none.
        kind: a "number" column holds no texts, and is aligned right.
    """

    title: str
    digits: int = 4
    kind: Literal["text", "number"] = "text"


@dataclass(frozen=True)
class Row:
    """A row.

    Attributes:
        cells: one a column.
        bold: places of the cells that are emphasised, from 0.
        digits: in place of those of the columns, for a row in another unit (a gain in percent).
    """

    cells: tuple[Cell, ...]
    bold: frozenset[int] = frozenset()
    digits: int | None = None


@dataclass(frozen=True)
class Table:
    """A table. Line breaks within its texts are shown as spaces, except in CSV and HTML, which keep them.

    Attributes:
        name: of its files and its LaTeX label: letters, digits, ``_`` and ``-``.
        title: what it shows, as a sentence or a phrase.
        columns: from left to right, at least one, no two of one title.
        rows: from top to bottom.
        notes: sentences that stand below it.

    Raises:
        ConfigError: the name is not of that form, or two columns of the CSV file would have one name.
        DataError: a row has too many or too few cells, an emphasised cell that does not exist, a text in a
            number column, or a number that is not finite.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", self.name):
            raise ConfigError(
                expected="letters, digits, _ and - (first a letter or digit)",
                found=repr(self.name),
                where="name of the table",
                fix="Put other words into its title.",
            )
        for number, row in enumerate(self.rows):
            self._check(row, f"table {self.name!r}, row {number}")
        for title, times in Counter(name for name, _ in self._fields()).items():
            if times > 1:
                raise ConfigError(
                    expected="columns of different names",
                    found=f"{times} called {title!r}",
                    where=f"table {self.name!r}",
                    fix="Rename one; an estimate also takes its title with ' spread' after it.",
                )

    def _check(self, row: Row, where: str) -> None:
        width = len(self.columns)
        if len(row.cells) != width:
            raise DataError(
                expected=f"{width} cells, one a column",
                found=str(len(row.cells)),
                where=where,
                fix="Write None where nothing was measured.",
            )
        if not row.bold <= set(range(width)):
            raise DataError(
                expected=f"emphasised cells between 0 and {width - 1}",
                found=str(sorted(row.bold)),
                where=where,
            )
        for column, cell in zip(self.columns, row.cells, strict=True):
            place = f"{where}, column {column.title!r}"
            if column.kind == "number" and isinstance(cell, str):
                raise DataError(
                    expected="a number or None",
                    found=repr(cell),
                    where=place,
                    fix='Write None, or make it a column of kind "text".',
                )
            for number in (cell.mean, cell.spread or 0.0) if isinstance(cell, Estimate) else (cell,):
                if isinstance(number, float) and not math.isfinite(number):
                    raise DataError(
                        expected="a finite number or None",
                        found=str(number),
                        where=place,
                        fix="Write None where there is no value.",
                    )

    def texts(self) -> tuple[list[str], list[list[str]]]:
        """The headings, and the cells of each row, as a reader sees them: ``0.0825 ± 0.0031``."""
        rows = [
            [
                _shown(cell, column.digits if row.digits is None else row.digits)
                for column, cell in zip(self.columns, row.cells, strict=True)
            ]
            for row in self.rows
        ]
        return [column.title for column in self.columns], rows

    def to_csv(self) -> str:
        """Comma-separated values: numbers in full, so that they read back bit for bit; missing is empty.

        A column with an estimate becomes two: its title (the mean), and its title with " spread" after it.
        """
        fields = self._fields()
        lines = [",".join(_csv(name) for name, _ in fields)]
        lines += [",".join(_csv(cell) for _, cell in self._fields(row)) for row in self.rows]
        return "".join(f"{line}\n" for line in lines)

    def _fields(self, row: Row | None = None) -> list[tuple[str, str | float | None]]:
        """Name and value of each field of a CSV line."""
        fields: list[tuple[str, str | float | None]] = []
        for place, column in enumerate(self.columns):
            cell = row.cells[place] if row else None
            mean, spread = (cell.mean, cell.spread) if isinstance(cell, Estimate) else (cell, None)
            fields.append((column.title, mean))
            if any(isinstance(each.cells[place], Estimate) for each in self.rows):
                fields.append((f"{column.title} spread", spread))
        return fields

    def to_markdown(self) -> str:
        """A heading, a pipe table as GitHub reads it, and the notes as a list."""
        header, rows = self.texts()
        drawn = [[_markdown(text) for text in header]]
        for row, texts in zip(self.rows, rows, strict=True):
            cells = [_markdown(text) for text in texts]
            drawn.append([_wrap(cell, "**", place in row.bold, "**") for place, cell in enumerate(cells)])
        widths = [max(3, *(len(cell) for cell in column)) for column in zip(*drawn, strict=True)]
        numeric = [column.kind == "number" for column in self.columns]
        rule = [
            f"{'-' * (width - 1)}:" if right else f":{'-' * (width - 1)}"
            for width, right in zip(widths, numeric, strict=True)
        ]
        lines = [
            " | ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(cells, widths, numeric, strict=True)
            )
            for cells in (drawn[0], rule, *drawn[1:])
        ]
        body = "".join(f"| {line} |\n" for line in lines)
        notes = "".join("- " + _LIST_MARK.sub(r"\1\\", _markdown(note)) + "\n" for note in self.notes)
        return f"## {_markdown(self.title)}\n\n{body}" + (f"\n{notes}" if notes else "")

    def to_latex(self) -> str:
        """A ``table`` environment with caption and label, for the package booktabs."""
        header, rows = self.texts()
        lines = [" & ".join(_latex(text) for text in header) + r" \\", r"\midrule"]
        for row, texts in zip(self.rows, rows, strict=True):
            cells: list[str] = []
            for place, (cell, text) in enumerate(zip(row.cells, texts, strict=True)):
                minus = not isinstance(cell, str) and text.startswith("-")  # else it would print as a hyphen
                drawn = f"$-${_latex(text[1:])}" if minus else _latex(text)
                cells.append(_wrap(drawn, r"\textbf{", place in row.bold, "}"))
            lines.append(" & ".join(cells) + r" \\")
        body = "".join(f"    {line}\n" for line in lines)
        alignment = "".join("r" if column.kind == "number" else "l" for column in self.columns)
        notes = "".join(f"\n  {{\\footnotesize {_latex(note)}\\par}}" for note in self.notes)
        return (
            "% needs \\usepackage{booktabs}\n\\begin{table}\n  \\centering\n"
            f"  \\caption{{{_latex(self.title)}}}\n  \\label{{tab:{self.name}}}\n"
            f"  \\begin{{tabular}}{{{alignment}}}\n    \\toprule\n{body}    \\bottomrule\n"
            "  \\end{tabular}\n" + (f"\n  \\smallskip{notes}\n" if notes else "") + "\\end{table}\n"
        )

    def to_html(self) -> str:
        """A ``table`` element without styles: numbers have the class "number", notes are its foot."""
        header, rows = self.texts()
        marks = ['class="number"' if column.kind == "number" else "" for column in self.columns]
        head = "".join(
            _element("th", f'scope="col" {mark}', title) for mark, title in zip(marks, header, strict=True)
        )
        lines: list[str] = []
        for row, texts in zip(self.rows, rows, strict=True):
            cells = ""
            for place, (mark, text) in enumerate(zip(marks, texts, strict=True)):
                names_row = not place and not mark
                cells += _element(
                    "th" if names_row else "td", 'scope="row"' if names_row else mark, text, place in row.bold
                )
            lines.append(f"<tr>{cells}</tr>\n")
        span = f'colspan="{len(self.columns)}"'
        notes = [f"<tr>{_element('td', span, note)}</tr>\n" for note in self.notes]
        foot = f"<tfoot>\n{''.join(notes)}</tfoot>\n" if notes else ""
        caption = _element("caption", "", self.title)
        body = f"<tbody>\n{''.join(lines)}</tbody>\n"
        return f"<table>\n{caption}\n<thead>\n<tr>{head}</tr>\n</thead>\n{body}{foot}</table>\n"

    def write(self, folder: Path) -> tuple[Path, Path, Path]:
        """Writes NAME.csv, NAME.md and NAME.tex into ``folder``, each whole or not at all; gives their paths.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        paths = (folder / f"{self.name}.csv", folder / f"{self.name}.md", folder / f"{self.name}.tex")
        for path, text in zip(paths, (self.to_csv(), self.to_markdown(), self.to_latex()), strict=True):
            write_atomic(path, text)
        return paths


def mark_best(
    table: Table, columns: Iterable[str], larger: bool = True, *, among: Collection[int] | None = None
) -> Table:
    """The table with the best cell of each of these columns emphasised, and no other cell of them.

    Means that read the same are equally good: nobody should wonder which of two 0.1318 is the better.

    Args:
        table: stays as it is.
        columns: titles of number columns.
        larger: whether the largest number is best, or the smallest.
        among: the rows that compete, from 0; all if absent. Keep a row of gains or of published numbers out.

    Raises:
        ConfigError: there is no number column of that title.
    """
    numeric = {column.title: place for place, column in enumerate(table.columns) if column.kind == "number"}
    bold = [set(row.bold) for row in table.rows]
    for title in columns:
        if title not in numeric:
            raise ConfigError(
                expected="the title of a number column",
                found=repr(title),
                where=f"table {table.name!r}",
                fix=nearest(title, numeric),
            )
        place = numeric[title]
        digits = table.columns[place].digits
        values = {
            number: float(value)
            for number, row in enumerate(table.rows)
            if (among is None or number in among) and (value := _value(row.cells[place])) is not None
        }
        best = _shown((max if larger else min)(values.values()), digits) if values else ""
        for number, marks in enumerate(bold):
            marks.discard(place)
            if number in values and _shown(values[number], digits) == best:
                marks.add(place)
    rows = zip(table.rows, bold, strict=True)
    return replace(table, rows=tuple(replace(row, bold=frozenset(marks)) for row, marks in rows))


def _value(cell: Cell) -> float | None:
    """The number by which a cell of a number column is compared."""
    if isinstance(cell, Estimate):
        return cell.mean
    return None if cell is None or isinstance(cell, str) else cell


def _shown(cell: Cell, digits: int) -> str:
    if cell is None:
        return MISSING
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Estimate):
        mean = _shown(float(cell.mean), digits)
        return mean if cell.spread is None else f"{mean} ± {_shown(float(cell.spread), digits)}"
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:z.{digits}f}"  # z: no minus before 0.0000


def _csv(value: str | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):  # in quotes if empty too, which tells it from what is missing
        return value if re.fullmatch(r'[^",\r\n]+', value) else '"{}"'.format(value.replace('"', '""'))
    return str(value) if isinstance(value, int) else repr(float(value))


def _wrap(text: str, before: str, wrapped: bool, after: str) -> str:
    return f"{before}{text}{after}" if wrapped and text else text


_MARKDOWN = re.compile(r"[\\`*\[\]<>|~$&#]|_(?![^\W_])")  # before a letter, an underscore closes no emphasis
_LIST_MARK = re.compile(r"^(\d{1,9}(?=[.)](?:\s|$))|(?=[-+]))")


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", _one_line(text))


# Brackets and stars are harmless except after a line's end or a rule, where they would be its argument.
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#",
        "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
        ">": r"\textgreater{}", "|": r"\textbar{}", "[": "{[}", "]": "{]}", "*": "{*}", "±": r"$\pm$",
        "–": "--",
    }
)  # fmt: skip


def _latex(text: str) -> str:
    return _one_line(text).translate(_LATEX)


def _element(tag: str, attributes: str, text: str, strong: bool = False) -> str:
    opening = f"{tag} {attributes}".strip()
    return f"<{opening}>{_wrap(escape(text), '<strong>', strong, '</strong>')}</{tag}>"


def _one_line(text: str) -> str:
    return " ".join(text.split())

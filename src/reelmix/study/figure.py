"""Figures and the numbers that they are drawn from, kept beside them: equal numbers give equal pictures."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from reelmix.errors import ConfigError, DataError
from reelmix.files import damaged, require_file, write_atomic

FIGURE_VERSION = 1


@dataclass(frozen=True)
class Series:
    """The numbers of one model or modality in a chart.

    Attributes:
        name: what the legend calls it.
        values: one number for each group of bars, or for each x of lines; None is a gap, in lines only.
        spread: how far whiskers or band reach to either side, in the unit of ``values``, such as a standard
            deviation over seeds; None where there is none.
    """

    name: str
    values: tuple[float | None, ...]
    spread: tuple[float | None, ...] | None = None


@dataclass(frozen=True)
class Bars:
    """Groups of bars with whiskers; the axis holds 0, and values may be negative.

    Attributes:
        groups: what stands under the bars, such as metrics or users.
        series: one bar in each group.
        y_label: the quantity and its unit.

    Raises:
        DataError: there is no bar, a number is missing or not finite, or a series has more or fewer than
            there are groups.
    """

    groups: tuple[str, ...]
    series: tuple[Series, ...]
    y_label: str

    def __post_init__(self) -> None:
        _check_any(self.series and self.groups, "bars")
        _check_series(self.series, self.groups, gaps=False)


@dataclass(frozen=True)
class Lines:
    """Lines with markers over a quantity, and how far each number spreads.

    Attributes:
        x: where the values lie, ascending; a fraction of 1 if ``percent_x``.
        x_label: the quantity and its unit.
        series: one line each; a value of None leaves a gap.
        y_label: the quantity and its unit.
        percent_x: shows x as per cent.
        bands: shows spread as a band along the line in place of whiskers, for lines that lie close together.

    Raises:
        DataError: there is no line, a number is not finite, x does not ascend, or a series has more or fewer
            values than x.
    """

    x: tuple[float, ...]
    x_label: str
    series: tuple[Series, ...]
    y_label: str
    percent_x: bool = False
    bands: bool = False

    def __post_init__(self) -> None:
        _check_any(self.series and self.x, "lines")
        _check_row(self.x, [f"place {n}" for n in range(1, len(self.x) + 1)], "x")
        if any(later <= earlier for earlier, later in zip(self.x, self.x[1:], strict=False)):
            raise DataError(
                expected="ascending numbers", found=str(list(self.x)), where="x", fix="Sort them."
            )
        _check_series(self.series, [f"{self.x_label} {number_text(x)}" for x in self.x], gaps=True)


@dataclass(frozen=True)
class ScatterPanel:
    """Users and their items in the plane.

    Attributes:
        title: what stands above the panel.
        note: what stands below it, such as ``silhouette 0.12``.
        x, y: where each point lies; the axes carry no unit.
        group: the user that each point is, or belongs to.
        is_user: whether the point is the user.

    Raises:
        DataError: there is no point, a number is not finite, or the columns differ in length.
    """

    title: str
    note: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    group: tuple[str, ...]
    is_user: tuple[bool, ...]

    def __post_init__(self) -> None:
        _check_any(self.group, f"panel {self.title!r}")
        places = [f"point {n}" for n in range(1, len(self.group) + 1)]
        _check_row(self.x, places, f"panel {self.title!r}: x")
        _check_row(self.y, places, f"panel {self.title!r}: y")
        _check_length(self.is_user, len(places), f"panel {self.title!r}: is_user")


@dataclass(frozen=True)
class Scatter:
    """Panels of users and their items, side by side; a user has one colour and shape in all of them.

    Raises:
        DataError: there is no panel.
    """

    panels: tuple[ScatterPanel, ...]

    def __post_init__(self) -> None:
        _check_any(self.panels, "scatter")


@dataclass(frozen=True)
class HeatPanel:
    """One vector a row, such as a user and the users that it shares items with.

    Attributes:
        title: what stands above the panel, on the left.
        note: what stands above it on the right.
        row_labels: what each row is.
        values: the vectors, all of the same size.

    Raises:
        DataError: there is no number, one is not finite, or the rows differ in length or in number from their
            labels.
    """

    title: str
    note: str
    row_labels: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        _check_any(self.values and self.values[0], f"panel {self.title!r}")
        _check_length(self.values, len(self.row_labels), f"panel {self.title!r}")
        columns = [f"dimension {n}" for n in range(1, len(self.values[0]) + 1)]
        for label, row in zip(self.row_labels, self.values, strict=True):
            _check_row(row, columns, f"panel {self.title!r}: row {label!r}")


@dataclass(frozen=True)
class HeatMaps:
    """Panels of vectors, one above the other, on one scale of colours about 0.

    The scale spans 99 of 100 numbers; what lies beyond has the colour of its ends.

    Raises:
        DataError: there is no panel.
    """

    panels: tuple[HeatPanel, ...]

    def __post_init__(self) -> None:
        _check_any(self.panels, "heat maps")


Chart = Bars | Lines | Scatter | HeatMaps
_KINDS: dict[str, type[Chart]] = {"bars": Bars, "lines": Lines, "scatter": Scatter, "heat_maps": HeatMaps}


@dataclass(frozen=True)
class Figure:
    """A chart and what is said about it.

    Attributes:
        name: the name of its files, of letters, digits, ``_`` and ``-``.
        title: one line.
        caption: what a reader needs to know to read it, and who cannot see it.
        chart: the numbers.

    Raises:
        ConfigError: ``name`` is no file name.
    """

    name: str
    title: str
    caption: str
    chart: Chart

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", self.name):
            raise ConfigError(
                expected="letters, digits, _ and - (first a letter or digit)",
                found=repr(self.name),
                where="the name of a figure",
                fix="It becomes the name of files.",
            )

    def to_json(self) -> str:
        """All that the drawing is made from, as JSON."""
        kind = next(kind for kind, type_ in _KINDS.items() if isinstance(self.chart, type_))
        content = {"figure_version": FIGURE_VERSION, "kind": kind, **asdict(self)}
        # One row of numbers a line: a line break inside of a text is escaped, so only JSON's own go.
        row = re.compile(r"\[\n\s+([^\[\]{}]*?)\n\s*\]")
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        return row.sub(lambda match: "[" + re.sub(r"\n\s+", " ", match[1]) + "]", text) + "\n"

    @classmethod
    def from_json(cls, text: str, *, where: str | Path = "figure") -> Figure:
        """The figure that :meth:`to_json` wrote.

        Raises:
            StorageError: the text is not such JSON, or of another version.
            DataError: a number is not finite, or a row too long or too short.
        """
        try:
            content = json.loads(text)
            if content["figure_version"] != FIGURE_VERSION:
                raise damaged("figure", f"version {content['figure_version']}", Path(where))
            chart = TypeAdapter(_KINDS[content["kind"]]).validate_python(content["chart"])
            return cls(content["name"], content["title"], content["caption"], chart)
        except (ValueError, KeyError, TypeError) as error:
            reason: object = error
            if isinstance(error, ValidationError):
                first = error.errors()[0]
                reason = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
            raise damaged("figure", reason, Path(where)) from None
        except DataError as error:
            raise DataError(
                expected=error.expected, found=error.found, where=f"{where}: {error.where}", fix=error.fix
            ) from None

    @classmethod
    def read(cls, path: str | Path) -> Figure:
        """The figure whose numbers lie in ``path``, to be drawn again.

        Raises:
            StorageError: the file is missing, damaged or of another version.
            DataError: a number in it is not finite, or a row too long or too short.
        """
        path = require_file(Path(path), "the numbers of a figure")
        try:
            return cls.from_json(path.read_text(encoding="utf-8"), where=path)
        except UnicodeDecodeError as error:
            raise damaged("figure", error, path) from None

    def write(self, folder: str | Path) -> Path:
        """Writes NAME.json, NAME.svg and NAME.png, each whole or not at all; returns the path of the first.

        Raises:
            ConfigError: matplotlib is not installed.
            StorageError: the folder cannot be written, or the disk is full.
        """
        from reelmix.study.drawing import draw

        svg, png = draw(self)
        path = Path(folder) / f"{self.name}.json"
        write_atomic(path, self.to_json())
        write_atomic(path.with_name(f"{self.name}.svg"), svg)
        write_atomic(path.with_name(f"{self.name}.png"), png)
        return path


def _check_any(content: Sequence[Any], where: str) -> None:
    if not content:
        raise DataError(expected="something to draw", found="nothing", where=where, fix="Leave it out.")


def _check_length(row: Sequence[Any], length: int, where: str) -> None:
    if len(row) != length:
        fix = "Each needs exactly one."
        raise DataError(expected=f"{length} entries", found=str(len(row)), where=where, fix=fix)


def _check_row(row: Sequence[float | None], places: Sequence[str], where: str, *, gaps: bool = False) -> None:
    _check_length(row, len(places), where)
    for value, place in zip(row, places, strict=True):
        if not (gaps if value is None else math.isfinite(value)):
            raise DataError(
                expected="a finite number",
                found=str(value),
                where=f"{where}, {place}",
                fix="Leave a gap (None) where nothing was measured."
                if gaps
                else "Leave it out of the figure.",
            )


def _check_series(series: Sequence[Series], places: Sequence[str], *, gaps: bool) -> None:
    for one in series:
        _check_row(one.values, places, f"series {one.name!r}", gaps=gaps)
        if one.spread is not None:
            where = f"spread of series {one.name!r}"
            _check_row(one.spread, places, where, gaps=True)
            if any(value is not None and value < 0 for value in one.spread):
                fix = "It reaches to both sides."
                raise DataError(expected="0 or more", found="a negative number", where=where, fix=fix)


def number_text(x: float) -> str:
    """A number as it stands on an axis."""
    return f"{x:g}"

"""Figures and the numbers that they are drawn from, kept beside them: equal numbers give equal pictures."""

from __future__ import annotations

import io
import json
import math
import re
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from pydantic import TypeAdapter, ValidationError

from reelmix.errors import ConfigError, DataError
from reelmix.files import damaged, require_file, write_atomic
from reelmix.study.extra import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

FIGURE_VERSION = 1


@dataclass(frozen=True)
class Series:
    """The numbers of one model or modality in a chart.

    Attributes:
        name: what the legend calls it.
        values: one number for each group of bars, or for each x of lines; None is a gap, in lines only.
        spread: how far the whiskers reach to either side, in the unit of ``values``, such as a standard
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
    """Lines with markers and whiskers over a quantity.

    Attributes:
        x: where the values lie, ascending; a fraction of 1 if ``percent_x``.
        x_label: the quantity and its unit.
        series: one line each; a value of None leaves a gap.
        y_label: the quantity and its unit.
        percent_x: shows x as per cent.

    Raises:
        DataError: there is no line, a number is not finite, x does not ascend, or a series has more or fewer
            values than x.
    """

    x: tuple[float, ...]
    x_label: str
    series: tuple[Series, ...]
    y_label: str
    percent_x: bool = False

    def __post_init__(self) -> None:
        _check_any(self.series and self.x, "lines")
        _check_row(self.x, [f"place {n}" for n in range(1, len(self.x) + 1)], "x")
        if any(later <= earlier for earlier, later in zip(self.x, self.x[1:], strict=False)):
            raise DataError(
                expected="ascending numbers", found=str(list(self.x)), where="x", fix="Sort them."
            )
        _check_series(self.series, [f"{self.x_label} {_number(x)}" for x in self.x], gaps=True)


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


def _number(x: float) -> str:
    return f"{x:g}"


# ------------------------------------------------------------------------------------------------ drawing

WIDTH = 4.5
"""Inches: 10 points become 8 in a printed column (3.5 in), and 10.5 pixels on a phone (340 px)."""
_DPI = 220
_INK = "#222222"
# Okabe and Ito's colours for all kinds of sight, ordered so that neighbours differ in greyscale too. Their
# yellow vanishes on white as a line; a grey stands in for it.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#000000", "#CC79A7", "#8C8C8C")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_SIZES = {"P": 7, "X": 7, "*": 9}  # points; the others, at 6, look as large
_DASHES = ("-", "--", "-.", ":", (0, (6, 2)), (0, (4, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2, 2, 2)))
# Of straight lines alone: a tile of dots or rings takes 100 kB of SVG.
_HATCHES = ("", "///", "\\\\\\", "xxx", "---", "|||", "+++", "//--")
# Blue below 0, grey about it, amber above; ever lighter from the least to the greatest, for greyscale.
_SIGNS = ("#03183f", "#1c5cab", "#868686", "#e5b03c", "#fcefb9")
_LOOK: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": _INK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "font.family": "DejaVu Sans",  # the one that comes with matplotlib: equal widths on all machines
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "font.size": 10,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.7,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "reelmix",
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
}


def draw(figure: Figure) -> tuple[bytes, bytes]:
    """The figure as SVG and as PNG (220 dots an inch), drawn from what its JSON says.

    Text stays text in the SVG; letters that the font DejaVu Sans lacks show as boxes in the PNG alone.
    The ids in the SVG start with the figure's name: several figures can share a page.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    matplotlib: Any = optional("matplotlib")
    chart = Figure.from_json(figure.to_json()).chart
    svg, png = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()  # whatever the user's own matplotlibrc says
        matplotlib.rcParams.update(_LOOK)
        match chart:
            case Bars():
                canvas = _draw_bars(chart)
            case Lines():
                canvas = _draw_lines(chart)
            case Scatter():
                canvas = _draw_scatter(chart)
            case HeatMaps():
                canvas = _draw_heat_maps(chart)
        canvas.savefig(svg, format="svg", metadata={"Date": None})
        canvas.savefig(png, format="png", dpi=_DPI, metadata={"Software": None})
    return _described(svg.getvalue(), figure), png.getvalue()


def _draw_bars(chart: Bars) -> Canvas:
    canvas, axes = _one_plot()
    centres, width = np.arange(len(chart.groups)), 0.82 / len(chart.series)
    handles: list[Any] = []
    for n, series in enumerate(chart.series):
        colour, *_, hatch = _style(n)
        handles.append(
            axes.bar(
                centres + (n - (len(chart.series) - 1) / 2) * width,
                _floats(series.values),
                width,
                yerr=None if series.spread is None else _floats(series.spread),
                color=_paler(colour),
                edgecolor=_INK,
                linewidth=0.7,
                hatch=hatch,
                error_kw={
                    "elinewidth": 1.0,
                    "capsize": min(3.0, 60 * width / len(centres)),
                    "ecolor": "black",
                },
            )
        )
    if axes.get_ylim()[0] < 0:
        axes.axhline(0, color=_INK, linewidth=0.8)
    axes.grid(axis="y")
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(_text(chart.y_label, 34))
    axes.set_xlim(-0.55, len(centres) - 0.45)
    _name_groups(canvas, axes, chart.groups)
    _add_legend(canvas, handles, [series.name for series in chart.series])
    return canvas


def _name_groups(canvas: Canvas, axes: Axes, groups: Sequence[str]) -> None:
    """Names under the bars: upright in two lines if that fits, else slanted, with more room below."""
    letter, room = 0.083, 3.7 / len(groups)  # inches: a letter of 9.5 points, and the place of a group
    upright = [_text(name, max(6, int(room / letter))) for name in groups]
    if all(
        max(len(line) for line in name.split("\n")) * letter < room and name.count("\n") < 2
        for name in upright
    ):
        axes.set_xticks(range(len(groups)), upright)
        return
    slanted = [_text(name, 26) for name in groups]
    axes.set_xticks(range(len(groups)), slanted, rotation=40, ha="right", rotation_mode="anchor")
    longest = max(len(line) for name in slanted for line in name.split("\n"))
    canvas.set_figheight(canvas.get_figheight() + 0.6 * letter * longest)


def _draw_lines(chart: Lines) -> Canvas:
    canvas, axes = _one_plot()
    x = np.array(chart.x) * (100 if chart.percent_x else 1)
    handles: list[Any] = []
    for n, series in enumerate(chart.series):
        colour, marker, dashes, _ = _style(n)
        handles.append(
            axes.errorbar(
                x,
                _floats(series.values),
                None if series.spread is None else _floats(series.spread),
                color=colour,
                marker=marker,
                markersize=_SIZES.get(marker, 6),
                markeredgecolor=_INK,
                markeredgewidth=0.6,
                linestyle=dashes,
                elinewidth=0.9,
                capsize=2.5,
            )
        )
    axes.grid(axis="y")
    axes.set_xlabel(_text(f"{chart.x_label} (%)" if chart.percent_x else chart.x_label, 44))
    axes.set_ylabel(_text(chart.y_label, 34))
    if len(x) <= 12:  # say where it was measured, as far as the numbers do not touch
        ticks = [x[0]]
        for place in x[1:]:
            if (place - ticks[-1]) / (x[-1] - x[0]) * 3.5 > 0.1 + 0.08 * len(_number(place)):
                ticks.append(place)
        axes.set_xticks(ticks, [_number(place) for place in ticks])
    _add_legend(canvas, handles, [series.name for series in chart.series])
    return canvas


def _draw_scatter(chart: Scatter) -> Canvas:
    columns = min(2, len(chart.panels))
    rows = math.ceil(len(chart.panels) / columns)
    canvas = _canvas(rows * (2.6 if columns == 2 else 3.6))
    users = list(dict.fromkeys(user for panel in chart.panels for user in panel.group))
    for place, panel in enumerate(chart.panels):
        axes = canvas.add_subplot(rows, columns, place + 1)
        x, y, own = np.array(panel.x), np.array(panel.y), np.array(panel.is_user)
        for n, user in enumerate(users):
            of_user = np.array([name == user for name in panel.group])
            colour, marker, *_ = _style(n)
            items, itself = of_user & ~own, of_user & own
            axes.scatter(
                x[items], y[items], s=16, c=colour, marker=marker, linewidths=0.3, edgecolors="white"
            )
            # above all items
            axes.scatter(
                x[itself],
                y[itself],
                s=110,
                c=colour,
                marker=marker,
                linewidths=1.6,
                edgecolors="black",
                zorder=3,
            )
        axes.set_title(_text(panel.title, 24))
        axes.set_xlabel(_text(panel.note, 26))
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set(visible=True, color="#999999")
        axes.margins(0.08)
        axes.set_aspect("equal", adjustable="datalim")  # distances mean the same in both directions
    handles = [_dot(*_style(n)[:2], 8) for n in range(len(users))]
    _add_legend(
        canvas, [*handles, _dot("white", "o", 10), _dot("#888888", "o", 5)], [*users, "a user", "an item"]
    )
    return canvas


def _dot(colour: str, marker: str, size: float) -> Any:
    line: Any = optional("matplotlib.lines")
    edge = "black" if size > 5 else "white"
    return line.Line2D(
        [], [], color=colour, marker=marker, markersize=size, markeredgecolor=edge, linestyle=""
    )


def _draw_heat_maps(chart: HeatMaps) -> Canvas:
    heights = [0.55 + 0.19 * len(panel.row_labels) for panel in chart.panels]
    canvas = _canvas(sum(heights) + 0.9)
    plots = canvas.subplots(len(heights), squeeze=False, height_ratios=heights)[:, 0]
    sizes = np.abs([value for panel in chart.panels for row in panel.values for value in row])
    bound = float(np.quantile(sizes, 0.99)) or float(sizes.max()) or 1.0  # else a few far ones leave all grey
    shades: Any = optional("matplotlib.colors").LinearSegmentedColormap.from_list("signs", _SIGNS)
    picture: Any = None
    for axes, panel in zip(plots, chart.panels, strict=True):
        values = np.array(panel.values)
        rows, columns = values.shape
        picture = axes.imshow(
            values,
            cmap=shades,
            vmin=-bound,
            vmax=bound,
            aspect="auto",
            interpolation="none",
            extent=(0.5, columns + 0.5, rows - 0.5, -0.5),
        )
        axes.set_title(_text(panel.title, 24), loc="left")
        axes.set_title(_text(panel.note, 26), loc="right")
        axes.set_yticks(range(rows), [_text(label, 18) for label in panel.row_labels])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    plots[-1].set_xlabel("dimension")
    beyond = "both" if sizes.max() > bound else "neither"
    bar = canvas.colorbar(
        picture, ax=plots, location="bottom", aspect=35, fraction=0.07, extend=beyond, label="value"
    )
    bar.locator = optional("matplotlib.ticker").MaxNLocator(6)
    return canvas


def _canvas(height: float) -> Canvas:
    """An empty figure of the one width, outside of matplotlib's global state; ``height`` in inches."""
    canvas = optional("matplotlib.figure").Figure(figsize=(WIDTH, height), layout="constrained")
    optional("matplotlib.backends.backend_agg").FigureCanvasAgg(canvas)
    return canvas


def _one_plot() -> tuple[Canvas, Axes]:
    canvas = _canvas(2.7)
    return canvas, canvas.add_subplot()


def _add_legend(canvas: Canvas, handles: list[Any], names: Sequence[str]) -> None:
    """A legend above the plot, in as few rows as fit; the figure grows by its height."""
    legend: Any = None
    for rows in range(1, len(names) + 1):
        legend = canvas.legend(
            handles,
            [f"{n}" for n in range(len(names))],
            loc="outside upper center",
            ncols=math.ceil(len(names) / rows),
            frameon=False,
            columnspacing=1.4,
            handlelength=2.6,
            handletextpad=0.5,
        )
        # set afterwards: matplotlib leaves out a name that starts with an underscore
        for entry, name in zip(legend.get_texts(), names, strict=True):
            entry.set_text(_text(name, 40))
        if legend.get_window_extent().width <= canvas.bbox.width or rows == len(names):
            break
        legend.remove()
    canvas.set_figheight(canvas.get_figheight() + legend.get_window_extent().height / canvas.dpi)


def _style(n: int) -> tuple[str, str, Any, str]:
    """Colour, marker, dashes and hatch of the n-th series: from the ninth on, old ones newly combined."""
    other = (n + n // 8) % 8
    return _COLOURS[n % 8], _MARKERS[other], _DASHES[other], _HATCHES[other]


def _paler(colour: str) -> tuple[float, ...]:
    """The colour with a third of white, on which a dark hatch stands out."""
    return tuple(1 - 0.68 * (1 - int(colour[place : place + 2], 16) / 255) for place in (1, 3, 5))


def _floats(values: Sequence[float | None]) -> np.ndarray:
    return np.array([math.nan if value is None else value for value in values])


def _text(text: str, width: int) -> str:
    """The text in lines of at most ``width`` letters, without the characters that XML forbids."""
    return textwrap.fill(re.sub(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]", " ", text), width)


_NAMESPACES = {
    "http://www.w3.org/2000/svg": "",
    "http://www.w3.org/1999/xlink": "xlink:",
    "http://www.w3.org/XML/1998/namespace": "xml:",
}


def _described(svg: bytes, figure: Figure) -> bytes:
    """The picture with its title and caption for those who cannot see it, and no ids but its own."""
    root = ElementTree.fromstring(svg)
    own = f"svg-{figure.name}-"
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', svg.decode()))
    for element in list(root.iter()):
        for child in [child for child in element if child.tag.endswith(("}metadata", "}style"))]:
            element.remove(child)  # the style would hold for all of a page
        element.tag = _qualified(element.tag)
        attributes = {_qualified(name): value for name, value in element.attrib.items()}
        element.attrib.clear()
        for name, value in attributes.items():
            if name == "id":
                if value in used:
                    element.set(name, own + value)
                continue
            if name == "xlink:href" and value.startswith("#"):
                value = f"#{own}{value[1:]}"
            value = value.replace("url(#", f"url(#{own}")
            # Verdana has the widths of DejaVu Sans, which telephones lack.
            element.set(name, value.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif"))
    for place, (tag, text) in enumerate((("title", figure.title), ("desc", figure.caption))):
        said = ElementTree.Element(tag, id=own + tag)
        said.text = _text(text, 10**9)
        root.insert(place, said)
    root.attrib.update(
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "xmlns:xlink": "http://www.w3.org/1999/xlink",
            "role": "img",
            "aria-labelledby": f"{own}title {own}desc",
            "style": "stroke-linejoin: round; stroke-linecap: butt",
        }
    )
    return ElementTree.tostring(root, encoding="unicode").encode() + b"\n"


def _qualified(name: str) -> str:
    space, _, local = name.removeprefix("{").rpartition("}")
    return _NAMESPACES.get(space, "") + local

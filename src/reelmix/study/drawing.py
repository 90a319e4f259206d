"""Charts drawn by matplotlib: readable on a phone, in a printed column, in greyscale, by the colour-blind."""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reelmix.extras import optional
from reelmix.study.figure import Bars, Figure, HeatMaps, Lines, Scatter, number_text
from reelmix.study.svg import described, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

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
    return described(svg.getvalue(), figure), png.getvalue()


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
        values = _floats(series.values)
        spread = None if series.spread is None else _floats(series.spread)
        if chart.bands and spread is not None:
            axes.fill_between(x, values - spread, values + spread, color=colour, alpha=0.13, linewidth=0)
        handles.append(
            axes.errorbar(
                x,
                values,
                None if chart.bands else spread,
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
            if (place - ticks[-1]) / (x[-1] - x[0]) * 3.5 > 0.1 + 0.08 * len(number_text(place)):
                ticks.append(place)
        axes.set_xticks(ticks, [number_text(place) for place in ticks])
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
    """The text in lines of at most ``width`` letters."""
    return textwrap.fill(printable(text), width)

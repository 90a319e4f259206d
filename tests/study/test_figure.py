from __future__ import annotations

import io
import json
import math
import struct
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from reelmix.errors import ConfigError, DataError, StorageError
from reelmix.study.drawing import WIDTH, draw
from reelmix.study.figure import (
    Bars,
    Chart,
    Figure,
    HeatMaps,
    HeatPanel,
    Lines,
    Scatter,
    ScatterPanel,
    Series,
)

SVG = "{http://www.w3.org/2000/svg}"

BARS = Bars(
    ("Recall@10", "NDCG@10"),
    (Series("DualGNN", (0.125, 0.11), (0.002, 0.001)), Series("A <b> & $c$", (0.12, 0.1))),
    "mean over users",
)
LINES = Lines(
    (0.0, 0.5, 1.0),
    "items without a modality",
    (Series("DualGNN", (0.12, None, 0.11), (0.002, None, None)), Series("_hidden", (0.12, 0.1, 0.08))),
    "Recall@10",
    percent_x=True,
)
POINTS = ScatterPanel(
    "LightGCN",
    "silhouette 0.12",
    (0.0, 1.0, 2.0, 5.0),
    (0.0, 1.0, 0.5, 5.0),
    ("user 7", "user 7", "user 7", "user 9"),
    (True, False, False, True),
)
SCATTER = Scatter((POINTS, replace(POINTS, title="DualGNN", note="silhouette 0.57")))
HEAT = HeatPanel("MMGCN", "cosine 0.42", ("user 7", "user 9"), ((0.5, -1.0, 0.0), (0.25, -0.75, 0.125)))
HEAT_MAPS = HeatMaps((HEAT, replace(HEAT, title="DualGNN")))
CHARTS: dict[str, Chart] = {"bars": BARS, "lines": LINES, "scatter": SCATTER, "heat_maps": HEAT_MAPS}
SAYS = {
    "bars": {"Recall@10", "NDCG@10", "DualGNN", "A <b> & $c$", "mean over users", "0.00"},
    "lines": {"DualGNN", "_hidden", "Recall@10", "items without a modality (%)", "0", "50", "100"},
    "scatter": {"LightGCN", "DualGNN", "silhouette 0.12", "silhouette 0.57", "user 7", "user 9", "a user"},
    "heat_maps": {"MMGCN", "DualGNN", "cosine 0.42", "user 7", "user 9", "dimension", "value"},
}


def of(chart: Chart, name: str = "fig") -> Figure:
    return Figure(name, "Recall < NDCG & <i>more</i>", "Mean over 5 seeds, β > 0.", chart)


def texts(svg: bytes) -> set[str]:
    return {"".join(element.itertext()).strip() for element in ElementTree.fromstring(svg).iter(f"{SVG}text")}


@pytest.mark.parametrize("kind", CHARTS)
def test_every_kind_is_drawn_from_its_numbers_alone(kind, tmp_path):
    figure = of(CHARTS[kind])
    path = figure.write(tmp_path / "figures")
    assert sorted(file.name for file in path.parent.iterdir()) == ["fig.json", "fig.png", "fig.svg"]
    again = Figure.read(path)
    assert again == figure
    svg, png = draw(again)
    assert svg == path.with_suffix(".svg").read_bytes()
    assert png == path.with_suffix(".png").read_bytes()
    assert json.loads(path.read_text())["kind"] == kind

    root = ElementTree.fromstring(svg)
    assert texts(svg) >= SAYS[kind]
    title, description = root[0], root[1]
    assert (title.tag, title.text) == (f"{SVG}title", figure.title)
    assert (description.tag, description.text) == (f"{SVG}desc", figure.caption)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert b"<style" not in svg
    assert b"metadata" not in svg

    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    assert width == WIDTH * 220
    assert 400 < height < 1200


@pytest.mark.parametrize("kind", CHARTS)
def test_ids_are_the_figures_own_and_each_reference_finds_one(kind):
    svg, _ = draw(of(CHARTS[kind], "fig-3"))
    elements = list(ElementTree.fromstring(svg).iter())
    ids = [name for element in elements if (name := element.get("id"))]
    assert len(ids) == len(set(ids))
    assert all(name.startswith("svg-fig-3-") for name in ids)
    used = [element.get("{http://www.w3.org/1999/xlink}href", "") for element in elements]
    used += [
        f"#{value[5:-1]}" for element in elements for value in element.attrib.values() if "url(" in value[:4]
    ]
    assert {name[1:] for name in used if name.startswith("#")} <= set(ids)
    assert all(name.startswith(("#", "data:image/png")) for name in used if name)


def test_equal_numbers_of_another_type_give_the_same_file():
    plain = of(BARS)
    from_numpy = replace(BARS.series[0], values=tuple(np.array([0.125, 0.11])))
    assert of(replace(BARS, series=(from_numpy, BARS.series[1]))).to_json() == plain.to_json()


def test_json_holds_a_row_of_numbers_in_a_line():
    text = of(replace(BARS, groups=("a\nb [1]", "c"))).to_json()
    assert '"values": [0.125, 0.11],\n' in text
    assert json.loads(text)["chart"]["groups"] == ["a\nb [1]", "c"]


def test_drawing_leaves_and_heeds_no_settings_of_matplotlib():
    import matplotlib

    before = draw(of(LINES))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert draw(of(LINES)) == before
        assert matplotlib.rcParams["font.size"] == 30


def test_matplotlib_is_loaded_for_drawing_alone_and_pyplot_never():
    program = (
        "import sys\n"
        "from reelmix.study.drawing import draw\n"
        "from reelmix.study.figure import Bars, Figure, Series\n"
        "assert 'matplotlib' not in sys.modules\n"
        "draw(Figure('a', '', '', Bars(('g',), (Series('s', (1.0,)),), 'y')))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_a_gap_breaks_the_line():
    """Two points with a gap between them are no line; without it they are one."""

    def lines(*values):
        svg, _ = draw(of(Lines((1.0, 2.0, 3.0), "x", (Series("s", values),), "y")))
        paths = [element.get("d", "") for element in ElementTree.fromstring(svg).iter(f"{SVG}path")]
        ours = [element.get("style", "") for element in ElementTree.fromstring(svg).iter(f"{SVG}path")]
        # the line in the plot, without its like in the legend (which comes later)
        line = next(
            d for d, style in zip(paths, ours, strict=True) if "#0072b2" in style and "fill: none" in style
        )
        return line.count("M "), line.count("L ")

    assert lines(1.0, 1.5, 2.0) == (1, 2)
    assert lines(1.0, 1.5, None) == (1, 1)
    assert lines(1.0, None, 2.0)[1] == 0


def test_spread_is_whiskers_or_a_band_along_the_line():
    series = (Series("s", (1.0, 2.0, 1.5), (0.5, 0.0, 0.5)), Series("alone", (1.0, 1.0, 1.0)))

    def shapes(bands):
        svg, _ = draw(of(Lines((1.0, 2.0, 3.0), "x", series, "y", bands=bands)))
        styles = [element.get("style", "") for element in ElementTree.fromstring(svg).iter()]
        areas = sum("fill: #0072b2" in style and "opacity" in style for style in styles)
        return areas, sum("#0072b2" in style for style in styles)

    assert shapes(bands=True)[0] == 1
    assert shapes(bands=False)[0] == 0
    assert shapes(bands=False)[1] > shapes(bands=True)[1]  # three whiskers with two caps each


def test_negative_bars_hang_from_zero():
    svg, _ = draw(of(replace(BARS, series=(Series("a", (-0.5, 1.0)),))))
    assert texts(svg) >= {"−0.50", "0.00", "1.00"}


def test_colour_is_never_alone():
    """Eight models differ by hatch and by dashes and marker."""
    many = tuple(Series(f"model {n}", (0.1, 0.2, 0.1 + n)) for n in range(8))
    bars, _ = draw(of(Bars(("a", "b", "c"), many, "y")))
    assert len(list(ElementTree.fromstring(bars).iter(f"{SVG}pattern"))) == 7  # and one plain
    lines, _ = draw(of(replace(LINES, series=many)))
    root = ElementTree.fromstring(lines)
    dashes = {
        style.partition("stroke-dasharray: ")[2].partition(";")[0]
        for element in root.iter(f"{SVG}path")
        if "stroke-width: 1.6" in (style := element.get("style", ""))
    }
    assert len(dashes) == 8
    outlines = {
        element.get("d")
        for marks in root.iter(f"{SVG}defs")
        for element in marks.iter(f"{SVG}path")
        if "#222222" in element.get("style", "") and "stroke-width: 0.6" in element.get("style", "")
    }
    assert len(outlines) == 8


def test_more_series_than_colours_are_drawn():
    many = tuple(Series(f"model {n}", (0.1, 0.2)) for n in range(20))
    svg, png = draw(of(replace(BARS, series=many)))
    assert texts(svg) >= {f"model {n}" for n in range(20)}
    _, of_few = draw(of(replace(BARS, series=many[:2])))
    assert png[20:24] > of_few[20:24]  # the legend takes no room from the plot: the figure is higher


def test_long_and_strange_names_fit():
    long = "a model of a very long name that nobody would print in one line of a legend"
    strange = "tab\there, bell\x07, 微视频, _x"
    svg, png = draw(of(Bars((long, strange), (Series(long, (1.0, 2.0)), Series(strange, (1.0, 2.0))), long)))
    said = texts(svg)
    assert "tab here, bell , 微视频, _x" in said
    assert "a model of a very long name that nobody" in said
    assert struct.unpack(">I", png[16:20]) == (WIDTH * 220,)


def test_many_bars_have_slanted_names():
    names = tuple(f"DualGNN-{n:04d}" for n in range(12))
    upright, _ = draw(of(Bars(tuple("abcdefghijkl"), (Series("s", (1.0,) * 12),), "y")))
    slanted, _ = draw(of(Bars(names, (Series("s", (1.0,) * 12),), "y")))
    assert b"rotate(-40 " not in upright
    assert slanted.count(b"rotate(-40 ") == 12


def test_one_scale_of_colours_for_all_panels():
    """Equal numbers have equal pixels in all panels, whatever else a panel holds; 0 is grey."""
    from matplotlib.image import imread

    low = HeatPanel("a", "", ("u",), ((0.0, 0.1),))
    high = HeatPanel("b", "", ("u",), ((0.0, -1.0),))
    pixels = imread(io.BytesIO(draw(of(HeatMaps((low, high))))[1]))[:, :, :3]
    grey = np.abs(pixels - 0x86 / 255).max(axis=2) < 0.02
    # both panels have a left half of grey; the scale below has a little
    rows = np.flatnonzero(grey.sum(axis=1) > 300)
    assert len(rows) > 50
    assert np.diff(rows).max() > 30
    assert of(HeatMaps((replace(low, values=((0.0, 0.0),)),)))  # nothing but 0
    draw(of(HeatMaps((replace(low, values=((0.0, 0.0),)),))))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(bad, refusal):
    leave_out = "Leave it out of the figure."
    gap = "Leave a gap (None) where nothing was measured."
    assert refusal(DataError, replace, BARS, series=(Series("LightGCN", (0.1, bad)),)) == (
        f"series 'LightGCN', NDCG@10: expected a finite number, found {bad}. {leave_out}"
    )
    assert refusal(DataError, replace, BARS, series=(Series("A", (0.1, 0.2), (bad, 0.1)),)) == (
        f"spread of series 'A', Recall@10: expected a finite number, found {bad}. {gap}"
    )
    assert refusal(DataError, replace, LINES, series=(Series("A", (0.1, bad, None)),)) == (
        f"series 'A', items without a modality 0.5: expected a finite number, found {bad}. {gap}"
    )
    assert refusal(DataError, replace, LINES, x=(0.0, bad, 1.0)) == (
        f"x, place 2: expected a finite number, found {bad}. {leave_out}"
    )
    assert refusal(DataError, replace, POINTS, y=(0.0, 1.0, bad, 5.0)) == (
        f"panel 'LightGCN': y, point 3: expected a finite number, found {bad}. {leave_out}"
    )
    assert refusal(DataError, replace, HEAT, values=((0.0, 1.0), (0.0, bad))) == (
        f"panel 'MMGCN': row 'user 9', dimension 2: expected a finite number, found {bad}. {leave_out}"
    )


def test_bars_have_no_gaps(refusal):
    assert refusal(DataError, replace, BARS, series=(Series("LightGCN", (None, 0.1)),)) == (
        "series 'LightGCN', Recall@10: expected a finite number, found None. Leave it out of the figure."
    )


def test_rows_of_another_length_are_refused(refusal):
    one = "Each needs exactly one."
    assert refusal(DataError, replace, BARS, series=(Series("A", (0.1,)),)) == (
        f"series 'A': expected 2 entries, found 1. {one}"
    )
    assert refusal(DataError, replace, LINES, series=(Series("A", (0.1, 0.2, 0.3), (0.1,)),)) == (
        f"spread of series 'A': expected 3 entries, found 1. {one}"
    )
    assert refusal(DataError, replace, POINTS, is_user=(True,)) == (
        f"panel 'LightGCN': is_user: expected 4 entries, found 1. {one}"
    )
    assert (
        refusal(DataError, replace, HEAT, row_labels=("u",))
        == f"panel 'MMGCN': expected 1 entries, found 2. {one}"
    )
    assert refusal(DataError, replace, HEAT, values=((1.0, 2.0), (1.0,))) == (
        f"panel 'MMGCN': row 'user 9': expected 2 entries, found 1. {one}"
    )


def test_other_mistakes_are_refused(refusal):
    assert refusal(DataError, replace, LINES, x=(0.0, 2.0, 1.0)) == (
        "x: expected ascending numbers, found [0.0, 2.0, 1.0]. Sort them."
    )
    assert refusal(DataError, replace, BARS, series=(Series("A", (0.1, 0.2), (0.1, -0.1)),)) == (
        "spread of series 'A': expected 0 or more, found a negative number. It reaches to both sides."
    )
    assert refusal(ConfigError, of, BARS, "../fig") == (
        "the name of a figure: expected letters, digits, _ and - (first a letter or digit), found '../fig'. "
        "It becomes the name of files."
    )
    for where, chart, change in (
        ("bars", BARS, {"series": ()}),
        ("bars", BARS, {"groups": ()}),
        ("lines", LINES, {"x": ()}),
        ("lines", LINES, {"series": ()}),
        ("scatter", SCATTER, {"panels": ()}),
        ("heat maps", HEAT_MAPS, {"panels": ()}),
        ("panel 'LightGCN'", POINTS, {"x": (), "y": (), "group": (), "is_user": ()}),
        ("panel 'MMGCN'", HEAT, {"row_labels": (), "values": ()}),
        ("panel 'MMGCN'", HEAT, {"values": ((), ())}),
    ):
        assert refusal(DataError, replace, chart, **change) == (
            f"{where}: expected something to draw, found nothing. Leave it out."
        )


def test_damaged_files_are_refused(tmp_path, refusal):
    path = tmp_path / "fig.json"
    good = of(BARS).to_json()

    def read(text: str) -> str:
        path.write_text(text)
        return refusal(StorageError, Figure.read, path)

    end = "Restore it from a copy, or make it again."
    assert read(good[:-20]).startswith(f"{path}: expected a whole figure file, found a damaged one (")
    assert read("[]").endswith(end)
    path.write_bytes(b"\xff")
    assert refusal(StorageError, Figure.read, path).endswith(end)
    assert "version 2" in read(good.replace('"figure_version": 1', '"figure_version": 2'))
    assert "pie" in read(good.replace('"bars"', '"pie"'))
    assert "y_label" in read(good.replace("y_label", "z_label"))
    assert "number" in read(good.replace("0.125", '"much"'))
    path.unlink()
    assert refusal(StorageError, Figure.read, path) == (
        f"{path}: expected the numbers of a figure, found nothing. "
        "Check the path; relative paths start in the present folder."
    )
    path.write_text(good.replace("0.125", "NaN"))
    assert refusal(DataError, Figure.read, path) == (
        f"{path}: series 'DualGNN', Recall@10: expected a finite number, found nan. "
        "Leave it out of the figure."
    )


def test_without_matplotlib(monkeypatch, refusal, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert refusal(ConfigError, of(BARS).write, tmp_path) == (
        "expected matplotlib, which plots, searches and studies need, found none installed. "
        "Run: pip install 'reelmix[study]'"
    )
    assert not list(tmp_path.iterdir())

"""The numbers of the figures against counts by hand."""

from itertools import product
from pathlib import Path

import numpy as np
import polars as pl

from reelmix.data import Card, Dataset
from reelmix.data.assemble import assemble
from reelmix.data.describe import describe
from reelmix.data.feature_files import FeatureTable
from reelmix.study.coverage import coverage_figures
from reelmix.study.drawing import draw
from reelmix.study.figure import Bars, Lines, Series


def watched(counts, having, times=False) -> Dataset:
    """Items 0, 1, ... watched by so many users, the later the earlier; which have each modality."""
    pairs = [(user, item) for item, count in enumerate(counts) for user in range(count)]
    table = pl.DataFrame({"user_id": [u for u, _ in pairs], "item_id": [i for _, i in pairs]})
    if times:
        table = table.with_columns(timestamp=-pl.col("item_id"))
    features = {
        name: FeatureTable(pl.Series(list(rows), dtype=pl.Int64), np.ones((len(rows), 1)), name)
        for name, rows in having.items()
    }
    return assemble(table, None, features, card=Card("mine"), where=Path("by hand"))


def test_by_hand():
    having = {"a": [0, 1, 2, 4], "b": [0, 1, 3, 4], "c": [0, 1, 2]}
    combinations, popularity, age = coverage_figures(describe(watched([1, 2, 3, 4, 10], having, times=True)))
    assert combinations.name == "coverage_combinations"
    assert combinations.title == "Coverage by combination: mine"
    assert combinations.chart == Bars(
        ("all", "all but c", "all but b", "b"),
        (Series("items", (40, 20, 20, 20)), Series("interactions", (15, 50, 15, 20))),
        "share, %",
    )
    x = tuple(map(float, range(1, 11)))
    rows = {"a": (100, 100, 100, 0, 100), "b": (100, 100, 0, 100, 100), "c": (100, 100, 100, 0, 0)}
    for figure, name, label, step in (
        (popularity, "popularity", "tenth of the items, least to most popular", 1),
        (age, "age", "tenth of the items, oldest to newest", -1),
    ):
        series = tuple(
            Series(modality, tuple(one for share in row[::step] for one in (share, None)))
            for modality, row in rows.items()
        )
        assert figure.name == f"coverage_{name}"
        assert figure.title == f"Coverage by {name}: mine"
        assert figure.chart == Lines(x, label, series, "items with it, %")


def test_names_of_combinations():
    def groups(**having):
        return coverage_figures(describe(watched([1, 1, 1, 1], having)))[0].chart.groups

    assert groups() == ("none",)
    assert groups(a=[0, 1, 2, 3]) == ("a",)
    assert groups(a=[0, 1, 2]) == ("a", "none")
    assert groups(a=[0, 1], b=[1, 2]) == ("all", "a", "b", "none")
    assert groups(a=[0, 1], b=[0, 1], c=[0], d=[2, 3]) == ("d", "all but d", "a + b")


def test_without_modality_or_timestamps():
    assert [figure.name for figure in coverage_figures(describe(watched([1, 2], {}, times=True)))] == [
        "coverage_combinations"
    ]
    found = describe(watched([1, 2], {"a": [0]}))
    assert [figure.name for figure in coverage_figures(found)] == [
        "coverage_combinations",
        "coverage_popularity",
    ]


def test_rare_combinations_share_a_bar():
    subsets = list(product([False, True], repeat=4))  # 16 items, one of each combination
    having = {name: [i for i, one in enumerate(subsets) if one[m]] for m, name in enumerate("abcd")}
    figure = coverage_figures(describe(watched(16 * [1], having)))[0]
    assert len(figure.chart.groups) == 10
    assert figure.chart.groups[-1] == "7 others"
    for series in figure.chart.series:
        assert series.values == (*(9 * [6.25]), 43.75)


def test_every_figure_can_be_drawn():
    for having in ({}, {"a": []}, {"a": [0]}):
        for figure in coverage_figures(describe(watched([2], having, times=True))):
            svg, png = draw(figure)
            assert b"<svg" in svg
            assert png.startswith(b"\x89PNG")

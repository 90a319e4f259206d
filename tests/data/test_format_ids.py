from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelmix.data.formats._ids import IdColumn, settle
from reelmix.errors import DataError


def texts(*values):
    return IdColumn(pl.Series(values, dtype=pl.String), "a.csv", text=True)


def typed(*values):
    return IdColumn(pl.Series(values), "b.npy", text=False)


def settled(*columns):
    return [ids.to_list() for ids in settle("item", columns)]


@pytest.mark.parametrize(
    "odd", ["007", "+7", "-0", "1e3", " 7", "7 ", "1_000", "9223372036854775808", "é", "٣"]
)
def test_one_odd_id_makes_all_of_them_texts(odd):
    assert settled(texts("1", odd), texts("2")) == [["1", odd], ["2"]]


@settings(deadline=None)
@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_whole_numbers_in_text_are_whole_numbers(values):
    assert settled(texts(*map(str, values)), typed(5)) == [values, [5]]


def test_a_file_with_types_decides():
    assert settled(texts("1", "2"), typed("2")) == [["1", "2"], ["2"]]
    assert settled(texts("1"), typed(), typed(1)) == [[1], [], [1]]
    assert settled(typed(2**63), texts("1")) == [[str(2**63)], ["1"]]


def test_numbers_with_a_point_may_be_among_texts():
    assert settled(texts("1.5", "a")) == [["1.5", "a"]]


def test_contradictions(refusal):
    assert refusal(DataError, settle, "item", [texts("1", "x"), typed(1)]) == (
        "ids: expected item ids of one type, found whole numbers in b.npy and 'x' in a.csv. "
        "Write the ids the same way in all files."
    )
    words = IdColumn(pl.Series(["1"]), "c.parquet", text=False)
    assert refusal(DataError, settle, "item", [typed(1), words]) == (
        "ids: expected item ids of one type, found whole numbers in b.npy and texts in c.parquet. "
        "Write the ids the same way in all files."
    )


def test_a_late_odd_id_is_seen():
    assert settled(texts(*map(str, range(2000)), "x"))[0][-1] == "x"
    assert settled(texts(*map(str, range(2000))))[0][-1] == 1999

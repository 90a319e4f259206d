from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from builders import ids
from hypothesis import given, settings

from reelmix.data import Vocabulary
from reelmix.data.vocabulary import as_ids
from reelmix.errors import DataError, UnknownIdError

BAD = "expected every user id to be a whole number or a non-empty text, found"
FIX = "Correct the id; numbers with a decimal point are not ids."


@settings(deadline=None)
@given(values=ids())
def test_rows_undo_take_whatever_the_order(values):
    vocabulary = Vocabulary.of(values, "user")
    assert len(vocabulary) == len(values)
    rows = np.arange(len(values))
    np.testing.assert_array_equal(vocabulary.rows(vocabulary.take(rows)), rows)
    np.testing.assert_array_equal([vocabulary.row(one) for one in vocabulary.take(rows)], rows)
    again = Vocabulary.of([*reversed(values), *values], "user")
    assert again.take(rows) == vocabulary.take(rows) == sorted(vocabulary.take(rows))
    assert all(vocabulary.parse(str(one)) == one for one in vocabulary.take(rows))


def test_unknown_ids_are_an_answer():
    vocabulary = Vocabulary.of([30, -10, 20], "user")
    assert vocabulary.take([0, 2]) == [-10, 30]
    np.testing.assert_array_equal(vocabulary.rows([20, 7, -10]), [1, -1, 0])
    np.testing.assert_array_equal(vocabulary.rows(["20"]), [-1])
    np.testing.assert_array_equal(vocabulary.rows([]), [])
    assert 20 in vocabulary
    assert "20" not in vocabulary
    assert repr(vocabulary) == "Vocabulary(3 users, Int64)"


@pytest.mark.parametrize(
    ("values", "asked", "fix"),
    [
        ([5, 6], 7, "The ids here are integers such as 5."),
        (["user-17", "user-28"], "user17", "Did you mean 'user-17'?"),
        (["user-17", "user-18"], "Maria", "The ids here look like 'user-17'."),
        ([], 3, "There are none."),
    ],
)
def test_an_unknown_id_says_what_ids_look_like(values, asked, fix, refusal):
    vocabulary = Vocabulary.of(values, "user")
    assert refusal(UnknownIdError, vocabulary.row, asked) == (
        f"user id: expected a known user, found {asked!r}. {fix}"
    )


def test_ids_as_typed():
    assert Vocabulary.of(["1"], "item").parse("1") == "1"
    assert Vocabulary.of([1], "item").parse("-1") == -1


def test_typed_word_among_integers(refusal):
    assert refusal(UnknownIdError, Vocabulary.of([1], "item").parse, "x") == (
        "item id: expected a known item, found 'x'. The ids here are integers such as 1."
    )


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1, None], "user ids, row 1: {} an empty one."),
        (["a", ""], "user ids, row 1: {} an empty one."),
        (pl.Series(["a", None]), "user ids, row 1: {} an empty one."),
        (pl.Series([None, None]), "user ids, row 0: {} an empty one."),
        ([1.0], "user ids, row 0: {} 1.0."),
        ([True], "user ids, row 0: {} True."),
        ([b"a"], "user ids, row 0: {} b'a'."),
        ([1, "a"], "user ids: {} integers and strings together."),
        (["\ud800"], "user ids: {} '\\ud800', which is not valid Unicode."),
        (pl.Series([1.5, 2.0]), "user ids: {} Float64 values such as 1.5."),
        (pl.Series([], dtype=pl.Float64), "user ids: {} Float64 values."),
        (pl.Series([[1]]), None),
    ],
)
def test_what_is_no_id(values, found, refusal):
    text = refusal(DataError, as_ids, values, "user")
    assert text.endswith(f" {FIX}")
    if found:
        assert text == found.format(BAD) + f" {FIX}"


def test_where_is_said(refusal):
    assert refusal(DataError, as_ids, [None], "user", "a.csv") == f"a.csv, row 0: {BAD} an empty one. {FIX}"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([1, 2], dtype=pl.UInt8), [1, 2]),
        (pl.Series([1, 2**63], dtype=pl.UInt64), ["1", "9223372036854775808"]),
        (pl.Series([1, 2**70], dtype=pl.Int128), ["1", "1180591620717411303424"]),
        (pl.Series(["b", "a"], dtype=pl.Categorical), ["b", "a"]),
        (pl.Series(["b", "a"], dtype=pl.Enum(["a", "b"])), ["b", "a"]),
        (np.array([3, -4], np.int16), [3, -4]),
        ([2**63, 1], ["9223372036854775808", "1"]),
        ([-(2**63)], [-(2**63)]),
        (["日本", "é"], ["日本", "é"]),
        ([], []),
    ],
)
def test_what_is_an_id(values, expected):
    assert as_ids(values, "user").to_list() == expected

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from builders import build

from reelmix.data import Card
from reelmix.data.assemble import assemble
from reelmix.data.feature_files import FeatureTable
from reelmix.errors import DataError

PAIRS = [("ana", 5), ("bo", 7), ("ana", 7)]
ITEMS = pl.DataFrame({"item_id": [7, 9, 5], "title": ["seven", "nine", None]})


def test_items_come_from_the_table_sorted_and_keep_what_it_says():
    dataset = build(PAIRS, ITEMS, {"visual": (pl.Series([9, 5]), np.array([[9.0], [5.0]]))})
    assert dataset.items.take([0, 1, 2]) == [5, 7, 9]
    assert dataset.item_table["title"].to_list() == [None, "seven", "nine"]
    assert dataset.has("visual").tolist() == [True, False, True]
    assert dataset.features["visual"].values.tolist() == [[5.0], [9.0]]
    assert (dataset.n_users, dataset.n_items, dataset.modalities) == (2, 3, ("visual",))


def test_items_come_from_everywhere_without_a_table():
    dataset = build(PAIRS, None, {"visual": (pl.Series([9]), np.array([[9.0]]))})
    assert dataset.items.take([0, 1, 2]) == [5, 7, 9]
    empty = (pl.Series([], dtype=pl.String), np.zeros((0, 2)))
    assert build(PAIRS, None, {"visual": empty}).n_items == 2


def test_repeated_interactions_are_merged_and_noted():
    dataset = build([*PAIRS, *PAIRS[:2]], split=["test", "train", "test", "train", "validation"])
    assert dataset.card.notes == ("2 repeated interactions merged, training before validation before test",)
    assert dataset.interactions.labels.tolist() == [0, 2, 0]


def test_encoders_are_kept():
    features = {"visual": (pl.Series([5]), np.array([[1.0]]))}
    pairs = pl.DataFrame({"user_id": [1], "item_id": [5]})
    one = assemble(pairs, None, features, card=Card("x"), where=Path("p"), encoders={"visual": "clip"})
    assert one.features["visual"].encoder == "clip"


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (
            {"visual": (pl.Series([5, 6]), np.zeros((2, 2)))},
            "visual features, row 1: expected features of known items, found item 6. "
            "Add the item to the table of items, or leave its feature out.",
        ),
        (
            {"visual": (pl.Series([5, 5]), np.zeros((2, 2)))},
            "visual features: expected each item once, found one item in rows 0 and 1. "
            "Keep one row for each item.",
        ),
        (
            {"visual": (pl.Series([6, 5]), np.zeros((3, 2)))},
            "visual features: expected 2 rows, one for each item, found 3. "
            "Export the features again, or name the item of each row.",
        ),
        (
            {"visual": (pl.Series([5.0, 7.0]), np.zeros((2, 2)))},
            "visual features: expected every item id to be a whole number or a non-empty text, found Float64 "
            "values such as 5.0. Correct the id; numbers with a decimal point are not ids.",
        ),
        (
            {"../visual": (pl.Series([5]), np.zeros((1, 2)))},
            "features: expected a modality name of letters, digits, - and _ that begins with a letter, "
            "found '../visual'. Rename it.",
        ),
        (
            {"words": FeatureTable(pl.Series([5]), np.array([3]), "words.npy", "bag", 3)},
            "words.npy: expected token numbers from 0 to 2, found 3 to 3. Number the tokens from 0.",
        ),
    ],
)
def test_bad_features(features, text, refusal):
    assert refusal(DataError, build, PAIRS, ITEMS, features) == text


def test_bad_tables_of_items(refusal):
    assert refusal(DataError, build, PAIRS, ITEMS.head(2)) == (
        "pairs.csv, row 0: expected interactions with known items, found item 5. "
        "Add the item to the table of items, or drop the interaction."
    )
    assert refusal(DataError, build, PAIRS, pl.concat([ITEMS, ITEMS.tail(1)])) == (
        "the table of items: expected each item once, found item 5 more than once. "
        "Keep one row for each item."
    )
    assert refusal(DataError, build, PAIRS, ITEMS.with_columns(item_id=pl.Series([7, None, 5]))) == (
        "the table of items, row 1: expected every item id to be a whole number or a non-empty text, "
        "found an empty one. Correct the id; numbers with a decimal point are not ids."
    )


def test_ids_of_two_types(refusal):
    features = {"visual": (pl.Series(["5"]), np.zeros((1, 2)))}
    assert refusal(DataError, build, PAIRS, None, features) == (
        "pairs.csv and the features: expected item ids of one type, found whole numbers and texts. "
        "Write the ids the same way in both."
    )


def test_ids_of_another_type_than_the_items(refusal):
    assert refusal(DataError, build, [("ana", "5")], ITEMS) == (
        "pairs.csv: expected item ids as whole numbers, as in the table of items, found texts. "
        "Write the ids the same way in both."
    )
    features = {"visual": (pl.Series(["5"]), np.zeros((1, 2)))}
    assert refusal(DataError, build, PAIRS, ITEMS, features) == (
        "visual features: expected item ids as whole numbers, as in the table of items, found texts. "
        "Write the ids the same way in both."
    )


def test_bad_interactions(refusal):
    def read(**columns):
        return assemble(pl.DataFrame(columns), None, {}, card=Card("x"), where=Path("p.csv"))

    assert refusal(DataError, read, user_id=[1], movie=[2]) == (
        "p.csv: expected a column item_id, found user_id, movie. Rename the column that holds it to item_id."
    )
    assert refusal(DataError, read, user_id=[], item_id=[]) == (
        "p.csv: expected at least one interaction, found none. Check the file."
    )
    assert refusal(DataError, read, user_id=["a", ""], item_id=[1, 2]) == (
        "p.csv, column user_id, row 1: expected every user id to be a whole number or a non-empty text, "
        "found an empty one. Correct the id; numbers with a decimal point are not ids."
    )


TIME = "a finite number in every row of timestamp"
TIME_FIX = "Correct or drop those rows, or leave the column out."


@pytest.mark.parametrize(
    ("column", "values", "text"),
    [
        ("timestamp", [1, None, 3], f"pairs.csv, row 1: expected {TIME}, found an empty cell. {TIME_FIX}"),
        ("timestamp", [1.0, 2.0, np.nan], f"pairs.csv, row 2: expected {TIME}, found nan. {TIME_FIX}"),
        (
            "timestamp",
            ["a", "b", "c"],
            f"pairs.csv: expected {TIME}, found String values such as 'a'. {TIME_FIX}",
        ),
        (
            "timestamp",
            [datetime.timedelta(1)] * 3,
            f"pairs.csv: expected {TIME}, found Duration(time_unit='us') values such as "
            f"datetime.timedelta(days=1). {TIME_FIX}",
        ),
        (
            "weight",
            [1.0, np.inf, 2.0],
            "pairs.csv, row 1: expected a finite number in every row of weight, found inf. "
            "Correct or drop those rows, or leave the column out.",
        ),
        (
            "weight",
            [1.0, 2.0, 1e300],
            "pairs.csv, row 2: expected a finite number in every row of weight, found 1e+300. "
            "Correct or drop those rows, or leave the column out.",
        ),
        (
            "split",
            ["train", "valid", "test"],
            "pairs.csv, column split, row 1: expected train, validation or test, found 'valid'. "
            "Correct the label. Did you mean 'validation'?",
        ),
        (
            "split",
            ["train", "test", None],
            "pairs.csv, column split, row 2: expected train, validation or test, found an empty cell. "
            "Correct the label. Valid names: test, train, validation.",
        ),
    ],
)
def test_bad_columns(column, values, text, refusal):
    assert refusal(DataError, build, PAIRS, **{column: values}) == text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([datetime.date(1970, 1, 2)] * 3, 86_400_000_000),
        ([datetime.datetime(1970, 1, 1, 1, tzinfo=datetime.UTC)] * 3, 3_600_000_000),
        ([datetime.datetime(1970, 1, 1, 1)] * 3, 3_600_000_000),
        ([2.5] * 3, 2.5),
        ([7] * 3, 7),
        (pl.Series([2**63] * 3, dtype=pl.UInt64), 2.0**63),
    ],
)
def test_times(values, expected):
    found = build(PAIRS, timestamp=values).interactions.timestamps
    assert found.tolist() == [expected] * 3
    assert found.dtype in (np.int64, np.float64)

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from reelmix.data.formats import import_table
from reelmix.errors import DataError, StorageError

pytestmark = pytest.mark.usefixtures("whole_or_in_stretches")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "clips"
    (folder / "features").mkdir(parents=True)
    (folder / "interactions.csv").write_text("user_id,item_id\nana,7\nana,5\nbo,7\n")
    return folder


@pytest.mark.parametrize(
    ("name", "array", "text"),
    [
        (
            "visual.npy",
            np.zeros((2, 3)),
            "/visual.npy: expected the items of its rows in visual_ids (.npy, .csv or .txt), "
            "or a file of items, found neither. Save the id of each row's item, in the order of the rows.",
        ),
        (
            "text.npy",
            np.zeros((3, 2)),
            "/text.npy: expected 2 rows, one for each id in {}/text_ids.txt, found 3. "
            "Export both again, in the same order.",
        ),
        (
            "sound.npy",
            np.zeros((2, 2)),
            ": expected one file of the rows' ids, found sound_ids.csv, sound_ids.txt. "
            "Move the one that is not wanted elsewhere.",
        ),
        (
            "talk.npy",
            np.zeros((2, 2)),
            "/talk_ids.csv, line 1: expected one id a line, found several cells. "
            "Keep the column of ids only.",
        ),
        (
            "late.npy",
            np.zeros((2, 2)),
            "/late_ids.npy: expected a list of ids, whole numbers or texts, found float64 of shape (2,). "
            "Save one id for each row of the features.",
        ),
        (
            "flat.npy",
            np.zeros(2),
            "/flat.npy: expected a table of one vector an item (2 axes), found an array of shape (2,). "
            "Save the features as an array of shape (item, feature).",
        ),
        (
            "null.npy",
            np.zeros((2, 1)),
            "/null_ids.txt, row 1: expected every item id to be a whole number or a non-empty text, "
            "found an empty one. Correct the id; numbers with a decimal point are not ids.",
        ),
        (
            "strange.npy",
            np.zeros((1, 1)),
            "/strange.npy, row 0: expected features of known items, found item 99. "
            "Add the item to the table of items, or leave its feature out.",
        ),
    ],
)
def test_bad_arrays(folder, name, array, text, refusal):
    features = folder / "features"
    np.save(features / name, array)
    if name != "visual.npy":
        (folder / "items.csv").write_text("item_id\n5\n7\n")
    (features / "text_ids.txt").write_text("5\n7\n")
    for ending in ("csv", "txt"):
        (features / f"sound_ids.{ending}").write_text("5\n7\n")
    (features / "talk_ids.csv").write_text("5,7\n")
    np.save(features / "late_ids.npy", np.array([5.0, 7.0]))
    (features / "null_ids.txt").write_text("5\n\n")
    np.save(features / "strange_ids.npy", np.array([99]))
    for orphan in ("text", "sound", "talk", "late", "null", "strange"):
        if name != f"{orphan}.npy":
            for path in features.glob(f"{orphan}_ids.*"):
                path.unlink()
    assert refusal(DataError, import_table, folder) == f"{features}{text.format(features)}"


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (
            {"item": [5]},
            "expected a column item_id, found item. Add it: the item that each row belongs to.",
        ),
        (
            {"item_id": [5], "title": ["x"], "a": [1.0]},
            "expected a column of lists, or columns of numbers, found String values in title. "
            "Keep item_id and the features only.",
        ),
        (
            {"item_id": [5], "when": [True]},
            "expected a list of numbers in every row, found Boolean values. "
            "Write one list for each item, or one column for each number.",
        ),
        (
            {"item_id": [5], "a": [1.0], "b": pl.Series([None], dtype=pl.Float64)},
            "expected a number in every cell, found an empty one for item 5. "
            "Leave the item out if it has no features.",
        ),
        (
            {"item_id": [5, 7], "v": [[1.0, 2.0], [1.0, None]]},
            "row 1: expected numbers, found [1.0, None]. "
            "Correct the cell; leave it empty if the item has no features.",
        ),
        (
            {"item_id": [7, 5], "a": [None, 1.0], "b": [None, float("inf")]},
            "row 1, column 1: expected finite numbers, found inf. "
            "If the item lacks the modality, leave its row out and name the item of each row.",
        ),
        (
            {"item_id": [5], "v": [["a"]]},
            "row 0: expected numbers, found ['a']. "
            "Correct the cell; leave it empty if the item has no features.",
        ),
    ],
)
def test_bad_feature_tables(folder, table, text, refusal):
    path = folder / "features" / "mood.parquet"
    pl.DataFrame(table).write_parquet(path)
    separator = ", " if text.startswith("row") else ": "
    assert refusal(DataError, import_table, folder) == f"{path}{separator}{text}"


def test_features_of_unknown_kinds(folder, refusal):
    features = folder / "features"
    (features / "visual.pt").write_bytes(b"x")
    assert refusal(DataError, import_table, folder) == (
        f"{features}: expected files of features (.npy, .safetensors, .parquet), found visual.pt. "
        "Convert it: numpy.save('NAME.npy', values), one row an item. Or move it elsewhere."
    )
    (features / "visual.pt").unlink()
    np.save(features / "visual.npy", np.zeros((2, 2)))
    pl.DataFrame({"item_id": [5], "v": [1.0]}).write_parquet(features / "visual.parquet")
    assert refusal(DataError, import_table, folder) == (
        f"{features}: expected one file of visual features, found visual.npy and visual.parquet. "
        "Move the one that is not wanted elsewhere."
    )


def test_ids_that_are_no_text(folder, refusal):
    np.save(folder / "features" / "visual.npy", np.zeros((1, 1)))
    path = folder / "features" / "visual_ids.txt"
    path.write_bytes(b"\xff\n")
    assert refusal(StorageError, import_table, folder) == (
        f"{path}: expected a whole UTF-8 file, found a damaged one ('utf-8' codec can't decode byte 0xff in "
        "position 0: invalid start byte). Restore it from a copy, or make it again."
    )


def test_a_modality_that_nobody_has(folder):
    table = {"item_id": pl.Series([], dtype=pl.Int64), "v": pl.Series([], dtype=pl.List(pl.Float32))}
    pl.DataFrame(table).write_parquet(folder / "features" / "mood.parquet")
    dataset = import_table(folder)
    assert dataset.has("mood").tolist() == [False, False]

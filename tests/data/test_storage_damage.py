from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from builders import build

from reelmix.data import Dataset
from reelmix.data.feature_files import FeatureTable
from reelmix.errors import DataError, StorageError
from reelmix.files import read_arrays, write_arrays

pytestmark = pytest.mark.usefixtures("whole_or_in_stretches")

FEATURES = {
    "visual": FeatureTable(pl.Series(["ü", "x"]), np.array([[1.0, 2.0], [3.0, 4.0]]), "v"),
    "words": FeatureTable(pl.Series(["x", "x", "日"]), np.array([4, 2, 0]), "w", "bag", 6),
}
PAIRS = [("ana", "x"), ("bo", "日"), ("ana", "ü")]


@pytest.fixture
def folder(tmp_path) -> Path:
    labels = ["train", "validation", "test"]
    return build(PAIRS, None, FEATURES, timestamp=[3, 1, 2], weight=[1.0, 2.0, 3.0], split=labels).write(
        tmp_path / "data"
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("interactions.parquet", "Parquet"),
        ("items.parquet", "Parquet"),
        ("features/visual.safetensors", "safetensors"),
        ("features/words.safetensors", "safetensors"),
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_files(folder, name, kind, share, refusal):
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    text = refusal(StorageError, Dataset.read, folder)
    assert text.startswith(f"{path}: expected a whole {kind} file, found a damaged one (")
    assert text.endswith("). Restore it from a copy, or make it again.")


def test_truncated_card(folder, refusal):
    path = folder / "dataset.toml"
    path.write_text('format_version = 1\nname = "a')
    text = refusal(StorageError, Dataset.read, folder)
    assert text.startswith(f"{path}: expected valid TOML, found ")
    path.write_text("")
    assert refusal(StorageError, Dataset.read, folder) == (
        f"{path}: expected dataset format version 1, found none. "
        "Import the data again with this version of reelmix."
    )


def edit(folder, old, new):
    path = folder / "dataset.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "format_version = 1",
            "format_version = 2",
            "expected dataset format version 1, found 2. Import the data again with this version of reelmix.",
        ),
        ('"hand-made"', "7", "expected name to be a string, found 7. Correct that line and try again."),
        (
            "simulated = false",
            "simulated = 0",
            "expected simulated to be a boolean, found 0. Correct that line and try again.",
        ),
        (
            "notes = []",
            "notes = 'x'",
            "expected notes to be an array, found 'x'. Correct that line and try again.",
        ),
    ],
)
def test_bad_cards(folder, old, new, text, refusal):
    edit(folder, old, new)
    assert refusal(StorageError, Dataset.read, folder) == f"{folder / 'dataset.toml'}: {text}"


def test_changed_content(folder, refusal):
    before = Dataset.read(folder)
    path = folder / "features" / "visual.safetensors"
    arrays, metadata = read_arrays(path)
    arrays["values"][0, 0] += 1
    write_arrays(path, arrays, metadata)
    text = refusal(StorageError, Dataset.read, folder)
    assert re.fullmatch(
        rf"{folder}: expected content hash {before.content_hash}, found [0-9a-f]{{32}}\. The files were "
        r"changed after import: import again, or delete the line content_hash from dataset\.toml if the "
        r"change was meant\.",
        text,
    )
    edit(folder, "content_hash", "# content_hash")
    assert Dataset.read(folder).features["visual"].values[0, 0] == 4


def test_missing_parts(folder, refusal):
    (folder / "features" / "visual.safetensors").unlink()
    text = refusal(StorageError, Dataset.read, folder)
    assert text.startswith(
        f"{folder}/features/visual.safetensors: expected a safetensors file, found nothing."
    )
    (folder / "items.parquet").unlink()
    text = refusal(StorageError, Dataset.read, folder)
    assert text.startswith(f"{folder}/items.parquet: expected the table of items, found nothing.")


def test_not_a_dataset(folder, refusal):
    text = refusal(StorageError, Dataset.read, folder / "dataset.toml")
    assert text == f"{folder / 'dataset.toml'}: expected a dataset folder, found a file. Check the path."
    text = refusal(StorageError, Dataset.read, folder / "nowhere")
    assert text.startswith(f"{folder / 'nowhere'}: expected a dataset folder, found nothing.")
    text = refusal(StorageError, Dataset.read, folder / "features")
    assert text.startswith(f"{folder}/features/dataset.toml: expected a TOML file, found nothing.")


def spoil(folder, name, **changes):
    path = folder / "features" / f"{name}.safetensors"
    arrays, metadata = read_arrays(path)
    for key, value in changes.items():
        if isinstance(value, str):
            metadata[key] = value
        elif value is None:
            del arrays[key]
        else:
            arrays[key] = value
    write_arrays(path, arrays, metadata)
    return path


@pytest.mark.parametrize(
    ("name", "changes", "text"),
    [
        (
            "visual",
            {"values": None},
            "expected an array values, found item_id_starts, item_id_text. "
            "Save the features under the name values.",
        ),
        (
            "visual",
            {"item_id_text": None},
            "expected an array item_ids, found item_id_starts, values. "
            "Add item_ids: the id of the item that each row belongs to.",
        ),
        (
            "visual",
            {"values": np.zeros((5, 2))},
            "expected 2 rows, one for each item, found 5. "
            "Export the features again, or name the item of each row.",
        ),
        (
            "visual",
            {"item_ids": np.zeros(2)},
            "expected item_ids as a list of whole numbers, found float64 of shape (2,). "
            "Save one id for each row of the values.",
        ),
        (
            "words",
            {"tokens": np.array([4, 2, 6], np.int32)},
            "expected token numbers from 0 to 5, found 2 to 6. Number the tokens from 0.",
        ),
    ],
)
def test_bad_feature_files(folder, name, changes, text, refusal):
    path = spoil(folder, name, **changes)
    assert refusal(DataError, Dataset.read, folder) == f"{path}: {text}"


CONTRADICTION = "starts, tokens and n_tokens contradict each other"


@pytest.mark.parametrize(
    ("name", "changes", "why"),
    [
        ("words", {"n_tokens": "many"}, CONTRADICTION),
        ("words", {"starts": np.array([0, 9, 3])}, CONTRADICTION),
        ("words", {"starts": np.array([0, 3])}, CONTRADICTION),
        ("words", {"starts": np.zeros((0,), int)}, CONTRADICTION),
        ("words", {"starts": np.zeros((2, 2))}, CONTRADICTION),
        (
            "visual",
            {"item_id_starts": np.array([0, 5, 2])},
            "item_id_text and item_id_starts contradict each other",
        ),
        (
            "visual",
            {"item_id_text": np.array([255, 255, 255], np.uint8)},
            "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
    ],
)
def test_contradictory_feature_files(folder, name, changes, why, refusal):
    path = spoil(folder, name, **changes)
    assert refusal(StorageError, Dataset.read, folder) == (
        f"{path}: expected a whole safetensors file, found a damaged one ({why}). "
        "Restore it from a copy, or make it again."
    )

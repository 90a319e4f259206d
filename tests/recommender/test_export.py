"""What other programs read."""

import errno
import os

import numpy as np
import polars as pl
import pytest
from hand_made import hand_made, names
from safetensors.numpy import load_file

from reelmix.errors import ConfigError, StorageError
from reelmix.recommender.export import EXPORTS, FOLDERS, to_npz, to_parquet, to_safetensors

USERS = [[1.5, 2.0], [0.0, -3.0]]
ITEMS = [[0.5, 0.25], [1.0, 1.0], [2.0, -1.0]]


@pytest.fixture
def texts():
    return hand_made(USERS, ITEMS, user_ids=["anna", "zoë"], item_ids=["a", "bb", "日本語"])


@pytest.fixture
def integers():
    return hand_made(USERS, ITEMS, user_ids=[-5, 7], item_ids=[0, 1, 2**62])


def vectors_are_right(arrays):
    for name, expected in (("users", USERS), ("items", ITEMS)):
        assert arrays[name].dtype == np.float32
        np.testing.assert_array_equal(arrays[name], expected)


def test_npz_with_texts(texts, tmp_path):
    to_npz(texts, tmp_path / "v.npz")
    with np.load(tmp_path / "v.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["item_ids", "items", "items_known", "user_ids", "users", "users_known"]
        vectors_are_right(arrays)
        assert arrays["user_ids"].tolist() == ["anna", "zoë"]
        assert arrays["item_ids"].tolist() == ["a", "bb", "日本語"]
        assert arrays["item_ids"].dtype.kind == "U"


def test_npz_with_integers(integers, tmp_path):
    to_npz(integers, tmp_path / "v.npz")
    with np.load(tmp_path / "v.npz", allow_pickle=False) as arrays:
        vectors_are_right(arrays)
        assert arrays["user_ids"].tolist() == [-5, 7]
        assert arrays["item_ids"].tolist() == [0, 1, 2**62]
        assert arrays["item_ids"].dtype == np.int64


def test_the_path_is_taken_as_it_is(texts, tmp_path):
    to_npz(texts, tmp_path / "deep" / "vectors")  # NumPy alone would add .npz
    assert names(tmp_path / "deep") == ["vectors"]


def test_safetensors(integers, tmp_path):
    to_safetensors(integers, tmp_path / "v.safetensors")
    arrays = load_file(tmp_path / "v.safetensors")
    vectors_are_right(arrays)
    assert arrays["user_ids"].tolist() == [-5, 7]
    assert arrays["item_ids"].tolist() == [0, 1, 2**62]


@pytest.mark.parametrize(
    ("ids", "kind"), [({}, "user"), ({"user_ids": [1, 2]}, "item"), ({"item_ids": [1, 2, 3]}, "user")]
)
def test_safetensors_hold_no_texts(tmp_path, refusal, ids, kind):
    run = hand_made(USERS, ITEMS, **ids)
    assert refusal(ConfigError, to_safetensors, run, tmp_path / "v") == (
        f"export: expected integer {kind} ids for safetensors, found texts. Export to npz or parquet."
    )
    assert names(tmp_path) == []


def test_parquet(texts, integers, tmp_path):
    for run, ids in (
        (texts, ["anna", "zoë", "a", "bb", "日本語"]),
        (integers, ["-5", "7", "0", "1", str(2**62)]),
    ):
        to_parquet(run, tmp_path / "v.parquet")
        table = pl.read_parquet(tmp_path / "v.parquet")
        assert table["kind"].to_list() == ["user"] * 2 + ["item"] * 3
        assert table["id"].to_list() == ids
        np.testing.assert_array_equal(np.stack(table["vector"].to_list()), USERS + ITEMS)


@pytest.mark.parametrize("to", EXPORTS)
def test_a_path_that_cannot_be_written(integers, tmp_path, refusal, to):
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "v"
    found = "Not a directory" if to in FOLDERS else "File exists"
    assert refusal(StorageError, EXPORTS[to], integers, path) == (
        f"{path}: expected to write the file, found {found}. Check the path and the disk."
    )
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("to", sorted(EXPORTS.keys() - FOLDERS))
def test_a_full_disk_leaves_the_old_export(integers, tmp_path, refusal, monkeypatch, to):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "v"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    assert refusal(StorageError, EXPORTS[to], integers, path) == (
        f"{path}: expected free disk space, found a full disk. Free some space and run the command again."
    )
    assert path.read_text() == "old"
    assert names(tmp_path) == ["v"]

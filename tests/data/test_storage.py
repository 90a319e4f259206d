from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from builders import assert_same, build, follow, recipes
from hypothesis import given, settings

from reelmix.data import Dataset
from reelmix.data.feature_files import FeatureTable
from reelmix.data.tables import write_table
from reelmix.errors import StorageError

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


@settings(deadline=None, max_examples=60)
@given(recipe=recipes())
def test_what_is_written_is_read(recipe):
    dataset = follow(recipe)
    with tempfile.TemporaryDirectory() as temporary:
        folder = dataset.write(Path(temporary) / "data")
        assert_same(Dataset.read(folder), dataset)


def test_folder_as_documented(folder):
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == [
        "dataset.toml",
        "features/visual.safetensors",
        "features/words.safetensors",
        "interactions.parquet",
        "items.parquet",
    ]
    pairs = pl.read_parquet(folder / "interactions.parquet")
    assert pairs.to_dicts()[0] == {
        "user_id": "ana",
        "item_id": "x",
        "timestamp": 3,
        "weight": 1.0,
        "split": "train",
    }
    assert [path.name for path in folder.parent.iterdir()] == ["data"]


def test_never_over_something_else(folder, refusal):
    before = (folder / "dataset.toml").read_text()
    assert refusal(StorageError, build(PAIRS).write, folder) == (
        f"{folder}: expected a new or empty folder for the dataset, found something there already. "
        "Choose another path, or move the old one away first."
    )
    assert (folder / "dataset.toml").read_text() == before


WRITE = """
import os, resource, signal, sys
import numpy as np, polars as pl
from pathlib import Path
from reelmix.data import Card, storage
from reelmix.data.assemble import assemble
from reelmix.errors import StorageError
n = 20_000
pairs = pl.DataFrame({"user_id": np.arange(n), "item_id": np.arange(n)[::-1].copy()})
values = np.random.default_rng(0).random((n, 4))
dataset = assemble(pairs, None, {"v": (pl.Series(np.arange(n)), values)}, card=Card("x"), where=Path("p"))
target = Path(sys.argv[1])
"""


@pytest.mark.parametrize("limit", [2_000, 500_000])
def test_a_full_disk_leaves_nothing(tmp_path, limit):
    # the kernel refuses to let any file grow beyond the limit: first the interactions, then the features
    script = WRITE + (
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "try: dataset.write(target)\n"
        "except StorageError as error: os.write(1, str(error).encode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "data")], capture_output=True, text=True, check=False
    )
    assert re.fullmatch(
        r".*: expected room for the file, found a limit on file sizes\. Raise the limit \(ulimit -f\)\.",
        done.stdout,
    ), done.stderr
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_killed_while_writing_leaves_nothing_at_the_target(tmp_path):
    script = WRITE + (
        "storage.write_features = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\ndataset.write(target)"
    )
    target = tmp_path / "data"
    done = subprocess.run([sys.executable, "-c", script, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    assert_same(Dataset.read(build(PAIRS).write(target)), build(PAIRS))


def test_full_disk_of_the_kernel_under_a_table(tmp_path, refusal, monkeypatch):
    monkeypatch.setattr("reelmix.files._beside", lambda path: path.with_name("part"))
    (tmp_path / "part").symlink_to("/dev/full")
    path = tmp_path / "a.parquet"
    assert refusal(StorageError, write_table, path, pl.DataFrame({"a": [1]})) == (
        f"{path}: expected free disk space, found a full disk. Free some space and run the command again."
    )
    assert list(tmp_path.iterdir()) == []

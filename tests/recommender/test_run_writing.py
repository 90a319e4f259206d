"""Training into a run folder: what is there is kept, a full disk leaves no half run, Ctrl-C a usable one."""

import errno
import os
import resource
from pathlib import Path

import numpy as np
import pytest
from hand_made import assert_same_run, contents, hand_made, names, random_run

from reelmix.errors import ConfigError, RunError, StorageError
from reelmix.models import DualGNN
from reelmix.recommender import Run
from reelmix.recommender.fit import fit
from reelmix.recommender.run import write_run

IN_WRITING_ORDER = [
    "vectors.safetensors",
    "weights.safetensors",
    "interactions.safetensors",
    "per_user.safetensors",
    "users.parquet",
    "items.parquet",
    "config.toml",
    "metrics.json",
    "curve.jsonl",
    "manifest.json",
]
FULL_DISK = "{}: expected free disk space, found a full disk. Free some space and run the command again."


def tiny():
    return DualGNN(embedding_size=4, neighbours=3, layers=1)


# Training into a folder that is not free


class Told:
    """Remembers what it was told, and may interrupt as Ctrl-C does."""

    def __init__(self, interrupt_in_epoch=None):
        self.told, self.epochs, self.interrupt = [], 0, interrupt_in_epoch

    def start(self, config, epochs_done):
        self.told.append("start")
        self.epochs = epochs_done

    def batch(self, done, total):
        if self.epochs + 1 == self.interrupt:
            raise KeyboardInterrupt

    def epoch(self, epoch, best_epoch):
        self.told.append("epoch")
        self.epochs = epoch.epoch

    def end(self, ending, state):
        self.told.append(ending)


@pytest.mark.parametrize("kind", ["finished run", "notes", "file"])
def test_a_folder_that_holds_something_is_refused_before_training(copy, split, tmp_path, refusal, kind):
    out = copy
    if kind == "notes":
        out = tmp_path / "notes"
        out.mkdir()
        (out / "thesis.txt").write_text("years of work")
    elif kind == "file":
        out = tmp_path / "file"
        out.write_text("years of work")
    before = contents(out) if out.is_dir() else out.read_bytes()
    progress = Told()
    assert refusal(StorageError, fit, tiny(), split, epochs=1, out=out, progress=progress) == (
        f"{out}: expected a new or empty folder for the run, found something there already. Choose another "
        "path, or move the old one away first."
    )
    assert progress.told == []
    assert (contents(out) if out.is_dir() else out.read_bytes()) == before


def test_an_empty_folder_is_taken(split, tmp_path):
    (tmp_path / "run").mkdir()
    run = fit(tiny(), split, epochs=1, out=tmp_path / "run")
    assert_same_run(Run.read(tmp_path / "run"), run)


# A full disk


def full_from(monkeypatch, write: int):
    """The disk is full from the given write on, counted from 0."""
    calls = []
    fsync = os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > write:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)


@pytest.mark.parametrize("write", range(len(IN_WRITING_ORDER)))
def test_a_disk_that_fills_up_while_a_run_is_written(trained, copy, tmp_path, refusal, monkeypatch, write):
    other = contents(copy)
    folder = tmp_path / "new"
    with monkeypatch.context() as patch:
        full_from(patch, write)
        text = refusal(StorageError, write_run, trained[0], folder)
    assert text == FULL_DISK.format(folder / IN_WRITING_ORDER[write])
    assert names(folder) == sorted(IN_WRITING_ORDER[:write])
    assert "without manifest.json" in refusal(RunError, Run.read, folder)
    assert contents(copy) == other
    assert_same_run(Run.read(write_run(trained[0], folder)), trained[0])  # with space again


@pytest.mark.parametrize("write", [0, 4, 9])
def test_half_a_new_run_over_an_old_one_does_not_pass_for_either(copy, refusal, monkeypatch, write):
    with monkeypatch.context() as patch:
        full_from(patch, write)
        refusal(StorageError, write_run, random_run(0), copy)
    assert not list(copy.glob("*.part"))
    assert not list(copy.glob(".*"))
    assert "expected a finished run" in refusal(RunError, Run.read, copy)


@pytest.mark.parametrize("write", [0, 4, 9])
def test_a_run_saved_elsewhere_is_there_whole_or_not_at_all(trained, tmp_path, refusal, monkeypatch, write):
    with monkeypatch.context() as patch:
        full_from(patch, write)
        assert "found a full disk" in refusal(StorageError, trained[0].write, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    assert_same_run(Run.read(trained[0].write(tmp_path / "new")), trained[0])
    before = contents(tmp_path / "new")
    assert "found something there already" in refusal(StorageError, random_run(0).write, tmp_path / "new")
    assert contents(tmp_path / "new") == before


def test_settings_that_the_model_refuses_leave_no_folder_behind(split, tmp_path, refusal):
    model = DualGNN(embedding_size=4, content="identity")
    assert "for content 'identity'" in refusal(ConfigError, fit, model, split, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_training_goes_on_after_the_disk_was_full(split, tmp_path, refusal, monkeypatch):
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        full_from(patch, 4)  # config.toml, the last checkpoint and two files of the run
        text = refusal(StorageError, fit, tiny(), split, epochs=2, out=folder)
    assert text == FULL_DISK.format(folder / "interactions.safetensors")
    assert names(folder) == [
        "checkpoint.safetensors",
        "config.toml",
        "vectors.safetensors",
        "weights.safetensors",
    ]
    assert "training was cut off" in refusal(RunError, Run.read, folder)
    progress = Told()
    run = fit(tiny(), split, epochs=2, out=folder, resume=True, progress=progress)
    assert progress.told == ["start", "all epochs"]  # nothing is trained again
    assert_same_run(Run.read(folder), run)
    np.testing.assert_array_equal(run.vectors.items, fit(tiny(), split, epochs=2).vectors.items)


def limited(size, function, *args):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        return function(*args)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_limit_on_file_sizes_met_by_an_array(trained, tmp_path, refusal):
    folder = tmp_path / "run"
    assert limited(2048, refusal, StorageError, write_run, trained[0], folder) == (
        f"{folder / 'vectors.safetensors'}: expected room for the file, found a limit on file sizes. "
        "Raise the limit (ulimit -f)."
    )
    assert names(folder) == []


def test_a_limit_on_file_sizes_met_by_a_table(tmp_path, refusal):
    noise = np.random.default_rng(0).bytes(100_000).hex()
    run = hand_made([[1.0]], [[1], [2]], titles=[noise, "short"], watched=[(0, 0, 0)])
    folder = tmp_path / "run"
    assert limited(16_384, refusal, StorageError, write_run, run, folder) == (
        f"{folder / 'items.parquet'}: expected room for the file, found a limit on file sizes. "
        "Raise the limit (ulimit -f)."
    )
    assert names(folder) == sorted(IN_WRITING_ORDER[:5])


def test_a_folder_that_cannot_be_written(trained, copy, tmp_path, refusal, monkeypatch):
    def denied(self, missing_ok=False):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", denied)
        assert refusal(StorageError, write_run, trained[0], copy) == (
            f"{copy}: expected permission to write, found none. Choose another folder or change its mode."
        )
    (tmp_path / "file").write_text("x")
    text = refusal(StorageError, write_run, trained[0], tmp_path / "file")
    assert text.startswith(f"{tmp_path / 'file'}: expected to write the file, found Not a directory.")
    assert (tmp_path / "file").read_text() == "x"


# Ctrl-C


@pytest.mark.parametrize(("epoch", "done"), [(1, 0), (3, 2)])
def test_an_interrupted_training_leaves_a_run(split, tmp_path, epoch, done):
    progress = Told(interrupt_in_epoch=epoch)
    folder = tmp_path / "run"
    run = fit(tiny(), split, epochs=50, out=folder, progress=progress)
    assert progress.told == ["start", *["epoch"] * done, "interrupted"]
    read = Run.read(folder)
    assert_same_run(read, run)
    assert (read.manifest["ending"], read.manifest["epochs"]) == ("interrupted", done)
    assert len(read.recommender().recommend("user-17")) == 10
    assert read.evaluate().metrics == run.test_metrics
    resumed = fit(tiny(), split, epochs=3, out=folder, resume=True)
    assert (resumed.manifest["ending"], resumed.manifest["epochs"]) == ("all epochs", 3)
    np.testing.assert_array_equal(resumed.vectors.items, fit(tiny(), split, epochs=3).vectors.items)
    assert_same_run(Run.read(folder), resumed)

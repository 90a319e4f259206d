"""A run folder: what goes in comes out, and what is not whole is refused by name."""

import errno
import hashlib
import json
import os
import pickle
import pickletools
import resource
import tomllib
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hand_made import COMMAND, assert_same_run, hand_made, names, random_run, rewrite_manifest
from safetensors.numpy import load_file

from reelmix.errors import ConfigError, RunError, StorageError
from reelmix.evaluation import EvaluationConfig
from reelmix.models import DualGNN
from reelmix.recommender import Run
from reelmix.recommender.fit import fit

CHECKED = [
    "curve.jsonl",
    "interactions.safetensors",
    "items.parquet",
    "metrics.json",
    "per_user.safetensors",
    "settings.json",
    "users.parquet",
    "vectors.safetensors",
    "weights.safetensors",
]
IN_WRITING_ORDER = [
    "vectors.safetensors",
    "weights.safetensors",
    "interactions.safetensors",
    "per_user.safetensors",
    "users.parquet",
    "items.parquet",
    "settings.json",
    "metrics.json",
    "curve.jsonl",
    "manifest.json",
]
OTHER_BYTES = (
    "{}: expected the file as it was written, found other bytes. Restore the run folder from a copy, or "
    "train again."
)
FULL_DISK = "{}: expected free disk space, found a full disk. Free some space and run the command again."


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def tiny():
    return DualGNN(embedding_size=4, neighbours=3, layers=1)


# What goes in comes out


def test_read_equals_written(trained):
    run, folder = trained
    assert_same_run(Run.read(folder), run)


def test_written_again_equals_read(trained, tmp_path):
    read = Run.read(trained[1])
    read.write(tmp_path / "again")
    assert_same_run(Run.read(tmp_path / "again"), read)
    here, there = contents(tmp_path / "again"), contents(trained[1])
    assert here == {name: there[name] for name in here}


@pytest.mark.parametrize("titles", [None, ["a", None, "日本 [b]"]])
@pytest.mark.parametrize("emphasis", [None, np.array([[1.5], [-2.0]], np.float32)])
@pytest.mark.parametrize("ids", [{}, {"user_ids": [-3, 5], "item_ids": [0, 1, 2**62]}])
def test_a_hand_made_run_comes_back(tmp_path, titles, emphasis, ids):
    run = hand_made(
        np.eye(2),
        np.ones((3, 2)),
        watched=[(0, 1, 0), (1, 2, 1), (1, 0, 2)],
        present=[[1], [0], [1]],
        titles=titles,
        emphasis=emphasis,
        **ids,
    )
    assert run.write(tmp_path / "run") == tmp_path / "run"
    assert_same_run(Run.read(str(tmp_path / "run")), run)


def test_more_columns_of_items_come_back(trained, tmp_path):
    run = trained[0]
    more = run.item_table.with_columns(length=pl.arange(80), tags=pl.lit(["a", "b"]))
    replace(run, item_table=more).write(tmp_path / "run")
    assert Run.read(tmp_path / "run").item_table.equals(more)


def test_the_weights_are_those_that_made_the_vectors(trained, split):
    run = Run.read(trained[1])
    model = DualGNN(embedding_size=8, neighbours=5).build(split, rng=3)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in run.weights.items()})
    with torch.no_grad():
        made = model.eval().embed()
    np.testing.assert_allclose(made.users.numpy(), run.vectors.users, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made.items.numpy(), run.vectors.items, rtol=1e-5, atol=1e-6)


# It needs nothing else


def test_it_evaluates_the_same_without_the_dataset(trained):
    run, folder = trained
    assert names(folder.parent) == ["run"]
    read = Run.read(folder)
    for stage in ("validation", "test"):
        found = read.evaluate(stage=stage)
        assert found.metrics == run.metrics[stage]
        per_user = {"users": found.users, **found.per_user}
        assert per_user.keys() == run.per_user[stage].keys()
        for name, values in per_user.items():
            np.testing.assert_array_equal(values, run.per_user[stage][name])
    assert read.test_metrics == run.metrics["test"]


def test_it_measures_what_it_did_not_before(trained):
    found = Run.read(trained[1]).evaluate(EvaluationConfig(at=(3,), metrics=("recall",)))
    assert list(found.metrics) == ["recall@3", "coverage@3"]


@pytest.mark.parametrize(
    ("stage", "hint"), [("tset", "Did you mean 'test'?"), ("x", "Valid names: test, validation.")]
)
def test_an_unknown_stage(trained, refusal, stage, hint):
    text = refusal(ConfigError, trained[0].evaluate, stage=stage)
    assert text == f"stage: expected validation or test, found {stage!r}. {hint}"


def test_the_parts_of_the_split_are_kept(trained, split):
    run = Run.read(trained[1])
    for label, name in enumerate(("train", "validation", "test")):
        assert (run.matrix(label) != split.matrix(name)).nnz == 0
    assert run.matrix().nnz == len(split.dataset.interactions)


def test_the_manifest(trained, dataset, split):
    manifest = json.loads((trained[1] / "manifest.json").read_text())
    assert manifest["run_version"] == 1
    assert (manifest["model"], manifest["rng"], manifest["command"]) == ("dualgnn", 3, COMMAND)
    assert (manifest["ending"], manifest["epochs"], manifest["device"]) == ("all epochs", 3, "cpu")
    assert manifest["threads"] == torch.get_num_threads()
    assert manifest["versions"].pop("python").startswith("3.")
    assert manifest["versions"] == {
        name: version(name)
        for name in ("reelmix", "torch", "numpy", "scipy", "polars", "safetensors", "sparse-dot-topn")
    }
    assert manifest["dataset"] == {
        "name": "simulated sample",
        "provenance": dataset.card.provenance,
        "simulated": True,
        "content_hash": dataset.content_hash,
        "users": 120,
        "items": 80,
        "interactions": len(dataset.interactions),
        "modalities": ["visual", "acoustic", "textual"],
    }
    counts = {name: int(split.matrix(name).nnz) for name in ("train", "validation", "test")}
    assert sum(counts.values()) == len(dataset.interactions)
    assert manifest["split"] == {"method": "random", "rng": 3, "users_without_training": 0, **counts}
    started, finished = (datetime.fromisoformat(manifest[key]) for key in ("started", "finished"))
    assert started.utcoffset() == timedelta(0)
    assert started <= finished
    assert sorted(manifest["files"]) == CHECKED


def test_the_curve_and_the_best_epoch(trained):
    run = Run.read(trained[1])
    assert [line["epoch"] for line in run.curve] == [1, 2, 3]
    best = max(run.curve, key=lambda line: (line["metric"], -line["epoch"]))
    assert run.manifest["best_epoch"] == best["epoch"]
    assert run.metrics["validation"]["recall@20"] == best["metric"]


def test_the_settings_are_said_twice_and_agree(trained):
    run, folder = trained
    assert tomllib.loads((folder / "config.toml").read_text()) == {
        table: {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
        for table, values in run.settings.items()
    }
    assert run.settings["model"]["embedding_size"] == 8
    assert run.settings["training"]["epochs"] == 3
    assert run.settings["run"] == {"rng": 3, "split": "random"}


# No pickle


def test_no_file_is_a_pickle(trained):
    readers = {
        ".json": lambda path: json.loads(path.read_bytes()),
        ".jsonl": lambda path: [json.loads(line) for line in path.read_bytes().splitlines()],
        ".toml": lambda path: tomllib.loads(path.read_text()),
        ".parquet": pl.read_parquet,
        ".safetensors": load_file,
    }
    for path in trained[1].iterdir():
        readers[path.suffix](path)  # wholly of its format; KeyError for one that we do not know
        content = path.read_bytes()
        with pytest.raises((ValueError, IndexError)):
            list(pickletools.genops(content))
        for protocol in range(2, 6):
            assert not content.startswith(bytes([0x80, protocol]))
        assert b"PK\x03\x04" not in content  # a zip, such as torch.save makes around a pickle
        if path.suffix == ".parquet":
            assert not any(dtype == pl.Object for dtype in pl.read_parquet(path).dtypes)


def test_reading_unpickles_nothing(trained, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a pickle is read")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    Run.read(trained[1])


# What is not whole is refused


def flip(path: Path, place: int, mask: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= mask
    path.write_bytes(bytes(content))


def test_every_file_that_is_read_is_checked(trained):
    others = {"manifest.json", "config.toml", "checkpoint.safetensors"}
    assert {path.name for path in trained[1].iterdir()} == set(CHECKED) | others


@pytest.mark.parametrize("mask", [0x01, 0xFF])
@pytest.mark.parametrize("name", [*CHECKED, "manifest.json"])
def test_one_byte_changed(copy, refusal, name, mask):
    path = copy / name
    flip(path, path.stat().st_size // 2, mask)
    assert refusal(RunError, Run.read, copy) == OTHER_BYTES.format(path)


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("place", [0, -1])
def test_the_first_or_last_byte_changed(copy, refusal, name, place):
    flip(copy / name, place, 0x01)
    assert refusal(RunError, Run.read, copy) == OTHER_BYTES.format(copy / name)


def test_any_byte_of_the_manifest_changed(copy):
    path = copy / "manifest.json"
    content = path.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 0x01
        path.write_bytes(bytes(changed))
        with pytest.raises(RunError) as caught:
            Run.read(copy)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("kept", [0, 0.5, 0.999])
@pytest.mark.parametrize("name", [*CHECKED, "manifest.json"])
def test_a_truncated_file(copy, refusal, name, kept):
    path = copy / name
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert refusal(RunError, Run.read, copy) == OTHER_BYTES.format(path)


@pytest.mark.parametrize("name", CHECKED)
def test_a_missing_file(copy, refusal, name):
    (copy / name).unlink()
    text = refusal(StorageError, Run.read, copy)
    assert text.startswith(f"{copy / name}: expected a file of the run, found nothing.")


def test_a_folder_in_place_of_a_file(copy, refusal):
    (copy / "users.parquet").unlink()
    (copy / "users.parquet").mkdir()
    text = refusal(StorageError, Run.read, copy)
    assert text.startswith(f"{copy / 'users.parquet'}: expected a file of the run, found a folder.")


def test_a_file_that_cannot_be_read(copy, refusal, monkeypatch):
    def broken(self):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "read_bytes", broken)
    text = refusal(StorageError, Run.read, copy)
    assert text == (
        f"{copy / 'curve.jsonl'}: expected a readable file, found Input/output error. Check the disk."
    )


def test_another_version(copy, refusal):
    rewrite_manifest(copy, run_version=2)
    assert refusal(RunError, Run.read, copy) == (
        f"{copy / 'manifest.json'}: expected run version 1, found 2. Train again with this version of "
        "reelmix, or open the run with the version that made it."
    )


def test_a_manifest_rewritten_with_its_checksum_is_read(copy):
    rewrite_manifest(copy, command="something else")  # so that the test above fails for the version alone
    assert Run.read(copy).manifest["command"] == "something else"


@pytest.mark.parametrize(
    "edit",
    [
        lambda manifest: manifest | {"rng": 4},
        lambda manifest: manifest | {"extra": 1},
        lambda manifest: {key: value for key, value in manifest.items() if key != "split"},
        lambda manifest: {key: value for key, value in manifest.items() if key != "checksum"},
        lambda manifest: {key: value for key, value in manifest.items() if key != "run_version"},
        lambda manifest: [manifest],
        lambda _: None,
    ],
    ids=["value", "more", "less", "no checksum", "no version", "list", "null"],
)
def test_an_edited_manifest(copy, refusal, edit):
    path = copy / "manifest.json"
    path.write_text(json.dumps(edit(json.loads(path.read_text()))))
    assert refusal(RunError, Run.read, copy) == OTHER_BYTES.format(path)


def test_a_folder_without_manifest(tmp_path, refusal):
    (tmp_path / "notes.txt").write_text("no run")
    assert refusal(RunError, Run.read, tmp_path) == (
        f"{tmp_path}: expected a finished run, found a folder without manifest.json. Give the folder that "
        "reelmix train wrote to."
    )


def test_an_unfinished_run(copy, refusal):
    for path in copy.iterdir():
        if path.name not in ("checkpoint.safetensors", "config.toml"):
            path.unlink()
    assert refusal(RunError, Run.read, copy) == (
        f"{copy}: expected a finished run, found one whose training was cut off. Go on with reelmix train, "
        "the same data and settings, --out this folder and --resume."
    )


def test_not_a_folder(tmp_path, refusal):
    (tmp_path / "file").write_text("x")
    assert refusal(StorageError, Run.read, tmp_path / "file") == (
        f"{tmp_path / 'file'}: expected a run folder, found a file. Check the path."
    )
    assert refusal(StorageError, Run.read, tmp_path / "none") == (
        f"{tmp_path / 'none'}: expected a run folder, found nothing. Check the path; relative paths start in "
        "the present folder."
    )


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
        text = refusal(StorageError, trained[0].write, folder)
    assert text == FULL_DISK.format(folder / IN_WRITING_ORDER[write])
    assert names(folder) == sorted(IN_WRITING_ORDER[:write])
    assert "without manifest.json" in refusal(RunError, Run.read, folder)
    assert contents(copy) == other
    assert_same_run(Run.read(trained[0].write(folder)), trained[0])  # with space again


@pytest.mark.parametrize("write", [0, 4, 9])
def test_half_a_new_run_over_an_old_one_does_not_pass_for_either(copy, refusal, monkeypatch, write):
    with monkeypatch.context() as patch:
        full_from(patch, write)
        refusal(StorageError, random_run(0).write, copy)
    assert not list(copy.glob("*.part"))
    assert not list(copy.glob(".*"))
    assert "expected a finished run" in refusal(RunError, Run.read, copy)


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
    assert limited(2048, refusal, StorageError, trained[0].write, folder) == (
        f"{folder / 'vectors.safetensors'}: expected room for the file, found a limit on file sizes. "
        "Raise the limit (ulimit -f)."
    )
    assert names(folder) == []


def test_a_limit_on_file_sizes_met_by_a_table(tmp_path, refusal):
    noise = np.random.default_rng(0).bytes(100_000).hex()
    run = hand_made([[1.0]], [[1], [2]], titles=[noise, "short"], watched=[(0, 0, 0)])
    folder = tmp_path / "run"
    assert limited(16_384, refusal, StorageError, run.write, folder) == (
        f"{folder / 'items.parquet'}: expected room for the file, found a limit on file sizes. "
        "Raise the limit (ulimit -f)."
    )
    assert names(folder) == sorted(IN_WRITING_ORDER[:5])


def test_a_folder_that_cannot_be_written(trained, copy, tmp_path, refusal, monkeypatch):
    def denied(self, missing_ok=False):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", denied)
        assert refusal(StorageError, trained[0].write, copy) == (
            f"{copy}: expected permission to write, found none. Choose another folder or change its mode."
        )
    (tmp_path / "file").write_text("x")
    text = refusal(StorageError, trained[0].write, tmp_path / "file")
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

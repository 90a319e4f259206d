"""A run folder: what goes in comes out, and it needs nothing else."""

import json
import pickle
import pickletools
import tomllib
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.metadata import version

import numpy as np
import polars as pl
import pytest
import torch
from hand_made import CHECKED, COMMAND, assert_same_run, contents, hand_made, names
from safetensors.numpy import load_file
from small_worlds import world as small_world

from reelmix.data.interactions import TRAIN
from reelmix.errors import ConfigError
from reelmix.evaluation import EvaluationConfig
from reelmix.models import DualGNN, LightGCN, model_class
from reelmix.recommender import Recommender, Run, explain
from reelmix.recommender.fit import fit
from reelmix.recommender.new_users import fold_in

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


LEARNED = {
    "user layers": DualGNN(embedding_size=4, neighbours=3, user_layers=2),
    "fusion": DualGNN(embedding_size=4, neighbours=3, construction="concatenation"),
    "no user graph": DualGNN(embedding_size=4, user_layers=0),
    "lightgcn": LightGCN(embedding_size=4),
    "mmgcn": model_class("mmgcn")(embedding_size=4),
}


@pytest.mark.parametrize("kind", LEARNED)
def test_reasons_and_new_users_are_the_same_bit_for_bit(kind, tmp_path):
    run = fit(LEARNED[kind], small_world(), epochs=1, rng=0, out=tmp_path / "run")
    read = Run.read(tmp_path / "run")
    assert_same_run(read, run)
    for user, item in ((0, 0), (5, 2), (12, 7), (3, 1)):
        assert explain(Recommender(read), user, item) == explain(Recommender(run), user, item)
    if kind != "mmgcn":
        found, expected = (fold_in(one, one.matrix(TRAIN)) for one in (read, run))
        assert expected.any()
        np.testing.assert_array_equal(found, expected)


def test_more_columns_of_items_come_back(trained, tmp_path):
    run = trained[0]
    more = run.item_table.with_columns(length=pl.arange(80), tags=pl.lit(["a", "b"]))
    replace(run, item_table=more).write(tmp_path / "run")
    assert Run.read(tmp_path / "run").item_table.equals(more)


def test_the_weights_are_those_that_made_the_vectors(trained, split):
    run = Run.read(trained[1])
    model = DualGNN(embedding_size=8, neighbours=5, missing="mask").build(split, rng=3)
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


def test_what_each_stage_ranks():
    # u00 scores 5, 4, 3, 2, 1 and u01 the reverse; both trained on i00, are validated by i02, tested by i03.
    watched = [(user, item, label) for user in (0, 1) for label, item in enumerate((0, 2, 3))]
    run = hand_made([[1.0], [-1.0]], [[5], [4], [3], [2], [1]], watched=watched)
    config = EvaluationConfig(at=(1, 2, 3), metrics=("hit_rate",))

    def hits(stage):
        per_user = run.evaluate(config, stage=stage).per_user
        return np.stack([per_user[f"hit_rate@{at}"] for at in (1, 2, 3)], axis=1).tolist()

    # i01, i02 and i04, i03, i02: the training item alone is left out, the test item stays a candidate
    assert hits("validation") == [[0, 1, 1], [0, 0, 1]]
    # i01, i03 and i04, i03: the validation item is left out too
    assert hits("test") == [[0, 1, 1], [0, 1, 1]]


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
        "features": {
            name: {"kind": "dense", "size": size, "encoder": dataset.features[name].encoder}
            for name, size in (("visual", 48), ("acoustic", 32), ("textual", 40))
        },
    }
    assert manifest["content"] == {name: name for name in dataset.modalities}
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

"""Cells: what decides which is which, what is measured, and that nothing is measured twice."""

import json
from dataclasses import replace

import numpy as np
import pytest

from reelmix.data import Dataset
from reelmix.errors import ConfigError, DataError, StorageError
from reelmix.evaluation import EvaluationConfig, VectorScorer, evaluate
from reelmix.models import FLOORS, MODELS
from reelmix.recommender.fit import fit
from reelmix.recommender.shares import modality_shares
from reelmix.settings import DataSize
from reelmix.study import cells as module
from reelmix.study import cold
from reelmix.study.cells import Cell, Measuring, Outcome, measure
from reelmix.study.missing import lose_modalities
from reelmix.training.config import TrainingConfig

TRAINING = TrainingConfig(epochs=2, batch_size=256)
SMALL = {"embedding_size": 4}


def cell(model="dualgnn", rng=0, **changes):
    settings = {**SMALL, "neighbours": 3} if model == "dualgnn" else SMALL if model in MODELS else {}
    return Cell(**{"model": model, "settings": settings, "training": TRAINING, "rng": rng, **changes})


@pytest.fixture
def measuring(data, tmp_path):
    return Measuring(data, None, 0, tmp_path / "cells", EvaluationConfig())


class Told:
    """Remembers what it is told."""

    def __init__(self):
        self.cells, self.counts, self.outcomes = [], [], []

    def __call__(self, cell, outcome, done, total):
        self.cells.append(cell)
        self.counts.append((done, total))
        self.outcomes.append(outcome)


def measured(measuring, *wanted, jobs=1, told=None):
    """The outcomes of these cells, in their order."""
    found = measure(wanted, measuring, jobs=jobs, threads=1, told=told or Told())
    return [found[one.key(measuring.identity())] for one in wanted]


def timeless(outcome):
    """Everything of an outcome that is the same each time."""
    arrays = {**outcome.per_user, **{f"vectors/{key}": value for key, value in outcome.vectors.items()}}
    return (
        outcome.metrics,
        outcome.users.tolist(),
        {key: value.tolist() for key, value in arrays.items()},
        (outcome.epochs, outcome.best_epoch, outcome.parameters),
    )


def test_a_cell_is_trained_as_it_says(measuring, monkeypatch):
    """Neither a preset nor a model's own defaults come in from behind."""
    monkeypatch.setattr(Dataset, "size", DataSize(100_000, 5_000_000))
    runs = []

    def watched(*arguments, **settings):
        runs.append(fit(*arguments, **settings))
        return runs[-1]

    for place in (module, cold):
        monkeypatch.setattr(place, "fit", watched)
    for one in (cell("reelmix"), cell("reelmix", protocol="cold_users", ratio=0.2)):
        measuring(one, lambda epoch: False)
    assert len(runs) == 2
    for run in runs:
        assert run.settings["training"] == TRAINING.model_dump()
        expected = MODELS["reelmix"].Config(**SMALL).model_dump(exclude_none=True)
        assert run.settings["model"] == {"name": "reelmix", **expected}


# Which cell is which


CHANGES = {
    "model": {"model": "mmgcn", "settings": {**SMALL, "neighbours": 3}},
    "a setting": {"settings": {"embedding_size": 5, "neighbours": 3}},
    "a setting more": {"settings": {**SMALL, "neighbours": 3, "layers": 1}},
    "epochs": {"training": TRAINING.model_copy(update={"epochs": 3})},
    "learning rate": {"training": TRAINING.model_copy(update={"learning_rate": 0.002})},
    "batch size": {"training": TRAINING.model_copy(update={"batch_size": 255})},
    "patience": {"training": TRAINING.model_copy(update={"patience": 1})},
    "validation metric": {"training": TRAINING.model_copy(update={"validation_metric": "ndcg@20"})},
    "seed": {"rng": 1},
    "modalities": {"modalities": ("visual",)},
    "their order": {"modalities": ("acoustic", "visual")},
    "protocol": {"protocol": "edges"},
    "other protocol": {"protocol": "features"},
    "ratio": {"protocol": "edges", "ratio": 0.5},
    "pattern": {"protocol": "random", "modality": "visual", "ratio": 0.5},
    "other pattern": {"protocol": "newest", "modality": "visual", "ratio": 0.5},
    "lost modality": {"protocol": "random", "modality": "acoustic", "ratio": 0.5},
    "new items": {"protocol": "cold_items", "ratio": 0.5},
    "new users": {"protocol": "cold_users", "ratio": 0.5},
    "what is kept": {"vectors": True},
    "whose time is measured": {"alone": True},
}


def test_every_difference_is_another_cell():
    keys = {"none": cell().key("data")}
    keys |= {name: cell(**changes).key("data") for name, changes in CHANGES.items()}
    keys["order before"] = cell(modalities=("visual", "acoustic")).key("data")
    keys["data"] = cell().key("other")
    assert len(set(keys.values())) == len(keys), keys
    assert all(len(key) == 20 and key.isalnum() for key in keys.values())


def test_equal_cells_have_equal_keys_however_they_are_written():
    other = cell(
        settings={"neighbours": 3, "embedding_size": 4},
        training=TrainingConfig(batch_size=256, epochs=2),
        modalities=None,
    )
    assert other.key("data") == cell().key("data")


def test_a_changed_default_is_another_cell(monkeypatch):
    """Or a study would go on from what another default gave."""
    plain, other = cell("vbpr").key("data"), cell().key("data")
    assert cell("vbpr", settings={**SMALL, "missing": "mask"}).key("data") == plain

    class Changed(MODELS["vbpr"].Config):
        missing: str = "mean"

    monkeypatch.setattr(MODELS["vbpr"], "Config", Changed)
    assert cell("vbpr").key("data") != plain
    assert cell("vbpr", settings={**SMALL, "missing": "mask"}).key("data") == plain
    assert cell().key("data") == other


def test_every_field_of_a_cell_is_in_its_key():
    assert set(Cell.__dataclass_fields__) == {
        "model", "settings", "training", "rng", "modalities", "protocol", "ratio", "modality", "vectors",
        "alone",
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"rng": 1},
        {"method": "leave_one_out"},
        {"evaluation": EvaluationConfig(at=(5, 10))},
        {"evaluation": EvaluationConfig(metrics=("recall",))},
    ],
    ids=str,
)
def test_other_splits_and_metrics_are_other_data(measuring, changes):
    assert replace(measuring, **changes).identity() != measuring.identity()


@pytest.mark.parametrize(
    "names", [["visual"], ["textual", "acoustic", "visual"]], ids=["fewer", "in another order"]
)
def test_other_modalities_are_other_data(measuring, world, tmp_path, names):
    """Parameters are drawn, and modalities lost, in the order of the modalities."""
    other = world.only(names).write(tmp_path / "other")
    assert replace(measuring, data=other).identity() != measuring.identity()


def test_another_version_is_other_data(measuring, monkeypatch):
    before = measuring.identity()
    monkeypatch.setattr(module, "version", lambda name: "99.0")
    assert measuring.identity() != before


def test_where_data_and_cells_lie_does_not_matter(measuring, world, tmp_path):
    moved = world.write(tmp_path / "elsewhere")
    other = replace(measuring, data=moved, out=tmp_path / "other", method="random")  # as None is, here
    assert other.identity() == measuring.identity()


# What is measured


@pytest.mark.usefixtures("in_this_process")
def test_a_cell_is_a_run(measuring, data):
    split = Dataset.read(data).split()
    run = fit(MODELS["dualgnn"](**SMALL, neighbours=3), split, training=TRAINING, rng=3)
    (found,) = measured(measuring, cell(rng=3, vectors=True))
    assert found.metrics == run.metrics
    per_user = dict(run.per_user["test"])
    np.testing.assert_array_equal(found.users, per_user.pop("users"))
    assert found.per_user.keys() == per_user.keys()
    for name, values in per_user.items():
        np.testing.assert_array_equal(found.per_user[name], values)
    assert (found.epochs, found.best_epoch) == (run.manifest["epochs"], run.manifest["best_epoch"])
    np.testing.assert_array_equal(found.vectors["users"], run.vectors.users)
    np.testing.assert_array_equal(found.vectors["items"], run.vectors.items)
    np.testing.assert_array_equal(found.vectors["emphasis"], run.vectors.emphasis)
    np.testing.assert_array_equal(found.vectors["shares"], modality_shares(run.vectors))
    # preferences and alpha: users x 3 x 4, and users x 3
    assert found.parameters == 40 * 3 * 4 + 40 * 3
    assert 0 < found.epoch_seconds < found.seconds


@pytest.mark.usefixtures("in_this_process")
def test_vectors_are_kept_where_they_are_asked_for(measuring):
    without, of_ids = measured(measuring, cell(), cell("lightgcn", vectors=True))
    assert not without.vectors
    assert set(of_ids.vectors) == {"users", "items"}


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("name", sorted(FLOORS))
def test_a_floor_is_measured_as_a_model_is(measuring, data, name):
    settings = {"gfcf": {"rank": 8}}.get(name, {})
    (found,) = measured(measuring, cell(name, settings=settings))
    split = Dataset.read(data).split()
    floor = FLOORS[name](**settings).build(split)
    train, validation, test = (split.matrix(part) for part in ("train", "validation", "test"))
    on_validation = evaluate(floor, relevant=validation, exclude=train)
    on_test = evaluate(floor, relevant=test, exclude=train + validation)
    assert found.metrics == {"validation": on_validation.metrics, "test": on_test.metrics}
    np.testing.assert_array_equal(found.users, on_test.users)
    for key, values in on_test.per_user.items():
        np.testing.assert_array_equal(found.per_user[key], values)
    assert (found.epochs, found.best_epoch, found.parameters, found.vectors) == (0, 0, 0, {})
    assert 0 <= found.epoch_seconds < found.seconds


@pytest.mark.usefixtures("in_this_process")
def test_modalities_alone(measuring, data):
    """In the whole process: parameters and vectors are those of a dataset that has no other modality."""
    (found,) = measured(measuring, cell(modalities=("textual",), vectors=True))
    alone = Dataset.read(data).only(["textual"]).split()
    run = fit(MODELS["dualgnn"](**SMALL, neighbours=3), alone, training=TRAINING)
    np.testing.assert_array_equal(found.vectors["users"], run.vectors.users)
    assert found.metrics == run.metrics
    assert found.vectors["emphasis"].shape == (40, 1)
    assert measuring.split().dataset.modalities == ("visual", "acoustic", "textual")


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("protocol", ["edges", "features", "shuffle"])
def test_modalities_lost(measuring, data, protocol):
    (found,) = measured(measuring, cell(rng=5, protocol=protocol, ratio=0.5))
    split = lose_modalities(Dataset.read(data).split(), 0.5, protocol, rng=5)
    run = fit(MODELS["dualgnn"](**SMALL, neighbours=3), split, training=TRAINING, rng=5)
    assert found.metrics == run.metrics


@pytest.mark.usefixtures("in_this_process")
def test_metrics_follow_from_the_vectors(measuring, data):
    """The test part is ranked among all items that were in neither of the other parts."""
    (found,) = measured(measuring, cell("lightgcn", vectors=True))
    split = Dataset.read(data).split()
    scorer = VectorScorer(found.vectors["users"], found.vectors["items"])
    hidden = split.matrix("train") + split.matrix("validation")
    again = evaluate(scorer, relevant=split.matrix("test"), exclude=hidden)
    assert found.metrics["test"] == again.metrics
    for key, values in again.per_user.items():
        np.testing.assert_array_equal(found.per_user[key], values)
        assert found.metrics["test"][key] == pytest.approx(values.mean(), rel=1e-12)


# What is kept


def outcome(**changes):
    values = np.array([0.0, 0.5, 1.0])
    given = {
        "metrics": {"validation": {"recall@10": 0.25}, "test": {"recall@10": 0.5, "coverage@20": 1.0}},
        "users": np.array([0, 3, 4]),
        "per_user": {"recall@10": values, "ndcg@10": values[::-1].copy()},
        "epochs": 7,
        "best_epoch": 3,
        "epoch_seconds": 0.125,
        "seconds": 1.5,
        "parameters": 12345,
        "vectors": {"users": np.eye(3, dtype=np.float32), "shares": np.full((3, 2), np.nan)},
    }
    return Outcome(**{**given, **changes})


@pytest.mark.parametrize("vectors", [{}, outcome().vectors], ids=["without vectors", "with vectors"])
def test_what_was_written_is_read(tmp_path, vectors):
    before = outcome(vectors=vectors)
    before.write(tmp_path / "cell", cell().as_dict())
    after = Outcome.read(tmp_path / "cell")
    for name in ("metrics", "epochs", "best_epoch", "epoch_seconds", "seconds", "parameters"):
        assert getattr(after, name) == getattr(before, name), name
    np.testing.assert_array_equal(after.users, before.users)
    for name in ("per_user", "vectors"):
        assert getattr(after, name).keys() == getattr(before, name).keys()
        for key, value in getattr(before, name).items():
            np.testing.assert_array_equal(getattr(after, name)[key], value)
            assert getattr(after, name)[key].dtype == value.dtype


def test_a_cell_says_what_it_is(tmp_path):
    outcome().write(
        tmp_path / "cell", cell(rng=4, modalities=("visual",), protocol="edges", ratio=0.25).as_dict()
    )
    numbers = json.loads((tmp_path / "cell" / "cell.json").read_text())
    assert numbers["cell"] == {
        "model": "dualgnn",
        "settings": {"embedding_size": 4, "neighbours": 3},
        "training": TRAINING.model_dump(),
        "rng": 4,
        "modalities": ["visual"],
        "protocol": "edges",
        "ratio": 0.25,
        "modality": None,
        "vectors": False,
        "alone": False,
    }


def test_a_cell_is_not_written_over(tmp_path, refusal):
    outcome().write(tmp_path / "cell", cell().as_dict())
    assert refusal(StorageError, outcome().write, tmp_path / "cell", cell().as_dict()) == (
        f"{tmp_path / 'cell'}: expected a new or empty folder for a cell of the study, found something there "
        "already. Choose another path, or move the old one away first."
    )


DAMAGE = {
    "cut off": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "no JSON object": lambda text: "[1, 2]",
    "no text": lambda text: b"\xff\xfe",
    "a number less": lambda text: text.replace('"best_epoch"', '"worst_epoch"'),
    "no metrics": lambda text: text.replace('"metrics"', '"metric"'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cell_is_named(measuring, tmp_path, in_this_process, damage, refusal):
    measured(measuring, cell(), cell("popularity"))
    folder = measuring.folder(cell())
    damaged = DAMAGE[damage]((folder / "cell.json").read_text())
    (folder / "cell.json").write_bytes(damaged if isinstance(damaged, bytes) else damaged.encode())
    message = refusal(StorageError, measured, measuring, cell("popularity"), cell())
    assert message == (
        f"{folder}: expected a finished cell of a study, found a damaged one. "
        "Delete that folder; the cell is then measured again."
    )
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert measured(measuring, cell())[0].epochs == 2


def test_a_cell_that_lost_a_file_is_named(measuring, in_this_process, refusal):
    measured(measuring, cell())
    path = measuring.folder(cell()) / "per_user.safetensors"
    path.unlink()
    message = refusal(StorageError, measured, measuring, cell())
    assert message.startswith(f"{path}: expected a safetensors file, found nothing.")


# Going on


def test_nothing_is_measured_twice(measuring, in_this_process, monkeypatch):
    wanted = [cell(), cell("ease"), cell(), cell("lightgcn")]
    told = Told()
    first = measured(measuring, *wanted, told=told)
    assert told.counts == [(1, 3), (2, 3), (3, 3)]
    assert [one.model for one in told.cells] == ["dualgnn", "ease", "lightgcn"]
    assert first[0] is first[2]
    assert [timeless(one) for one in told.outcomes] == [timeless(first[place]) for place in (0, 1, 3)]

    def nothing(*_, **__):
        pytest.fail("a finished cell is measured again")

    monkeypatch.setattr(module, "work_through", nothing)
    again = measured(measuring, *wanted, told=nothing)
    assert [timeless(one) for one in again] == [timeless(one) for one in first]
    assert [one.seconds for one in again] == [one.seconds for one in first]


def test_an_interrupted_study_goes_on_from_what_is_finished(measuring, in_this_process, monkeypatch):
    wanted = [cell(rng=rng) for rng in range(4)]
    train = Measuring._model

    def interrupted(self, one, split, served):
        if one.rng == 2:
            raise KeyboardInterrupt
        return train(self, one, split, served)

    told = Told()
    with monkeypatch.context() as patch:
        patch.setattr(Measuring, "_model", interrupted)
        with pytest.raises(KeyboardInterrupt):
            measured(measuring, *wanted, told=told)
    assert [one.rng for one in told.cells] == [0, 1]
    assert len(list(measuring.out.iterdir())) == 2, "nothing half done is left"
    told = Told()
    later = measured(measuring, *wanted, told=told)
    assert [one.rng for one in told.cells] == [2, 3]
    assert told.counts == [(3, 4), (4, 4)]
    at_once = measured(replace(measuring, out=measuring.out.with_name("other")), *wanted)
    assert [timeless(one) for one in later] == [timeless(one) for one in at_once]


def test_an_error_keeps_what_is_finished(measuring, in_this_process, refusal):
    wrong = cell("mmgcn", settings={"embedding_size": 4, "content": "identity"})
    assert refusal(ConfigError, measured, measuring, cell(), wrong) == (
        "content: expected features of size 4 for content 'identity', found 48 in modality 'visual'. "
        "Set embedding_size = 48, or content = 'pca'."
    )
    assert [path.name for path in measuring.out.iterdir()] == [cell().key(measuring.identity())]


# Side by side


def test_two_processes_measure_what_one_does(measuring, in_this_process, monkeypatch):
    wanted = [cell(), cell("ease"), cell("lightgcn", vectors=True)]
    here = measured(measuring, *wanted)
    monkeypatch.undo()
    there = measured(replace(measuring, out=measuring.out.with_name("other")), *wanted, jobs=2)
    assert [timeless(one) for one in there] == [timeless(one) for one in here]


def test_cells_whose_time_is_measured_come_last_one_by_one(measuring, monkeypatch):
    calls = []

    def noted(tasks, work, *, jobs, threads, answer, done):
        calls.append(([(task.model, task.rng) for task in tasks], jobs, threads))
        for task in tasks:
            outcome().write(measuring.folder(task), task.as_dict())
            done(task, None)

    monkeypatch.setattr(module, "work_through", noted)
    timed = [cell("vbpr", alone=True), cell("lightgcn", alone=True)]
    told = Told()
    measure([timed[0], cell(), timed[1], cell(rng=1)], measuring, jobs=3, threads=2, told=told)
    assert calls == [
        ([("dualgnn", 0), ("dualgnn", 1)], 2, 2),  # no more processes than cells
        ([("vbpr", 0), ("lightgcn", 0)], 1, 2),
    ]
    assert told.counts == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_no_cell_is_no_work(measuring, monkeypatch):
    monkeypatch.setattr(module, "work_through", None)
    assert measured(measuring) == []
    assert not measuring.out.exists()


def test_modalities_that_are_not_there(measuring, in_this_process, refusal):
    assert refusal(DataError, measured, measuring, cell(modalities=("visul",))) == (
        "modalities: expected a modality of this dataset, found 'visul'. Did you mean 'visual'?"
    )

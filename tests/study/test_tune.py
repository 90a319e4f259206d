"""The search: how much is tried, in which order, on what, and that it goes on after whatever happened."""

import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import killed_search
import numpy as np
import optuna
import polars as pl
import pytest

from one_process import one_after_the_other
from reelmix.data import Card, Dataset, Split
from reelmix.data.assemble import assemble
from reelmix.errors import ConfigError, RunError
from reelmix.models import FLOORS, MODELS
from reelmix.recommender.experiment import Experiment
from reelmix.recommender.fit import fit
from reelmix.settings import DataSize, read_toml, usual_values
from reelmix.study import tune
from reelmix.study.plan import choose
from reelmix.study.spaces import KNOWN_GOOD, SPACES, Range
from reelmix.study.tune import OF_TRAINING, Search, Trial, Try, Trying, best_of
from reelmix.training.checkpoint import Epoch
from reelmix.training.config import TrainingConfig

TRAINING = TrainingConfig(epochs=3, patience=3, batch_size=128)
SMALL = ("lightgcn", "ease", "popularity")
ALL = MODELS | FLOORS


def searched(folder, data, models=SMALL, *, trials=3, training=TRAINING, rng=0, trying=None, **options):
    trying = trying or Trying(data, None, None, 0)
    return Search(folder, trials=trials, training=training, rng=rng).run(models, trying, **options)


def timeless(found):
    """What was found, without the time that it took."""
    return {model: [replace(trial, seconds=0.0) for trial in trials] for model, trials in found.items()}


def journal(folder, model):
    """Everything that the journal holds of a model."""
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "trials.journal"))
    return optuna.load_study(study_name=model, storage=optuna.storages.JournalStorage(backend)).trials


# How much is tried, and what


@pytest.mark.usefixtures("in_this_process")
def test_each_model_has_its_number_of_trials_and_the_first_has_the_published_settings(data, tmp_path):
    told = []
    found = searched(tmp_path, data, told=lambda model, trial, best: told.append((model, trial)))
    assert {model: [trial.number for trial in trials] for model, trials in found.items()} == {
        "lightgcn": [0, 1, 2],
        "ease": [0, 1, 2],
        "popularity": [0],  # there is nothing to choose
    }
    assert told == [(model, trial) for model in SMALL for trial in found[model]]
    assert found["lightgcn"][0].settings == {
        "learning_rate": 0.001, "reg": 0.0001, "embedding_size": 64, "layers": 3,
        "loss": "bpr", "temperature": 0.15, "averaging": 0.0,
    }  # fmt: skip
    assert found["ease"][0].settings == {"reg": 100.0}
    assert found["popularity"][0].settings == {}
    assert [(trial.epochs, trial.pruned) for trial in found["lightgcn"]] == [(3, False)] * 3
    assert [(trial.epochs, trial.best_epoch) for trial in found["ease"]] == [(0, 0)] * 3
    for model in ("lightgcn", "ease"):
        assert len({str(trial.settings) for trial in found[model]}) == 3
        assert all(trial.metric > 0 for trial in found[model])


def test_two_at_a_time_are_as_many_and_the_same(data, tmp_path, monkeypatch):
    both = searched(tmp_path / "both", data, ("lightgcn", "popularity"), trials=3, jobs=2)
    monkeypatch.setattr(tune, "work_through", one_after_the_other)
    single = searched(tmp_path / "single", data, ("lightgcn", "popularity"), trials=3)
    for model, trials in timeless(both).items():
        assert sorted(trials, key=lambda trial: trial.number) == timeless(single)[model]


def pairs_backwards(tasks, work, *, jobs, threads, answer, done):
    """Of two trials that are under way together, the second ends first."""
    tasks = iter(tasks)
    while pair := [task for _, task in zip(range(2), tasks, strict=False)]:
        results = [work(task, lambda report, task=task: answer(task, report)) for task in pair]
        for task, result in reversed(list(zip(pair, results, strict=True))):
            done(task, result)


def test_trials_are_given_in_the_order_they_began(data, tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "work_through", pairs_backwards)
    found = searched(tmp_path, data, ("ease",), trials=4, jobs=2)
    assert [trial.number for trial in found["ease"]] == [0, 1, 2, 3]


def test_every_trial_is_told_when_it_ends_with_the_best_so_far(data, tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "work_through", pairs_backwards)
    told = []
    found = searched(
        tmp_path,
        data,
        ("ease",),
        trials=4,
        jobs=2,
        told=lambda model, trial, best: told.append((trial, best)),
    )
    by_number = {trial.number: trial for trial in found["ease"]}
    assert [trial for trial, _ in told] == [by_number[number] for number in (1, 0, 3, 2)]
    for place, (_, best) in enumerate(told, start=1):
        assert best == best_of([trial for trial, _ in told[:place]])


class Imagined(Trying):
    """Trials that train nothing: their curve follows from the settings alone."""

    def __call__(self, task, report):
        size = 0 if task.model in FLOORS else 3
        metric = len(repr(task.settings)) / 1000
        return [Epoch(number, 0.0, metric + number / 1000, 0.0) for number in range(1, size + 1)] or [
            Epoch(0, 0.0, metric, 0.0)
        ]


@pytest.fixture
def imagined(data, in_this_process):
    return Imagined(data, None, None, 0)


def test_what_papers_report_comes_first_and_counts(data, tmp_path, imagined):
    found = searched(tmp_path, data, tuple(SPACES), trials=4, trying=imagined)
    assert list(found) == list(SPACES)
    for model, trials in found.items():
        assert len(trials) == (4 if SPACES[model] else 1)
        for published, trial in zip(KNOWN_GOOD.get(model, ({},)), trials, strict=False):
            defaults = {name: default_of(model, name) for name in SPACES[model]}
            if model == "reelmix":  # its own are those for data of this size
                usual = usual_values(model, ALL[model].Config, Dataset.read(data).size)
                defaults |= {name: value for name, value in usual.items() if name in SPACES[model]}
            assert trial.settings == {**defaults, **published}, model


def default_of(model, name):
    config = ALL[model].Config
    fields = TrainingConfig.model_fields if name in OF_TRAINING else config.model_fields
    return config.training_defaults.get(name, fields[name].default)


def test_the_seed_decides_what_is_tried_after_that(data, tmp_path, imagined):
    models = ("dualgnn", "gfcf")
    first, same, other = (
        searched(tmp_path / str(place), data, models, trials=6, trying=imagined, rng=rng)
        for place, rng in enumerate((3, 3, 4))
    )
    assert timeless(first) == timeless(same)
    for model in models:
        known = len(KNOWN_GOOD.get(model, ({},)))
        assert [t.settings for t in first[model]][:known] == [t.settings for t in other[model]][:known]
        drawn = [str(t.settings) for found in (first, other) for t in found[model][known:]]
        assert len(set(drawn)) == len(drawn)


def test_a_trial_trains_with_its_settings_and_its_learning_rate(data, tmp_path, in_this_process):
    seen = []

    class Watched(Imagined):
        def __call__(self, task, report):
            seen.append(task)
            return super().__call__(task, report)

    found = searched(tmp_path, data, ("vbpr", "ease"), trials=3, trying=Watched(data, None, None, 0), rng=7)
    for task in seen:
        trial = next(trial for trial in found[task.model] if trial.number == task.number)
        assert task.settings == trial.settings
        assert task.rng == 7
        ours = {key: trial.settings[key] for key in ("learning_rate", "averaging") if key in trial.settings}
        assert len(ours) == (2 if task.model == "vbpr" else 0)
        assert task.training == TRAINING.model_copy(update=ours)


def test_reelmix_starts_from_the_preset_of_its_data(data, tmp_path, in_this_process, monkeypatch):
    monkeypatch.setattr(Dataset, "size", DataSize(100_000, 5_000_000))
    seen = []

    class Watched(Imagined):
        def __call__(self, task, report):
            seen.append(task)
            return super().__call__(task, report)

    trying, training = Watched(data, None, None, 0), TrainingConfig(epochs=3, patience=3)
    found = searched(tmp_path, data, ("reelmix",), trials=2, training=training, trying=trying)["reelmix"]
    values = MODELS["reelmix"].Config.presets["long_histories"].values
    assert found[0].settings == {key: value for key, (value, _) in values.items()}
    # batches are no part of the space: a trial has them, and so has the file that repeats it
    assert [task.training.batch_size for task in seen] == [1024, 1024]
    kept = Experiment.read({"reelmix": MODELS["reelmix"].Config}, file=tmp_path / "reelmix.toml")
    best = best_of(found).settings
    values = {**kept.settings.model_dump(), **kept.training.model_dump()}
    assert {key: values[key] for key in best} == best


# The spaces


def test_every_model_and_floor_has_a_space():
    assert set(SPACES) == set(ALL)
    assert set(KNOWN_GOOD) <= set(SPACES)


@pytest.mark.parametrize("model", sorted(SPACES))
def test_all_that_may_be_tried_is_valid(model):
    for name, space in SPACES[model].items():
        values = (space.low, space.high) if isinstance(space, Range) else space
        assert len(set(values)) == len(values) > 1
        if isinstance(space, Range):
            assert space.low < space.high
            assert space.low > 0 or not space.log
        for value in values:
            if name in OF_TRAINING:
                assert getattr(TrainingConfig.read({name: value}, where=model), name) == value
            else:
                assert getattr(ALL[model](**{name: value}).config, name) == value
        assert name not in Trial.__dataclass_fields__, "it would be a column twice"


@pytest.mark.parametrize("model", sorted(KNOWN_GOOD))
def test_what_papers_report_lies_in_the_space(model):
    for settings in KNOWN_GOOD[model]:
        for name, value in settings.items():
            space = SPACES[model][name]
            assert space.low <= value <= space.high if isinstance(space, Range) else value in space


@pytest.mark.parametrize("model", sorted(SPACES))
def test_the_defaults_lie_in_the_space(model):
    for name, space in SPACES[model].items():
        value = default_of(model, name)
        assert space.low <= value <= space.high if isinstance(space, Range) else value in space, name


# On validation alone


def given(labels):
    """A dataset of ten users and items with these labels of its pairs."""
    rows = [(f"u{user}", f"i{item}", label) for (user, item), label in sorted(labels.items())]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "split"], orient="row")
    features = {"visual": (pl.Series([f"i{item}" for item in range(10)]), _look())}
    items = pl.DataFrame({"item_id": [f"i{item}" for item in range(10)]})
    return assemble(table, items, features, card=Card("small"), where=Path())


def _look():
    import numpy as np

    return np.random.default_rng(0).normal(size=(10, 4))


@pytest.mark.usefixtures("in_this_process")
def test_other_test_items_find_the_same(tmp_path):
    labels = {
        (user, item): "validation" if (user + item) % 5 == 0 else "train"
        for user in range(10)
        for item in range(10)
        if (user * item + user) % 3
    }
    free = [(user, item) for user in range(10) for item in range(10) if (user, item) not in labels]
    found = []
    for name, chosen in (("a", free[::2]), ("b", free[1::2])):
        given(labels | dict.fromkeys(chosen, "test")).write(tmp_path / name)
        models = ("dualgnn", "lightgcn", "ease")
        found.append(timeless(searched(tmp_path / f"out-{name}", tmp_path / name, models, trials=2)))
    assert found[0] == found[1]


@pytest.mark.usefixtures("in_this_process")
def test_the_test_part_is_never_read(data, tmp_path, monkeypatch):
    matrix = Split.matrix

    def guarded(self, part):
        assert part != "test"
        return matrix(self, part)

    monkeypatch.setattr(Split, "matrix", guarded)
    with pytest.raises(AssertionError):
        Dataset.read(data).split().matrix("test")
    searched(tmp_path, data, tuple(SPACES), trials=1)


def test_the_metric_of_a_trial_is_that_of_a_run_with_its_settings(data, tmp_path, in_this_process):
    found = searched(tmp_path, data, ("lightgcn",), trials=3, rng=0)
    chosen = choose(tmp_path, TRAINING, DataSize(10, 60))["lightgcn"]
    best = best_of(found["lightgcn"])
    run = fit(MODELS["lightgcn"](**chosen.settings), Dataset.read(data).split(), training=chosen.training)
    assert run.metrics["validation"]["recall@20"] == best.metric
    assert run.manifest["best_epoch"] == best.best_epoch


def test_modalities_and_split_are_those_asked_for(data, world):
    split = Trying(data, "leave_one_out", ("textual", "visual"), 5).split
    assert split.dataset.modalities == ("textual", "visual")
    assert (split.method, split.rng) == ("leave_one_out", 5)
    assert Trying(data, None, None, 0).split.dataset.content_hash == world.content_hash


def test_the_data_are_not_sent_to_the_workers(data):
    trying = Trying(data, None, None, 0)
    assert trying.split.dataset.n_users == 40
    assert len(pickle.dumps(trying)) < 2000


# Going on


def test_two_trials_and_two_more_are_four(data, tmp_path, in_this_process):
    at_once = searched(tmp_path / "at once", data, trials=4)
    first = searched(tmp_path / "later", data, trials=2)
    told = []
    later = searched(
        tmp_path / "later", data, trials=4, told=lambda model, trial, best: told.append((model, trial.number))
    )
    assert [len(trials) for trials in later.values()] == [4, 4, 1]
    assert timeless(later) == timeless(at_once)
    assert {model: trials[:2] for model, trials in later.items()} == first
    assert told == [(model, number) for model in ("lightgcn", "ease") for number in (2, 3)]


def test_fewer_than_there_are_is_none_more(data, tmp_path, imagined):
    before = searched(tmp_path, data, trials=4, trying=imagined)
    assert searched(tmp_path, data, trials=2, trying=imagined) == before


def test_another_model_later(data, tmp_path, imagined):
    first = searched(tmp_path, data, ("ease",), trying=imagined)
    found = searched(tmp_path, data, ("vbpr", "ease"), trying=imagined)
    assert found["ease"] == first["ease"]
    assert len(found["vbpr"]) == 3


class Interrupted(Imagined):
    """Ctrl-C in the middle of one trial."""

    def __call__(self, task, report):
        if task.number == 2:
            report(Epoch(1, 0.0, 0.1, 0.0))
            raise KeyboardInterrupt
        return super().__call__(task, report)


def test_a_trial_that_was_cut_off_is_tried_again(data, tmp_path, imagined):
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, data, ("dualgnn",), trials=5, trying=Interrupted(data, None, None, 0))
    cut_off = journal(tmp_path, "dualgnn")[2].params
    found = searched(tmp_path, data, ("dualgnn",), trials=5, trying=imagined)["dualgnn"]
    assert [trial.number for trial in found] == [0, 1, 3, 4, 5]
    assert found[2].settings == cut_off


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def wait_for(condition, seconds):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks /proc for the workers")
def test_a_search_that_was_killed_goes_on(data, tmp_path, in_this_process):
    process = subprocess.Popen(
        [sys.executable, killed_search.__file__, str(tmp_path / "out"), str(data)], stderr=subprocess.PIPE
    )

    def under_way():
        assert process.poll() is None, process.stderr.read()
        try:
            trials = journal(tmp_path / "out", "lightgcn")
        except (OSError, KeyError):  # not there yet
            return False
        return any(len(trial.intermediate_values) > 2 for trial in trials)

    wait_for(under_way, 120)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    wait_for(lambda: not any(alive(int(pid)) for pid in children), 60)
    assert process.stderr.read() == b"", "workers end quietly"
    process.stderr.close()

    before = journal(tmp_path / "out", "lightgcn")
    assert [trial.state.name for trial in before if trial.state.name != "WAITING"] == ["RUNNING"]
    found = searched(
        tmp_path / "out",
        data,
        killed_search.MODELS,
        trials=killed_search.TRIALS,
        training=killed_search.TRAINING,
        trying=Imagined(data, None, None, 0),
    )
    assert {model: len(trials) for model, trials in found.items()} == {"ease": 2, "lightgcn": 2}
    # what had begun comes again, after what was waiting already
    assert before[0].params in [trial.settings for trial in found["lightgcn"]]
    assert not list((tmp_path / "out").glob(".*"))


# What is kept


def test_the_best_is_the_largest_and_the_first_of_equals():
    def trial(number, metric):
        return Trial(number, {"reg": number}, metric, False, 3, 1, 0.0)

    trials = [trial(0, 0.1), trial(1, 0.3), trial(2, 0.3), trial(3, 0.2)]
    assert best_of(trials) is trials[1]
    assert best_of(trials[::-1]) is trials[1]


@pytest.mark.parametrize("model", ["dualgnn", "star_gcn", "gfcf", "popularity"])
def test_the_best_settings_are_read_as_they_were_tried(data, tmp_path, imagined, model):
    found = searched(tmp_path, data, (model,), trials=6, trying=imagined)[model]
    best = best_of(found)
    file = tmp_path / f"{model}.toml"
    read = Experiment.read({name: one.Config for name, one in ALL.items()}, file=file)
    own = {key: value for key, value in best.settings.items() if key not in OF_TRAINING}
    assert read.model == model
    assert read.settings == ALL[model](**own).config
    of_training = {key: value for key, value in best.settings.items() if key in OF_TRAINING}
    if model in MODELS:  # no trial chose it, and all had it
        of_training["batch_size"] = TRAINING.batch_size
    assert read.training == TrainingConfig(**of_training)
    assert file.read_text().splitlines()[0] == (
        f"# validation recall@20 {best.metric:.4f}, the best of {len(found)} trials; "
        f"the first of them, with the usual settings: {found[0].metric:.4f}"
    )
    assert set(read_toml(file)["model"]) == {"name", *own}


@pytest.mark.parametrize("model", ["dualgnn", "ease", "popularity"])
def test_the_table_of_trials(data, tmp_path, imagined, model):
    found = searched(tmp_path, data, (model,), trials=5, trying=imagined)[model]
    table = pl.read_csv(tmp_path / f"{model}.csv")
    fixed = ["number", "metric", "pruned", "epochs", "best_epoch", "seconds"]
    assert table.columns[:6] == fixed
    assert set(table.columns[6:]) == set(SPACES[model])
    expected = [{**{name: getattr(trial, name) for name in fixed}, **trial.settings} for trial in found]
    assert table.to_dicts() == expected


def test_files_are_there_as_soon_as_a_model_is_done(data, tmp_path, in_this_process):
    there = {}

    class Looking(Imagined):
        def __call__(self, task, report):
            there[task.model, task.number] = {
                path.name for path in tmp_path.glob("*.*") if path.suffix != ".lock"
            }
            return super().__call__(task, report)

    searched(tmp_path, data, ("ease", "vbpr"), trials=2, trying=Looking(data, None, None, 0))
    assert there["ease", 1] == {"trials.journal"}
    assert there["vbpr", 0] == {"trials.journal", "ease.toml", "ease.csv"}
    assert {path.name for path in tmp_path.iterdir()} == {
        "trials.journal", "ease.toml", "ease.csv", "vbpr.toml", "vbpr.csv",
    }  # fmt: skip


# Trials that are given up


class Curve:
    """A trainer whose validation metric follows a curve of the trial's number."""

    def __init__(self, curves, task):
        self.curves, self.task = curves, task

    def __call__(self, model, split, *, validate, config, rng, progress):
        self.config, self.progress = config, progress
        return self

    def fit(self):
        for number, metric in enumerate(self.curves(self.task.number), start=1):
            if metric is None:
                raise ConfigError(expected="a finite training loss", found="nan")
            self.progress.epoch(Epoch(number, 0.0, metric, 0.1), 1)
            if number == self.config.epochs:
                return


def with_curves(monkeypatch, data, curves):
    """A way to try settings whose metric after each epoch is given; None stands for divergence."""

    class Given(Trying):
        def __call__(self, task, report):
            monkeypatch.setattr(tune, "Trainer", Curve(curves, task))
            return super().__call__(task, report)

    return Given(data, None, None, 0)


LONG = TrainingConfig(epochs=14, patience=14)


def test_a_hopeless_trial_is_pruned_from_the_tenth_epoch_on(data, tmp_path, monkeypatch, in_this_process):
    def curves(trial):
        level = 0.1 if trial in (2, 5, 7) else 0.5 + 0.01 * trial
        return [level + 0.001 * epoch for epoch in range(1, 15)]

    trying = with_curves(monkeypatch, data, curves)
    found = searched(tmp_path, data, ("lightgcn",), trials=9, training=LONG, trying=trying)["lightgcn"]
    # the sixth is the first that may be pruned; the third was as bad, but nothing was known then
    assert [trial.number for trial in found if trial.pruned] == [5, 7]
    assert [trial.epochs for trial in found if not trial.pruned] == [14] * 7
    assert [trial.epochs for trial in found if trial.pruned] == [10, 10]
    assert [trial.metric for trial in found if trial.pruned] == pytest.approx([0.11, 0.11])
    assert [trial.best_epoch for trial in found if trial.pruned] == [10, 10]
    assert len(found) == 9


def test_a_trial_is_judged_by_its_best_epoch_so_far(data, tmp_path, monkeypatch, in_this_process):
    def curves(trial):
        return [0.9, *[0.1] * 13] if trial == 5 else [0.5] * 14

    trying = with_curves(monkeypatch, data, curves)
    found = searched(tmp_path, data, ("lightgcn",), trials=6, training=LONG, trying=trying)["lightgcn"]
    assert not any(trial.pruned for trial in found)
    assert (found[5].metric, found[5].best_epoch, found[5].epochs) == (0.9, 1, 14)


def test_early_stopping_is_no_pruning(data, tmp_path, monkeypatch, in_this_process):
    training = TrainingConfig(epochs=14, patience=4)
    trying = with_curves(monkeypatch, data, lambda trial: [0.1, 0.3, 0.2, 0.2, 0.2, 0.2])
    found = searched(tmp_path, data, ("lightgcn",), trials=2, training=training, trying=trying)["lightgcn"]
    assert [(trial.pruned, trial.epochs, trial.best_epoch, trial.metric) for trial in found] == [
        (False, 6, 2, 0.3)
    ] * 2


def test_settings_with_which_training_diverges_are_not_the_best(data, tmp_path, monkeypatch, in_this_process):
    """reelmix train --config with them would end in an error."""
    curves = {0: [0.2, 0.3, 0.3], 1: [0.9, 0.9, None], 2: [None]}
    trying = with_curves(monkeypatch, data, lambda trial: curves[trial])
    found = searched(tmp_path, data, ("lightgcn",), trials=3, trying=trying)["lightgcn"]
    assert [trial.epochs for trial in found] == [3, 2, 0]
    assert [trial.pruned for trial in found] == [False, True, True]
    read = read_toml(tmp_path / "lightgcn.toml")
    tried = {**read["model"], **read["training"]}
    tried.pop("name")
    assert tried.pop("batch_size") == TRAINING.batch_size
    assert tried == found[0].settings


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("batch_size", [32, 4096], ids=["many steps", "one step"])
def test_divergence_does_not_end_the_search(data, tmp_path, monkeypatch, batch_size):
    """Of parameters that overflow, the loss of the next step or the next validation is not a number."""
    monkeypatch.setattr(tune, "SPACES", {"lightgcn": {"learning_rate": Range(1e36, 1e37)}})
    monkeypatch.setattr(tune, "KNOWN_GOOD", {"lightgcn": ({"learning_rate": 1e36},)})
    training = TrainingConfig(epochs=3, patience=3, batch_size=batch_size)
    found = searched(tmp_path, data, ("lightgcn",), trials=3, training=training)["lightgcn"]
    assert [(trial.number, trial.pruned) for trial in found] == [(0, True), (1, True), (2, True)]


# Mistakes


CONDITIONS = {
    "training": ({"training": TrainingConfig(epochs=4, patience=3, batch_size=128)}, {}),
    "rng": ({"rng": 1}, {}),
    "split": ({}, {"method": "leave_one_out"}),
    "modalities": ({}, {"modalities": ("textual", "visual", "acoustic")}),
}


CONDITIONS_OF_TRAINING = (
    "{{'epochs': {}, 'batch_size': 128, 'precision': 'single', 'deterministic': False, 'patience': 3, "
    "'validation_metric': 'recall@20'}}"
)


@pytest.mark.parametrize("key", CONDITIONS)
def test_a_search_under_other_conditions_is_refused(data, tmp_path, imagined, key, refusal):
    searched(tmp_path, data, ("ease",), trying=imagined)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("ease.*")}
    changes, of_trying = CONDITIONS[key]
    trying = replace(imagined, **of_trying)
    began = {
        "training": CONDITIONS_OF_TRAINING.format(3),
        "rng": "[0, 0]",
        "split": "random",
        "modalities": "['visual', 'acoustic', 'textual']",
    }[key]
    found = {
        "training": CONDITIONS_OF_TRAINING.format(4),
        "rng": "[0, 1]",
        "split": "leave_one_out",
        "modalities": "['textual', 'visual', 'acoustic']",
    }[key]
    message = refusal(RunError, searched, tmp_path, data, ("ease",), **{"trying": trying, **changes})
    assert message == (
        f"{tmp_path}/trials.journal: expected the {key} that this search began with: {began}, found {found}. "
        "Go on with the same, or give another folder."
    )
    assert {path.name: path.read_bytes() for path in tmp_path.glob("ease.*")} == before
    assert len(searched(tmp_path, data, ("ease",), trying=imagined)["ease"]) == 3


def test_a_search_of_other_data_is_refused(data, tmp_path, world, imagined, refusal):
    searched(tmp_path / "out", data, ("ease",), trying=imagined)
    other = world.take_items(np.arange(world.n_items) > 0)
    assert other.modalities == world.modalities
    other.write(tmp_path / "other")
    trying = replace(imagined, data=tmp_path / "other")
    message = refusal(RunError, searched, tmp_path / "out", data, ("ease",), trying=trying)
    assert message == (
        f"{tmp_path}/out/trials.journal: expected the dataset that this search began with: "
        f"{world.content_hash}, found {other.content_hash}. Go on with the same, or give another folder."
    )


@pytest.mark.usefixtures("in_this_process")
def test_a_metric_that_does_not_exist_spoils_nothing(data, tmp_path, refusal):
    wrong = TrainingConfig(epochs=3, patience=3, validation_metric="recal@20")
    message = refusal(ConfigError, searched, tmp_path, data, ("ease",), training=wrong)
    assert "expected the name of a metric, found 'recal'. Did you mean 'recall'?" in message
    assert len(searched(tmp_path, data, ("ease",))["ease"]) == 3


def test_without_optuna(data, tmp_path, monkeypatch, refusal):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert refusal(ConfigError, searched, tmp_path / "out", data) == (
        "expected optuna, which plots, searches and studies need, found none installed. "
        "Run: pip install 'reelmix[study]'"
    )
    assert not list(tmp_path.iterdir())


def test_an_error_of_a_trial_ends_the_search_and_keeps_what_is_done(data, tmp_path, imagined, refusal):
    class Broken(Imagined):
        def __call__(self, task: Try, report):
            if task.number == 2:
                raise RunError(expected="luck", found="none")
            return super().__call__(task, report)

    broken = Broken(data, None, None, 0)
    assert refusal(RunError, searched, tmp_path, data, ("ease",), trying=broken) == (
        "expected luck, found none."
    )
    assert len(searched(tmp_path, data, ("ease",), trying=imagined)["ease"]) == 3

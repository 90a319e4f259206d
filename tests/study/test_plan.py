"""Which cells a plan asks for, with which settings, and what it says of two models."""

import re
from dataclasses import replace

import numpy as np
import pytest
from small_study import LONG, SHORT, TRAINING, drawn, write_tuned

from reelmix.data import Dataset
from reelmix.errors import ConfigError, RunError, StorageError
from reelmix.models import FLOORS, MODELS, Reelmix
from reelmix.study.cells import Cell
from reelmix.study.plan import (
    BASELINES,
    EVERY_NAME,
    NAMES,
    Chosen,
    Plan,
    choose,
    compared,
    estimate,
    per_user,
    written,
)
from reelmix.study.statistics import paired_bootstrap
from reelmix.training.config import TrainingConfig


@pytest.fixture(scope="module")
def split(data):
    return Dataset.read(data).split()


@pytest.fixture
def plan(split):
    return Plan(split, choose(None, TRAINING, SHORT), (0, 1, 2))


def test_every_model_has_a_name():
    assert set(EVERY_NAME) == set(MODELS | FLOORS)
    assert set(NAMES) == set(EVERY_NAME) - {"reelmix"}
    assert {*BASELINES, "dualgnn", "reelmix"} == set(MODELS)


# Settings


def test_without_a_search_all_are_defaults():
    chosen = choose(None, TRAINING, SHORT)
    assert {name: chosen[name] for name in NAMES} == {n: Chosen({}, TRAINING, tuned=False) for n in NAMES}
    given = TRAINING.model_dump(include=TRAINING.model_fields_set)
    ours = {**Reelmix.Config.training_defaults, **given}  # its own defaults, for what the study does not say
    assert chosen["reelmix"] == Chosen({}, TrainingConfig(**ours), tuned=False)


def test_without_a_search_reelmix_has_the_preset_of_its_data():
    preset = {key: value for key, (value, _) in Reelmix.Config.presets["long_histories"].values.items()}
    chosen = choose(None, TRAINING, LONG)["reelmix"]
    assert chosen.settings == {"embedding_size": 128, "dropout": 0.1}  # what differs from its defaults
    given = TRAINING.model_dump(include=TRAINING.model_fields_set)
    loop = {key: value for key, value in preset.items() if key in TrainingConfig.model_fields}
    assert chosen.training == TrainingConfig(**{**loop, **given})
    assert (chosen.training.averaging, chosen.tuned) == (0.99, False)
    assert choose(None, TRAINING, LONG)["dualgnn"] == choose(None, TRAINING, SHORT)["dualgnn"]


def test_what_a_search_found_is_used_with_the_training_of_the_study(tmp_path):
    chosen = choose(write_tuned(tmp_path / "tuned"), TRAINING, SHORT)
    assert chosen["dualgnn"] == Chosen(
        {"embedding_size": 6, "neighbours": 10},
        TRAINING.model_copy(update={"learning_rate": 0.004}),
        tuned=True,
    )
    assert chosen["ease"] == Chosen({"reg": 30.0}, TRAINING, tuned=True)
    assert chosen["vbpr"] == Chosen({}, TRAINING, tuned=False)


def test_what_a_search_found_to_be_the_default_is_written_as_one(tmp_path):
    (tmp_path / "dualgnn.toml").write_text('[model]\nname = "dualgnn"\nlayers = 2\nreg = 0.1\n')
    assert choose(tmp_path, TRAINING, SHORT)["dualgnn"] == Chosen({}, TRAINING, tuned=True)


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_settings(tmp_path, exists, refusal):
    folder = tmp_path / "tuned"
    if exists:
        folder.mkdir()
        (folder / "trials.journal").touch()
    assert refusal(RunError, choose, folder, TRAINING, SHORT) == (
        f"{folder}: expected settings such as dualgnn.toml, found none. Give the folder that reelmix tune "
        "wrote, after it has finished a model."
    )


def test_settings_that_cannot_be(tmp_path, refusal):
    file = tmp_path / "vbpr.toml"
    file.write_text('[model]\nname = "vbpr"\nlayers = 2\n')
    assert refusal(ConfigError, choose, tmp_path, TRAINING, SHORT) == (
        f"{file}, model: expected a known setting, found 'layers'. Valid names: candidates, "
        "embedding_size, loss, missing, modality_dropout, reg, temperature."
    )
    file.write_text("[model")
    assert refusal(StorageError, choose, tmp_path, TRAINING, SHORT).startswith(
        f"{file}: expected valid TOML, found "
    )


# Cells


def test_a_model_has_a_cell_a_seed_and_a_floor_has_one(plan):
    assert [(cell.model, cell.rng, cell.training) for cell in plan.cells("vbpr")] == [
        ("vbpr", rng, TRAINING) for rng in (0, 1, 2)
    ]
    assert [(cell.model, cell.rng) for cell in plan.cells("gfcf")] == [("gfcf", 0)]


def test_vectors_are_kept_of_the_first_seed_as_chosen(plan):
    assert [cell.vectors for cell in plan.cells("dualgnn")] == [True, False, False]
    for other in ({"layers": 1}, {"modalities": ("visual",)}, {"protocol": "edges", "ratio": 0.5}):
        assert not any(cell.vectors for cell in plan.cells("dualgnn", **other))
    assert not any(cell.vectors for cell in plan.cells("ease"))


def test_equal_settings_are_one_cell_however_they_came(split):
    chosen = {"dualgnn": Chosen({"neighbours": 10}, TRAINING, tuned=True)}
    plan = Plan(split, chosen, (0,))
    assert plan.cells("dualgnn", construction="sum", neighbours=10) == plan.cells("dualgnn")
    (changed,) = plan.cells("dualgnn", neighbours=40)
    assert changed == Cell("dualgnn", {}, TRAINING, 0)


def test_a_sweep_may_have_fewer_seeds(plan):
    assert plan.sweep() == plan
    assert replace(plan, sweep_seeds=2).sweep().seeds == (0, 1)
    assert replace(plan, sweep_seeds=9).sweep().seeds == (0, 1, 2)


# Words


def test_metrics_are_written_as_papers_write_them():
    assert [written(name) for name in ("recall@10", "ndcg@5", "precision@1")] == [
        "Recall@10", "NDCG@5", "Precision@1",
    ]  # fmt: skip


def test_an_estimate_and_a_users_metric_are_means_over_seeds(plan):
    outcomes = [drawn(cell, plan.split) for cell in plan.cells("vbpr")]
    values = [outcome.metrics["test"]["ndcg@5"] for outcome in outcomes]
    found = estimate(outcomes, "ndcg@5")
    assert found.mean == pytest.approx(sum(values) / 3, rel=1e-12)
    assert found.spread == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    assert found.n == 3
    expected = [sum(o.per_user["ndcg@5"][row] for o in outcomes) / 3 for row in range(len(outcomes[0].users))]
    np.testing.assert_allclose(per_user(outcomes, "ndcg@5"), expected, rtol=1e-12)


def shifted(outcome, by):
    return replace(outcome, per_user={name: values + by for name, values in outcome.per_user.items()})


@pytest.mark.parametrize(
    ("by", "verdict"), [(0.3, "it holds here"), (-0.3, "the opposite holds here"), (0.0, "open here")]
)
def test_a_claim_is_held_against_what_was_measured(plan, by, verdict):
    outcomes = [drawn(cell, plan.split) for cell in plan.cells("vbpr")]
    better = [shifted(outcome, by) for outcome in outcomes]
    noise = np.random.default_rng(0).normal(0, 0.05, len(outcomes[0].users))
    worse = [shifted(outcome, noise - noise.mean()) for outcome in outcomes]
    text = compared("A beats B", better, worse, "recall@10")
    match = re.fullmatch(
        r"A beats B: (.*)\. Recall@10 differs by (\S+) \(95 % interval over users (\S+) to (\S+)\)\.", text
    )
    interval = paired_bootstrap(per_user(better, "recall@10"), per_user(worse, "recall@10"), rng=0)
    assert match[1] == verdict
    numbers = (interval.difference, interval.low, interval.high)
    assert match.groups()[1:] == tuple(f"{number:+.4f}" for number in numbers)
    assert float(match[2]) == pytest.approx(by, abs=1e-4)

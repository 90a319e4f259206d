"""The peak of memory is known before training, and what cannot fit is refused with what would."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from small_training import small_split

from reelmix.errors import ConfigError
from reelmix.models import MODELS, DualGNN, Reelmix
from reelmix.recommender.fit import fit
from reelmix.training import room
from reelmix.training.config import TrainingConfig
from reelmix.training.memory import Modality, Shape, peak, stages

HERE = room.Place(block=1)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("name", "users", "width"),
    [
        ("dualgnn", 10_000, 64),
        ("dualgnn", 20_000, 64),
        ("lightgcn", 20_000, 64),
        ("reelmix", 10_000, 64),
        ("reelmix", 20_000, 3_000),
    ],
)
def test_the_prediction_is_near_to_what_is_measured(name, users, width, tmp_path):
    script = Path(__file__).with_name("peak_of_training.py")
    done = subprocess.run(
        [sys.executable, script, name, str(users), str(width), tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert 0.8 < found["predicted"] / found["measured"] < 1.6, found  # runs differ by a sixth


def test_of_wide_features_reelmix_keeps_components_and_makes_them_of_a_square():
    shape = Shape(1_000, 5_000, 20_000, (Modality(5_000, 4_000),))

    def of(components):
        building, step, *_ = stages(Reelmix(components=components), shape, TrainingConfig(), 1)
        return building.total, step.parts["fixed content"], step.parts["parameters"]

    (_, whole_content, whole_weights), (_, few_content, few_weights) = of(4_000), of(100)
    assert whole_content - few_content == 4 * 5_000 * 3_900
    assert whole_weights - few_weights == 4 * 64 * 3_900
    # while they are made there are a table of features and a square; with all features there is no square
    assert of(3_999)[0] - of(4_000)[0] > 24 * 4_000**2


@pytest.mark.parametrize("name", MODELS)
def test_every_model_takes_more_for_longer_vectors(name):
    shape = Shape.of(small_split())
    small, large = (peak(MODELS[name](embedding_size=d), shape, TrainingConfig(), 1) for d in (8, 64))
    assert 0 < small.total < large.total


def test_what_cannot_fit_is_refused_and_the_proposed_size_is_accepted(monkeypatch, refusal):
    split, training = small_split(n_users=300, n_items=60), TrainingConfig(epochs=1, batch_size=64)
    monkeypatch.setattr(room, "free_memory", lambda: 1_500_000)
    model = DualGNN(embedding_size=64, neighbours=2)
    text = refusal(ConfigError, room.require_memory, model, split, training, HERE)
    assert "dualgnn on cpu" in text and "expected" in text and "found 2 MB" in text
    assert "activations and gradients" in text and "--no-memory-check" in text
    size = int(re.search(r"embedding_size = (\d+)", text)[1])
    room.require_memory(DualGNN(model.config, embedding_size=size), split, training, HERE)
    refusal(
        ConfigError,
        room.require_memory,
        DualGNN(model.config, embedding_size=size + 1),
        split,
        training,
        HERE,
    )


def test_a_team_needs_the_sum_of_what_its_workers_hold(monkeypatch, refusal):
    split, training = small_split(n_users=300, n_items=60), TrainingConfig(epochs=1, batch_size=64)
    model, shape = DualGNN(embedding_size=64, neighbours=2), Shape.of(split)

    def needed(workers, parallel="data"):
        return room.footprint(model, shape, training, replace(HERE, workers=workers, parallel=parallel)).total

    assert needed(2) > 2 * needed(1)  # each reads the data for itself
    assert needed(4) == pytest.approx(2 * needed(2), abs=4)
    assert needed(1) < needed(4, "columns") < needed(4)
    monkeypatch.setattr(room, "free_memory", lambda: (needed(1) + needed(2)) // 2)
    room.require_memory(model, split, training, HERE)
    text = refusal(ConfigError, room.require_memory, model, split, training, replace(HERE, workers=2))
    assert text.startswith("dualgnn on cpu, 2 workers: expected ")
    assert "start fewer workers" in text


def test_fit_refuses_before_it_builds_and_goes_on_when_told_to(monkeypatch, refusal):
    monkeypatch.setattr(room, "free_memory", lambda: 1000)
    split = small_split(n_users=40)
    assert "of memory" in refusal(ConfigError, fit, DualGNN(embedding_size=4), split, epochs=1)
    fit(DualGNN(embedding_size=4), split, epochs=1, check_memory=False)
    monkeypatch.setattr(room, "free_memory", lambda: None)
    fit(DualGNN(embedding_size=4), split, epochs=1)

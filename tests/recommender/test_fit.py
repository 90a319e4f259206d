"""Whose settings a training has: those that were given, then the preset's, then the model's defaults."""

import pytest

import reelmix as rm
from reelmix.data import Dataset
from reelmix.errors import ConfigError
from reelmix.models import MODELS
from reelmix.recommender.experiment import Experiment
from reelmix.settings import DataSize

CONFIGS = {name: model.Config for name, model in MODELS.items()}


@pytest.fixture(scope="module")
def split():
    return rm.sample(n_users=40, n_items=30).dataset.split(rng=0)


@pytest.fixture(params=[3.0, 60.0])
def per_user(request, monkeypatch):
    monkeypatch.setattr(Dataset, "size", DataSize(10**6, request.param))
    return request.param


def of(run, *tables):
    return {key: value for table in tables for key, value in run.settings[table].items()}


@pytest.mark.parametrize("model", ["reelmix", "dualgnn", "lightgcn"])
def test_the_same_as_on_the_command_line(split, per_user, model):
    run = rm.fit(MODELS[model](), split, epochs=1)
    preset = CONFIGS[model].default_preset
    flags = {"epochs": 1}
    expected = Experiment.read(CONFIGS, model=model, flags=flags, preset=preset, size=split.dataset.size)
    assert of(run, "model", "training") == {
        "name": model,
        **expected.settings.model_dump(mode="json", exclude_none=True),
        **expected.training.model_dump(mode="json", exclude_none=True),
    }


@pytest.mark.parametrize("by", ["name", "config"])
def test_what_was_given_goes_before_the_preset(split, per_user, by):
    given = {"dropout": 0.3, "embedding_size": 8}  # 0.3 is also the default: it was given all the same
    model = rm.Reelmix(**given) if by == "name" else rm.Reelmix(CONFIGS["reelmix"](**given))
    training = rm.TrainingConfig(batch_size=32, learning_rate=0.01)
    run = rm.fit(model, split, training=training, epochs=1, learning_rate=0.02)
    found = of(run, "model", "training")
    expected = {**given, "batch_size": 32, "learning_rate": 0.02, "epochs": 1}
    assert {key: found[key] for key in expected} == expected
    assert model.config.embedding_size == 8
    model = rm.Reelmix(dropout=0.2) if by == "name" else rm.Reelmix(CONFIGS["reelmix"](dropout=0.2))
    rm.fit(model, split, epochs=1)
    assert (model.config.dropout, model.config.embedding_size) == (0.2, 128 if per_user == 60 else 64)


@pytest.mark.parametrize("per_user", [60.0], indirect=True)
def test_a_preset_by_name_or_none(split, per_user):
    short = of(rm.fit(rm.Reelmix(), split, epochs=1, preset="short_histories"), "model", "training")
    assert (short["embedding_size"], short["batch_size"], short["averaging"]) == (64, 4096, 0.99)
    assert of(rm.fit(rm.Reelmix(), split, epochs=1, preset="none"), "model", "training") == short
    with pytest.raises(ConfigError, match="Did you mean 'long_histories'"):
        rm.fit(rm.Reelmix(), split, epochs=1, preset="long_history")
    with pytest.raises(ConfigError, match="expected no preset, since lightgcn has none"):
        rm.fit(MODELS["lightgcn"](), split, epochs=1, preset="auto")

"""A modality that is gone when the model serves: what is trained, and the ranking done again by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reelmix.data import Dataset
from reelmix.evaluation import EvaluationConfig
from reelmix.models import MODELS
from reelmix.recommender.fit import fit
from reelmix.study.cells import Cell, Measuring, measure
from reelmix.training.config import TrainingConfig

TRAINING = TrainingConfig(epochs=3, batch_size=256, learning_rate=0.02)
MEASURED = EvaluationConfig(at=(3, 10, 20), metrics=("recall",))
GONE, LEFT = "acoustic", ("visual", "textual")
SETTINGS = {
    "dualgnn": {"embedding_size": 6, "layers": 1, "user_layers": 0, "missing": "mask"},
    "mmgcn": {"embedding_size": 5, "layers": 1},
    "vbpr": {"embedding_size": 5},
}


@pytest.fixture(scope="module")
def split(data):
    return Dataset.read(data).split()


@pytest.fixture
def outcomes(data, tmp_path, in_this_process):
    def measured(*cells):
        measuring = Measuring(data, None, 0, tmp_path / "cells", MEASURED)
        found = measure(cells, measuring, jobs=1, threads=1, told=lambda *_: None)
        return [found[cell.key(measuring.identity())] for cell in cells]

    return measured


def cell(name, **changes):
    given = {"model": name, "settings": SETTINGS[name], "training": TRAINING, "rng": 2}
    return Cell(**{**given, **changes})


def gone(name, **changes):
    return cell(name, protocol="serving", ratio=1.0, modality=GONE, **changes)


def leaky(x):
    return np.where(x > 0, x, 0.01 * x)


def trained(name, split):
    """The weights after training with everything, and each modality's content vectors."""
    run = fit(MODELS[name](**SETTINGS[name]), split, training=TRAINING, evaluation=MEASURED, rng=2)
    model = MODELS[name](**SETTINGS[name]).build(split, rng=9)
    model.load_state_dict({key: torch.from_numpy(value) for key, value in run.weights.items()})
    with torch.no_grad():
        content = dict(zip(split.dataset.modalities, model.content.vectors().unbind(1), strict=True))
    weights = {key: value.astype(float) for key, value in run.weights.items()}
    return weights, {key: value.numpy().astype(float) for key, value in content.items()}


def edges(split, name):
    """Dense: who watched which of the items that have the modality, of which none has what is gone."""
    train = split.matrix("train").toarray() > 0
    return train & split.dataset.has(name) & (name != GONE)


def over(counts):
    return np.where(counts > 0, counts, 1)


def dualgnn(split, weights, content):
    """Eqs. 1, 2, 4 and 8 of one layer and without a user graph."""
    users, parts = 0, {}
    for place, name in enumerate(split.dataset.modalities):
        graph = edges(split, name).astype(float)
        graph /= np.sqrt(over(graph.sum(1)))[:, None] * np.sqrt(over(graph.sum(0)))
        preference, layer_0 = weights["preference"][:, place], content[name] * (name != GONE)
        users = users + weights["alpha"][:, place, None] * (preference + graph @ layer_0)
        parts[name] = layer_0 + graph.T @ preference
    return users, sum(parts.values()), parts


def mmgcn(split, weights, content):
    """One layer that joins by a sum; an item is the mean over the modalities that it has left."""
    has = {name: split.dataset.has(name) & (name != GONE) for name in split.dataset.modalities}
    n_left = over(sum(one.astype(int) for one in has.values()))
    users, parts = [], {}
    for place, name in enumerate(split.dataset.modalities):
        graph = edges(split, name).astype(float)
        user, item = weights["preference"][:, place], content[name] * (name != GONE)
        aggregate, carry, combine = (weights[key][0, place] for key in ("aggregate", "carry", "combine"))

        def layer(x, heard, ids, aggregate=aggregate, carry=carry, combine=combine):
            return leaky(leaky(heard @ aggregate.T) @ combine.T + leaky(x @ carry.T) + ids)

        users.append(layer(user, graph @ item / over(graph.sum(1))[:, None], weights["user_id"]))
        items = layer(item, graph.T @ user / over(graph.sum(0))[:, None], weights["item_id"])
        parts[name] = items * (has[name] / n_left)[:, None]
    return np.mean(users, axis=0), sum(parts.values()), parts


def vbpr(split, weights, content):
    """Latent vectors, mapped content of what is left, the bias and the content's own."""
    parts = {name: vectors * (name != GONE) for name, vectors in content.items()}
    mapped = sum(parts.values())
    ones = np.ones((split.dataset.n_users, 1))
    users = np.hstack([weights["user_latent"], weights["user_content"], ones])
    last = weights["item_bias"][:, None] + mapped[:, -1:]
    return users, np.hstack([weights["item_latent"], mapped[:, :-1], last]), parts


BY_HAND = {"dualgnn": dualgnn, "mmgcn": mmgcn, "vbpr": vbpr}


def recalls(split, scores, at):
    """Of each user with test items, the share of these that is in their list."""
    train, validation, test = (split.matrix(part).toarray() > 0 for part in ("train", "validation", "test"))
    found = []
    for user in np.flatnonzero(test.any(axis=1)):
        open_items = np.flatnonzero(~train[user] & ~validation[user])
        best = open_items[np.argsort(-scores[user, open_items], kind="stable")][:at]
        found.append(test[user, best].sum() / test[user].sum())
    return found


@pytest.mark.parametrize("name", BY_HAND)
def test_trained_with_it_and_ranked_without(split, outcomes, name):
    plain, served = outcomes(cell(name), gone(name))
    assert served.metrics["validation"] == plain.metrics["validation"]
    assert (served.epochs, served.best_epoch) == (plain.epochs, plain.best_epoch)
    assert served.parameters == plain.parameters
    weights, content = trained(name, split)
    users, items, _ = BY_HAND[name](split, weights, content)
    for at in (3, 10):
        expected = recalls(split, users @ items.T, at)
        np.testing.assert_array_equal(served.users, np.unique(split.test.users))
        np.testing.assert_allclose(served.per_user[f"recall@{at}"], expected, atol=1e-6)
        assert served.metrics["test"][f"recall@{at}"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert served.metrics["test"] != plain.metrics["test"]


@pytest.mark.parametrize("name", BY_HAND)
def test_what_is_gone_adds_nothing_and_the_rest_is_by_the_trained_weights(split, monkeypatch, outcomes, name):
    embedded, embed = [], MODELS[name].embed

    def noted(model):
        embedded.append(embed(model))
        return embedded[-1]

    monkeypatch.setattr(MODELS[name], "embed", noted)
    outcomes(gone(name))
    found = embedded[-1]
    weights, content = trained(name, split)
    users, items, parts = BY_HAND[name](split, weights, content)
    assert not found.item_parts[GONE].any()
    for one in LEFT:
        assert found.item_parts[one].any()
        part = parts[one]
        if name == "vbpr":  # its parts leave room for the latent vector
            part = np.hstack([np.zeros((len(part), part.shape[1] - 1)), part])
        np.testing.assert_allclose(found.item_parts[one], part, atol=1e-5)
    np.testing.assert_allclose(found.users, users, atol=1e-5)
    np.testing.assert_allclose(found.items, items, atol=1e-5)


@pytest.mark.parametrize("name", BY_HAND)
def test_dropout_is_for_training_alone(outcomes, name):
    """The cell at serving belongs to the one that was trained with dropout."""
    settings = {**SETTINGS[name], "modality_dropout": 0.3}
    plain, served = outcomes(cell(name, settings=settings), gone(name, settings=settings))
    (without,) = outcomes(gone(name))
    assert served.metrics["validation"] == plain.metrics["validation"]
    assert served.metrics["validation"] != without.metrics["validation"]


def test_vectors_that_are_kept_are_those_of_the_training(outcomes):
    first, second = outcomes(*(replace(one("vbpr"), vectors=True) for one in (cell, gone)))
    np.testing.assert_array_equal(first.vectors["items"], second.vectors["items"])

"""Whose taste a score is made of: against the dense reference, and adding up."""

import math

import numpy as np
import pytest
import torch
from awkward_worlds import N_ITEMS, D, as_dense, awkward_split
from dense_dualgnn import cooccurrence_neighbours, dense_dualgnn
from small_worlds import interactions_of, world

from reelmix.graph import user_graph
from reelmix.models import DualGNN, LightGCN
from reelmix.recommender import Recommender, explain
from reelmix.recommender.fit import fit

K = 3


def trained(split, **settings):
    model = DualGNN(embedding_size=D, neighbours=K, missing="mask", **settings)
    return model, fit(model, split, epochs=4, learning_rate=0.05, batch_size=16, rng=1)


def explained(run):
    """Every pair of a user row and an item row, and its explanation."""
    recommender = Recommender(run)
    for user, who in enumerate(run.users.ids):
        for item, what in enumerate(run.items.ids):
            yield user, item, explain(recommender, who, what)


def shares_of(counts, aggregation):
    """Eqs. 6 and 7 of a list of counts."""
    sizes = [math.exp(count) if aggregation == "softmax" else 1 for count in counts]
    return [size / sum(sizes) for size in sizes]


@pytest.mark.parametrize("construction", ["sum", "concatenation", "maximum"])
@pytest.mark.parametrize(("aggregation", "user_layers"), [("softmax", 1), ("mean", 1), ("softmax", 2)])
def test_own_and_neighbours_parts_equal_the_dense_reference(construction, aggregation, user_layers):
    split = awkward_split(seed=2, bag=True)
    model, run = trained(split, construction=construction, aggregation=aggregation, user_layers=user_layers)
    parameters, modalities = as_dense(model, split)
    pairs, n_users = interactions_of(split), split.dataset.n_users

    def dense(modalities, user_layers, construction=construction):
        return dense_dualgnn(
            parameters,
            n_users=n_users,
            n_items=N_ITEMS,
            interactions=pairs,
            modalities=modalities,
            construction=construction,
            aggregation=aggregation,
            layers=model.config.layers,
            user_layers=user_layers,
            neighbours=K,
            emphasis="learned",
        )

    with torch.no_grad():
        own = dense(modalities, 0).user_vectors.numpy()
        # u^(L') = u^(0) + sum over l < L' of W u^(l): what a neighbour adds is the sum of their own layers
        passed_on = sum(dense(modalities, layer).user_vectors.numpy() for layer in range(user_layers))
        items = {one.name: dense([one], 0, "sum").item_vectors.numpy() for one in modalities}
    kept = cooccurrence_neighbours(pairs, n_users, K)
    watched = [{item for user, item in pairs if user == row} for row in range(n_users)]
    largest = max(abs(own).max(), abs(passed_on).max()) * max(abs(part).max() for part in items.values())

    def holds(source, taste, item):
        expected = {name: part[item] @ taste for name, part in items.items() if name in source.parts}
        assert source.parts == pytest.approx(expected, abs=1e-6 * largest)
        assert source.score == pytest.approx(
            sum(part[item] @ taste for part in items.values()), abs=1e-6 * largest
        )

    for user, item, found in explained(run):
        assert set(found.parts) == {one.name for one in modalities if one.present[item]}
        first, *others = found.sources
        assert (first.user, first.weight, first.common_items) == (None, 1.0, len(watched[user]))
        holds(first, own[user], item)
        expected = dict(zip(*_split(kept[user], aggregation), strict=True))
        assert {run.users.row(one.user) for one in others} == set(expected)
        for one in others:
            row = run.users.row(one.user)
            assert one.weight == pytest.approx(expected[row], rel=1e-6)
            assert one.common_items == len(watched[user] & watched[row]) > 0
            holds(one, expected[row] * passed_on[row], item)
        assert [abs(one.score) for one in others] == sorted((abs(one.score) for one in others), reverse=True)


def _split(kept, aggregation):
    return [row for row, _ in kept], shares_of([count for _, count in kept], aggregation)


@pytest.mark.parametrize("user_layers", [0, 1, 2])
def test_both_splits_add_up(user_layers):
    split = world()
    _, run = trained(split, user_layers=user_layers)
    vectors = run.vectors
    lengths = []
    for user, item, found in explained(run):
        # rounding is relative to the terms that are added up: every number of every taste and part
        size = np.abs(vectors.users[user]) @ sum(np.abs(part[item]) for part in vectors.item_parts.values())
        size += sum(abs(one.score) for one in found.sources)
        close = {"rel": 0, "abs": 1e-6 * float(size)}
        assert set(found.parts) == {name for name in vectors.item_parts if split.dataset.has(name)[item]}
        assert sum(found.parts.values()) + found.rest == pytest.approx(found.score, **close)
        assert found.rest == pytest.approx(0, **close)
        assert sum(one.score for one in found.sources) == pytest.approx(found.score, **close)
        for name, part in found.parts.items():
            assert sum(one.parts[name] for one in found.sources) == pytest.approx(part, **close)
        assert found.score == pytest.approx(float(vectors.users[user] @ vectors.items[item]), **close)
        assert all(one.parts.keys() == found.parts.keys() for one in found.sources)
        lengths.append(len(found.sources))
    assert set(lengths) == ({1} if user_layers == 0 else {1, 1 + K})  # user 3 has no neighbour


@pytest.mark.parametrize("aggregation", ["softmax", "mean"])
def test_weights_are_those_of_the_user_graph(aggregation):
    split = world()
    _, run = trained(split, aggregation=aggregation)
    graph = user_graph(split.matrix("train"), K).weights(aggregation).toarray()
    for user, item, found in explained(run):
        if item:
            continue
        weights = {run.users.row(one.user): one.weight for one in found.sources[1:]}
        assert weights == pytest.approx(
            {int(row): graph[user, row] for row in np.flatnonzero(graph[user])}, rel=1e-6
        )


def test_a_model_without_modalities_and_neighbours_has_its_own_part_alone():
    split = world()
    run = fit(LightGCN(embedding_size=4), split, epochs=2, rng=0)
    degrees = split.matrix("train").sum(axis=1)
    for user, _, found in explained(run):
        assert (found.parts, found.lifts, found.like, found.emphasis, found.shares) == ({}, {}, {}, {}, {})
        assert found.rest == found.score
        (own,) = found.sources
        assert (own.user, own.weight, own.score, own.parts) == (None, 1.0, found.score, {})
        assert own.common_items == degrees[user]

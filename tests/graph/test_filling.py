"""Filling in what items lack, against numbers worked out by hand and slow loops over dense tables."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array
from slow_filling import slow_counts, slow_fill

from reelmix.data import BagFeatures, Card, DenseFeatures
from reelmix.data.assemble import assemble
from reelmix.errors import ConfigError
from reelmix.graph import filled
from reelmix.graph.filling import TOKENS, item_graph

GRAPH = ("neighbours", "propagation", "pagerank")
FILLING = ("zero", "mean", *GRAPH)
HAND = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (4, 0), (4, 2), (5, 3), (5, 4)]
"""(user, item): items 0 and 1 share 2 users, 1 and 2 share 2, 0 and 2 one, 3 and 4 one; item 5 has nobody."""
X0, X1 = np.array([1.0, 0.0, 6.0]), np.array([0.0, 4.0, -6.0])


def split_of(train, features, n_items, held_out=()):
    rows = [(u, i, "train") for u, i in train] + [(0, n_items - 1, "validation"), (1, n_items - 1, "test")]
    pairs = pl.DataFrame([*rows, *held_out], schema=["user_id", "item_id", "split"], orient="row")
    items = pl.DataFrame({"item_id": range(n_items)})
    split = assemble(pairs, items, {}, card=Card("small"), where=Path()).split("given")
    return replace(split, dataset=replace(split.dataset, features=features))


def dense(items, values):
    return DenseFeatures(np.array(items, np.int32), np.asarray(values))


def bag(lists, n_tokens):
    starts = np.cumsum([0, *(len(tokens) for tokens in lists.values())])
    tokens = np.array(list(itertools.chain(*lists.values())), np.int32)
    return BagFeatures(np.array(list(lists), np.int32), starts.astype(np.int64), tokens, n_tokens)


def by_hand(**changes):
    return split_of(HAND, {"visual": dense([0, 1], [X0, X1])}, n_items=6, **changes)


def rows_of(features):
    """Item to its vector, or to its tokens with what each counts for."""
    if isinstance(features, DenseFeatures):
        return dict(zip(features.items.tolist(), features.values, strict=True))
    found = {}
    for place, item in enumerate(features.items.tolist()):
        mine = slice(features.starts[place], features.starts[place + 1])
        found[item] = dict(zip(features.tokens[mine].tolist(), features.shares[mine].tolist(), strict=True))
    return found


# By hand


def test_mask_is_the_same_split():
    split = by_hand()
    assert filled(split, "mask") is split


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("zero", {item: [0, 0, 0] for item in (2, 3, 4, 5)}),
        ("mean", {item: [0.5, 2, 0] for item in (2, 3, 4, 5)}),
        ("neighbours", {2: (X0 + 2 * X1) / 3}),
        # the degrees of items 0, 1, 2 are 3, 4, 3
        ("propagation", {2: X0 / 3 + 2 / np.sqrt(12) * X1}),
    ],
)
def test_vectors_by_hand(missing, expected):
    split = by_hand()
    found = filled(split, missing).dataset
    rows = rows_of(found.features["visual"])
    assert sorted(rows) == sorted([0, 1, *expected])
    for item, row in ({0: X0, 1: X1} | expected).items():
        np.testing.assert_allclose(rows[item], row, rtol=1e-14, atol=1e-14)
    flags = found.features["visual"].filled
    assert flags.tolist() == [item not in (0, 1) for item in sorted(rows)]
    assert found.has("visual").sum() == len(rows)
    assert np.flatnonzero(found.observed("visual")).tolist() == [0, 1]
    assert split.dataset.features["visual"].filled is None, "the split that was given is as it was"


def test_walk_by_hand():
    """Two items alone: the walk from the one that lacks it meets no other content. Two alike count alike."""
    split = split_of([(0, 0), (0, 1)], {"visual": dense([0], [X0])}, n_items=3)
    np.testing.assert_allclose(rows_of(filled(split, "pagerank").dataset.features["visual"])[1], X0)
    split = split_of([(0, 0), (0, 2), (1, 1), (1, 2)], {"visual": dense([0, 1], [X0, X1])}, n_items=4)
    found = rows_of(filled(split, "pagerank").dataset.features["visual"])
    assert sorted(found) == [0, 1, 2]
    np.testing.assert_allclose(found[2], (X0 + X1) / 2)


WORDS = {0: [0, 0, 3], 1: [5]}


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("zero", {item: {} for item in (2, 3, 4, 5)}),
        ("mean", {item: {0: 1 / 3, 3: 1 / 6, 5: 1 / 2} for item in (2, 3, 4, 5)}),
        ("neighbours", {2: {0: 2 / 9, 3: 1 / 9, 5: 2 / 3}}),
    ],
)
def test_lists_of_tokens_by_hand(missing, expected):
    split = split_of(HAND, {"words": bag(WORDS, 6)}, n_items=6)
    features = filled(split, missing).dataset.features["words"]
    found = rows_of(features)
    assert sorted(found) == sorted([0, 1, *expected])
    for item, row in expected.items():
        assert found[item] == pytest.approx(row)
    assert split.dataset.features["words"].tokens.tolist() == [0, 0, 3, 5], "the split is as it was"
    assert features.tokens[:4].tolist() == [0, 0, 3, 5], "what was observed stays token by token"
    assert features.shares[:4].tolist() == [1 / 3, 1 / 3, 1 / 3, 1]
    assert features.filled.tolist() == [False, False, *([True] * len(expected))]
    assert features.n_tokens == 6


def test_a_filled_list_keeps_its_largest_tokens_and_ties_go_to_the_smaller():
    first, second = list(range(100)), list(range(90, 190))
    split = split_of(HAND, {"words": bag({0: first, 1: second}, 200)}, n_items=6)
    found = rows_of(filled(split, "mean").dataset.features["words"])[3]
    assert sorted(found) == [*range(TOKENS - 10), *range(90, 100)]
    weights = {token: 2 if token >= 90 else 1 for token in found}
    assert found == pytest.approx({token: w / (TOKENS + 10) for token, w in weights.items()})


# Slow references


def world(seed, n_users=12, n_items=10):
    """About a quarter of all pairs; item 0 is observed, item 1 beside it is not; of four that nobody can tell
    anything about, two were never watched and two by nobody who watched another."""
    rng = np.random.default_rng(seed)
    watched = rng.random((n_users, n_items)) < 0.25
    watched[:, -4:] = False
    watched[0, :-4], watched[0, -4:-2] = False, True
    watched[1, :2] = True
    train = [(int(u), int(i)) for u, i in np.argwhere(watched)]
    has = [0, *(int(i) for i in np.flatnonzero(rng.random(n_items - 4) < 0.4) if i > 1)]
    return watched, train, has, rng


@pytest.mark.parametrize("missing", GRAPH)
@pytest.mark.parametrize("seed", range(6))
def test_vectors_equal_the_slow_ones(missing, seed):
    watched, train, has, rng = world(seed)
    values = rng.normal(size=(len(has), 3))
    split = split_of(train, {"visual": dense(has, values)}, n_items=10)
    found = rows_of(filled(split, missing).dataset.features["visual"])
    expected = slow_fill(missing, slow_counts(watched), dict(zip(has, values, strict=True)))
    assert expected
    assert sorted(found) == sorted([*has, *expected])
    assert not {6, 7, 8, 9} & set(found), "nothing observed is within their reach"
    for item, row in expected.items():
        np.testing.assert_allclose(found[item], row, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("missing", GRAPH)
@pytest.mark.parametrize("seed", range(3))
def test_lists_equal_the_slow_ones(missing, seed):
    watched, train, has, rng = world(seed)
    lists = {item: rng.integers(0, 7, size=rng.integers(1, 5)).tolist() for item in has}
    split = split_of(train, {"words": bag(lists, 7)}, n_items=10)
    found = rows_of(filled(split, missing).dataset.features["words"])
    known = {item: np.bincount(tokens, minlength=7) / len(tokens) for item, tokens in lists.items()}
    expected = slow_fill(missing, slow_counts(watched), known)
    assert sorted(found) == sorted([*has, *expected])
    for item, row in expected.items():
        shares = {token: share / row.sum() for token, share in enumerate(row) if share}
        assert found[item] == pytest.approx(shares, rel=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 20])
def test_item_graph_equals_the_slow_count(k):
    for seed in range(5):
        watched = np.random.default_rng(seed).random((15, 9)) < 0.3
        found = item_graph(csr_array(watched.astype(np.float32)), k).toarray()
        np.testing.assert_array_equal(found, slow_counts(watched, k))


def test_wide_vectors_are_worked_on_in_parts(monkeypatch):
    _, train, has, rng = world(0)
    split = split_of(train, {"visual": dense(has, rng.normal(size=(len(has), 7)))}, n_items=10)
    whole = filled(split, "pagerank").dataset.features["visual"].values
    monkeypatch.setattr("reelmix.graph.filling.BLOCK", 30)
    np.testing.assert_allclose(filled(split, "pagerank").dataset.features["visual"].values, whole, rtol=1e-14)


# What must hold of all of them


@pytest.mark.parametrize("missing", FILLING)
def test_complete_data_stay_the_same(missing):
    features = {"visual": dense(range(6), np.eye(6)), "words": bag({i: [i, 2] for i in range(6)}, 7)}
    split = split_of(HAND, features, n_items=6)
    assert filled(split, missing) is split
    half = split_of(HAND, features | {"acoustic": dense([0], [X0])}, n_items=6)
    found = filled(half, missing).dataset
    assert found.modalities == ("visual", "words", "acoustic")
    assert found.features["visual"] is features["visual"]
    assert found.features["words"] is features["words"]


@pytest.mark.parametrize("missing", FILLING)
def test_what_no_item_has_stays_missing(missing):
    split = split_of(HAND, {"visual": dense([], np.zeros((0, 3))), "words": bag({}, 4)}, n_items=6)
    assert filled(split, missing) is split


@pytest.mark.parametrize("missing", GRAPH)
def test_only_training_interactions_are_used(missing):
    plain = rows_of(filled(by_hand(), missing).dataset.features["visual"])
    held_out = [(0, 2, "validation"), (5, 0, "test"), (3, 4, "validation"), (2, 5, "test")]
    others = rows_of(filled(by_hand(held_out=held_out), missing).dataset.features["visual"])
    assert sorted(plain) == sorted(others)
    for item, row in plain.items():
        np.testing.assert_array_equal(others[item], row)
    moved = split_of(
        [pair for pair in HAND if pair != (4, 2)],
        {"visual": dense([0, 1], [X0, X1])},
        n_items=6,
        held_out=[(4, 2, "validation")],
    )
    found = rows_of(filled(moved, missing).dataset.features["visual"])
    assert np.abs(found[2] - plain[2]).max() > 0.01


@pytest.mark.parametrize("missing", FILLING)
def test_filled_values_are_never_taken_for_observed(missing):
    split = split_of(HAND, {"visual": dense([0, 1], [X0, X1]), "words": bag(WORDS, 6)}, 6)
    once = filled(split, "mean")
    again, direct = filled(once, missing).dataset, filled(split, missing).dataset
    for name, features in direct.features.items():
        assert again.features[name].items.tolist() == features.items.tolist()
        assert again.features[name].filled.tolist() == features.filled.tolist()
        for item, row in rows_of(features).items():
            np.testing.assert_equal(rows_of(again.features[name])[item], row)


@pytest.mark.parametrize("missing", FILLING)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_observed_values_are_kept_in_every_precision(missing, kind):
    values = np.array([X0, X1]).astype(kind) / 3
    split = split_of(HAND, {"visual": dense([0, 1], values)}, n_items=6)
    found = filled(split, missing).dataset.features["visual"].values
    assert found.dtype == (np.float64 if kind is np.float64 else np.float32)
    np.testing.assert_array_equal(found[:2], values)


def test_ids_in_another_order_are_filled_alike():
    rng = np.random.default_rng(3)
    _, train, has, _ = world(1)
    values, to = rng.normal(size=(len(has), 3)), rng.permutation(10)
    order = np.argsort(to[has])
    moved = dense(to[has][order], values[order])
    for missing in FILLING:
        plain = rows_of(filled(split_of(train, {"v": dense(has, values)}, 10), missing).dataset.features["v"])
        other = filled(split_of([(u, int(to[i])) for u, i in train], {"v": moved}, 10), missing)
        found = rows_of(other.dataset.features["v"])
        assert sorted(found) == sorted(int(to[item]) for item in plain)
        for item, row in plain.items():
            np.testing.assert_allclose(found[int(to[item])], row, rtol=1e-12, atol=1e-14)


def test_unknown_way(refusal):
    # past the run-time check of types, as a caller without one would come
    unchecked = getattr(filled, "__wrapped__", filled)
    assert refusal(ConfigError, unchecked, by_hand(), "neighbors") == (
        "missing: expected a way to treat missing modalities, found 'neighbors'. Did you mean 'neighbours'?"
    )

"""Graphs of similar items: against loops over all pairs, and where the answer is known without them."""

import numpy as np
import pytest
from slow_lookalikes import slow_directions, slow_lookalikes, slow_token_directions

from reelmix.data import BagFeatures, DenseFeatures
from reelmix.graph import lookalikes
from reelmix.graph.lookalikes import directions, lookalike_graph

ITEMS = np.array([0, 1, 3, 4, 6, 7, 8], np.int32)


def dense(seed=0, size=4, **given):
    return DenseFeatures(ITEMS, np.random.default_rng(seed).normal(size=(len(ITEMS), size)), **given)


def words():
    tokens = [[0, 1], [1, 2, 2], [0, 1, 3], [5], [3, 5], [2], [1]]
    starts = np.cumsum([0, *map(len, tokens)]).astype(np.int64)
    return BagFeatures(ITEMS, starts, np.concatenate(tokens).astype(np.int32), 6)


@pytest.mark.parametrize("neighbours", [1, 2, 3, 20])
@pytest.mark.parametrize("seed", range(3))
def test_equals_loops_over_all_pairs(neighbours, seed):
    features = dense(seed)
    expected = slow_lookalikes(slow_directions(features, 9), ITEMS, neighbours)
    np.testing.assert_allclose(lookalike_graph(features, 9, neighbours).toarray(), expected, atol=1e-12)


@pytest.mark.parametrize("neighbours", [1, 3])
def test_lists_of_tokens_equal_loops(neighbours):
    expected = slow_lookalikes(slow_token_directions(words(), 9), ITEMS, neighbours)
    assert expected.any()
    np.testing.assert_allclose(lookalike_graph(words(), 9, neighbours).toarray(), expected, atol=1e-12)


def test_one_row_at_a_time_is_the_same(monkeypatch):
    whole = lookalike_graph(dense(5), 9, 2).toarray()
    monkeypatch.setattr(lookalikes, "BLOCK_BYTES", 1)
    monkeypatch.setattr(lookalikes, "cached", lambda kind, key, make: make())
    np.testing.assert_allclose(lookalike_graph(dense(5), 9, 2).toarray(), whole, atol=1e-12)


def test_twins_choose_each_other_and_ties_go_to_the_smaller_row():
    east, west, north = [1.0, 0], [-1.0, 0], [0, 1.0]
    features = DenseFeatures(np.arange(5, dtype=np.int32), np.array([east, west, east, east, north]))
    features = DenseFeatures(features.items, features.values - features.values.mean(axis=0))
    graph = lookalike_graph(features, 5, 1)
    # 0, 2 and 3 are alike: 0 chooses 2, the smaller of its equals; 2 and 3 choose 0
    joined = {tuple(sorted(map(int, pair))) for pair in zip(*graph.nonzero(), strict=True)}
    assert joined >= {(0, 2), (0, 3)}
    assert (2, 3) not in joined


def test_items_that_lack_the_modality_or_are_unlike_all_stay_alone():
    graph = lookalike_graph(dense(), 9, 3).toarray()
    assert not graph[[2, 5]].any()
    assert not graph[:, [2, 5]].any()
    opposite = DenseFeatures(np.array([0, 1], np.int32), np.array([[1.0], [-1.0]]))
    assert lookalike_graph(opposite, 3, 2).nnz == 0


def test_items_that_are_all_the_same_have_no_direction():
    alike = DenseFeatures(ITEMS, np.ones((len(ITEMS), 3)))
    assert not directions(alike).any()
    assert lookalike_graph(alike, 9, 3).nnz == 0


def test_the_mean_is_that_of_the_observed():
    values = np.array([[1.0, 0], [0, 1], [50, 50]])
    filled = DenseFeatures(np.arange(3, dtype=np.int32), values, filled=np.array([False, False, True]))
    np.testing.assert_allclose(directions(filled)[0], np.array([1, -1]) / np.sqrt(2), atol=1e-12)


def test_no_item_or_one():
    for n in (0, 1):
        features = DenseFeatures(np.arange(n, dtype=np.int32), np.zeros((n, 2)))
        assert lookalike_graph(features, 3, 5).shape == (3, 3)
        assert lookalike_graph(features, 3, 5).nnz == 0


def test_the_lists_of_tokens_stay_as_they_were():
    tokens = np.array([3, 1, 3, 2], np.int32)
    features = BagFeatures(np.array([0, 1], np.int32), np.array([0, 3, 4]), tokens, 4)
    directions(features)
    assert tokens.tolist() == [3, 1, 3, 2]

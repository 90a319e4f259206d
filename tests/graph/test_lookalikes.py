"""Graphs of similar items: against loops over all pairs, and where the answer is known without them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array
from slow_lookalikes import slow_directions, slow_lift, slow_lookalikes, slow_token_directions

from reelmix.data import BagFeatures, DenseFeatures
from reelmix.data.sample import sample
from reelmix.graph import lookalikes, nearest
from reelmix.graph.lookalikes import (
    by_degree,
    directions,
    lift,
    lifts,
    lookalike_graph,
    similar_items,
)
from reelmix.graph.nearest import largest

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


@pytest.mark.parametrize("features", [dense(5), words()], ids=["dense", "tokens"])
def test_one_row_at_a_time_is_the_same(features, monkeypatch):
    whole = lookalike_graph(features, 9, 2).toarray()
    for bound in ("BLOCK_BYTES", "CACHED_BYTES", "LEAST_ROWS", "SLAB"):
        monkeypatch.setattr(nearest, bound, 1)
    monkeypatch.setattr(lookalikes, "cached", lambda kind, key, make: make())
    np.testing.assert_allclose(lookalike_graph(features, 9, 2).toarray(), whole, atol=1e-12)


def kinds_of_content(kind, rng):
    if kind == "of any kind":
        return rng.normal(size=(600, 8))
    if kind == "each twenty times":
        return np.tile(rng.normal(size=(30, 8)), (20, 1))
    if kind == "of few values":
        return rng.integers(-1, 2, size=(600, 3)).astype(float)
    # far closer than single precision tells: cosines of 1 - 1e-8 and so on
    return np.repeat(rng.normal(size=(6, 8)), 100, axis=0) + 1e-4 * rng.normal(size=(600, 8))


@pytest.mark.parametrize("slab", [nearest.SLAB, 1500, 1])
@pytest.mark.parametrize("kind", ["of any kind", "each twenty times", "of few values", "all but alike"])
def test_many_items_equal_a_full_sort(kind, slab, monkeypatch):
    monkeypatch.setattr(nearest, "SLAB", slab)
    monkeypatch.setattr(lookalikes, "cached", lambda kind, key, make: make())
    features = DenseFeatures(np.arange(600, dtype=np.int32), kinds_of_content(kind, np.random.default_rng(1)))
    content = directions(features)
    cosines, expected = content @ content.T, np.zeros((600, 600))
    for row, line in enumerate(cosines):
        line[row] = -np.inf
        best = np.lexsort(((np.arange(600) - row) % 600, -line.round(12)))[:5]
        expected[row, best] = line[best].clip(min=0)
    found = similar_items(features, 600, 5).toarray()
    np.testing.assert_array_equal(found > 0, expected + expected.T > 0)
    np.testing.assert_allclose(found, expected + expected.T, rtol=0, atol=1e-12)


def test_twins_choose_each_other_and_ties_go_to_the_next_row():
    east, west, north = [1.0, 0], [-1.0, 0], [0, 1.0]
    features = DenseFeatures(np.arange(5, dtype=np.int32), np.array([east, west, east, east, north]))
    features = DenseFeatures(features.items, features.values - features.values.mean(axis=0))
    graph = lookalike_graph(features, 5, 1)
    # 0, 2 and 3 are alike: 0 chooses 2, 2 chooses 3, and 3 chooses 0
    joined = {tuple(sorted(map(int, pair))) for pair in zip(*graph.nonzero(), strict=True)}
    assert joined >= {(0, 2), (2, 3), (0, 3)}


def test_equals_go_from_a_column_on_and_around():
    values = np.array([[2.0, 1, 2, 2 - 1e-13, 3]] * 3)
    np.testing.assert_array_equal(largest(values, 3, np.array([0, 2, 8])), [[4, 0, 2], [4, 2, 3], [4, 3, 0]])


@pytest.mark.parametrize("levels", [2, 1000])
def test_the_largest_equal_a_full_sort(levels):
    rng = np.random.default_rng(levels)
    values = rng.integers(levels, size=(40, 900)) / levels
    first = rng.integers(2000, size=40)
    expected = [
        np.lexsort(((np.arange(900) - start) % 900, -line))[:7]
        for line, start in zip(values, first, strict=True)
    ]
    np.testing.assert_array_equal(largest(values, 7, first), expected)


def test_of_many_that_are_equal_none_is_chosen_by_all():
    """Genres alone: whoever has the same cannot be told apart, and nobody of them becomes a hub."""
    starts = np.arange(41)
    features = BagFeatures(np.arange(40, dtype=np.int32), starts, starts[:-1].astype(np.int32) % 2, 2)
    graph = similar_items(features, 40, 3)
    assert ((graph > 0).sum(axis=1) == 6).all()  # three that each chooses, and three that choose it


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


def watched_by(n_users, n_items, rng, liked=None):
    """Who watched what: four items each, of one kind if items have kinds."""
    pairs = []
    for user in range(n_users):
        those = np.arange(n_items) if liked is None else np.flatnonzero(liked == user % (liked.max() + 1))
        pairs += [(user, item) for item in rng.choice(those, 4, replace=False)]
    return pairs


def as_matrix(pairs, shape):
    users, items = np.array(pairs).T
    return csr_array((np.ones(len(pairs), np.float32), (users, items)), shape=shape)


@pytest.mark.parametrize("at_a_time", [lookalikes.BLOCK_BYTES, 300, 1])
def test_lift_equals_loops_over_all_pairs(at_a_time, monkeypatch):
    monkeypatch.setattr(lookalikes, "BLOCK_BYTES", at_a_time)
    rng = np.random.default_rng(5)
    pairs = [*watched_by(12, 9, rng), (12, 3), (13, 3)]  # the last two watched one thing
    similar = similar_items(dense(), 9, 2)
    expected = slow_lift(pairs, similar.toarray())
    assert lift(as_matrix(pairs, (15, 9)), similar) == pytest.approx(expected, abs=1e-12)
    assert lift(as_matrix(pairs, (15, 9)), by_degree(similar)) == pytest.approx(expected, abs=1e-12)


def test_content_that_tells_nothing_has_a_lift_of_one_and_content_that_tells_the_kind_of_their_number():
    rng = np.random.default_rng(6)
    kinds = np.arange(200) % 5
    of_a_kind = np.eye(5)[kinds] + 0.01 * rng.normal(size=(200, 5))
    for content, expected in ((rng.normal(size=(200, 5)), 1.0), (of_a_kind, 5.0)):
        similar = similar_items(DenseFeatures(np.arange(200, dtype=np.int32), content), 200, 10)
        seen = as_matrix(watched_by(3000, 200, rng, kinds), (3000, 200))
        assert lift(seen, similar) == pytest.approx(expected, rel=0.05)


def test_that_popular_items_are_watched_together_is_chance():
    rng = np.random.default_rng(7)
    popularity = np.arange(1, 201) ** -0.7
    popularity /= popularity.sum()
    pairs = [(user, item) for user in range(3000) for item in rng.choice(200, 4, replace=False, p=popularity)]
    ranks = np.arange(200)
    neighbours = csr_array((abs(ranks[:, None] - ranks) <= 5) & (ranks[:, None] != ranks))
    assert lift(as_matrix(pairs, (3000, 200)), neighbours) == pytest.approx(1.0, rel=0.1)


def test_where_nothing_can_be_told_the_lift_is_two():
    nothing = csr_array((5, 5))
    alone = as_matrix([(user, user) for user in range(5)], (5, 5))
    everything = csr_array(np.ones((5, 5)) - np.eye(5))
    assert lift(alone, everything) == lift(alone, nothing) == 2.0
    assert lift(csr_array((3, 5)), everything) == 2.0


def test_lifts_are_of_training_and_of_what_was_observed():
    world = sample(n_users=150, n_items=60, rng=1).dataset
    pairs = world.interactions
    labels = (np.arange(len(pairs)) % 3).astype(np.int8)
    labelled = replace(world, interactions=replace(pairs, labels=labels))
    train = pairs.take(labels == 0).matrix(world.n_users, world.n_items)
    expected = {
        name: lift(train, similar_items(features, world.n_items, 10))
        for name, features in world.features.items()
    }
    assert lifts(labelled) == pytest.approx(expected)
    assert lifts(world) != pytest.approx(expected)
    visual = world.features["visual"]
    more = np.concatenate([visual.items, np.flatnonzero(~world.has("visual")).astype(np.int32)])
    values = np.concatenate(
        [visual.values, np.zeros((len(more) - len(visual.items), visual.size), np.float32)]
    )
    order = np.argsort(more)
    made_up = DenseFeatures(
        more[order], values[order], filled=(np.arange(len(more)) >= len(visual.items))[order]
    )
    assert lifts(replace(labelled, features={"visual": made_up})) == pytest.approx(
        {"visual": expected["visual"]}
    )


def test_there_is_no_lift_where_chance_has_hardly_any_pairs():
    world = sample(n_users=20, n_items=20).dataset
    alone = world.interactions.take(np.arange(len(world.interactions)) % 5 == 0)
    assert lifts(replace(world, interactions=alone)) == {}

"""The user graph against a slow dense count, and its weights against numbers worked out by hand."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array

from reelmix.graph import UserGraph, cooccurrence, user_graph


def slow(watched, neighbours):
    """(neighbour, count) pairs of every user: larger count first, then smaller row."""
    together = watched.astype(int) @ watched.T.astype(int)
    found = []
    for user in range(len(watched)):
        others = [(-int(together[user, other]), other) for other in range(len(watched)) if other != user]
        found.append([(other, -count) for count, other in sorted(others) if count < 0][:neighbours])
    return found


def listed(graph):
    starts = graph.starts
    pairs = list(zip(graph.neighbours.tolist(), graph.counts.tolist(), strict=True))
    return [pairs[starts[user] : starts[user + 1]] for user in range(len(starts) - 1)]


def graph_of(watched, neighbours):
    return user_graph(csr_array(np.asarray(watched, np.float32)), neighbours)


@settings(max_examples=100, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 7))), st.integers(1, 14))
def test_equals_the_slow_count(watched, neighbours):
    graph = graph_of(watched, neighbours)
    assert listed(graph) == slow(watched, neighbours)
    assert (graph.starts.dtype, graph.neighbours.dtype, graph.counts.dtype) == (np.int64, np.int32, np.int32)


@pytest.mark.parametrize("density", [0.02, 0.3, 0.9])
def test_equals_the_slow_count_at_a_size_with_many_ties(density):
    watched = np.random.default_rng(3).random((150, 40)) < density
    for neighbours in (1, 10, 149, 400):
        assert listed(graph_of(watched, neighbours)) == slow(watched, neighbours)


def test_by_hand():
    # common items: 0-1 two, 0-2 one, 0-3 one, 1-2 one, 1-3 none, 2-3 none; user 4 watched nothing
    watched = [
        [1, 1, 1, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 0, 0, 1, 0],
        [0, 0, 1, 0, 1],
        [0, 0, 0, 0, 0],
    ]
    expected = [[(1, 2), (2, 1), (3, 1)], [(0, 2), (2, 1)], [(0, 1), (1, 1)], [(0, 1)], []]
    assert listed(graph_of(watched, 3)) == expected
    assert listed(graph_of(watched, 2)) == [pairs[:2] for pairs in expected]
    assert listed(graph_of(watched, 1)) == [pairs[:1] for pairs in expected]


def test_identical_users_may_push_the_user_out_of_their_own_list():
    # Six users with the same items: of any user's K + 1 closest by (count, row), the user need not be one.
    graph = graph_of(np.ones((6, 4)), 2)
    assert listed(graph) == [[(1, 4), (2, 4)], [(0, 4), (2, 4)], *[[(0, 4), (1, 4)]] * 4]


def test_a_user_whose_items_others_all_have_too_is_no_neighbour_of_their_own():
    # users 0, 1 and 2 have all items, user 3 but one of them: everybody ties with user 3 at count 1
    watched = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 0, 0]])
    assert listed(graph_of(watched, 2))[3] == [(0, 1), (1, 1)]
    assert listed(graph_of(watched, 3))[3] == [(0, 1), (1, 1), (2, 1)]


def test_more_common_items_than_a_small_integer_holds():
    watched = np.zeros((3, 70_000), bool)
    watched[0], watched[1], watched[2, :40_000] = True, True, True
    assert listed(graph_of(watched, 2)) == [[(1, 70_000), (2, 40_000)], [(0, 70_000), (2, 40_000)],
                                            [(0, 40_000), (1, 40_000)]]  # fmt: skip


def test_so_many_users_that_their_order_needs_more_than_32_bits():
    n = 50_000
    edges = csr_array((np.ones(2 * n), (np.repeat([0, n - 1], n), np.tile(np.arange(n), 2))), shape=(n, n))
    graph = user_graph(edges, 3)
    assert graph.neighbours.tolist() == [n - 1, 0]
    assert graph.counts.tolist() == [n, n]


@pytest.mark.parametrize("at_once", [1, 6, 22])
def test_others_looked_at_in_blocks_give_the_same_graph(at_once, tmp_path, monkeypatch):
    monkeypatch.setenv("REELMIX_CACHE", str(tmp_path))  # or it would be found there
    monkeypatch.setattr(cooccurrence, "_exact_users", lambda most: at_once)
    watched = np.random.default_rng(9).random((23, 9)) < 0.3
    assert listed(user_graph(csr_array(watched.astype(float)), 4)) == slow(watched, 4)


@pytest.mark.parametrize("most", [1, 2, 117, 5_000, 1_000_000, 2**31 - 1])
def test_a_block_is_as_large_as_whole_numbers_are_exact(most):
    users = cooccurrence._exact_users(most)
    fits = [most * cooccurrence._base(n, most) <= 2**53 for n in (users, users + 1)]
    assert fits == [True, False] or users == 1  # one user has no order to keep


@pytest.mark.parametrize("parts", [1, 2, 5, 40])
def test_in_parts_it_is_the_same(parts, tmp_path, monkeypatch):
    monkeypatch.setenv("REELMIX_CACHE", str(tmp_path))  # or it would be found there
    watched = np.random.default_rng(8).random((23, 9)) < 0.3
    assert listed(user_graph(csr_array(watched.astype(float)), 4, parts=parts)) == slow(watched, 4)


def test_nobody_watched_anything():
    graph = graph_of(np.zeros((3, 4)), 2)
    assert listed(graph) == [[], [], []]
    for aggregation in ("mean", "softmax"):
        assert graph.weights(aggregation).toarray().tolist() == np.zeros((3, 3)).tolist()


def test_columns_in_any_order_give_the_same_graph():
    watched = np.random.default_rng(4).random((8, 6)) < 0.5
    ordered = csr_array(watched.astype(np.float32))
    rows = np.split(ordered.indices, ordered.indptr[1:-1])
    backwards = np.concatenate([row[::-1] for row in rows])
    shuffled = csr_array((ordered.data, backwards, ordered.indptr), shape=ordered.shape)
    assert not shuffled.has_sorted_indices
    assert listed(user_graph(shuffled, 3)) == slow(watched, 3)


def test_permuting_users_permutes_the_graph_where_nothing_ties():
    # every pair of users has a number of common items of its own
    watched = np.zeros((7, 300), bool)
    column = 0
    for width, pair in enumerate(combinations(range(7), 2), start=1):
        watched[pair, column : column + width] = True
        column += width
    together = watched.astype(int) @ watched.T.astype(int)
    np.fill_diagonal(together, -1)
    assert all(len(set(row)) == 7 for row in together.tolist()), "no ties"
    order = np.random.default_rng(8).permutation(7)
    plain, moved = listed(graph_of(watched, 3)), listed(graph_of(watched[order], 3))
    for new, old in enumerate(order):
        assert [(int(order[row]), count) for row, count in moved[new]] == plain[old]


def test_weights_by_hand():
    graph = UserGraph(
        np.array([0, 2, 2, 5]), np.array([1, 2, 0, 1, 3], np.int32), np.array([3, 2, 4, 4, 1], np.int32)
    )
    # three rows of which the second is empty; columns up to 3 need a fourth row
    graph = UserGraph(np.append(graph.starts, 5), graph.neighbours, graph.counts)
    e = math.e
    total = 2 + e**-3
    mean = [[0, 1 / 2, 1 / 2, 0], [0, 0, 0, 0], [1 / 3, 1 / 3, 0, 1 / 3], [0, 0, 0, 0]]
    softmax = [[0, e / (e + 1), 1 / (e + 1), 0], [0] * 4, [1 / total, 1 / total, 0, e**-3 / total], [0] * 4]
    np.testing.assert_allclose(graph.weights("mean").toarray(), mean, rtol=1e-15)
    np.testing.assert_allclose(graph.weights("softmax").toarray(), softmax, rtol=1e-14)


def test_softmax_of_large_counts_neither_overflows_nor_vanishes():
    graph = UserGraph(
        np.array([0, 3, 5, 5, 5]),
        np.array([1, 2, 3, 0, 2], np.int32),
        np.array([800, 800, 799, 100_000, 1], np.int32),
    )
    found = graph.weights("softmax").toarray()
    total = 2 + math.exp(-1)
    expected = [0, 1 / total, 1 / total, math.exp(-1) / total]
    np.testing.assert_allclose(found[0], expected, rtol=1e-14)
    assert found[1].tolist() == [1, 0, 0, 0]


@settings(max_examples=40, deadline=None)
@given(
    arrays(bool, st.tuples(st.integers(1, 10), st.integers(1, 9))),
    st.integers(1, 5),
    st.sampled_from(["mean", "softmax"]),
)
def test_weights_of_a_user_add_up_to_one_or_there_are_none(watched, neighbours, aggregation):
    found = graph_of(watched, neighbours).weights(aggregation).toarray()
    has_neighbours = np.array([len(pairs) > 0 for pairs in slow(watched, neighbours)])
    np.testing.assert_allclose(found.sum(axis=1), has_neighbours.astype(float), rtol=1e-14)
    assert (found >= 0).all()
    assert (np.diag(found) == 0).all()

"""The graphs of one modality, normalised or for means, against numbers worked out by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array

from reelmix.graph import mean_of_neighbours, normalised

# user 0 watched items 0, 1, 2; user 1 item 1; user 2 nothing; user 3 items 1, 2. Nobody watched item 3.
WATCHED = np.array([[1, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0]], np.float32)


def test_every_edge_is_divided_by_the_root_of_both_degrees():
    found = normalised(csr_array(WATCHED))
    # users have 3, 1, 0, 2 items, items have 1, 3, 2, 0 users
    expected = [
        [1 / 3**0.5, 1 / 3, 1 / 6**0.5, 0],
        [0, 1 / 3**0.5, 0, 0],
        [0, 0, 0, 0],
        [0, 1 / 6**0.5, 1 / 2, 0],
    ]
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-15)
    assert found.dtype == np.float64


def test_missing_modality_takes_edges_away_and_degrees_count_what_is_left():
    found = normalised(csr_array(WATCHED), np.array([True, False, True, True]))
    # users have 2, 0, 0, 1 items, items have 1, 0, 2, 0 users
    expected = [[1 / 2**0.5, 0, 1 / 2, 0], [0] * 4, [0] * 4, [0, 0, 1 / 2**0.5, 0]]
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-15)
    assert found.nnz == 3, "an edge of weight 0 is no edge"


def test_all_present_is_the_same_as_no_mask():
    first, second = normalised(csr_array(WATCHED)), normalised(csr_array(WATCHED), np.ones(4, bool))
    assert (first.toarray() == second.toarray()).all()


def test_modality_of_no_item_leaves_a_graph_without_edges():
    found = normalised(csr_array(WATCHED), np.zeros(4, bool))
    assert found.shape == (4, 4)
    assert found.nnz == 0


def test_input_is_left_as_it_was():
    matrix = csr_array(WATCHED)
    normalised(matrix, np.array([True, False, True, True]))
    assert (matrix.toarray() == WATCHED).all()
    assert matrix.nnz == 6


@settings(max_examples=60, deadline=None)
@given(
    arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))),
    st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_equals_the_dense_formula(watched, present):
    present = np.array(present[: watched.shape[1]])
    edges = (watched & present).astype(float)
    scale = np.sqrt(np.outer(edges.sum(axis=1), edges.sum(axis=0)))
    expected = np.divide(edges, scale, out=np.zeros_like(edges), where=edges > 0)
    found = normalised(csr_array(watched.astype(np.float32)), present)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-15)


# The mean over neighbours


def test_means_by_hand():
    of_items, of_users = mean_of_neighbours(csr_array(WATCHED), np.array([True, True, False, True]))
    expected = [[1 / 2, 1 / 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert of_items.toarray().tolist() == expected
    third = 1 / 3
    expected = [[1, 0, 0, 0], [third, third, 0, third], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert of_users.toarray().tolist() == expected
    assert (of_items.dtype, of_users.dtype) == (np.float64, np.float64)
    assert (of_items.nnz, of_users.nnz) == (4, 4), "an edge of weight 0 is no edge"


def test_means_leave_their_input_as_it_was_and_without_a_mask_all_take_part():
    matrix = csr_array(WATCHED)
    bare, masked = mean_of_neighbours(matrix), mean_of_neighbours(matrix, np.ones(4, bool))
    assert (matrix.toarray() == WATCHED).all()
    for one, other in zip(bare, masked, strict=True):
        assert (one.toarray() == other.toarray()).all()
    assert not np.shares_memory(bare[0].data, bare[1].data)


def mean_by_loop(neighbours, vectors):
    """The mean over each node's neighbours; zero for a node without."""
    means = []
    for around in neighbours:
        total = [0.0] * vectors.shape[1]
        for node in around:
            for place, value in enumerate(vectors[node]):
                total[place] += value / len(around)
        means.append(total)
    return means


@settings(max_examples=60, deadline=None)
@given(
    arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))),
    st.lists(st.booleans(), min_size=8, max_size=8),
    st.integers(0, 99),
)
def test_means_equal_those_of_a_loop(watched, present, seed):
    n_users, n_items = watched.shape
    rng = np.random.default_rng(seed)
    users, items = rng.normal(size=(n_users, 3)), rng.normal(size=(n_items, 3))
    pairs = [(u, i) for u in range(n_users) for i in range(n_items) if watched[u, i] and present[i]]
    of_items, of_users = mean_of_neighbours(
        csr_array(watched.astype(np.float32)), np.array(present[:n_items])
    )
    items_of_users = [[i for user, i in pairs if user == u] for u in range(n_users)]
    users_of_items = [[u for u, item in pairs if item == i] for i in range(n_items)]
    np.testing.assert_allclose(of_items @ items, mean_by_loop(items_of_users, items), atol=1e-12)
    np.testing.assert_allclose(of_users @ users, mean_by_loop(users_of_items, users), atol=1e-12)

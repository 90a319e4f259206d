"""The regression beside Reelmix: EASE itself if nothing is cut, and as vectors."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from small_worlds import world

from reelmix.models.ease import EASE
from reelmix.models.regression import ItemRegression, eigenvectors

pytestmark = pytest.mark.usefixtures("double_precision")


def interactions(n_users=40, n_items=25, seed=0):
    drawn = np.random.default_rng(seed).random((n_users, n_items)) < 0.2
    drawn[:, 3] = False  # nobody watched it
    return csr_array(drawn.astype(np.float64))


def made_of(matrix, dim, **settings):
    return ItemRegression(matrix, dim, **{"ridge": 5.0, "weight": 1.0, "temperature": 0.1, **settings})


@pytest.mark.parametrize("weight", [0.4, 2.0])
def test_with_all_directions_it_is_ease(weight):
    split = world()
    matrix = csr_array(split.matrix("train"), dtype=np.float64)
    made = made_of(matrix, matrix.shape[1], weight=weight)
    found = matrix @ made.passes.numpy() @ made.items.numpy().T
    expected = EASE(reg=5.0).build(split).score(np.arange(matrix.shape[0]))
    unwatched = matrix.toarray() == 0
    assert np.abs(expected[unwatched]).max() > 0.1
    np.testing.assert_allclose(found[unwatched], weight * expected[unwatched], atol=1e-6)


def test_its_parts_of_users_and_items_are_in_the_proportion_of_the_others():
    matrix = interactions()
    made = made_of(matrix, 6, temperature=0.2)
    users = matrix @ made.passes.numpy()

    def length(table):
        return np.sqrt((np.asarray(table) ** 2).sum(axis=1).mean())

    assert length(users) * 0.2 == pytest.approx(length(made.items))


@pytest.mark.parametrize("shape", [(40, 25), (9, 30)])
def test_the_largest_eigenvalues_are_found_alike_by_both_ways(shape):
    matrix = interactions(*shape)
    values, vectors = np.linalg.eigh((matrix.T @ matrix).toarray())
    for dim in (5, 24, 30, 99):
        found, columns = eigenvectors(matrix, dim)
        kept = min(dim, shape[1])
        np.testing.assert_allclose(found, values[::-1][:kept], atol=1e-9)
        first = vectors[:, ::-1][:, :5]
        np.testing.assert_allclose(np.abs(columns[:, :5].T @ first), np.eye(5), atol=1e-6)
        assert (columns[np.abs(columns).argmax(axis=0), np.arange(kept)] > 0).all()


def test_who_watched_nothing_and_what_nobody_watched_have_none():
    nothing = csr_array((4, 6))
    assert made_of(nothing, 3).passes.shape == (6, 3)
    assert not made_of(nothing, 3).passes.any()
    assert not made_of(nothing, 3).items.any()
    for dim in (4, 60):
        made = made_of(interactions(), dim)
        assert made.passes.any()
        assert not made.passes[3].any()
        assert not made.items[3].any()

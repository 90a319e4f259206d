"""The regression beside Reelmix: EASE itself if nothing is cut, and as vectors."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from small_worlds import world

from reelmix.data import BagFeatures, DenseFeatures
from reelmix.graph.components import principal_components
from reelmix.graph.lookalikes import directions
from reelmix.models import regression
from reelmix.models.base import Judged
from reelmix.models.ease import EASE
from reelmix.models.regression import (
    Compared,
    ItemRegression,
    compared,
    eigenvectors,
    room_for_eigenvectors,
    surely_better,
)

pytestmark = pytest.mark.usefixtures("double_precision")


def interactions(n_users=40, n_items=25, seed=0):
    drawn = np.random.default_rng(seed).random((n_users, n_items)) < 0.2
    drawn[:, 3] = False  # nobody watched it
    return csr_array(drawn.astype(np.float64))


def made_of(matrix, dim, **settings):
    settings = {"ridge": 5.0, "weight": 1.0, "temperature": 0.1, **settings}
    return ItemRegression(eigenvectors(matrix, dim), matrix.shape[0], **settings)


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
        found, columns, heard = eigenvectors(matrix, dim)
        np.testing.assert_array_equal(heard, found)
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


@pytest.mark.parametrize("rows", [7, 1000])
def test_many_eigenvectors_span_what_the_exact_ones_do(monkeypatch, rows):
    """By subspace iteration, to within a thousandth of what a ridge makes of them."""
    rng = np.random.default_rng(1)
    tastes = (rng.random((300, 12)) < 0.2) @ (rng.random((12, 260)) < 0.1)
    matrix = csr_array(((tastes > 0) | (rng.random(tastes.shape) < 0.03)).astype(float))
    values, vectors = (found[..., ::-1] for found in np.linalg.eigh((matrix.T @ matrix).toarray()))
    monkeypatch.setattr(regression, "FEW", 20)
    monkeypatch.setattr(regression, "HELD", rows * (150 + regression.BEYOND))
    found = eigenvectors(matrix, 150)
    assert found.vectors.shape == (260, 150)
    assert (np.diff(found.values) <= 0).all()
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(150), atol=1e-9)
    np.testing.assert_allclose(found.values[:100], values[:100], rtol=1e-3)

    def smoothed(values, vectors):
        return vectors * (values / (values + 20)) @ vectors.T

    exact = smoothed(values[:150], vectors[:, :150])
    assert np.linalg.norm(smoothed(found.values, found.vectors) - exact) < 1e-3 * np.linalg.norm(exact)


def contents(n_items=25, seed=3):
    """A dense and a sparse one; item 3, which nobody watched, has the dense one alone, and item 4 neither."""
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(n_items, 6))
    sparse = rng.normal(size=(n_items, 9)) * (rng.random((n_items, 9)) < 0.4)
    dense[4] = sparse[3:5] = 0.0
    return [Compared(rows, np.zeros(rows.shape[1]), None, 1.0) for rows in (dense, csr_array(sparse))]


@pytest.mark.parametrize(("few", "dim"), [(128, 25), (128, 8), (4, 8)], ids=["all", "lanczos", "subspace"])
def test_with_content_they_are_those_of_what_is_watched_and_alike_together(monkeypatch, few, dim):
    monkeypatch.setattr(regression, "FEW", few)
    monkeypatch.setattr(regression, "BEYOND", 8)
    monkeypatch.setattr(regression, "ROUNDS", 40)
    matrix = interactions()
    matrix = csr_array(matrix.toarray() * (np.arange(25) != 4))
    watched = (matrix.T @ matrix).toarray()
    dense, sparse = (content.directions for content in contents())
    values, vectors = np.linalg.eigh(watched + dense @ dense.T + (sparse @ sparse.T).toarray())
    found = eigenvectors(matrix, dim, contents())
    np.testing.assert_allclose(found.values, values[::-1][:dim], atol=1e-6)
    np.testing.assert_allclose(np.abs(found.vectors[:, :5].T @ vectors[:, ::-1][:, :5]), np.eye(5), atol=1e-4)
    np.testing.assert_allclose(found.heard, np.square(matrix @ found.vectors).sum(axis=0), atol=1e-9)
    assert found.vectors[3].any()  # by its content
    assert not found.vectors[4].any()
    plain = eigenvectors(matrix, dim)  # what is kept on disk is told apart
    assert not np.allclose(plain.values, found.values)


def test_with_content_parts_of_users_and_items_are_in_the_same_proportion_too():
    matrix = interactions()
    made = ItemRegression(eigenvectors(matrix, 6, contents()), 40, ridge=5.0, weight=2.0, temperature=0.2)
    users = matrix @ made.passes.numpy()
    lengths = [np.sqrt((table**2).sum(axis=1).mean()) for table in (users, made.items.numpy())]
    assert lengths[0] * 0.2 == pytest.approx(lengths[1])


def test_what_content_says_of_an_item_is_what_one_has_that_nobody_watched():
    matrix, (dense, sparse) = interactions(), contents()
    rng = np.random.default_rng(5)
    given = [dense._replace(directions=dense.directions * 0.5, length=0.5), sparse]
    given[0].directions[3] = rng.normal(size=6)
    spectrum = eigenvectors(matrix, 25, given)
    made = ItemRegression(spectrum, 40, given, ridge=5.0, weight=2.0, temperature=0.2)
    told = given[0].directions[3] / 0.5 @ made.of_content0.numpy()  # item 3 lacks the other
    kept = spectrum.values / (spectrum.values + 5.0)
    itself = (spectrum.vectors[3] ** 2 * kept).sum()
    np.testing.assert_allclose(told, made.items.numpy()[3] * (1 - itself), atol=1e-8)
    assert np.abs(told).max() > 0.01
    assert not hasattr(ItemRegression(spectrum, 40, ridge=5.0, weight=2.0, temperature=0.2), "of_content0")


@pytest.mark.parametrize("wide", [False, True])
def test_content_is_compared_by_its_directions_a_row_an_item(wide):
    rows = np.array([1, 2, 5, 6], np.int32)
    features = DenseFeatures(rows, np.random.default_rng(0).normal(size=(4, 9)).astype(np.float32))
    found = compared(features, 8, 2 if wide else 9).directions
    assert found.shape == (8, 2 if wide else 9)
    assert not found[[0, 3, 4, 7]].any()
    exact = directions(features)
    if not wide:
        np.testing.assert_allclose(found[rows], exact)
    else:  # the most that two numbers can hold of centred rows, which are cut short by what they leave out
        assert (np.linalg.norm(found[rows], axis=1) < 1).all()
        axes = principal_components(features, 2)
        np.testing.assert_allclose(found[rows], exact @ axes.T)


def test_lists_of_tokens_are_compared_as_they_are():
    starts, tokens = np.array([0, 2, 3]), np.array([0, 1, 1], np.int32)
    features = BagFeatures(np.array([2, 0], np.int32)[::-1].copy(), starts, tokens, 2)
    found = compared(features, 3, 1).directions
    np.testing.assert_allclose(found.toarray()[[0, 2]], directions(features).toarray())
    assert not found.toarray()[1].any()


@pytest.mark.parametrize(
    ("users", "items", "sizes", "expected"),
    [
        (10_000, 5_000, [64, 9], 1024),
        (10_000, 300, [64, 9], 300),
        (10**6, 2 * 10**5, [10, 20, 30], 2**28 // (10**6 + 10**6 + 60)),
        (10**4, 10**4, [5 * 10**6], 2**28 // (5 * 10**6 + 4 * 10**4)),
        (10**9, 10**6, [], 0),
        (0, 0, [], 0),
    ],
)
def test_there_are_fewer_eigenvectors_of_few_items_and_of_large_data(users, items, sizes, expected):
    assert room_for_eigenvectors(users, items, sizes) == expected


class Hill:
    """NDCG that rises towards a ridge and a weight, for a hundred users who differ by ``noise``."""

    def __init__(self, ridge, weight, *, top=0.2, slope=0.01, noise=0.0, metric=0.0):
        self.at, self.top, self.slope, self.asked = (ridge, weight), top, slope, []
        self.noise = noise * np.random.default_rng(0).standard_normal(100)
        self.now = Judged(np.full(100, 0.5), np.full(100, 0.1))
        self.metric = np.full(100, 0.5 + metric)

    def __call__(self, ridge, weight):
        self.asked.append((ridge, weight))
        steps = abs(np.log(ridge / self.at[0]) / np.log(3)) + abs(np.log2(weight / self.at[1]))
        return Judged(self.metric, self.top - self.slope * steps + self.noise)


@pytest.mark.parametrize(
    ("ridge", "weight"), [(60, 16), (200, 8), (20, 32), (6, 64), (200, 4), (6, 4), (200, 64)]
)
def test_it_climbs_to_the_ridge_and_the_weight_that_are_best(ridge, weight):
    hill = Hill(ridge, weight)
    found = surely_better(hill, hill.now)
    assert (found.ridge, found.weight) == (ridge, weight)
    assert found.gain == pytest.approx(1.0)  # from 0.1 to 0.2
    assert len(hill.asked) == len(set(hill.asked)) <= 15


@pytest.mark.parametrize(("noise", "taken"), [(0.9, False), (0.3, True)])
def test_it_is_taken_if_the_gain_is_three_standard_errors(noise, taken):
    hill = Hill(60, 16, noise=noise)
    gains = hill(60, 16).ndcg - 0.1
    sureness = gains.mean() / gains.std(ddof=1) * 10
    assert (sureness > 3) == taken
    found = surely_better(hill, hill.now)
    assert (found is not None) == taken
    if taken:
        assert found.sureness == pytest.approx(sureness)


@pytest.mark.parametrize("settings", [{"metric": -1e-6}, {"top": 0.1}])
def test_it_is_left_where_the_validation_metric_falls_or_nothing_rises(settings):
    hill = Hill(60, 16, **settings)
    assert surely_better(hill, hill.now) is None

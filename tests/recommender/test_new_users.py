"""Vectors from histories: equal to training's where layer 0 is zero, and worked out by hand."""

import math

import numpy as np
import pytest
import torch
from awkward_worlds import D, awkward_split
from hand_made import hand_made
from scipy.sparse import csr_array
from small_worlds import away_from_the_start, world

from reelmix.data.interactions import TRAIN
from reelmix.errors import ConfigError
from reelmix.graph import user_graph
from reelmix.models import DualGNN, LightGCN, model_class
from reelmix.recommender.fit import fit
from reelmix.recommender.new_users import fold_in, neighbours_of

K = 3


def histories_of(run, *rows):
    """The training histories of these user rows, or of all."""
    matrix = run.matrix(TRAIN)
    return matrix[list(rows)] if rows else matrix


def history(n_items, *rows):
    return csr_array((np.ones(len(rows), np.float32), rows, [0, len(rows)]), shape=(1, n_items))


class Impersonal(DualGNN):
    """A DualGNN whose users are what they watched: a layer 0 of zero, and one emphasis for all."""

    def build(self, split, *, rng=0):
        super().build(split, rng=rng)
        away_from_the_start(self, rng)
        with torch.no_grad():
            self.preference.zero_()
            self.alpha.copy_(torch.linspace(0.5, 2, len(self.modalities)).expand_as(self.alpha))
        for fixed in (self.preference, self.alpha):
            fixed.requires_grad_(False)
        return self


class ImpersonalLightGCN(LightGCN):
    """A LightGCN whose users are what they watched."""

    def build(self, split, *, rng=0):
        super().build(split, rng=rng)
        torch.nn.init.zeros_(self.user).requires_grad_(False)
        return self


def assert_users_are_their_histories(run, *, nobodys=()):
    """Every user's own history gives their vector; nobody's users have one of zero."""
    users = len(run.users)
    expected = run.vectors.users.copy()
    expected[list(nobodys)] = 0
    found = fold_in(run, histories_of(run), apart_from=np.arange(users))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * max(1, np.abs(expected).max()))
    return expected


@pytest.mark.parametrize("aggregation", ["mean", "softmax"])
@pytest.mark.parametrize("user_layers", range(3))
@pytest.mark.parametrize("layers", range(4))
@pytest.mark.parametrize("construction", ["sum", "maximum", "concatenation"])
def test_a_training_users_history_gives_their_vector(construction, layers, user_layers, aggregation):
    split = awkward_split(seed=layers, bag=True)
    model = Impersonal(
        embedding_size=D,
        neighbours=K,
        construction=construction,
        layers=layers,
        user_layers=user_layers,
        aggregation=aggregation,
    )
    run = fit(model, split, epochs=1, rng=user_layers)
    # user 0 has no neighbour, the last one no history; the fusion's bias alone is no taste
    graph = user_graph(split.matrix("train"), K).starts
    lonely = np.diff(graph) == 0
    unheard = np.full(len(lonely), True) if layers == 0 else np.diff(split.matrix("train").indptr) == 0
    nobodys = np.flatnonzero(unheard & (lonely | (user_layers == 0)))
    assert lonely[[0, -1]].all()
    assert not lonely.all()
    expected = assert_users_are_their_histories(run, nobodys=nobodys)
    assert expected.any() == bool(layers or (user_layers and construction == "concatenation"))


@pytest.mark.parametrize("layers", range(4))
def test_the_same_of_lightgcn(layers):
    run = fit(ImpersonalLightGCN(embedding_size=D, layers=layers), world(), epochs=2, rng=layers)
    assert assert_users_are_their_histories(run).any() == bool(layers)


def test_where_nothing_has_an_emphasis_of_its_own():
    model = DualGNN(embedding_size=D, neighbours=K, emphasis="mean", user_layers=0, missing="mask")
    run = fit(model, world(), epochs=1, rng=0)
    passes, edges = run.vectors.passes.astype(np.float64), run.vectors.edges
    items = [0, 2, 4]  # item 2 lacks acoustic
    expected = sum(
        passes[[i for i in items if edges[i, m]], m].sum(axis=0) / math.sqrt(sum(edges[items, m])) / 2
        for m in range(2)
    )
    assert edges[items].sum(axis=0).tolist() == [3, 2]
    found = fold_in(run, history(11, *items))
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


# By hand: the items pass on 1, 2, 4, 8 in the first modality, and 10, 20, nothing, 80 in the second.

PASSES = np.array([[[1], [10]], [[2], [20]], [[4], [0]], [[8], [80]]], np.float32)
EDGES = np.array([[1, 1], [1, 1], [1, 0], [1, 1]], bool)
ALPHA = np.array([[1, 3], [5, 7], [100, 100]], np.float32)
WATCHED = [(0, 0), (0, 1), (1, 1), (2, 2)]
"""Nobody watched item 3."""


def by_hand(*, aggregation="mean", neighbours=2, refinement=None):
    return hand_made(
        np.zeros((3, 1)),
        {"visual": np.zeros((4, 1)), "textual": np.zeros((4, 1))},
        emphasis=ALPHA,
        watched=[(*pair, TRAIN) for pair in WATCHED],
        passes=PASSES,
        edges=EDGES,
        refinement=refinement,
        settings={"neighbours": neighbours, "aggregation": aggregation, "construction": "sum"},
    )


E = math.e
ROOT = math.sqrt(2)


@pytest.mark.parametrize(
    ("items", "settings", "apart_from", "expected"),
    [
        # user 0 shares two items with the history, user 1 one
        ((0, 1), {}, None, 3 * 3 / ROOT + 5 * 30 / ROOT),
        ((0, 1), {"aggregation": "softmax"}, None, ((E + 5) * 3 + (3 * E + 7) * 30) / (E + 1) / ROOT),
        ((0, 1), {"neighbours": 1}, None, 1 * 3 / ROOT + 3 * 30 / ROOT),
        ((0, 1), {}, 0, 5 * 3 / ROOT + 7 * 30 / ROOT),
        ((1,), {"neighbours": 1}, None, 1 * 2 + 3 * 20),  # a tie: the user who comes first
        (
            (0, 2),
            {},
            None,
            101 / 2 * 5 / ROOT + 103 / 2 * 10,
        ),  # the item without textual counts in visual alone
        ((3,), {}, None, 106 / 3 * 8 + 110 / 3 * 80),  # nobody shares it: the mean emphasis
        ((0,), {}, 0, 106 / 3 * 1 + 110 / 3 * 10),
    ],
)
def test_emphasis_is_that_of_who_shares_most(items, settings, apart_from, expected):
    itself = None if apart_from is None else np.array([apart_from])
    found = fold_in(by_hand(**settings), history(4, *items), apart_from=itself)
    np.testing.assert_allclose(found, [[expected]], rtol=1e-6)


def test_the_same_neighbours_refine():
    run = by_hand(refinement=np.array([[1000], [3000], [90000]], np.float32))
    plain = by_hand()
    for items, added in (((0, 1), 2000), ((2,), 90000), ((3,), 0)):
        before, after = (fold_in(one, history(4, *items)) for one in (plain, run))
        np.testing.assert_allclose(after - before, [[added]], rtol=1e-5)


def test_a_cell_is_one_item_whatever_stands_in_it():
    twice = csr_array((np.array([7, 5, 2], np.float32), [1, 0, 1], [0, 3]), shape=(1, 4))
    np.testing.assert_array_equal(fold_in(by_hand(), twice), fold_in(by_hand(), history(4, 0, 1)))
    assert twice.data.tolist() == [7, 5, 2]


def test_many_rows_equal_one_at_a_time():
    run = fit(DualGNN(embedding_size=D, neighbours=K), world(), epochs=1, rng=0)
    many = fold_in(run, histories_of(run))
    for user in range(len(run.users)):
        np.testing.assert_allclose(fold_in(run, histories_of(run, user))[0], many[user], rtol=1e-5, atol=1e-6)
    assert fold_in(run, csr_array((0, 11), dtype=np.float32)).shape == (0, D)


def test_a_model_that_knows_only_its_own_users(refusal):
    run = fit(model_class("mmgcn")(embedding_size=4), world(), epochs=1, rng=0)
    assert refusal(ConfigError, fold_in, run, history(11, 0)) == (
        "history: expected a model that can take in a new user: reelmix, dualgnn, lightgcn, found mmgcn. "
        "Train one of these, or train again with the new user's interactions."
    )


# Neighbours


@pytest.mark.parametrize("aggregation", ["mean", "softmax"])
@pytest.mark.parametrize("neighbours", [1, 2, 4, 50])
@pytest.mark.parametrize("seed", range(3))
def test_neighbours_equal_brute_force(seed, neighbours, aggregation):
    rng = np.random.default_rng(seed)
    seen, asked = rng.random((14, 6)) < 0.4, rng.random((9, 6)) < 0.5
    asked[0] = False
    apart_from = rng.integers(-1, 14, 9)
    found = neighbours_of(
        csr_array(asked.astype(np.float32)),
        csr_array(seen.astype(np.float32)),
        neighbours,
        aggregation,
        apart_from=apart_from,
    ).toarray()
    assert found.shape == (9, 14)
    for row in range(9):
        counts = {user: int((asked[row] & seen[user]).sum()) for user in range(14) if user != apart_from[row]}
        kept = sorted((user for user in counts if counts[user]), key=lambda user: (-counts[user], user))
        kept = kept[:neighbours]
        sizes = {user: math.exp(counts[user]) if aggregation == "softmax" else 1 for user in kept}
        expected = np.zeros(14)
        for user in kept:
            expected[user] = sizes[user] / sum(sizes.values())
        np.testing.assert_allclose(found[row], expected, rtol=1e-6)


@pytest.mark.parametrize("aggregation", ["mean", "softmax"])
def test_a_training_users_neighbours_are_those_of_the_user_graph(aggregation):
    train = world().matrix("train")
    for neighbours in (1, 3, 50):
        found = neighbours_of(train, train, neighbours, aggregation, apart_from=np.arange(13))
        expected = user_graph(train, neighbours).weights(aggregation)
        np.testing.assert_allclose(found.toarray(), expected.toarray(), rtol=1e-6)


def test_hundreds_of_common_items_do_not_overflow():
    many = csr_array(np.ones((2, 800), np.float32))
    found = neighbours_of(many[[0]], many, 2, "softmax").toarray()
    assert found.tolist() == [[0.5, 0.5]]

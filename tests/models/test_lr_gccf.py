"""LR-GCCF against the dense reference and against what is known without it."""

import math

import numpy as np
import pytest
import torch
from dense_lightgcn import bpr_with_l2
from dense_lr_gccf import dense_lr_gccf
from small_worlds import (
    N_ITEMS,
    N_USERS,
    assert_close,
    away_from_the_start,
    batch_of,
    interactions_of,
    labelled_pairs,
    leaves,
    split_of,
    triples_of,
    world,
)

from reelmix.errors import ConfigError
from reelmix.models.lr_gccf import LRGCCF

Q = 1 / math.sqrt(6)  # "q" in the comments; q * q = 1/6
D = 3
pytestmark = pytest.mark.usefixtures("double_precision")


def new(split, seed=0, **settings):
    """A model of random parameters."""
    return away_from_the_start(LRGCCF(**{"embedding_size": D, **settings}).build(split, rng=seed), seed)


@pytest.mark.parametrize("layers", range(5))
@pytest.mark.parametrize("reg", [0.0, 0.03])
def test_equals_the_dense_reference(layers, reg):
    split = split_of(labelled_pairs(seed=layers), {})
    model = new(split, seed=layers, layers=layers, reg=reg)
    parameters = leaves(model)
    assert set(parameters) == {"user", "item"}
    expected = dense_lr_gccf(parameters, interactions=interactions_of(split), layers=layers)
    found = model.embed()
    assert_close(found.users, expected.user_vectors)
    assert_close(found.items, expected.item_vectors)
    assert_close(found.users @ found.items.T, expected.scores)
    assert not found.item_parts
    assert found.emphasis is None

    triples = triples_of(split, seed=layers)
    loss = model.loss(batch_of(triples))
    expected_loss = bpr_with_l2(parameters, expected.scores, triples, reg)
    assert_close(loss, expected_loss)
    loss.backward()
    expected_loss.backward()
    for name, parameter in model.named_parameters():
        assert_close(parameter.grad, parameters[name].grad, name)


# u0 - {i0, i1}, u1 - {i1}; u2 and i2 know nobody. D~: u0 3, u1 2, u2 1, i0 2, i1 3, i2 1.
# Each keeps 1/D~ of itself; edges: u0-i0 q, u0-i1 1/3, u1-i1 q.
#
#        layer 0   layer 1     layer 2
#   u0   2         2 + 6q      5/3 + 19q/3      2/3 + 6q + 4/3;  (2 + 6q)/3 + (3 + 2q) q + (2 + 4q)/3
#   u1   4         2 + 4q      5/3 + 4q         4/2 + 4q;        (2 + 4q)/2 + (2 + 4q) q
#   u2   8         8           8
#   i0   6         3 + 2q      5/2 + 3q         6/2 + 2q;        (3 + 2q)/2 + (2 + 6q) q
#   i1   4         2 + 4q      2 + 16q/3        4/3 + 2/3 + 4q;  (2 + 4q)/3 + (2 + 6q)/3 + (2 + 4q) q
#   i2   2         2           2

THREE = [(0, 0, "train"), (0, 1, "train"), (1, 1, "train"), (2, 2, "validation"), (2, 0, "test")]


def three_by_three(**settings):
    model = LRGCCF(embedding_size=1, **settings).build(split_of(THREE, {}, n_items=3))
    with torch.no_grad():
        model.user.copy_(torch.tensor([[2.0], [4], [8]]))
        model.item.copy_(torch.tensor([[6.0], [4], [2]]))
    return model


def test_two_layers_by_hand():
    found = three_by_three(layers=2).embed()
    users = [[2, 2 + 6 * Q, 5 / 3 + 19 * Q / 3], [4, 2 + 4 * Q, 5 / 3 + 4 * Q], [8, 8, 8]]
    items = [[6, 3 + 2 * Q, 5 / 2 + 3 * Q], [4, 2 + 4 * Q, 2 + 16 * Q / 3], [2, 2, 2]]
    assert_close(found.users, torch.tensor(users))
    assert_close(found.items, torch.tensor(items))


def test_loss_by_hand():
    # one layer: u0 (2, 2 + 6q), i0 (6, 3 + 2q), i2 (2, 2); layer 0 of the triple's three: 4 + 36 + 4
    model = three_by_three(layers=1, reg=0.5)
    margin = 2 * (6 - 2) + (2 + 6 * Q) * (3 + 2 * Q - 2)
    assert_close(
        model.loss(batch_of([(0, 0, 2)])).detach(),
        torch.tensor(math.log1p(math.exp(-margin)) + 0.5 / 2 * 44),
    )


def test_score_is_the_sum_of_the_layers_dot_products():
    """Of layers that are made here by the sums of baselines.md, node by node."""
    split, layers = world(), 3
    model = new(split, layers=layers)
    watched = split.matrix("train").toarray()
    users, items = model.user.detach().numpy(), model.item.detach().numpy()
    n_of_user, n_of_item = watched.sum(axis=1), watched.sum(axis=0)
    scores = users @ items.T
    for _ in range(layers):
        next_users, next_items = np.empty_like(users), np.empty_like(items)
        for u in range(N_USERS):
            next_users[u] = users[u] / (n_of_user[u] + 1)
            for i in np.flatnonzero(watched[u]):
                next_users[u] += items[i] / math.sqrt((n_of_user[u] + 1) * (n_of_item[i] + 1))
        for i in range(N_ITEMS):
            next_items[i] = items[i] / (n_of_item[i] + 1)
            for u in np.flatnonzero(watched[:, i]):
                next_items[i] += users[u] / math.sqrt((n_of_user[u] + 1) * (n_of_item[i] + 1))
        users, items = next_users, next_items
        scores = scores + users @ items.T
    found = model.embed()
    np.testing.assert_allclose((found.users @ found.items.T).detach(), scores, rtol=1e-6)


def test_without_layers_it_is_matrix_factorisation():
    model = new(world(), layers=0)
    found = model.embed()
    assert torch.equal(found.users, model.user)
    assert torch.equal(found.items, model.item)


def test_a_layer_more_leaves_the_layers_before_alone():
    few, many = new(world(), layers=2).embed(), new(world(), layers=3).embed()
    assert few.users.shape == (N_USERS, 3 * D)
    assert many.items.shape == (N_ITEMS, 4 * D)
    assert torch.equal(many.users[:, : 3 * D], few.users)
    assert torch.equal(many.items[:, : 3 * D], few.items)


def test_who_has_no_interactions_is_the_same_in_every_layer():
    model = new(world(), layers=3)
    found = model.embed()
    assert_close(found.users[3], model.user[3].repeat(4))
    assert_close(found.items[7], model.item[7].repeat(4))


def test_held_out_interactions_and_content_have_no_influence():
    train = [row for row in labelled_pairs() if row[2] == "train"]
    other = [*train, (3, 1, "validation"), (4, 7, "validation"), (3, 7, "test")]
    first, second = new(world()).embed(), new(split_of(other, {})).embed()
    assert torch.equal(first.users, second.users)
    assert torch.equal(first.items, second.items)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"layer": 1},
            "lr_gccf: expected a known setting, found 'layer'. Did you mean 'layers'?",
        ),
        (
            {"layers": -1},
            "lr_gccf: layers: expected greater than or equal to 0, found -1. "
            "See the description of layers in the configuration reference.",
        ),
        (
            {"embedding_size": 0},
            "lr_gccf: embedding_size: expected greater than or equal to 1, found 0. "
            "See the description of embedding_size in the configuration reference.",
        ),
        (
            {"reg": -0.1},
            "lr_gccf: reg: expected greater than or equal to 0, found -0.1. "
            "See the description of reg in the configuration reference.",
        ),
    ],
)
def test_settings_that_cannot_be(settings, expected, refusal):
    assert refusal(ConfigError, LRGCCF, **settings) == expected

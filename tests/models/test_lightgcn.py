"""LightGCN against the dense reference and against what is known without it."""

import math

import pytest
import torch
from dense_lightgcn import bpr_with_l2, dense_lightgcn
from small_worlds import (
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
from reelmix.models.lightgcn import LightGCN

S = 1 / math.sqrt(2)  # "s" in the comments; s * s = 1/2
pytestmark = pytest.mark.usefixtures("double_precision")


def new(split, seed=0, **settings):
    """A model of random parameters."""
    return away_from_the_start(LightGCN(**{"embedding_size": 3, **settings}).build(split, rng=seed), seed)


@pytest.mark.parametrize("layers", range(5))
@pytest.mark.parametrize("reg", [0.0, 0.03])
def test_equals_the_dense_reference(layers, reg):
    split = split_of(labelled_pairs(seed=layers), {})
    model = new(split, seed=layers, layers=layers, reg=reg)
    parameters = leaves(model)
    assert set(parameters) == {"user", "item"}
    expected = dense_lightgcn(parameters, interactions=interactions_of(split), layers=layers)
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


# u0 - {i0, i1}, u1 - {i1}; u2 and i2 know nobody. Edges: u0-i0 s, u0-i1 1/2, u1-i1 s.
#
#        layer 0   layer 1   layer 2
#   u0   2         2 + 6s    1.5 + 2s      6 s + 4/2;  (2s) s + (1 + 4s)/2
#   u1   4         4s        2 + s         4 s;        (1 + 4s) s
#   u2   8         0         0
#   i0   6         2s        3 + 2s        2 s;        (2 + 6s) s
#   i1   4         1 + 4s    3 + 3s        2/2 + 4 s;  (2 + 6s)/2 + (4s) s
#   i2   2         0         0

THREE = [(0, 0, "train"), (0, 1, "train"), (1, 1, "train"), (2, 2, "validation"), (2, 0, "test")]


def three_by_three(**settings):
    model = LightGCN(embedding_size=1, **settings).build(split_of(THREE, {}, n_items=3))
    with torch.no_grad():
        model.user.copy_(torch.tensor([[2.0], [4], [8]]))
        model.item.copy_(torch.tensor([[6.0], [4], [2]]))
    return model


def test_two_layers_by_hand():
    found = three_by_three(layers=2).embed()
    assert_close(found.users[:, 0], torch.tensor([5.5 + 8 * S, 6 + 5 * S, 8]) / 3)
    assert_close(found.items[:, 0], torch.tensor([9 + 4 * S, 8 + 7 * S, 2]) / 3)


def test_loss_by_hand():
    # one layer: u0 = (4 + 6s)/2, i0 = (6 + 2s)/2, i2 = 1; layer 0 of the triple's three: 4 + 36 + 4
    model = three_by_three(layers=1, reg=0.5)
    margin = (2 + 3 * S) * (3 + S - 1)
    assert_close(
        model.loss(batch_of([(0, 0, 2)])).detach(),
        torch.tensor(math.log1p(math.exp(-margin)) + 0.5 / 2 * 44),
    )


def test_without_layers_it_is_matrix_factorisation():
    model = new(world(), layers=0)
    found = model.embed()
    assert torch.equal(found.users, model.user)
    assert torch.equal(found.items, model.item)


@pytest.mark.parametrize("layers", [1, 3])
def test_who_has_no_interactions_keeps_a_share_of_the_own_row(layers):
    model = new(world(), layers=layers)
    found = model.embed()
    assert_close(found.users[3], model.user[3] / (layers + 1))
    assert_close(found.items[7], model.item[7] / (layers + 1))


def test_where_all_degrees_are_equal_equal_rows_stay_as_they_are():
    # a ring: user u watches items u and u + 1; each edge weighs 1/2, and every node has two
    rows = [(user, (user + step) % 6, "train") for user in range(6) for step in (0, 1)]
    model = new(split_of([*rows, (0, 3, "validation"), (0, 4, "test")], {}, n_items=6), layers=3)
    with torch.no_grad():
        model.user.copy_(torch.tensor([1.0, -2, 3]).expand(6, 3))
        model.item.copy_(torch.tensor([1.0, -2, 3]).expand(6, 3))
    found = model.embed()
    assert_close(found.users, model.user.detach())
    assert_close(found.items, model.item.detach())


def test_one_layer_reaches_the_neighbours_and_nobody_else():
    split = world()
    model = new(split, layers=1)
    before = model.embed()
    with torch.no_grad():
        model.user[4] += 1
    after = model.embed()
    changed = (after.users != before.users).any(dim=1).nonzero().flatten().tolist()
    assert changed == [4]
    changed = (after.items != before.items).any(dim=1).nonzero().flatten().tolist()
    assert changed == [item for user, item in interactions_of(split) if user == 4]


def test_held_out_interactions_and_content_have_no_influence():
    train = [row for row in labelled_pairs() if row[2] == "train"]
    other = [*train, (3, 1, "validation"), (4, 7, "validation"), (3, 7, "test")]
    first, second = new(world()).embed(), new(split_of(other, {})).embed()
    assert torch.equal(first.users, second.users)
    assert torch.equal(first.items, second.items)
    assert first.users.shape == (N_USERS, 3)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"layer": 1},
            "lightgcn: expected a known setting, found 'layer'. Did you mean 'layers'?",
        ),
        (
            {"layers": -1},
            "lightgcn: layers: expected greater than or equal to 0, found -1. "
            "See the description of layers in the configuration reference.",
        ),
        (
            {"embedding_size": 0},
            "lightgcn: embedding_size: expected greater than or equal to 1, found 0. "
            "See the description of embedding_size in the configuration reference.",
        ),
        (
            {"reg": -0.1},
            "lightgcn: reg: expected greater than or equal to 0, found -0.1. "
            "See the description of reg in the configuration reference.",
        ),
    ],
)
def test_settings_that_cannot_be(settings, expected, refusal):
    assert refusal(ConfigError, LightGCN, **settings) == expected

"""STAR-GCN against the dense reference, a case worked out by hand, and what it leaves to chance: the mask."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from dense_star_gcn import dense_star_gcn, dense_star_gcn_loss
from small_worlds import (
    N_ITEMS,
    N_USERS,
    assert_close,
    away_from_the_start,
    batch_of,
    embedded,
    interactions_of,
    labelled_pairs,
    leaves,
    split_of,
    world,
)

from reelmix.errors import ConfigError
from reelmix.models import STARGCN, Batch

D = 3
TRIPLES = [(0, 1, 3), (4, 0, 10), (4, 0, 10), (6, 5, 2), (3, 7, 0), (8, 4, 7)]  # user 3, item 7: isolated


def new(split, rng=0, **settings):
    return STARGCN(**{"embedding_size": D, **settings}).build(split, rng=rng)


def mask_of(rng, share, nodes=N_USERS + N_ITEMS):
    return (
        torch.rand(nodes, generator=torch.Generator().manual_seed(rng), dtype=torch.float32) < share
    ).tolist()


# Against the dense reference


def check(seed, *, rng=0, **settings):
    split = split_of(labelled_pairs(seed), {})
    model = away_from_the_start(new(split, reg=0.03, **settings), seed)
    config = model.config
    parameters = leaves(model)
    assert parameters.keys() == {"user", "item", "encode", "encode_out", "decode", "decode_out"}
    pairs = interactions_of(split)

    def reference(masked):
        return dense_star_gcn(
            parameters,
            n_users=N_USERS,
            n_items=N_ITEMS,
            interactions=pairs,
            blocks=config.blocks,
            shared_blocks=config.shared_blocks,
            masked=masked,
        )

    last = reference([False] * (N_USERS + N_ITEMS))[-1]
    users, items = torch.stack(last.users), torch.stack(last.items)
    found = model.embed()
    assert_close(found.users, users, "user vectors")
    assert_close(found.items, items, "item vectors")
    assert_close(found.users @ found.items.T, users @ items.T, "scores")
    assert found.item_parts == {}
    assert found.emphasis is None

    triples = [(u, i, (u + 3 * i) % N_ITEMS) for u, i in pairs[::3]] + TRIPLES
    masked = mask_of(rng, config.masked)
    loss = model.loss(batch_of(triples, rng))
    expected_loss = dense_star_gcn_loss(
        parameters,
        reference(masked),
        triples,
        masked=masked,
        reconstruction=config.reconstruction,
        reg=config.reg,
    )
    assert_close(loss, expected_loss, "loss")
    loss.backward()
    expected_loss.backward()
    for name, parameter in model.named_parameters():
        assert_close(parameter.grad, parameters[name].grad, name)
        assert parameters[name].grad.abs().max() > 0, name
    return masked


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(
    ("blocks", "shared_blocks", "masked"), list(product((1, 2, 3), (False, True), (0.0, 0.3)))
)
def test_equals_the_dense_reference(blocks, shared_blocks, masked):
    drawn = check(
        blocks, rng=blocks, blocks=blocks, shared_blocks=shared_blocks, masked=masked, reconstruction=0.7
    )
    assert any(drawn) == (masked > 0)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("rng", [0, 3, 2**40 + 1])
def test_equals_the_dense_reference_with_most_nodes_masked(rng):
    assert sum(check(4, rng=rng, masked=0.8, reconstruction=0.4)) > (N_USERS + N_ITEMS) / 2


@pytest.mark.usefixtures("double_precision")
def test_equals_the_dense_reference_without_reconstruction():
    assert any(check(5, rng=1, masked=0.3, reconstruction=0.0))


# By hand: d = 1, user u0 has watched i0 to i3, user u1 and item i4 are alone: every edge weighs 1/2. The maps
# are W = 3, W_h = -1, W_3 = 2, W_4 = 50, so x_hat = 50 act(-2 act(1.5 sum)).
#
#         x    sum   h      z = -h    act(2 z)    block 1   sum    h        z       act(2 z)   block 2
#   u0    4     2    3      -3        -0.06       -3        -24    -0.36    0.36    0.72       36
#   i0    2     4    6      -6        -0.12       -6         -3    -0.045   0.045   0.09        4.5
#   i1   -2, i2   6, i3  -4: as i0; u1 and i4 receive nothing, and are 0
#
# With i1 masked, u0 sums 4 and becomes -6; the items are as before.

HAND_USERS, HAND_ITEMS = [4, 5], [2, -2, 6, -4, 1]
HAND_RECOVERED = {1: ([-3, 0], [-6, -6, -6, -6, 0]), 2: ([36, 0], [4.5, 4.5, 4.5, 4.5, 0])}
I1_MASKED = [False, False, False, True, False, False, False]


def by_hand(**settings):
    rows = [(0, item, "train") for item in range(4)] + [(1, 0, "validation"), (1, 4, "test")]
    split = split_of(rows, {}, n_items=5)
    model = new(split, embedding_size=1, shared_blocks=True, **settings)
    maps = {"encode": 3, "encode_out": -1, "decode": 2, "decode_out": 50}
    with torch.no_grad():
        for name, value in maps.items():
            assert model.get_parameter(name).shape == (1, 1, 1)
            model.get_parameter(name).fill_(value)
        model.user.copy_(torch.tensor(HAND_USERS)[:, None])
        model.item.copy_(torch.tensor(HAND_ITEMS)[:, None])
    return model


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("blocks", [1, 2])
def test_vectors_by_hand(blocks):
    model = by_hand(blocks=blocks)
    found = embedded(model)
    users, items = HAND_RECOVERED[blocks]
    np.testing.assert_allclose(found.users[:, 0], users, rtol=1e-12)
    np.testing.assert_allclose(found.items[:, 0], items, rtol=1e-12)
    reference = dense_star_gcn(
        dict(model.named_parameters()),
        n_users=2,
        n_items=5,
        interactions=[(0, 0), (0, 1), (0, 2), (0, 3)],
        blocks=blocks,
        shared_blocks=True,
        masked=[False] * 7,
    )[-1]
    np.testing.assert_allclose(torch.cat(reference.users).detach(), users, rtol=1e-12)
    np.testing.assert_allclose(torch.cat(reference.items).detach(), items, rtol=1e-12)


@pytest.mark.usefixtures("double_precision")
def test_loss_by_hand():
    # the triple (u0, i4, i0) scores 0 and 36; i1 was -2 and is recovered as -6; rows 16 + 1 + 4
    rng = next(rng for rng in range(10_000) if mask_of(rng, 0.1, nodes=7) == I1_MASKED)
    model = by_hand(blocks=1, masked=0.1, reconstruction=0.5, reg=0.2)
    expected = math.log1p(math.exp(36)) + 0.5 * 16 + 0.1 * (21 + 9 + 1 + 4 + 2500)
    assert model.loss(batch_of([(0, 4, 0)], rng)).item() == pytest.approx(expected, rel=1e-12)


# The mask


def loss_of(model, triples=TRIPLES, rng=0):
    with torch.no_grad():
        return model.loss(batch_of(triples, rng)).item()


def test_the_mask_is_a_function_of_the_batch_rng_alone():
    # what reconstruction adds does not depend on the triples, the parameters' seed or the loss before it
    plain = away_from_the_start(new(world(), masked=0.3, reconstruction=0.0))
    model = away_from_the_start(new(world(), rng=9, masked=0.3, reconstruction=1.0))

    def added(triples, rng):
        return loss_of(model, triples, rng) - loss_of(plain, triples, rng)

    assert loss_of(model, rng=5) == loss_of(model, rng=5)
    assert added(TRIPLES[:1], 5) == pytest.approx(added(TRIPLES, 5), rel=1e-4)
    found = [added(TRIPLES, rng) for rng in range(6)]
    assert len({round(value, 3) for value in found}) == 6
    assert min(found) > 0
    assert model.loss(Batch(*torch.tensor(TRIPLES).T)).item() == loss_of(model, rng=0)


def test_nothing_masked_is_nothing_to_reconstruct():
    with_it = away_from_the_start(new(world(), masked=0.0, reconstruction=5.0))
    without = away_from_the_start(new(world(), masked=0.0, reconstruction=0.0))
    assert loss_of(with_it, rng=1) == loss_of(with_it, rng=2) == loss_of(without)


def test_a_mask_that_happens_to_be_empty_adds_nothing():
    rng = next(rng for rng in range(1000) if not any(mask_of(rng, 0.02)))
    model = away_from_the_start(new(world(), masked=0.02, reconstruction=5.0))
    unmasked = away_from_the_start(new(world(), masked=0.0))
    model.loss(batch_of(TRIPLES, rng)).backward()
    unmasked.loss(batch_of(TRIPLES, rng)).backward()
    assert loss_of(model, rng=rng) == pytest.approx(loss_of(unmasked, rng=rng), rel=1e-6)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, unmasked.get_parameter(name).grad)


def test_vectors_are_free_of_chance():
    model = away_from_the_start(new(world(), masked=0.9))
    before = embedded(model)
    loss_of(model, rng=7)
    after = embedded(model.eval())
    unmasked = embedded(away_from_the_start(new(world(), masked=0.0)))
    for found in (after, unmasked):
        assert torch.equal(found.users, before.users)
        assert torch.equal(found.items, before.items)


def test_the_mask_leaves_the_parameters_and_the_global_generator_alone():
    state = torch.get_rng_state()
    model = new(world(), masked=0.9)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    model.loss(batch_of(TRIPLES, rng=3)).backward()
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name]), name


# Other invariants


def test_user_and_item_without_training_are_the_zero_vector():
    found = embedded(away_from_the_start(new(world())))
    assert (found.users[3] == 0).all()
    assert (found.items[7] == 0).all()
    assert found.users[np.delete(np.arange(N_USERS), 3)].any(dim=1).all()
    assert found.items[np.delete(np.arange(N_ITEMS), 7)].any(dim=1).all()


@pytest.mark.parametrize("blocks", [1, 3])
def test_blocks_with_equal_maps_are_blocks_that_share_them(blocks):
    shared = away_from_the_start(new(world(), blocks=blocks, shared_blocks=True))
    apart = new(world(), blocks=blocks, shared_blocks=False)
    assert len(shared.encode) == 1
    assert len(apart.encode) == blocks
    with torch.no_grad():
        for name, value in shared.named_parameters():
            apart.get_parameter(name).copy_(value)  # broadcast along the axis of blocks
    found, expected = embedded(apart), embedded(shared)
    torch.testing.assert_close(found.users, expected.users)
    torch.testing.assert_close(found.items, expected.items)


def test_content_takes_no_part():
    bare, rich = new(split_of(labelled_pairs(), {})), new(world())
    assert dict(bare.named_parameters()).keys() == dict(rich.named_parameters()).keys()
    assert torch.equal(embedded(bare).users, embedded(rich).users)
    assert torch.equal(embedded(bare).items, embedded(rich).items)


@pytest.mark.parametrize("shared_blocks", [False, True])
def test_loss_of_a_batch_is_the_mean_over_its_triples(shared_blocks):
    model = away_from_the_start(new(world(), reg=0.3, masked=0.2, shared_blocks=shared_blocks))
    alone = [loss_of(model, [triple]) for triple in TRIPLES]
    assert len(set(alone)) == len(TRIPLES) - 1, "triples differ, but for the repeated one"
    assert loss_of(model) == pytest.approx(np.mean(alone), rel=1e-5)


def test_without_mask_and_l2_term_the_loss_is_that_of_the_embedded_scores_of_each_block():
    losses = []
    for blocks in (1, 2):
        model = away_from_the_start(new(world(), blocks=blocks, shared_blocks=True, masked=0.0, reg=0.0))
        found = embedded(model)
        scores = (found.users @ found.items.T).double().numpy()
        losses.append(np.mean([math.log1p(math.exp(scores[u, j] - scores[u, i])) for u, i, j in TRIPLES]))
        assert loss_of(model) == pytest.approx(sum(losses), rel=1e-5)


def test_parameters_follow_the_seed():
    again, same, other = (embedded(new(world(), rng=rng)) for rng in (0, 0, 1))
    assert torch.equal(again.users, same.users)
    assert not torch.allclose(again.users, other.users)


# Mistakes


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"block": 2},
            "star_gcn: expected a known setting, found 'block'. Did you mean 'blocks'?",
        ),
        (
            {"content": "pca"},
            "star_gcn: expected a known setting, found 'content'. Valid names: blocks, candidates, "
            "embedding_size, loss, masked, reconstruction, reg, shared_blocks, temperature.",
        ),
        (
            {"blocks": 0},
            "star_gcn: blocks: expected greater than or equal to 1, found 0. "
            "See the description of blocks in the configuration reference.",
        ),
        (
            {"masked": 1.0},
            "star_gcn: masked: expected less than 1, found 1.0. "
            "See the description of masked in the configuration reference.",
        ),
        (
            {"masked": -0.1},
            "star_gcn: masked: expected greater than or equal to 0, found -0.1. "
            "See the description of masked in the configuration reference.",
        ),
        (
            {"reconstruction": math.nan},
            "star_gcn: reconstruction: expected a finite number, found nan. "
            "See the description of reconstruction in the configuration reference.",
        ),
        (
            {"shared_blocks": "some"},
            "star_gcn: shared_blocks: expected a valid boolean, unable to interpret input, found 'some'. "
            "See the description of shared_blocks in the configuration reference.",
        ),
    ],
)
def test_settings_that_cannot_be(settings, expected, refusal):
    assert refusal(ConfigError, STARGCN, **settings) == expected

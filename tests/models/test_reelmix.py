"""Reelmix against the dense reference, which leaves interactions out by computing everything again."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from dense_reelmix import DenseContent, DenseReelmix
from slow_lookalikes import slow_directions, slow_lift, slow_lookalikes
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
    triples_of,
    two_modalities,
    world,
)

from reelmix.data import DenseFeatures
from reelmix.data.sample import sample
from reelmix.graph.components import principal_components
from reelmix.models import Reelmix
from reelmix.models.base import Batch
from reelmix.models.emphasis import reduced
from reelmix.models.losses import sampled_softmax

HELD_OUT = [(0, 3, "validation"), (1, 3, "test")]
pytestmark = pytest.mark.usefixtures("double_precision")


def new(split, seed=0, **settings):
    given = {"embedding_size": 8, "lookalikes": 2, "dropout": 0.0, "temperature": 0.5, **settings}
    return away_from_the_start(Reelmix(**given).build(split, rng=seed), seed)


def as_dense(model, split):
    """The model's parameters and modalities in the reference's terms."""
    contents = []
    for name, features in split.dataset.features.items():
        directions = slow_directions(features, N_ITEMS)
        present = split.edges(name)
        linked = np.flatnonzero(present)
        mapped = np.zeros((N_ITEMS, features.size))
        if name in model.content:
            mapped[features.items] = model.content[name].features.numpy()
        k = model.config.lookalikes
        similar = slow_lookalikes(directions, linked, k) if k else np.zeros((N_ITEMS, N_ITEMS))
        if model.config.credit:
            similar *= min(1.0, 3 - 3 / max(1.0, slow_lift(interactions_of(split), similar)))
        has = split.dataset.has(name).tolist()
        contents.append(DenseContent(name, has, *map(torch.from_numpy, (mapped, directions, similar))))
    parameters = leaves(model)
    for name in ("emphasis.own", "emphasis.graph"):
        parameters.setdefault(name, torch.zeros(len(contents)))
    for held in ("bias", "warmth"):
        parameters.setdefault(held, getattr(model, held))
    for content in contents:
        nothing = torch.zeros(model.config.embedding_size, content.features.shape[1])
        parameters.setdefault(f"content.{content.name}.weight", nothing)
    interactions = set(interactions_of(split))
    config = model.config
    closed = config.regression, config.ridge
    return DenseReelmix(parameters, interactions, contents, N_USERS, config.temperature, *closed)


@pytest.mark.parametrize(
    ("settings", "seed"),
    [
        ({}, 0),
        ({}, 1),
        ({}, 2),
        ({"lookalikes": 0}, 0),
        ({"lookalikes": 20}, 1),
        ({"credit": False}, 1),
        ({"emphasis_from": "history"}, 2),
        ({"emphasis_from": "none"}, 0),
        ({"content": "none"}, 1),
        ({"bias": False}, 2),
        ({"learn_temperature": False}, 0),
        ({"regression": 0.7, "ridge": 3.0}, 1),
        ({"regression": 0.7, "embedding_size": 40}, 2),
    ],
    ids=str,
)
def test_equals_the_dense_reference(settings, seed):
    split = split_of(labelled_pairs(seed), two_modalities(seed + 1))
    model = new(split, seed, **settings)
    dense = as_dense(model, split)
    found = model.embed()
    scores = found.users @ found.items.T
    regressed = dense.regressed() if model.config.regression else torch.zeros(N_USERS, N_ITEMS)
    for user in range(N_USERS):
        for item in range(N_ITEMS):
            expected = dense.score(user, item) + regressed[user, item]
            assert_close(scores[user, item], expected, f"score of {user}, {item}")
    if model.config.lookalikes:
        alpha = [[dense.alpha(u, m, dense.interactions) for m in range(2)] for u in range(N_USERS)]
        assert_close(found.emphasis, torch.stack([torch.stack(row) for row in alpha]), "emphasis")

    triples = [triple for triple in triples_of(split, seed) if triple[:2] in dense.interactions]
    loss = model.loss(batch_of(triples))
    expected = dense.loss(triples, [negative for _, _, negative in triples])
    assert_close(loss, expected, "loss")
    loss.backward()
    expected.backward()
    for name, parameter in model.named_parameters():
        assert_close(parameter.grad, dense.parameters[name].grad, name)


def test_parts_and_the_rest_add_up_to_the_item():
    split = world()
    model = new(split, 4)
    found = embedded(model)
    dense = as_dense(model, split)
    _, alike = dense.parts()
    for place, content in enumerate(dense.contents):
        mapped = content.features @ dense.parameters[f"content.{content.name}.weight"].T
        for item in range(N_ITEMS):
            length = dense.item(item).norm()
            part = (mapped + alike[place])[item] / length
            part = torch.nn.functional.pad(part, (0, found.items.shape[1] - len(part)))
            assert_close(found.item_parts[content.name][item], part.detach(), content.name)
    lacking = ~split.dataset.has("acoustic")
    assert lacking.any()
    assert not found.item_parts["acoustic"][lacking].any()


def test_an_interaction_says_nothing_of_itself():
    """What u becomes without i does not change when the edge between them is not there."""
    split = world()
    model = new(split, 1)
    layers = model._layers(model._layer0())
    dense = as_dense(model, split)
    for user, item in interactions_of(split):
        rows = torch.tensor([user]), torch.tensor([item])
        taste = model._tastes_of(Batch(*rows, rows[1]), layers)
        assert not torch.allclose(taste[0], model._tastes(layers)[user])
        without = dense.interactions - {(user, item)}
        assert_close(taste[0], dense.user(user, without))
        emphasis = model.emphasis(*rows)[0]
        for place in range(2):
            assert_close(emphasis[place], dense.alpha(user, place, without))


def test_who_watched_one_thing_teaches_nothing():
    rows = [(0, 0, "train"), (1, 0, "train"), (1, 1, "train"), (2, 2, "train"), (2, 1, "train")]
    split = split_of([*rows, *HELD_OUT], {"visual": (range(4), np.eye(4))}, n_items=4)
    model = new(split)
    both = model.loss(batch_of([(0, 0, 2), (1, 0, 2)]))
    twice = model.loss(batch_of([(1, 0, 2), (1, 0, 2)]))
    assert_close(both, twice)
    alone = model.loss(batch_of([(0, 0, 2)]))
    alone.backward()
    assert alone == 0
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_users_are_unit_vectors_over_the_temperature_and_nobody_is_popular():
    """Of a user without history, only what all have in common is known: the bias."""
    model = new(world(), temperature=0.25, learn_temperature=False)
    found, d = embedded(model), model.config.embedding_size
    lengths = found.users[:, :d].norm(dim=1)
    assert_close(lengths, torch.tensor([0.0 if user == 3 else 4.0 for user in range(N_USERS)]))
    assert (found.users[:, d] == 1).all()
    assert not found.users[3, d + 1 :].any()
    assert_close(found.items[:, :d].norm(dim=1), torch.ones(N_ITEMS))


def test_dropout_is_for_training_alone_and_keeps_the_mean():
    split = world()
    model = new(split, dropout=0.4)
    batch = [batch_of([(0, 1, 3), (4, 0, 10), (6, 5, 2)], rng=rng) for rng in (1, 1, 2)]
    first, same, other = (model.loss(one).item() for one in batch)
    assert first == same != other
    assert torch.equal(embedded(model).items, embedded(new(split)).items)
    layer0 = torch.ones(400, 50)
    dropped = model._dropped(layer0, rng=5)
    assert set(dropped.unique().tolist()) == {0.0, 1 / 0.6}
    assert abs(dropped.mean().item() - 1) < 0.02


def test_sampled_softmax_of_everything_is_the_softmax():
    draw = torch.Generator().manual_seed(3)
    users, items = (torch.randn(n, 4, generator=draw, requires_grad=True) for n in (5, 7))
    positive = torch.tensor([0, 6, 2, 2, 5])
    taken = torch.arange(5), positive
    losses = sampled_softmax(users, items[positive], items, taken, 7)
    expected = torch.nn.functional.cross_entropy(users @ items.T, positive, reduction="none")
    assert_close(losses, expected)
    weights = torch.arange(1.0, 6)
    found = torch.autograd.grad((losses * weights).sum(), [users, items])
    for one, other in zip(
        found, torch.autograd.grad((expected * weights).sum(), [users, items]), strict=True
    ):
        assert_close(one, other)


def test_sampled_softmax_does_not_overflow_and_may_have_nobody_to_compare_with():
    users = torch.tensor([[1000.0], [-1000.0], [3.0]], requires_grad=True)
    items = torch.tensor([[1.0], [0.5]])
    taken = torch.tensor([0, 1, 2, 2]), torch.tensor([0, 0, 0, 1])
    losses = sampled_softmax(users, items[[0, 0, 0]], items, taken, 2)
    assert_close(losses.detach(), torch.tensor([0.0, 500.0, 0.0]))
    losses.sum().backward()
    assert users.grad.isfinite().all()


def test_emphasis_by_hand():
    """Two users with two pairs of pictures each: one pair alike, one at right angles. Then four alike."""
    content = np.array([[1.0, 0], [1, 0], [-1, 0], [-1, 0], [0, 1], [0, -1]])
    pairs = [(0, 0), (0, 1), (1, 0), (1, 4), (2, 2), (3, 0), (3, 1)]
    split = split_of(
        [*((*pair, "train") for pair in pairs), *HELD_OUT], {"visual": (range(6), content)}, n_items=6
    )
    # mean cosine, times (n - 1) / (n - 1 + 3) = 1/4: users 0 and 3 alike, 1 at right angles, 2 watched one
    alike = np.array([1 / 4, 0, 0, 1 / 4])
    own = (alike - alike.mean()) / alike.std()
    own_only = new(split, embedding_size=2, emphasis_from="history")
    both = new(split, embedding_size=2)
    with torch.no_grad():
        for model in (own_only, both):
            model.emphasis.own.fill_(-0.5)  # its size is what counts
        both.emphasis.graph.fill_(0.2)
    phi, psi = (0.4 * math.tanh(weight / 0.4) for weight in (0.5, 0.2))
    np.testing.assert_allclose(embedded(own_only).emphasis[:, 0], np.exp(phi * own), atol=1e-12)
    without = own_only.emphasis(torch.tensor([0, 1]), torch.tensor([1, 4]))[:, 0].detach()
    np.testing.assert_allclose(without, math.exp(phi * own[1]), atol=1e-12)
    # watchers of 0: 0, 1, 3; of 1: 0, 3; of 4: user 1; of 2: user 2; own is 1, -1, -1, 1
    heard = np.array([(1 / 3 + 1) / 2, (1 / 3 - 1) / 2, -1, (1 / 3 + 1) / 2])
    standard = (heard - heard.mean()) / heard.std()
    np.testing.assert_allclose(embedded(both).emphasis[:, 0], np.exp(phi * own + psi * standard), atol=1e-12)
    # user 0 without 1: their own -1 now, and among the watchers of 0 too, who say (-1 - 1 + 1) / 3
    left = both.emphasis(torch.tensor([0]), torch.tensor([1])).item()
    expected = np.exp(-phi + psi * (-1 / 3 - heard.mean()) / heard.std())
    assert left == pytest.approx(expected, abs=1e-12)


def test_emphasis_has_a_bound_however_training_pushes():
    model = new(world(), embedding_size=4)
    with torch.no_grad():
        for name in ("own", "graph"):
            getattr(model.emphasis, name).fill_(50.0)
    alpha = embedded(model).emphasis
    assert 2 < alpha.max() <= math.exp(2 * 0.4 * 3) + 1e-9
    assert alpha.min() >= math.exp(-2 * 0.4 * 3) - 1e-9


def test_directions_of_wide_features_are_those_within_their_components():
    rng = np.random.default_rng(0)
    features = DenseFeatures(np.arange(20, dtype=np.int32), rng.normal(size=(20, 9)) + 1)
    unit, axes = reduced(features, 2, at_most=4)
    rest = features.values - features.values.mean(axis=0)
    within = principal_components(features, 4)
    inner = rest / np.linalg.norm(rest, axis=1, keepdims=True) @ within.T
    strongest = inner @ np.linalg.svd(inner, full_matrices=False)[2][:2].T
    strongest /= np.linalg.norm(strongest, axis=1, keepdims=True)
    np.testing.assert_allclose(unit @ unit.T, strongest @ strongest.T, atol=1e-12)
    of_new = rest @ axes
    np.testing.assert_allclose(of_new / np.linalg.norm(of_new, axis=1, keepdims=True), unit, atol=1e-12)
    whole = reduced(features, 2, at_most=9)[0]
    assert not np.allclose(unit @ unit.T, whole @ whole.T, atol=0.1)


def test_lookalikes_by_content_of_other_items_get_no_credit():
    """The simulated sample, and the same with its content shuffled among the items that have any."""
    dataset = sample().dataset
    rng = np.random.default_rng(0)
    shuffled = {
        name: replace(features, values=rng.permutation(features.values))
        for name, features in dataset.features.items()
    }
    told, lost = (
        Reelmix(embedding_size=4).build(one.split(rng=0)).credit
        for one in (dataset, replace(dataset, features=shuffled))
    )
    assert (told == 1).all()
    assert (lost < 0.25).all()

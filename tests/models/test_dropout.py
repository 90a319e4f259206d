"""Modality dropout: what is drawn, and the loss of a step against dense matrices with a mask made by hand."""

import numpy as np
import pytest
import torch
from small_worlds import (
    LACK_ACOUSTIC,
    N_ITEMS,
    N_USERS,
    assert_close,
    away_from_the_start,
    batch_of,
    embedded,
    interactions_of,
    triples_of,
    world,
)
from test_missing_strategies import MULTIMODAL, with_words
from torch.nn.functional import leaky_relu, softplus

from reelmix.models import model_class
from reelmix.models.dropout import kept, presence

D, REG = 4, 0.03


# What is drawn


def many(n=4000, modalities=3):
    return torch.ones(n, modalities, dtype=torch.bool)


def test_presence_is_what_the_dataset_has():
    expected = np.ones((N_ITEMS, 2), bool)
    expected[list(LACK_ACOUSTIC), 1] = False
    assert presence(world().dataset).tolist() == expected.tolist()
    assert presence(world().dataset.only([])).shape == (N_ITEMS, 0)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_share_hidden_is_the_share_asked_for(share):
    hidden = 1 - kept(many(), share, rng=1).double().mean(dim=0)
    # if all three are drawn, which happens with chance share^3, one of them stays
    expected = share - share**3 / 3
    assert hidden.numpy() == pytest.approx([expected] * 3, abs=0.03)


def test_an_item_never_loses_its_last_and_never_gains_one():
    present = torch.rand(3000, 3, generator=torch.Generator().manual_seed(0)) < 0.4
    found = kept(present, 0.8, rng=2)
    assert not (found & ~present).any()
    assert torch.equal(found.any(dim=1), present.any(dim=1))
    alone = present.sum(dim=1) == 1
    assert torch.equal(found[alone], present[alone])
    assert found.sum() < 0.7 * present.sum()


def test_of_items_that_would_lose_all_each_keeps_one_at_random():
    found = kept(many(), 0.999, rng=3)
    assert (found.sum(dim=1) == 1).double().mean() > 0.99
    assert found.double().mean(dim=0).numpy() == pytest.approx([1 / 3] * 3, abs=0.03)


def test_seed_decides():
    assert torch.equal(kept(many(), 0.5, rng=7), kept(many(), 0.5, rng=7))
    assert not torch.equal(kept(many(), 0.5, rng=7), kept(many(), 0.5, rng=8))
    state = torch.get_rng_state()
    kept(many(), 0.5, rng=7)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_same_is_hidden_in_every_precision(double_precision):
    double = kept(many(), 0.5, rng=7)
    torch.set_default_dtype(torch.float32)
    assert torch.equal(kept(many(), 0.5, rng=7), double)


def test_nothing_is_drawn_where_nothing_can_be_hidden():
    assert kept(many(), 0.0, rng=1) is None
    assert kept(many(modalities=1), 0.5, rng=1) is None
    assert kept(many(modalities=0), 0.5, rng=1) is None


# The loss of a step, by dense matrices


def shown_by_hand(present):
    """Items 0, 1, 6 lose the first of their modalities, 3 the second, 4 all but the last."""
    shown = present.clone()
    for item in (0, 1, 6):
        shown[item, 0] = False
    shown[3, 1] = False
    shown[4, :-1] = False
    assert torch.equal(shown.any(dim=1), present.any(dim=1))
    return shown


def watched_of(split):
    watched = torch.zeros(N_USERS, N_ITEMS, dtype=torch.float64)
    for user, item in interactions_of(split):
        watched[user, item] = 1
    return watched


def ratio(numerator, denominator):
    return torch.where(denominator > 0, numerator / denominator.clamp(min=1e-300), 0.0)


def objective(users, items, triples):
    u, p, n = torch.tensor(triples).T
    return softplus(((items[n] - items[p]) * users[u]).sum(dim=1)).mean()


def rows_used(triples, tables, shown_tables):
    """Mean over the triples of the squared norm of their user's rows and of their two items' rows."""
    total = 0.0
    for user, positive, negative in triples:
        total = total + sum(table[user].square().sum() for table in tables)
        total = total + sum(table[i].square().sum() for table in shown_tables for i in (positive, negative))
    return total / len(triples)


def bags_of(model, shown):
    """The content rows of lists of tokens, which a triple uses where they are shown."""
    places = [place for place, part in enumerate(model.content.each()) if hasattr(part, "tokens")]
    return [model.content.each()[place]() * shown[:, place, None] for place in places]


def maps_of(model):
    parts = [part for part in model.content.each() if not hasattr(part, "tokens")]
    return sum((value.square().sum() for part in parts for value in part.parameters()), torch.zeros(()))


def dense_dualgnn(model, split, shown, triples):
    watched, present = watched_of(split), model.present
    fused = 0
    items = torch.zeros(N_ITEMS, D)
    for place, part in enumerate(model.content.each()):
        edges = watched * present[:, place]
        root = (edges.sum(dim=1, keepdim=True) * edges.sum(dim=0)).sqrt()
        graph, mask = ratio(edges, root), shown[:, place, None].double()
        u, i = model.preference[:, place], (part() + model.item_id[:, place]) * mask
        u_sum, i_sum = u, i
        for _ in range(model.config.layers):
            u, i = graph @ i, (graph.T @ u) * mask
            u_sum, i_sum = u_sum + u, i_sum + i
        fused = fused + model.alpha[:, place, None] * u_sum
        items = items + i_sum
    common = watched @ watched.T
    common.fill_diagonal_(0)
    weights = (
        torch.where(common > 0, common, -torch.inf).softmax(dim=1).nan_to_num()
    )  # all neighbours are kept
    for _ in range(model.config.user_layers):
        fused = fused + weights @ fused
    ids = model.item_id * shown[:, :, None]
    rows = rows_used(triples, [model.preference, model.alpha], [ids, *bags_of(model, shown)])
    return objective(fused, items, triples) + REG / 2 * (rows + maps_of(model))


def dense_mmgcn(model, split, shown, triples):
    watched, present = watched_of(split), model.present
    all_users, items = [], torch.zeros(N_ITEMS, D)
    for place, part in enumerate(model.content.each()):
        edges = watched * present[:, place]
        of_items = ratio(edges, edges.sum(dim=1, keepdim=True))
        of_users = ratio(edges.T, edges.T.sum(dim=1, keepdim=True))
        mask = shown[:, place, None].double()
        u, i = model.preference[:, place], part() * mask
        for layer in range(model.config.layers):
            w1, w2, w3 = (w[layer, place] for w in (model.aggregate, model.carry, model.combine))

            def step(x, around, ids, w1=w1, w2=w2, w3=w3):
                kept_part = leaky_relu(x @ w2.T) + ids
                return leaky_relu(leaky_relu(around @ w1.T) @ w3.T + kept_part)

            u, i = step(u, of_items @ i, model.user_id), step(i, of_users @ u, model.item_id) * mask
        all_users.append(u)
        items = items + i * ratio(mask, shown.sum(dim=1, keepdim=True).double())
    users = torch.stack(all_users).mean(dim=0)
    rows = rows_used(triples, [model.preference, model.user_id], [model.item_id, *bags_of(model, shown)])
    maps = sum(w.square().sum() for w in (model.aggregate, model.carry, model.combine))
    return objective(users, items, triples) + REG / 2 * (rows + maps + maps_of(model))


def dense_vbpr(model, split, shown, triples):
    content = sum(part() * shown[:, place, None] for place, part in enumerate(model.content.each()))
    users = torch.cat([model.user_latent, model.user_content, torch.ones(N_USERS, 1)], dim=1)
    bias = model.item_bias[:, None] + content[:, -1:]
    items = torch.cat([model.item_latent, content[:, :-1], bias], dim=1)
    of_items = [model.item_latent, model.item_bias[:, None], *bags_of(model, shown)]
    rows = rows_used(triples, [model.user_latent, model.user_content], of_items)
    return objective(users, items, triples) + REG / 2 * (rows + maps_of(model))


DENSE = {"dualgnn": dense_dualgnn, "mmgcn": dense_mmgcn, "vbpr": dense_vbpr}
SETTINGS = [
    ("dualgnn", {"item_ids": True, "content": "pca", "layers": 3}),
    ("dualgnn", {"item_ids": True, "content": "linear", "user_layers": 2}),
    ("dualgnn", {"item_ids": True, "content": "pca", "missing": "neighbours"}),
    ("mmgcn", {"content": "linear", "layers": 3}),
    ("mmgcn", {"content": "pca", "missing": "propagation"}),
    ("vbpr", {}),
    ("vbpr", {"missing": "pagerank"}),
]


def new(name, split, **settings):
    model = model_class(name)(embedding_size=D, reg=REG, **settings).build(split, rng=1)
    return away_from_the_start(model, seed=2)


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_loss_is_that_of_the_mask_put_in_by_hand(name, settings, double_precision, monkeypatch):
    split = with_words()
    model = new(name, split, modality_dropout=0.4, **settings)
    shown, triples = shown_by_hand(model.present), triples_of(split, seed=3)
    monkeypatch.setattr(f"reelmix.models.{name}.kept", lambda present, share, rng: shown)
    found, expected = model.loss(batch_of(triples)), DENSE[name](model, split, shown, triples)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-10)
    parameters = dict(model.named_parameters())
    gradients = [torch.autograd.grad(loss, list(parameters.values())) for loss in (found, expected)]
    for key, one, two in zip(parameters, *gradients, strict=True):
        assert_close(one, two, key)
    unmasked = DENSE[name](model, split, model.present, triples)
    assert abs((unmasked - expected).item()) > 1e-3, "what is hidden makes a difference"


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_each_batch_hides_what_its_seed_says(name, settings, double_precision):
    split = with_words()
    model, triples = new(name, split, modality_dropout=0.4, **settings), triples_of(split, seed=3)
    losses = {}
    for rng in (0, 1, 2**63 - 1):
        shown = kept(model.present, 0.4, rng)
        expected = DENSE[name](model, split, shown, triples)
        losses[rng] = model.loss(batch_of(triples, rng=rng))
        torch.testing.assert_close(losses[rng], expected, rtol=1e-12, atol=1e-10)
        assert torch.equal(model.loss(batch_of(triples, rng=rng)), losses[rng])
    assert len({loss.item() for loss in losses.values()}) == 3


@pytest.mark.parametrize("name", MULTIMODAL)
def test_vectors_are_those_of_all_modalities(name):
    split = with_words()
    plain, other = new(name, split), new(name, split, modality_dropout=0.4)
    before = embedded(other)
    other.loss(batch_of(triples_of(split, seed=3), rng=4)).backward()
    for found in (before, embedded(other)):
        assert torch.equal(found.users, embedded(plain).users)
        assert torch.equal(found.items, embedded(plain).items)


@pytest.mark.parametrize("name", MULTIMODAL)
def test_one_modality_alone_is_never_hidden(name):
    split = world().dataset.only(["acoustic"]).split("given")
    batch = batch_of(triples_of(split, seed=3), rng=4)
    assert torch.equal(new(name, split).loss(batch), new(name, split, modality_dropout=0.9).loss(batch))

"""VBPR against the dense reference and against what is known without it."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from dense_vbpr import dense_vbpr, dense_vbpr_loss
from small_worlds import (
    LACK_ACOUSTIC,
    N_ITEMS,
    N_USERS,
    assert_close,
    away_from_the_start,
    batch_of,
    labelled_pairs,
    leaves,
    split_of,
    tokens_of,
    triples_of,
    two_modalities,
    world,
)

from reelmix.data import BagFeatures
from reelmix.data.feature_files import FeatureTable
from reelmix.errors import ConfigError
from reelmix.models.vbpr import VBPR

D = 3
pytestmark = pytest.mark.usefixtures("double_precision")


def new(split, seed=0, **settings):
    """A model of random parameters."""
    return away_from_the_start(
        VBPR(**{"embedding_size": D, "missing": "mask", **settings}).build(split, rng=seed), seed
    )


def with_parameters_of(model, split):
    """The same parameters on other data of equal sizes; parameters of modalities that it lacks are left."""
    other = VBPR(model.config).build(split)
    kept = dict(other.named_parameters())
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name in kept:
                kept[name].copy_(value)
    return other


def awkward_world(seed, modalities):
    """Holes in every modality, item 2 without any, words that repeat, a spectrum in half precision.

    User 3 and item 7 have no training interaction.
    """
    rng = np.random.default_rng(seed)

    def without(*lacking):
        return [item for item in range(N_ITEMS) if item not in lacking]

    features = {
        "visual": (without(2, 10), 5 + rng.normal(size=(N_ITEMS - 2, 5))),
        "acoustic": (without(*LACK_ACOUSTIC), 0.01 * rng.normal(size=(N_ITEMS - 3, 6))),
        "words": FeatureTable(
            pl.Series([1, 1, 1, 4, 5, 5, 7]), np.array([0, 0, 3, 1, 2, 3, 1]), "words", kind="bag", n_tokens=5
        ),
        "spectrum": FeatureTable(
            pl.Series(without(0, 2)), rng.normal(size=(N_ITEMS - 2, 4)).astype(np.float16), "spectrum"
        ),
    }
    return split_of(labelled_pairs(seed), {name: features[name] for name in modalities})


def known_of(split):
    """The items' features in the reference's terms."""
    known = {}
    for name, features in split.dataset.features.items():
        if isinstance(features, BagFeatures):
            known[name] = [tokens or None for tokens in tokens_of(features)]
            continue
        known[name] = [None] * N_ITEMS
        for row, item in enumerate(features.items):
            known[name][item] = torch.tensor(features.values[row].astype(np.float64))
    return known


MODALITIES = [
    (),
    ("visual",),
    ("acoustic",),
    ("words",),
    ("spectrum",),
    ("visual", "acoustic"),
    ("words", "visual"),
    ("acoustic", "words", "spectrum", "visual"),
]


@pytest.mark.parametrize("modalities", MODALITIES)
@pytest.mark.parametrize("reg", [0.0, 0.03])
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_the_dense_reference(modalities, reg, seed):
    split = awkward_world(seed, modalities)
    model, known = new(split, seed=seed, reg=reg), known_of(split)
    parameters = leaves(model)
    content = {f"content.{name}.{'tokens' if name == 'words' else 'weight'}" for name in modalities}
    assert set(parameters) == {"user_latent", "user_content", "item_latent", "item_bias", *content}
    expected = dense_vbpr(parameters, known)
    found = model.embed()
    assert_close(found.users, expected.user_vectors)
    assert_close(found.items, expected.item_vectors)
    assert_close(found.users @ found.items.T, expected.scores)
    assert tuple(found.item_parts) == modalities
    of_no_modality = found.items - sum(found.item_parts.values())
    latent, bias = parameters["item_latent"], parameters["item_bias"].unsqueeze(1)
    assert_close(of_no_modality, torch.cat([latent, torch.zeros_like(latent), bias], dim=1))

    triples = [*triples_of(split, seed), (4, 0, 2), (4, 2, 7)]  # item 2 has no modality
    loss = model.loss(batch_of(triples))
    expected_loss = dense_vbpr_loss(parameters, known, expected.scores, triples, reg)
    assert_close(loss, expected_loss)
    loss.backward()
    expected_loss.backward()
    for name, parameter in model.named_parameters():
        zeros = torch.zeros_like(parameters[name])
        wanted = parameters[name].grad
        assert_close(
            zeros if parameter.grad is None else parameter.grad,
            zeros if wanted is None else wanted,
            name,
        )


# Items 0 and 1 have the feature 1 and 5, item 2 none: mean 3, centred -2 and 2, of mean norm 2, so f = -1, 1.
#
#   E = 3, c = 7         E f    b + c f
#   g = 2, b = 10   i0   -3     10 - 7
#   g = 4, b = 20   i1    3     20 + 7
#   g = 8, b = 30   i2    0     30

THREE = [(0, 0, "train"), (0, 1, "train"), (1, 1, "train"), (2, 2, "validation"), (2, 0, "test")]


def three_by_three(**settings):
    split = split_of(THREE, {"visual": ([0, 1], [[1.0], [5.0]])}, n_items=3)
    model = VBPR(embedding_size=1, missing="mask", **settings).build(split)
    values = {
        "user_latent": [[1.0], [2], [3]],
        "user_content": [[4.0], [5], [6]],
        "item_latent": [[2.0], [4], [8]],
        "item_bias": [10.0, 20, 30],
        "content.visual.weight": [[3.0], [7]],
    }
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.tensor(values[name]))
    return model


def test_three_items_by_hand():
    found = three_by_three().embed()
    assert_close(found.users.detach(), torch.tensor([[1.0, 4, 1], [2, 5, 1], [3, 6, 1]]))
    assert_close(found.items.detach(), torch.tensor([[2.0, -3, 3], [4, 3, 27], [8, 0, 30]]))


def test_loss_by_hand():
    model = three_by_three(reg=0.01)
    batch = batch_of([(0, 1, 0), (0, 1, 2)])
    # y_01 = 4 + 12 + 27, y_00 = 2 - 12 + 3, y_02 = 8 + 30
    ranking = (math.log1p(math.exp(-(43 - -7))) + math.log1p(math.exp(-(43 - 38)))) / 2
    # 1 + 16 of the user, 16 + 400 of item 1, then 4 + 100 of item 0, 64 + 900 of item 2; 9 + 49 of the map
    rows = ((17 + 416 + 104) + (17 + 416 + 964)) / 2
    assert_close(model.loss(batch).detach(), torch.tensor(ranking + 0.01 / 2 * (rows + 58)))


def test_without_modalities_it_is_matrix_factorisation_with_item_biases():
    model = new(split_of(labelled_pairs(), {}))
    found = model.embed()
    assert_close(found.users, torch.cat([model.user_latent, model.user_content, torch.ones(N_USERS, 1)], 1))
    no_content = torch.zeros(N_ITEMS, D)
    assert_close(found.items, torch.cat([model.item_latent, no_content, model.item_bias[:, None]], 1))
    scores = model.user_latent @ model.item_latent.T + model.item_bias
    assert_close(found.users @ found.items.T, scores)


def test_an_item_that_lacks_a_modality_is_as_if_there_were_no_such_modality():
    split = world()
    model = new(split)
    alone = with_parameters_of(model, split.dataset.only(["visual"]).split("given"))
    both, visual = model.embed().items, alone.embed().items
    lacking = list(LACK_ACOUSTIC)
    assert_close(both[lacking], visual[lacking])
    having = np.delete(np.arange(N_ITEMS), lacking)
    assert ((both - visual).abs()[having] > 1e-6).any(dim=1).all()


def test_an_item_without_any_modality_has_its_latent_row_and_its_bias_alone():
    model = new(awkward_world(0, ("visual", "acoustic", "words")))
    item = model.embed().items[2]
    assert torch.equal(item, torch.cat([model.item_latent[2], torch.zeros(D), model.item_bias[2:3]]))


@pytest.mark.parametrize("moved", ["shifted", "scaled"])
def test_where_features_are_centred_and_in_which_unit_does_not_matter(moved):
    features = two_modalities()
    items, values = features["acoustic"]
    other = values + np.arange(1, 7) if moved == "shifted" else 1000 * values
    split = split_of(labelled_pairs(), {**features, "acoustic": (items, other)})
    model = new(world())
    assert_close(with_parameters_of(model, split).embed().items, model.embed().items)


@pytest.mark.parametrize("value", [1.0, 0.1])
def test_a_modality_in_which_all_items_are_alike_says_nothing(value):
    alike = {**two_modalities(), "alike": (range(7), np.full((7, 2), value))}
    model = new(split_of(labelled_pairs(), alike))
    without = with_parameters_of(model, world())
    assert_close(model.embed().items, without.embed().items)


def test_a_modality_that_no_item_has_says_nothing():
    split = split_of(labelled_pairs(), {**two_modalities(), "speech": ([], np.zeros((0, 7)))})
    model = new(split)
    assert_close(model.embed().items, with_parameters_of(model, world()).embed().items)
    loss = model.loss(batch_of(triples_of(split, seed=0)))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("names", [("visual", "items"), ("items", "items_"), ("items_", "items")])
def test_modalities_may_have_any_names(names):
    features = dict(zip(names, two_modalities().values(), strict=True))
    model, plain = new(split_of(labelled_pairs(), features)), new(world())
    assert_close(model.embed().items, plain.embed().items)


def test_features_are_not_trained():
    model = new(world(), reg=0.1)
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    model.loss(batch_of([(0, 0, 2), (4, 0, 5)])).backward()
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    assert all(not value.requires_grad for value in model.buffers())
    assert all(torch.equal(value, buffers[name]) for name, value in model.named_buffers())


def test_held_out_interactions_have_no_influence():
    train = [row for row in labelled_pairs() if row[2] == "train"]
    other = [*train, (3, 1, "validation"), (4, 7, "validation"), (3, 7, "test")]
    first, second = new(world()).embed(), new(split_of(other, two_modalities())).embed()
    assert torch.equal(first.users, second.users)
    assert torch.equal(first.items, second.items)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"regs": 1},
            "vbpr: expected a known setting, found 'regs'. Did you mean 'reg'?",
        ),
        (
            {"embedding_size": 0},
            "vbpr: embedding_size: expected greater than or equal to 1, found 0. "
            "See the description of embedding_size in the configuration reference.",
        ),
        (
            {"reg": -0.1},
            "vbpr: reg: expected greater than or equal to 0, found -0.1. "
            "See the description of reg in the configuration reference.",
        ),
    ],
)
def test_settings_that_cannot_be(settings, expected, refusal):
    assert refusal(ConfigError, VBPR, **settings) == expected

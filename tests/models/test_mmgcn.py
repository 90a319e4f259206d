"""MMGCN against the dense reference, a case worked out by hand, and what it does with missing content."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import polars as pl
import pytest
import torch
from dense_dualgnn import DenseModality
from dense_mmgcn import dense_mmgcn, dense_mmgcn_loss
from small_worlds import (
    LACK_ACOUSTIC,
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
    tokens_of,
    two_modalities,
    without_item,
    world,
)
from torch.nn import functional

from reelmix.data import BagFeatures
from reelmix.data.feature_files import FeatureTable
from reelmix.errors import ConfigError
from reelmix.models import MMGCN

D = 3
BARE = 1  # the item without any modality
TRIPLES = [(0, 1, 3), (4, 0, 10), (4, 0, 10), (6, 5, 2), (3, 7, 0), (8, 4, BARE)]


def awkward_split(seed, *, size=None):
    """An isolated user (3) and item (7), holes in every modality, an item with none, and a bag of words."""
    rng = np.random.default_rng(seed)

    def dense(lacking, own_size):
        items = [item for item in range(N_ITEMS) if item not in lacking]
        return items, rng.normal(size=(len(items), size or own_size)) * 2 + 1

    words = [(0, 2), (4, 0), (4, 1), (4, 1), (6, 2), (6, 4)]  # a token twice, one that no item has, few items
    ids, tokens = zip(*words, strict=True)
    features = {
        "visual": dense((BARE,), 5),
        "words": FeatureTable(pl.Series(ids), np.array(tokens), "words", kind="bag", n_tokens=5),
        "acoustic": dense((BARE, *LACK_ACOUSTIC), 4),
        "textual": dense((BARE, 0, 7), 2),
    }
    return split_of(labelled_pairs(seed), features)


def new(split, rng=0, **settings):
    return MMGCN(**{"embedding_size": D, "missing": "mask", **settings}).build(split, rng=rng)


# Against the dense reference


def as_dense(model, split):
    """The model's parameters and modalities in the reference's terms."""
    parameters = leaves(model)
    modalities = []
    for name, features in split.dataset.features.items():
        present, cut = split.dataset.has(name).tolist(), list(split.cut.get(name, []))
        if isinstance(features, BagFeatures):
            modalities.append(DenseModality(name, "bag", present, tokens=tokens_of(features), cut=cut))
            continue
        content = model.config.content
        if content == "identity":
            given = torch.tensor(features.values)
        elif content == "pca":
            given = model.content[name].present_rows().detach()
        else:
            given = model.content[name].features
        rows = torch.full((N_ITEMS, given.shape[1]), torch.nan)  # nothing of an absent item may be read
        rows[features.items.astype(np.int64)] = given
        modalities.append(DenseModality(name, "dense", present, content=content, features=rows, cut=cut))
    return parameters, modalities


def check(split, seed, **settings):
    model = away_from_the_start(new(split, reg=0.03, **settings), seed)
    parameters, modalities = as_dense(model, split)
    pairs = interactions_of(split)
    expected = dense_mmgcn(
        parameters,
        n_users=N_USERS,
        n_items=N_ITEMS,
        interactions=pairs,
        modalities=modalities,
        combination=model.config.combination,
        layers=model.config.layers,
    )
    found = model.embed()
    assert_close(found.users, expected.user_vectors, "user vectors")
    assert_close(found.items, expected.item_vectors, "item vectors")
    assert_close(found.users @ found.items.T, expected.scores, "scores")
    assert list(found.item_parts) == [modality.name for modality in modalities]
    for name, part in found.item_parts.items():
        assert_close(part, expected.item_parts[name], f"item part {name}")

    triples = [(u, i, (u + 3 * i) % N_ITEMS) for u, i in pairs[::3]] + TRIPLES
    loss = model.loss(batch_of(triples))
    expected_loss = dense_mmgcn_loss(parameters, expected, triples, 0.03, modalities=modalities)
    assert_close(loss, expected_loss, "loss")
    loss.backward()
    expected_loss.backward()
    for name, parameter in model.named_parameters():
        wanted = parameters[name].grad
        assert_close(parameter.grad, wanted, name)
        assert wanted.abs().max() > 0, name
    assert {"preference", "user_id", "item_id", "aggregate", "carry", "combine"} <= parameters.keys()


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(("combination", "layers"), list(product(("sum", "concatenation"), (1, 2, 3))))
def test_equals_the_dense_reference(combination, layers):
    check(awkward_split(seed=layers), seed=layers, combination=combination, layers=layers)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("combination", ["sum", "concatenation"])
@pytest.mark.parametrize("content", ["linear", "pca", "mlp", "identity"])
def test_equals_the_dense_reference_with_every_content(content, combination):
    split = awkward_split(seed=4, size=D if content == "identity" else None)
    check(split, seed=5, content=content, combination=combination)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("modality", ["visual", "acoustic", "textual", "words"])
def test_equals_the_dense_reference_with_one_modality_alone(modality):
    check(awkward_split(seed=6).dataset.only([modality]).split("given"), seed=7)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("combination", ["sum", "concatenation"])
@pytest.mark.parametrize(
    "cut",
    [
        {"visual": [0, 3, 4]},
        {"visual": [5, 8], "words": [4, 9], "acoustic": [2, 3], "textual": [10]},
        {name: range(N_ITEMS) for name in ("visual", "words", "acoustic")},
    ],
)
def test_items_that_lost_their_edges_keep_their_layer_0(cut, combination):
    split = replace(awkward_split(seed=8), cut={name: np.array(items) for name, items in cut.items()})
    check(split, seed=9, combination=combination)


# By hand: d = 1, users u0 to u2, items i0 and i1, interactions u0-i0, u0-i1 and u1-i1, one layer. User u2 is
# alone.
#
#        x      mean   h = act(0.5 mean)   x_hat = act(2 x) + id     act(-h + x_hat)
#   u0    2       2     1                   4 + 1 = 5                 4
#   u1   -4      -2    -0.01               -0.08 + 0 = -0.08         -0.0007
#   u2    5       -     0                  10 - 3 = 7                 7
#   i0    6       2     1                  12 + 3 = 15               14
#   i1   -2      -1    -0.005              -0.04 - 1 = -1.04         -0.01035

HAND_USERS, HAND_ITEMS = [4, -0.0007, 7], [14, -0.01035]
HAND_MAPS = {"sum": [[-1.0]], "concatenation": [[-1.0, 1.0]]}


def by_hand(combination, **settings):
    rows = [(0, 0, "train"), (0, 1, "train"), (1, 1, "train"), (1, 0, "validation"), (2, 0, "test")]
    split = split_of(rows, {"visual": ([0, 1], [[6.0], [-2.0]])}, n_items=2)
    model = new(split, embedding_size=1, layers=1, content="identity", combination=combination, **settings)
    values = {
        "preference": [[[2]], [[-4]], [[5]]],
        "user_id": [[1], [0], [-3]],
        "item_id": [[3], [-1]],
        "aggregate": [[[[0.5]]]],
        "carry": [[[[2]]]],
        "combine": [[HAND_MAPS[combination]]],
    }
    parameters = dict(model.named_parameters())
    assert parameters.keys() == values.keys()
    with torch.no_grad():
        for name, value in values.items():
            given = torch.tensor(value, dtype=torch.get_default_dtype())
            assert given.shape == parameters[name].shape, name
            parameters[name].copy_(given)
    return model


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("combination", ["sum", "concatenation"])
def test_vectors_by_hand(combination):
    model = by_hand(combination)
    found = embedded(model)
    np.testing.assert_allclose(found.users[:, 0], HAND_USERS, rtol=1e-12)
    np.testing.assert_allclose(found.items[:, 0], HAND_ITEMS, rtol=1e-12)
    content = DenseModality(
        "visual", "dense", [True, True], content="identity", features=torch.tensor([[6.0], [-2.0]])
    )
    reference = dense_mmgcn(
        dict(model.named_parameters()),
        n_users=3,
        n_items=2,
        interactions=[(0, 0), (0, 1), (1, 1)],
        modalities=[content],
        combination=combination,
        layers=1,
    )
    np.testing.assert_allclose(reference.user_vectors.detach()[:, 0], HAND_USERS, rtol=1e-12)
    np.testing.assert_allclose(reference.item_vectors.detach()[:, 0], HAND_ITEMS, rtol=1e-12)


@pytest.mark.usefixtures("double_precision")
def test_loss_by_hand():
    # the triple (u1, i1, i0): scores 0.000007245 and -0.0098; rows 16 + 0 + 1 + 9, maps 0.25 + 4 + 1
    ranking = math.log1p(math.exp(-(0.0007 * 0.01035) - 0.0007 * 14))
    found = by_hand("sum", reg=0.2).loss(batch_of([(1, 1, 0)]))
    assert found.item() == pytest.approx(ranking + 0.1 * (26 + 5.25), rel=1e-12)


# What is missing


@pytest.mark.parametrize("combination", ["sum", "concatenation"])
@pytest.mark.parametrize("content", ["linear", "mlp"])
def test_what_an_absent_modality_would_be_is_never_read(content, combination):
    split = awkward_split(seed=0)
    # no L2 term: that of a bag adds up the zero rows of absent items too
    model = away_from_the_start(new(split, content=content, combination=combination, reg=0.0))
    before = embedded(model)
    loss_before = model.loss(batch_of(TRIPLES))
    absent, filled = {name: ~torch.from_numpy(split.dataset.has(name)) for name in model.content}, set()

    def fill(name):
        def hook(module, given, vectors):
            filled.add(name)
            return torch.where(absent[name][:, None], torch.full_like(vectors, 50.0), vectors)

        return hook

    for name, module in model.content.items():
        module.register_forward_hook(fill(name))
    after = embedded(model)
    loss_after = model.loss(batch_of(TRIPLES))
    assert filled == {"visual", "words", "acoustic", "textual"}
    torch.testing.assert_close(after.users, before.users)
    torch.testing.assert_close(after.items, before.items)
    torch.testing.assert_close(loss_after, loss_before)


def test_an_item_that_lacks_the_only_modality_reaches_nobody():
    only = split_of(labelled_pairs(), {"acoustic": two_modalities()["acoustic"]})
    rows = [row for row in labelled_pairs() if row[1] not in LACK_ACOUSTIC]
    strangers = split_of(rows, {"acoustic": two_modalities()["acoustic"]})
    whole, alone = away_from_the_start(new(only)), away_from_the_start(new(strangers))
    with torch.no_grad():
        alone.item_id[list(LACK_ACOUSTIC)] += 3
    before, after = embedded(whole), embedded(alone)
    torch.testing.assert_close(after.users, before.users)
    torch.testing.assert_close(after.items, before.items)
    assert (before.items[list(LACK_ACOUSTIC)] == 0).all()
    kept = np.delete(np.arange(N_ITEMS), LACK_ACOUSTIC)
    assert before.items[kept].any(dim=1).all()


def test_item_without_any_modality_is_the_zero_vector():
    features = without_item(BARE, "visual", "acoustic")
    found = embedded(away_from_the_start(new(split_of(labelled_pairs(), features))))
    assert (found.items[BARE] == 0).all()
    assert all((part[BARE] == 0).all() for part in found.item_parts.values())
    assert found.items[np.delete(np.arange(N_ITEMS), BARE)].any(dim=1).all()


@pytest.mark.parametrize("content", ["linear", "pca", "mlp"])
def test_hiding_one_modality_of_an_item_leaves_the_other_modality_alone(content):
    hidden = 4
    whole = away_from_the_start(new(world(), content=content))
    holed = away_from_the_start(
        new(split_of(labelled_pairs(), without_item(hidden, "acoustic")), content=content)
    )
    before, after = embedded(whole).item_parts, embedded(holed).item_parts
    # the hidden item's visual part was half of its vector and is now all of it
    expected = before["visual"].clone()
    expected[hidden] *= 2
    np.testing.assert_allclose(after["visual"], expected, rtol=1e-5, atol=1e-6)
    assert (after["acoustic"][hidden] == 0).all()
    assert before["acoustic"][hidden].any()


@pytest.mark.parametrize("content", ["linear", "pca", "mlp"])
def test_modality_that_no_item_has_is_silent(content):
    split = split_of(labelled_pairs(), {**two_modalities(), "speech": ([], np.zeros((0, 7)))})
    model = away_from_the_start(new(split, content=content))
    found = embedded(model)
    assert (found.item_parts["speech"] == 0).all()
    assert found.items.isfinite().all()
    assert found.users.isfinite().all()
    model.loss(batch_of(TRIPLES)).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert all(value.isfinite().all() for value in model.state_dict().values())


# Other invariants


def test_one_modality_twice_is_that_modality():
    visual = two_modalities()["visual"]
    one = away_from_the_start(new(split_of(labelled_pairs(), {"visual": visual}), content="pca"))
    two = new(split_of(labelled_pairs(), {"visual": visual, "again": visual}), content="pca")
    with torch.no_grad():
        for name, value in one.named_parameters():
            getattr(two, name).copy_(value)  # broadcast along the axis of modalities
    found, expected = embedded(two), embedded(one)
    torch.testing.assert_close(found.users, expected.users)
    torch.testing.assert_close(found.items, expected.items)
    torch.testing.assert_close(found.item_parts["again"], expected.items / 2)
    assert torch.equal(expected.item_parts["visual"], expected.items)


def test_concatenation_with_an_identity_for_what_is_carried_is_the_sum():
    summed = away_from_the_start(new(world(), combination="sum"))
    joined = new(world(), combination="concatenation")
    with torch.no_grad():
        for name, value in summed.named_parameters():
            if name == "combine":
                value = torch.cat([value, torch.eye(D).expand_as(value)], dim=-1)
            joined.get_parameter(name).copy_(value)
    found, expected = embedded(joined), embedded(summed)
    torch.testing.assert_close(found.users, expected.users)
    torch.testing.assert_close(found.items, expected.items)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("content", ["linear", "mlp"])
def test_features_are_centred_and_of_mean_norm_1_over_the_items_that_have_them(content):
    split = awkward_split(seed=2)
    model = new(split, content=content)
    for name in ("visual", "acoustic", "textual"):
        values = split.dataset.features[name].values
        centred = values - values.mean(axis=0)
        norms = [math.sqrt(sum(number**2 for number in row)) for row in centred]
        scaled = model.content[name].features
        np.testing.assert_allclose(scaled, centred / (sum(norms) / len(norms)), rtol=1e-12, atol=1e-14)
        assert not scaled.requires_grad


def test_equal_features_are_not_divided_by_zero():
    features = {"visual": (range(N_ITEMS), np.full((N_ITEMS, 5), 3.0))}
    model = new(split_of(labelled_pairs(), features))
    assert (model.content["visual"].features == 0).all()
    assert embedded(model).items.isfinite().all()


def test_without_layers_there_is_the_mean_of_what_layer_0_is():
    model = away_from_the_start(new(world(), layers=0))
    found = embedded(model)
    torch.testing.assert_close(found.users, model.preference.detach().mean(dim=1))
    content = {name: module().detach() for name, module in model.content.items()}
    expected = (content["visual"] + content["acoustic"]) / 2
    expected[list(LACK_ACOUSTIC)] = content["visual"][list(LACK_ACOUSTIC)]
    torch.testing.assert_close(found.items, expected)
    model.loss(batch_of(TRIPLES)).backward()


@pytest.mark.parametrize("combination", ["sum", "concatenation"])
def test_loss_of_a_batch_is_the_mean_over_its_triples(combination):
    model = away_from_the_start(new(awkward_split(seed=0), reg=0.3, combination=combination))
    alone = [model.loss(batch_of([triple])).item() for triple in TRIPLES]
    assert len(set(alone)) == len(TRIPLES) - 1, "triples differ, but for the repeated one"
    assert model.loss(batch_of(TRIPLES)).item() == pytest.approx(np.mean(alone), rel=1e-5)


def test_without_the_l2_term_the_loss_is_that_of_the_embedded_scores():
    model = away_from_the_start(new(world(), reg=0.0))
    found = embedded(model)
    scores = (found.users @ found.items.T).double().numpy()
    expected = np.mean([math.log1p(math.exp(scores[u, j] - scores[u, i])) for u, i, j in TRIPLES])
    assert model.loss(batch_of(TRIPLES)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("cut", [{}, {"visual": [5, 8], "words": range(N_ITEMS)}])
@pytest.mark.parametrize(("combination", "layers"), list(product(("sum", "concatenation"), (0, 1, 2))))
def test_loss_and_gradients_of_a_batch_are_those_of_the_embedded_scores(combination, layers, cut):
    split = replace(awkward_split(seed=1), cut={name: np.array(items) for name, items in cut.items()})
    model = away_from_the_start(new(split, reg=0.0, combination=combination, layers=layers))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 0.5  # margins stay small, where no gradient vanishes
    # the isolated user and item, users and items more than once, an item on both sides
    triples = [*TRIPLES, (4, 1, 0), (3, 3, 7), (5, 2, 2)]
    users, positives, negatives = torch.tensor(triples).T

    def gradients(loss):
        return torch.autograd.grad(loss, list(model.parameters()), materialize_grads=True)

    vectors = model.embed()
    scores = vectors.users @ vectors.items.T
    margins = scores[users, positives] - scores[users, negatives]
    assert margins.abs().max() < 20
    expected, found = -functional.logsigmoid(margins).mean(), model.loss(batch_of(triples))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for given, wanted in zip(gradients(found), gradients(expected), strict=True):
        torch.testing.assert_close(given, wanted, rtol=1e-10, atol=1e-10)


def test_nothing_is_left_to_chance_after_building():
    before = torch.get_rng_state()
    model = new(world())
    assert model.loss(batch_of(TRIPLES, rng=1)).item() == model.loss(batch_of(TRIPLES, rng=2)).item()
    assert torch.equal(torch.get_rng_state(), before)
    again, other = embedded(new(world())), embedded(new(world(), rng=1))
    assert torch.equal(again.users, embedded(model).users)
    assert not torch.allclose(other.users, again.users)


# Mistakes


def test_no_modality(refusal):
    split = split_of(labelled_pairs(), {})
    assert refusal(ConfigError, MMGCN().build, split) == (
        "mmgcn: expected at least one modality, found none. "
        "Import the dataset with features, or use a model that needs none."
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"layer": 2},
            "mmgcn: expected a known setting, found 'layer'. Did you mean 'layers'?",
        ),
        (
            {"neighbours": 5},
            "mmgcn: expected a known setting, found 'neighbours'. Valid names: candidates, combination, "
            "content, embedding_size, layers, loss, missing, modality_dropout, reg, temperature.",
        ),
        (
            {"layers": -1},
            "mmgcn: layers: expected greater than or equal to 0, found -1. "
            "See the description of layers in the configuration reference.",
        ),
        (
            {"embedding_size": 0},
            "mmgcn: embedding_size: expected greater than or equal to 1, found 0. "
            "See the description of embedding_size in the configuration reference.",
        ),
        (
            {"combination": "product"},
            "mmgcn: combination: expected 'sum' or 'concatenation', found 'product'. "
            "See the description of combination in the configuration reference.",
        ),
        (
            {"content": "raw"},
            "mmgcn: content: expected 'pca', 'identity', 'linear' or 'mlp', found 'raw'. "
            "See the description of content in the configuration reference.",
        ),
        (
            {"reg": math.inf},
            "mmgcn: reg: expected a finite number, found inf. "
            "See the description of reg in the configuration reference.",
        ),
    ],
)
def test_settings_that_cannot_be(settings, expected, refusal):
    assert refusal(ConfigError, MMGCN, **settings) == expected


def test_content_that_does_not_fit(refusal):
    model = MMGCN(embedding_size=5, content="identity", missing="mask")
    assert refusal(ConfigError, model.build, world()) == (
        "content: expected features of size 5 for content 'identity', found 6 in modality 'acoustic'. "
        "Set embedding_size = 6, or content = 'pca'."
    )

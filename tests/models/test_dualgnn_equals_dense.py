"""DualGNN against the dense reference written from the equations: vectors, scores, loss and gradients."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from awkward_worlds import N_ITEMS, D, as_dense, awkward_split
from dense_dualgnn import dense_dualgnn, dense_loss
from small_worlds import assert_close, away_from_the_start, batch_of, interactions_of

from reelmix.data import DenseFeatures, Split
from reelmix.models import DualGNN

pytestmark = pytest.mark.usefixtures("double_precision")


def with_identity_sizes(split: Split) -> Split:
    features = {}
    for name, old in split.dataset.features.items():
        if isinstance(old, DenseFeatures):
            values = np.random.default_rng(5).normal(size=(len(old.items), D))
            features[name] = DenseFeatures(old.items, values)
        else:
            features[name] = old
    dataset = replace(split.dataset, features=features)
    return dataset.split("given")


def gradients_as_dense(model: DualGNN) -> dict[str, torch.Tensor]:
    found = {}
    for place, name in enumerate(model.modalities):
        found[f"user.{name}"] = model.preference.grad[:, place]
        if model.config.item_ids:
            found[f"item.{name}"] = model.item_id.grad[:, place]
        for key, value in model.content[name].named_parameters():
            found[f"content.{name}.{key}"] = value.grad
    if model.config.emphasis == "learned":
        found["alpha"] = model.alpha.grad
    if model.config.construction == "concatenation":
        found["fusion.weight"], found["fusion.bias"] = model.fusion.weight.grad, model.fusion.bias.grad
    return found


def check(split: Split, seed: int, **settings: object) -> None:
    model = DualGNN(embedding_size=D, reg=0.03, missing="mask", **settings).build(split, rng=seed)
    away_from_the_start(model, seed)
    parameters, modalities = as_dense(model, split)
    pairs = interactions_of(split)
    config = model.config
    expected = dense_dualgnn(
        parameters,
        n_users=split.dataset.n_users,
        n_items=N_ITEMS,
        interactions=pairs,
        modalities=modalities,
        construction=config.construction,
        aggregation=config.aggregation,
        layers=config.layers,
        user_layers=config.user_layers,
        neighbours=config.neighbours,
        emphasis=config.emphasis,
    )
    found = model.embed()
    assert_close(found.users, expected.user_vectors, "user vectors")
    assert_close(found.items, expected.item_vectors, "item vectors")
    assert_close(found.users @ found.items.T, expected.scores, "scores")
    assert_close(sum(found.item_parts.values()), expected.item_vectors, "item parts")

    rng = np.random.default_rng(seed)
    triples = [(u, i, int(rng.integers(N_ITEMS))) for u, i in pairs[::2]]
    triples += [
        (split.dataset.n_users - 1, N_ITEMS - 1, 0),
        triples[0],
    ]  # an isolated user and item, and a repeated triple
    loss = model.loss(batch_of(triples))
    expected_loss = dense_loss(
        parameters,
        expected,
        triples,
        config.reg,
        modalities=modalities,
        construction=config.construction,
        emphasis=config.emphasis,
    )
    assert_close(loss, expected_loss, "loss")
    loss.backward()
    expected_loss.backward()
    for name, gradient in gradients_as_dense(model).items():
        wanted = parameters[name].grad
        zeros = torch.zeros_like(parameters[name])
        assert_close(zeros if gradient is None else gradient, zeros if wanted is None else wanted, name)


GRID = list(product(("sum", "concatenation", "maximum"), ("mean", "softmax"), range(4), range(3)))


@pytest.mark.parametrize(("construction", "aggregation", "layers", "user_layers"), GRID)
def test_every_variant(construction: str, aggregation: str, layers: int, user_layers: int) -> None:
    check(
        awkward_split(seed=layers),
        seed=user_layers,
        construction=construction,
        aggregation=aggregation,
        layers=layers,
        user_layers=user_layers,
        neighbours=3,
    )


@pytest.mark.parametrize("content", ["pca", "identity", "linear", "mlp"])
@pytest.mark.parametrize("item_ids", [True, False])
@pytest.mark.parametrize("emphasis", ["learned", "mean"])
def test_every_content(content: str, item_ids: bool, emphasis: str) -> None:
    split = awkward_split(seed=3, bag=True)
    split = with_identity_sizes(split) if content == "identity" else split
    check(split, seed=1, content=content, item_ids=item_ids, emphasis=emphasis, neighbours=4)


@pytest.mark.parametrize("modality", ["visual", "acoustic", "textual", "words"])
def test_one_modality_alone(modality: str) -> None:
    split = awkward_split(seed=4, bag=True).dataset.only([modality]).split("given")
    check(split, seed=2, neighbours=50)


@pytest.mark.parametrize("content", ["pca", "identity", "linear", "mlp"])
@pytest.mark.parametrize("item_ids", [True, False])
def test_content_scaled_to_length_1(content: str, item_ids: bool) -> None:
    split = awkward_split(seed=5)
    split = with_identity_sizes(split) if content == "identity" else split
    check(split, seed=3, content=content, item_ids=item_ids, unit_content=True, neighbours=3)


@pytest.mark.parametrize("item_ids", [True, False])
def test_content_of_tokens_scaled_to_length_1(item_ids: bool) -> None:
    check(awkward_split(seed=5, bag=True), seed=3, item_ids=item_ids, unit_content=True, neighbours=3)


CUT = [
    {"visual": [1, 3, 4]},
    {"visual": [0, 2], "acoustic": [3, 4], "textual": [5], "words": [1, 6]},
    {"acoustic": [0, 1, 3, 4, 7], "words": [5]},
    {
        "visual": range(N_ITEMS),
        "acoustic": range(N_ITEMS),
        "textual": range(N_ITEMS),
        "words": range(N_ITEMS),
    },
]
"""Items that lose their edges: few, some that lack the modality anyway, all of a modality, all."""


@pytest.mark.parametrize("cut", CUT)
@pytest.mark.parametrize(("content", "item_ids"), [("pca", True), ("linear", False)])
def test_items_that_lost_their_edges_keep_their_layer_0(cut: dict, content: str, item_ids: bool) -> None:
    split = awkward_split(seed=6, bag=True)
    split = replace(split, cut={name: np.array(items) for name, items in cut.items()})
    check(split, seed=4, content=content, item_ids=item_ids, layers=3, neighbours=3)

"""What models make of items that lack a modality: filled in or not."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from small_worlds import (
    LACK_ACOUSTIC,
    away_from_the_start,
    embedded,
    labelled_pairs,
    split_of,
    two_modalities,
    world,
)
from test_behaviour import batch_of, new

from reelmix.data import BagFeatures, DenseFeatures
from reelmix.data.feature_files import FeatureTable
from reelmix.errors import ConfigError
from reelmix.graph import filled
from reelmix.models import MODELS, DualGNN, model_class
from reelmix.models.base import seeded
from reelmix.models.content import make_content

WAYS = ("mask", "zero", "mean", "neighbours", "propagation", "pagerank")
MULTIMODAL = ("dualgnn", "mmgcn", "vbpr")
DEFAULT = {"dualgnn": "pagerank", "mmgcn": "mask", "vbpr": "mask", "reelmix": "mask"}
"""What ranked better than mask on validation beyond its spread on both data sets, or mask; see missing.md."""
WORDS = FeatureTable(pl.Series([1, 1, 4]), np.array([0, 2, 1]), "words", kind="bag", n_tokens=3)


def with_words():
    return split_of(labelled_pairs(), {**two_modalities(), "words": WORDS})


def test_all_models_that_know_modalities_have_the_settings():
    having = {name for name in MODELS if "missing" in MODELS[name].Config.model_fields}
    assert having == {*MULTIMODAL, "reelmix"}
    for name in having:
        config = MODELS[name].Config()
        # Reelmix hides numbers of layer 0 instead
        assert (config.missing, getattr(config, "modality_dropout", 0.0)) == (DEFAULT[name], 0.0)


@pytest.mark.parametrize("name", MULTIMODAL)
def test_unknown_way_names_the_nearest(name, refusal):
    assert refusal(ConfigError, model_class(name), missing="neighbors") == (
        f"{name}: missing: expected 'mask', 'zero', 'mean', 'neighbours', 'propagation' or 'pagerank', "
        "found 'neighbors'. Did you mean 'neighbours'?"
    )


# mask


def emptied_and_without():
    """A world in which no item has the acoustic modality, and one that does not know of it."""
    features = two_modalities() | {"acoustic": ([], np.zeros((0, 6)))}
    return split_of(labelled_pairs(), features), split_of(labelled_pairs(), {"visual": features["visual"]})


def models_of_both(name):
    """One model of each, and the second has the parameters of the first, each table's visual part."""
    emptied, without = emptied_and_without()
    first, second = away_from_the_start(new(name, emptied)), new(name, without, rng=1)
    given = dict(first.named_parameters())
    with torch.no_grad():
        for key, parameter in second.named_parameters():
            value = given[key]
            if value.shape != parameter.shape:  # of two modalities, on the second axis
                assert (value.shape[1], parameter.shape[1]) == (2, 1)
                value = value[:, :1]
            parameter.copy_(value)
    return first, second


def test_modality_that_all_lack_is_no_modality_to_dualgnn(double_precision):
    first, second = models_of_both("dualgnn")
    with torch.no_grad():
        first.preference[:, 1] = 0  # which nothing but the regularisation would hold
    found, expected = embedded(first), embedded(second)
    assert (found.item_parts["acoustic"] == 0).all()
    torch.testing.assert_close(found.item_parts["visual"], expected.item_parts["visual"])
    torch.testing.assert_close(found.users @ found.items.T, expected.users @ expected.items.T)


def test_modality_that_all_lack_is_no_modality_to_mmgcn(double_precision):
    first, second = models_of_both("mmgcn")
    found, expected = embedded(first), embedded(second)
    assert (found.item_parts["acoustic"] == 0).all()
    torch.testing.assert_close(found.items, expected.items)
    torch.testing.assert_close(first._single_modal()[0][:, 0], expected.users)


def test_modality_that_all_lack_is_no_modality_to_vbpr(double_precision):
    first, second = models_of_both("vbpr")
    found, expected = embedded(first), embedded(second)
    torch.testing.assert_close(found.users, expected.users)
    torch.testing.assert_close(found.items, expected.items)


# filled in


@pytest.mark.parametrize("name", MULTIMODAL)
@pytest.mark.parametrize("missing", WAYS)
def test_nothing_changes_where_nothing_is_missing(name, missing):
    features = two_modalities()
    complete = split_of(labelled_pairs(), {"visual": features["visual"], "acoustic": features["visual"]})
    plain, other = new(name, complete), new(name, complete, missing=missing)
    for one, two in zip(
        embedded(plain).item_parts.values(), embedded(other).item_parts.values(), strict=True
    ):
        assert torch.equal(one, two)
    assert torch.equal(embedded(plain).users, embedded(other).users)
    assert torch.equal(embedded(plain).items, embedded(other).items)
    assert torch.equal(plain.loss(batch_of(complete)), other.loss(batch_of(complete)))


@pytest.mark.parametrize("name", ["dualgnn", "mmgcn"])
@pytest.mark.parametrize("missing", WAYS[1:])
def test_filled_items_take_part_like_observed_ones(name, missing, double_precision):
    """With content as it is, no statistics say which values were observed: they might all have been."""
    rng = np.random.default_rng(4)
    features = {
        key: (items, rng.normal(size=(len(list(items)), 8))) for key, (items, _) in two_modalities().items()
    }
    split = split_of(labelled_pairs(), features)
    dataset = filled(split, missing).dataset
    values = dataset.features["acoustic"]
    as_if = replace(dataset, features=dict(dataset.features, acoustic=replace(values, filled=None)))
    found = away_from_the_start(new(name, split, content="identity", missing=missing))
    expected = away_from_the_start(
        new(name, replace(split, dataset=as_if), content="identity", missing="mask")
    )
    assert torch.equal(embedded(found).items, embedded(expected).items)
    assert torch.equal(embedded(found).users, embedded(expected).users)
    assert torch.equal(found.loss(batch_of(split)), expected.loss(batch_of(split)))
    part = embedded(found).item_parts["acoustic"][list(LACK_ACOUSTIC)]
    assert (part != 0).all()
    masked = away_from_the_start(new(name, split, content="identity", missing="mask"))
    assert (embedded(masked).item_parts["acoustic"][list(LACK_ACOUSTIC)] == 0).all()


@pytest.mark.parametrize("missing", WAYS[1:])
def test_filled_items_have_edges_in_the_modality(missing):
    split = world()
    graphs = new("dualgnn", split, missing=missing).propagation.graphs
    assert len(graphs) == 1, "all items have edges in both, and one graph serves both"
    assert len(new("dualgnn", split, missing="mask").propagation.graphs) == 2


def test_vbpr_sees_filled_features_in_the_scale_of_the_observed(double_precision):
    split = world()
    model = away_from_the_start(new("vbpr", split, missing="neighbours"))
    own = split.dataset.features["acoustic"]
    mean = own.values.mean(axis=0)
    norm = np.linalg.norm(own.values - mean, axis=1).mean()
    values = filled(split, "neighbours").dataset.features["acoustic"].values
    weight = model.content["acoustic"].weight.detach().numpy()
    expected = ((values - mean) / norm) @ weight.T
    visual = model.content["visual"]().detach().numpy()
    found = embedded(model).items.numpy()
    np.testing.assert_allclose(found[:, 8:-1], (visual + expected)[:, :-1], rtol=1e-12)


# statistics


OBSERVED = np.array([True, False, True, True, False, True])


def some_filled(seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(6, 5)) * 3 + 1
    values[~OBSERVED] += 100
    return DenseFeatures(np.array([0, 2, 3, 5, 7, 8], np.int32), values, filled=~OBSERVED)


def content_of(features, content):
    return make_content("v", features, n_items=9, embedding_size=4, content=content, rng=seeded(0))


@pytest.mark.parametrize("content", ["pca", "linear", "mlp"])
def test_statistics_are_those_of_the_observed(content, double_precision):
    features = some_filled()
    made = content_of(features, content)
    observed = content_of(features.only(features.observed), content)
    for key, value in observed.state_dict().items():
        torch.testing.assert_close(made.state_dict()[key], value, msg=key)
    found, expected = made.present_rows(), observed.present_rows()
    torch.testing.assert_close(found[torch.from_numpy(OBSERVED)], expected)
    assert (found[torch.from_numpy(~OBSERVED)].abs().amax(dim=1) > 2 * expected.abs().max()).all()


def test_what_is_filled_in_is_brought_to_the_space_of_the_observed(double_precision):
    features = some_filled()
    made = content_of(features, "pca")
    values = features.values[OBSERVED]
    centred = values - values.mean(axis=0)
    _, _, right = np.linalg.svd(centred, full_matrices=False)
    right = right[:3] * np.array([np.sign(row[np.abs(row).argmax()]) for row in right[:3]])[:, None]
    norm = np.linalg.norm(centred @ right.T, axis=1).mean()
    expected = (features.values - values.mean(axis=0)) @ right.T / norm
    np.testing.assert_allclose(made.present_rows()[:, :3], expected, atol=1e-10)
    assert (made.present_rows()[:, 3] == 0).all(), "four observed items differ in three directions alone"


def test_a_feature_in_which_all_observed_are_alike_says_nothing_of_others(double_precision):
    values = np.random.default_rng(1).normal(size=(6, 5))
    values[OBSERVED, 2], values[~OBSERVED, 2] = 0.1, 0.0
    features = DenseFeatures(np.array([0, 2, 3, 5, 7, 8], np.int32), values, filled=~OBSERVED)
    assert (content_of(features, "linear").features[:, 2] == 0).all()


def test_tokens_count_by_their_weights(double_precision):
    features = BagFeatures(
        np.array([1, 4, 6], np.int32),
        np.array([0, 2, 2, 5]),
        np.array([3, 1, 0, 2, 4], np.int32),  # not in order
        5,
        filled=np.array([False, True, True]),
        weights=np.array([0.75, 0.25, 0.5, 0.2, 0.3]),
    )
    made = content_of(features, "pca")
    tokens = made.tokens.detach()
    expected = torch.zeros(9, 4)
    expected[1] = 0.75 * tokens[3] + 0.25 * tokens[1]
    expected[6] = 0.5 * tokens[0] + 0.2 * tokens[2] + 0.3 * tokens[4]
    torch.testing.assert_close(made().detach(), expected)
    assert features.tokens.tolist() == [3, 1, 0, 2, 4]
    assert features.weights.tolist() == [0.75, 0.25, 0.5, 0.2, 0.3]


def test_a_cut_item_that_is_filled_in_elsewhere_keeps_its_layer_0():
    """The study of Fig. 9 takes edges away; filling in elsewhere does not bring them back."""
    split = replace(world(), cut={"acoustic": np.array([0, 2])})
    model = new("dualgnn", split, missing="mean")
    assert isinstance(model, DualGNN)
    graphs = model.propagation.graphs
    sizes = sorted(len(graph.forward_columns) for graph in graphs)
    watched = split.matrix("train").toarray()
    assert sizes == sorted([int(watched.sum()), int(watched.sum() - watched[:, [0, 2]].sum())])

"""The ways from features to d dimensions, against numpy."""

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_worlds import labelled_pairs, split_of, two_modalities

from reelmix.data import BagFeatures, DenseFeatures
from reelmix.data.feature_files import FeatureTable
from reelmix.errors import ConfigError
from reelmix.graph.sparse import Chosen
from reelmix.models.base import seeded
from reelmix.models.content import Contents, make_content

pytestmark = pytest.mark.usefixtures("double_precision")
N_ITEMS, D = 9, 4
PRESENT = np.array([0, 2, 3, 5, 7, 8], np.int32)


def features_of(size, seed=0, items=PRESENT):
    return DenseFeatures(items, np.random.default_rng(seed).normal(size=(len(items), size)) * 3 + 1)


def content_of(features, content, embedding_size=D, n_items=N_ITEMS, rng=0):
    return make_content(
        "visual",
        features,
        n_items=n_items,
        embedding_size=embedding_size,
        content=content,
        rng=seeded(rng),
    )


def vectors_of(content):
    return content.present_rows().detach().numpy()


BAG = BagFeatures(
    np.array([1, 4, 6], np.int32), np.array([0, 1, 4, 6]), np.array([2, 0, 0, 3, 4, 2], np.int32), 5
)


@pytest.mark.parametrize("content", ["pca", "identity", "linear", "mlp"])
def test_items_that_lack_the_modality_have_zero_vectors(content):
    features = features_of(D)
    made = content_of(features, content)
    everywhere = made().detach().numpy()
    assert everywhere.shape == (N_ITEMS, D)
    assert (everywhere[PRESENT] == vectors_of(made)).all()
    assert (np.delete(everywhere, PRESENT, axis=0) == 0).all()
    assert vectors_of(made).any(axis=1).all()


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("content", ["pca", "identity", "linear", "mlp", "bag"])
@pytest.mark.parametrize(
    "items", [[3, 0, 8], [1, 4, 6], [4, 4, 2, 7, 6, 2], list(range(N_ITEMS)), [5], []], ids=str
)
def test_of_some_items_alone(content, unit, items):
    """Those with the modality and those without, in any order and more than once: values and gradients."""
    made = content_of(BAG, "pca") if content == "bag" else content_of(features_of(D), content)
    made.unit = unit
    chosen = torch.tensor(items, dtype=torch.int64)
    weights = torch.from_numpy(np.random.default_rng(1).normal(size=(len(items), D)))
    found, expected = made(Chosen(chosen, chosen)), made()[chosen]
    assert found.shape == (len(items), D)
    torch.testing.assert_close(found, expected)
    if made.trained:
        parameters = list(made.parameters())
        ours, theirs = (torch.autograd.grad((v * weights).sum(), parameters) for v in (found, expected))
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other)


def test_nothing_is_copied_where_every_item_has_the_modality():
    features = features_of(D, items=np.arange(N_ITEMS, dtype=np.int32))
    made = content_of(features, "identity")
    assert made() is made.vectors
    assert (made().numpy() == features.values).all()


def test_components_equal_those_of_a_singular_value_decomposition():
    features = features_of(6)
    found = vectors_of(content_of(features, "pca"))
    centred = features.values - features.values.mean(axis=0)
    left, spread, right = np.linalg.svd(centred, full_matrices=False)
    signs = np.array([np.sign(row[np.abs(row).argmax()]) for row in right[:D]])
    projected = left[:, :D] * spread[:D] * signs
    np.testing.assert_allclose(found, projected / np.linalg.norm(projected, axis=1).mean(), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 8), st.integers(1, 7), st.integers(1, 10), st.integers(0, 1000))
def test_principal_components_are_centred_orthogonal_and_of_mean_norm_1(
    n_present, size, embedding_size, seed
):
    items = np.arange(n_present, dtype=np.int32)
    features = features_of(size, seed, items)
    found = vectors_of(content_of(features, "pca", embedding_size))
    assert found.shape == (n_present, embedding_size)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    assert np.linalg.norm(found, axis=1).mean() == pytest.approx(1)
    covariance = found.T @ found
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-10)
    assert (np.diff(np.diag(covariance)) <= 1e-10).all(), "the largest spread comes first"
    assert (found[:, size:] == 0).all(), "what there is no feature for is zero"


def test_all_features_kept_keep_all_distances():
    features = features_of(3)
    found = vectors_of(content_of(features, "pca", embedding_size=3))

    def distances(rows):
        return np.linalg.norm(rows[:, None] - rows[None], axis=2)

    scale = distances(found)[0, 1] / distances(features.values)[0, 1]
    np.testing.assert_allclose(distances(found), scale * distances(features.values), atol=1e-12)


def test_sign_of_a_component_does_not_depend_on_the_sign_of_the_features_mean_or_order():
    features = features_of(6)
    found = content_of(features, "pca")
    components = found.components.numpy()
    assert (np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1) > 0).all()
    backwards = DenseFeatures(PRESENT, features.values[::-1].copy())
    np.testing.assert_allclose(vectors_of(content_of(backwards, "pca"))[::-1], vectors_of(found), atol=1e-12)


def test_new_item_reaches_the_same_space_by_what_is_kept_with_the_weights():
    features = features_of(6)
    made = content_of(features, "pca")
    state = made.state_dict()
    assert set(state) == {"mean", "components"}
    reached = (torch.tensor(features.values) - state["mean"]) @ state["components"].T
    np.testing.assert_allclose(reached, vectors_of(made), atol=1e-12)


def test_equal_features_have_no_direction():
    made = content_of(DenseFeatures(PRESENT, np.full((len(PRESENT), 3), 2.5)), "pca")
    assert (vectors_of(made) == 0).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_half_precision_features_are_computed_in_double(dtype):
    features = features_of(6)
    short = DenseFeatures(PRESENT, features.values.astype(dtype))
    same = DenseFeatures(PRESENT, short.values.astype(np.float64))
    assert (vectors_of(content_of(short, "pca")) == vectors_of(content_of(same, "pca"))).all()


@pytest.mark.parametrize("content", ["identity", "linear", "mlp"])
def test_float16_features_work_in_the_precision_of_the_model(content):
    torch.set_default_dtype(torch.float32)
    short = DenseFeatures(PRESENT, features_of(D).values.astype(np.float16))
    assert content_of(short, content).present_rows().dtype == torch.float32


def test_identity_of_another_size():
    with pytest.raises(ConfigError) as caught:
        content_of(features_of(6), "identity")
    assert str(caught.value) == (
        "content: expected features of size 4 for content 'identity', found 6 in modality 'visual'. "
        "Set embedding_size = 6, or content = 'pca'."
    )


def test_linear():
    made = content_of(features_of(6), "linear")
    features = made.features.numpy()
    assert made.bias.tolist() == [0] * D
    with torch.no_grad():
        made.bias.copy_(torch.arange(D))
    expected = features @ made.weight.detach().numpy().T + np.arange(D)
    np.testing.assert_allclose(vectors_of(made), expected, rtol=1e-12)


def test_mlp():
    made = content_of(features_of(6), "mlp")
    features = made.features.numpy()
    assert made.weight1.shape == (4 * D, 6)
    with torch.no_grad():
        made.bias1.copy_(torch.linspace(-1, 1, 4 * D))
        made.bias2.copy_(torch.arange(D))
    first, second = made.weight1.detach().numpy(), made.weight2.detach().numpy()
    hidden = features @ first.T + np.linspace(-1, 1, 4 * D)
    expected = np.where(hidden > 0, hidden, 0.01 * hidden) @ second.T + np.arange(D)
    np.testing.assert_allclose(vectors_of(made), expected, rtol=1e-12)


@pytest.mark.parametrize("content", ["linear", "mlp"])
def test_trained_maps_read_principal_components_of_wider_features(content):
    features = features_of(6)

    def made(at_most):
        return make_content(
            "visual",
            features,
            n_items=N_ITEMS,
            embedding_size=D,
            content=content,
            rng=seeded(0),
            at_most=at_most,
        )

    narrow = made(3)
    weight = next(value for name, value in narrow.named_parameters() if name.startswith("weight"))
    assert weight.shape[1] == narrow.features.shape[1] == 3
    expected = vectors_of(content_of(features, "pca", embedding_size=3))
    np.testing.assert_allclose(narrow.features, expected, atol=1e-12)
    state = narrow.state_dict()
    reached = (torch.tensor(features.values) - state["mean"]) @ state["components"].T / state["norm"]
    np.testing.assert_allclose(reached, expected, atol=1e-12)
    for at_most in (6, 7, None):
        as_it_is = made(at_most)
        assert "components" not in as_it_is.state_dict()
        assert (as_it_is.features == content_of(features, content).features).all()


@pytest.mark.parametrize("content", ["linear", "mlp"])
def test_trained_maps_see_features_centred_and_of_mean_norm_1(content):
    features = features_of(6)
    made = content_of(features, content)
    centred = features.values - features.values.mean(axis=0)
    norm = np.linalg.norm(centred, axis=1).mean()
    np.testing.assert_allclose(made.features, centred / norm, rtol=1e-12)
    np.testing.assert_allclose(made.mean, features.values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(made.norm, norm, rtol=1e-12)


def test_bag_is_the_mean_of_its_tokens_and_a_token_twice_counts_twice():
    made = content_of(BAG, "pca")
    tokens = made.tokens.detach().numpy()
    assert tokens.shape == (5, D)
    expected = np.zeros((N_ITEMS, D))
    expected[1] = tokens[2]
    expected[4] = (tokens[0] + tokens[0] + tokens[3]) / 3
    expected[6] = (tokens[4] + tokens[2]) / 2
    np.testing.assert_allclose(made().detach(), expected, atol=1e-15)

    outer = np.random.default_rng(3).normal(size=(N_ITEMS, D))
    (made() * torch.tensor(outer)).sum().backward()
    gradient = [outer[4] * 2 / 3, outer[1] * 0, outer[1] + outer[6] / 2, outer[4] / 3, outer[6] / 2]
    np.testing.assert_allclose(made.tokens.grad, gradient, atol=1e-15)


def contents_of(unit, content):
    words = FeatureTable(pl.Series([1, 1, 4]), np.array([0, 2, 1]), "words", kind="bag", n_tokens=3)
    dataset = split_of(labelled_pairs(), {**two_modalities(), "words": words}).dataset
    made = Contents(dataset, embedding_size=D, content=content, rng=seeded(3), unit=unit)
    return {name: made[name]().detach().numpy() for name in dataset.modalities}, dataset


@pytest.mark.parametrize("content", ["pca", "linear", "mlp"])
def test_unit_scales_what_there_is_to_length_1_and_leaves_its_direction(content):
    (scaled, dataset), (plain, _) = contents_of(True, content), contents_of(False, content)
    assert list(scaled) == ["visual", "acoustic", "words"]
    for name, vectors in scaled.items():
        has = dataset.has(name)
        assert not has.all() or name == "visual"
        assert (vectors[~has] == 0).all()
        lengths = np.linalg.norm(plain[name][has], axis=1, keepdims=True)
        assert (np.abs(lengths - 1) > 1e-3).any()
        np.testing.assert_allclose(vectors[has], plain[name][has] / lengths, rtol=1e-12)


def test_unit_leaves_a_vector_of_zeros():
    alike = split_of(labelled_pairs(), {"visual": (range(4), np.full((4, 3), 2.5))}).dataset
    made = Contents(alike, embedding_size=D, content="pca", rng=seeded(0), unit=True)
    assert (made["visual"]() == 0).all()


def test_what_is_trained_and_what_is_not():
    trained = {name: content_of(features_of(D), name) for name in ("pca", "identity", "linear", "mlp")}
    trained["bag"] = content_of(BAG, "pca")
    names = {name: [key for key, _ in made.named_parameters()] for name, made in trained.items()}
    assert names == {
        "pca": [],
        "identity": [],
        "linear": ["weight", "bias"],
        "mlp": ["weight1", "bias1", "weight2", "bias2"],
        "bag": ["tokens"],
    }
    assert {name: made.trained for name, made in trained.items()} == {
        name: bool(keys) for name, keys in names.items()
    }


@pytest.mark.parametrize("content", ["linear", "mlp"])
def test_first_weights_are_xavier_uniform(content):
    made = content_of(features_of(30), content, embedding_size=50)
    for key, weight in made.state_dict().items():
        if weight.dim() == 2:
            bound = (6 / sum(weight.shape)) ** 0.5
            assert 0.95 * bound < float(weight.abs().max()) <= bound, key
            assert abs(float(weight.mean())) < 0.05 * bound, key

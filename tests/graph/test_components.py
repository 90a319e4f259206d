"""Principal components of wide features, against the singular value decomposition of them all."""

import numpy as np
import pytest

from reelmix.data import DenseFeatures
from reelmix.graph import components
from reelmix.graph.components import principal_components


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REELMIX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(components, "WIDE", 6)
    return tmp_path / "cache"


def features_of(n_items, width, filled=0, rank=None):
    rng = np.random.default_rng(n_items + width)
    values = rng.normal(size=(n_items, rank or width)) @ rng.normal(size=(rank or width, width)) + 3
    values[:, -1] = 0.1  # all alike: no direction
    where = np.arange(n_items) >= n_items - filled
    return DenseFeatures(np.arange(n_items, dtype=np.int32), values, filled=where if filled else None)


@pytest.mark.parametrize("filled", [0, 5])
@pytest.mark.parametrize(
    ("n_items", "width"), [(40, 6), (40, 12), (40, 7), (9, 30)], ids=["narrow", "wide", "just", "few items"]
)
def test_they_are_the_strongest_directions_of_the_observed_rows(n_items, width, filled):
    features = features_of(n_items, width, filled)
    seen = features.values[features.observed]
    right = np.linalg.svd(seen - seen.mean(axis=0), full_matrices=False)[2][:3]
    right *= np.sign(np.take_along_axis(right, np.abs(right).argmax(axis=1)[:, None], axis=1))
    np.testing.assert_allclose(principal_components(features, 3), right, atol=1e-10)


@pytest.mark.parametrize(("n_items", "width"), [(40, 12), (9, 30)])
def test_what_there_is_no_direction_for_is_zero_and_the_rest_orthonormal(n_items, width):
    found = principal_components(features_of(n_items, width, filled=3, rank=2), 5)
    np.testing.assert_allclose(found @ found.T, np.diag([1.0, 1, 0, 0, 0]), atol=1e-10)


@pytest.mark.parametrize("size", [3, 20, 60])
def test_more_than_there_are(size):
    found = principal_components(features_of(9, 30), size)
    assert found.shape == (size, 30)
    assert (np.abs(found).sum(axis=1) > 0).sum() == min(size, 8)  # nine rows less their mean


def test_of_no_row():
    assert (principal_components(features_of(1, 30).only(np.zeros(1, bool)), 4) == np.zeros((4, 30))).all()


def test_wide_ones_are_kept_and_come_back_the_same(own_cache, monkeypatch):
    features = features_of(40, 12)
    first = principal_components(features, 3)
    assert len(list(own_cache.iterdir())) == 1
    monkeypatch.setattr(components, "_components", None)
    np.testing.assert_array_equal(principal_components(features, 3), first)


def test_kept_are_as_many_as_were_asked_for():
    features = features_of(40, 12)
    few, more = principal_components(features, 3), principal_components(features, 5)
    np.testing.assert_allclose(more[:3], few, atol=1e-10)
    assert more.shape == (5, 12)


def test_narrow_ones_are_not_kept(own_cache):
    principal_components(features_of(40, 6), 3)
    assert not own_cache.exists()

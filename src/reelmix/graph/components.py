"""Principal components of wide features, by which a step costs what tells items apart, not every number."""

from __future__ import annotations

from typing import cast

import numpy as np
import scipy.linalg
from jaxtyping import Float

from reelmix.data import DenseFeatures
from reelmix.graph.cache import cached

WIDE = 512
"""Numbers a row from which on only the components that are asked for are computed."""


def centred(
    features: DenseFeatures,
) -> tuple[Float[np.ndarray, "present feature"], Float[np.ndarray, " feature"]]:
    """The features less their mean, and the mean, in float64.

    It is taken over the observed items: what was filled in is no evidence.
    """
    values = features.values.astype(np.float64)
    seen = observed(values, features)
    mean = seen.sum(axis=0) / max(len(seen), 1)  # no item has it: zeros, not the mean of nothing
    rest = values - mean
    # where all items are alike, what the subtraction leaves is rounding, not content
    spread = np.abs(observed(rest, features)).max(axis=0, initial=0.0)
    rest[:, spread <= 1e-12 * np.abs(mean)] = 0.0
    return rest, mean


def observed(
    rows: Float[np.ndarray, "present _"], features: DenseFeatures
) -> Float[np.ndarray, "observed _"]:
    """Those of the rows that were not filled in."""
    return rows if features.filled is None else rows[features.observed]


def principal_components(features: DenseFeatures, size: int) -> Float[np.ndarray, "size feature"]:
    """The directions in which the observed rows differ most, strongest first, at length 1.

    Filled up with zeros where there are fewer. Of wide features they are kept in reelmix's cache folder
    under a hash of the features: of 4,096 numbers they take seconds.

    Args:
        features: whose.
        size: how many.
    """

    def made() -> Float[np.ndarray, "size feature"]:
        return _components(observed(centred(features)[0], features), size, features.filled is None)

    if features.size <= WIDE:
        return made()
    key = ("components-1", features.items, features.values, features.observed, size)
    return cached("components", key, lambda: {"components": made()})["components"]


def _components(
    seen: Float[np.ndarray, "observed feature"], size: int, all_observed: bool
) -> Float[np.ndarray, "size feature"]:
    n, width = cast(tuple[int, int], seen.shape)
    if width > WIDE and not n:
        return np.zeros((size, width))
    if width <= WIDE:
        spread, vectors = np.linalg.eigh(seen.T @ seen)
    elif n < width:
        spread, left = _strongest(seen @ seen.T, size)
        lengths = np.sqrt(spread.clip(min=0.0))
        known = lengths > 1e-6 * lengths.max(initial=0.0)
        vectors = np.divide(seen.T @ left, lengths, out=np.zeros((width, len(spread))), where=known)
    else:
        spread, vectors = _strongest(seen.T @ seen, size)
    if not all_observed:  # where the observed do not differ, a direction is arbitrary and tells nothing
        vectors[:, spread <= 1e-12 * spread[-1]] = 0.0
    top = vectors[:, ::-1][:, :size].T
    # an eigenvector's sign is arbitrary: make its largest entry positive, so that runs repeat
    largest = np.take_along_axis(top, np.abs(top).argmax(axis=1)[:, None], axis=1)
    components = np.zeros((size, width))
    components[: len(top)] = top * np.sign(largest)
    return components


def _strongest(
    products: Float[np.ndarray, "row row"], size: int
) -> tuple[Float[np.ndarray, " size"], Float[np.ndarray, "row size"]]:
    """The largest eigenvalues, ascending, and their vectors."""
    last = len(products) - 1
    return scipy.linalg.eigh(products, subset_by_index=(max(0, last + 1 - size), last))

"""Items that look, sound or read alike: for each item the k others with the most similar content."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array, csr_matrix, diags_array

from reelmix.data import BagFeatures, Dataset, DenseFeatures
from reelmix.data.features import Features
from reelmix.data.interactions import TRAIN
from reelmix.graph.cache import cached
from reelmix.graph.nearest import BLOCK_BYTES, nearest_others

MANY_PRODUCTS = 5e11
"""Multiplications that take some seconds."""

ENOUGH = 10
"""Pairs by chance, of which a third more or less would be chance too."""


def lookalike_graph(features: Features, n_items: int, neighbours: int) -> csr_array:
    r"""The graph of one modality's most similar items (as in LATTICE, Zhang et al., MM 2021, eqs. 2 to 4).

    Each item that has the modality chooses the ``neighbours`` others with the largest cosine of their
    content (:func:`directions`), if it is above 0; ties go to the next row after its own, and from the last
    on to the first, so that of many that are equal none is chosen by all. Two items are joined by
    the sum of the cosines with which one chose the other, scaled by :math:`D^{-1/2} S D^{-1/2}`. Frozen, as
    in FREEDOM (Zhou & Shen, MM 2023): it is made once, before training.

    Work grows with the square of the number of items, memory with items times ``neighbours``. The graph is
    kept in reelmix's cache folder under a hash of the features.

    Args:
        features: of the modality; items that were filled in take part like any other.
        n_items: of the dataset.
        neighbours: k.

    Returns:
        (item, item), symmetric, float64; rows of items that lack the modality are empty.
    """
    return by_degree(similar_items(features, n_items, neighbours))


def similar_items(features: Features, n_items: int, neighbours: int) -> csr_array:
    """The same graph before it is scaled: (item, item), the cosines with which one chose the other."""
    arrays = _arrays(features)
    key = ("lookalikes-2", *arrays, neighbours)
    found = cached("lookalikes", key, lambda: nearest_others(directions(features), neighbours))
    size = len(features.items)
    one_way = csr_matrix((found["cosines"], found["neighbours"], found["starts"]), shape=(size, size))
    both = (one_way + one_way.T).tocoo()
    rows = features.items.astype(np.int64)
    return csr_array((both.data, (rows[both.row], rows[both.col])), shape=(n_items, n_items))


def by_degree(graph: csr_array) -> csr_array:
    """A symmetric graph, scaled by its degrees: :math:`D^{-1/2} S D^{-1/2}`."""
    degree = np.asarray(graph.sum(axis=1))
    root = diags_array(np.divide(1.0, np.sqrt(degree), out=np.zeros(len(degree)), where=degree > 0))
    return csr_array(root @ graph @ root)


def lift(interactions: csr_array, similar: csr_array) -> float:
    r"""How many times as often people watched two lookalikes as chance would have it.

    The lift of association rules (Brin et al., SIGMOD 1997, there called interest), over all pairs at once:

    .. math::
        \frac{\sum_u \frac{1}{n_u - 1} \sum_{i \ne j \in N_u} a_{ij}}
             {\sum_u n_u \sum_{i \ne j} a_{ij} d_i d_j / \sum_{i \ne j} d_i d_j}

    over people who watched more than one: chance has everybody watch as many as they did, by popularity.
    Where content tells nothing of taste it is 1. A person's pairs weigh :math:`1 / (n_u - 1)`, so that
    nobody counts for more than what they watched. To what was seen 2 is added, and to what chance expects 1:
    data that are too few to tell have a lift of 2.

    Args:
        interactions: (user, item), ones.
        similar: (item, item), symmetric; above 0, a_ij = 1, for two items that are lookalikes.
    """
    seen, expected = _together(interactions, similar)
    return (seen + 2) / (expected + 1)


def _together(interactions: csr_array, similar: csr_array) -> tuple[float, float]:
    """How often people watched two lookalikes, and how often chance would have it; see :func:`lift`."""
    ones, alike = (csr_array(matrix, dtype=np.float64, copy=True) for matrix in (interactions, similar))
    alike.data[:] = alike.data > 0
    n, d = (np.asarray(ones.sum(axis=axis)).ravel() for axis in (1, 0))
    share = np.divide(1.0, n - 1, out=np.zeros(len(n)), where=n > 1)
    seen, entries = 0.0, 1 + ones.nnz * alike.nnz / max(len(n) * len(d), 1)
    block = max(1, int(BLOCK_BYTES / 16 / entries))  # users whose products are held at a time
    for start in range(0, len(n), block):
        some = ones[start : start + block]
        seen += (csr_array(some @ alike).multiply(some).sum(axis=1) * share[start : start + block]).sum()
    pairs = d.sum() ** 2 - (d**2).sum()
    expected = n[n > 1].sum() * (d @ np.asarray(alike @ d)) / pairs if pairs else 0.0
    return float(seen), float(expected)


def lifts(dataset: Dataset, neighbours: int = 10) -> dict[str, float]:
    """The :func:`lift` of each modality that has enough to tell: 10 pairs or more by chance.

    By training alone, if the data came with a split. What was filled in takes no part.

    Args:
        dataset: of which all modalities are looked at.
        neighbours: how many others each item chooses.
    """
    pairs = dataset.interactions
    training = pairs if pairs.labels is None else pairs.take(pairs.labels == TRAIN)
    matrix, found = training.matrix(dataset.n_users, dataset.n_items), dict[str, float]()
    for name, features in dataset.features.items():
        seen, expected = _together(
            matrix, similar_items(features.only(features.observed), dataset.n_items, neighbours)
        )
        if expected >= ENOUGH:
            found[name] = (seen + 2) / (expected + 1)
    return found


def long_to_compare(dataset: Dataset) -> bool:
    """Whether comparing all items with all others takes more than some seconds."""
    return sum(map(_products, dataset.features.values())) >= MANY_PRODUCTS


def _products(features: Features) -> float:
    """Multiplications that it takes, about."""
    if isinstance(features, DenseFeatures):
        return float(len(features.items)) ** 2 * features.size
    lists = np.bincount(features.tokens).astype(np.float64)  # as often as a token occurs
    return (lists**2).sum() + float(len(features.items)) ** 2


def directions(features: Features) -> Float[np.ndarray, "present feature"] | csr_matrix:
    """The content of each item that has the modality as a vector of length 1, or of zeros.

    Dense features less their mean over the observed items; of lists of tokens, which tokens occur, each
    weighing the logarithm of one over the share of the observed lists that have it.
    """
    if isinstance(features, DenseFeatures):
        values = features.values.astype(np.float64) - centre(features)
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        return np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0)
    weighted = csr_matrix(occurrences(features) @ diags_array(token_weights(features)))
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return csr_matrix(
        diags_array(np.divide(1.0, lengths, out=np.zeros(len(lengths)), where=lengths > 0)) @ weighted
    )


def centre(features: Features) -> Float[np.ndarray, " feature"]:
    """The mean of the observed dense features; of lists of tokens, which have no centre, zeros."""
    if not isinstance(features, DenseFeatures):
        return np.zeros(features.size)
    observed = features.values[features.observed].astype(np.float64)
    return observed.sum(axis=0) / max(len(observed), 1)


def token_weights(features: BagFeatures) -> Float[np.ndarray, " token"]:
    """The logarithm of one over the share of the observed lists that have a token."""
    lists = np.asarray(occurrences(features)[features.observed].sum(axis=0)).ravel()
    return np.log(features.observed.sum() / np.maximum(lists, 1))


def occurrences(features: BagFeatures) -> csr_matrix:
    """Which list has which token: (present, token), ones."""
    entries = np.ones(len(features.tokens)), features.tokens, features.starts
    occurs = csr_matrix(entries, shape=(len(features.items), features.n_tokens), copy=True)
    occurs.sum_duplicates()  # in place: the features' own lists stay as they are
    occurs.data[:] = 1.0
    return occurs


def _arrays(features: Features) -> tuple[np.ndarray, ...]:
    seen = features.observed
    if isinstance(features, DenseFeatures):
        return features.items, features.values, seen
    return features.items, features.starts, features.tokens, seen

"""Items that look, sound or read alike: for each item the k others with the most similar content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array, csr_matrix, diags_array

from reelmix.data import BagFeatures, DenseFeatures
from reelmix.data.features import Features
from reelmix.graph.cache import cached

BLOCK_BYTES = 64 << 20
"""Memory for the similarities that are looked at in one go."""


def lookalike_graph(features: Features, n_items: int, neighbours: int) -> csr_array:
    r"""The graph of one modality's most similar items (as in LATTICE, Zhang et al., MM 2021, eqs. 2 to 4).

    Each item that has the modality chooses the ``neighbours`` others with the largest cosine of their
    content (:func:`directions`), if it is above 0; ties go to the smaller item row. Two items are joined by
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
    arrays = _arrays(features)
    key = ("lookalikes-1", *arrays, neighbours)
    found = cached("lookalikes", key, lambda: _chosen(directions(features), neighbours))
    size = len(features.items)
    one_way = csr_matrix((found["cosines"], found["neighbours"], found["starts"]), shape=(size, size))
    both = csr_array(one_way + one_way.T)
    degree = np.asarray(both.sum(axis=1))
    root = diags_array(np.divide(1.0, np.sqrt(degree), out=np.zeros(size), where=degree > 0))
    scaled = (root @ both @ root).tocoo()
    rows = features.items.astype(np.int64)
    return csr_array((scaled.data, (rows[scaled.row], rows[scaled.col])), shape=(n_items, n_items))


def directions(features: Features) -> Float[np.ndarray, "present feature"] | csr_matrix:
    """The content of each item that has the modality as a vector of length 1, or of zeros.

    Dense features less their mean over the observed items; of lists of tokens, which tokens occur, each
    weighing the logarithm of one over the share of the observed lists that have it.
    """
    if isinstance(features, DenseFeatures):
        values = features.values.astype(np.float64)
        observed = values[features.observed]
        values -= observed.sum(axis=0) / max(len(observed), 1)
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        return np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0)
    return _weighted_tokens(features)


def _weighted_tokens(features: BagFeatures) -> csr_matrix:
    shape = (len(features.items), features.n_tokens)
    occurs = csr_matrix((np.ones(len(features.tokens)), features.tokens, features.starts), shape=shape)
    occurs.sum_duplicates()
    occurs.data[:] = 1.0
    observed = occurs[features.observed]
    lists = np.asarray(observed.sum(axis=0)).ravel()
    weight = np.log(observed.shape[0] / np.maximum(lists, 1))
    weighted = csr_matrix(occurs @ diags_array(weight))
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return csr_matrix(
        diags_array(np.divide(1.0, lengths, out=np.zeros(len(lengths)), where=lengths > 0)) @ weighted
    )


def _chosen(
    content: Float[np.ndarray, "present feature"] | csr_matrix, neighbours: int
) -> dict[str, np.ndarray]:
    """Each row's most similar others, by falling cosine, then by rising row."""
    starts, chosen, cosines = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)], [np.zeros(0)]
    for rows, similar in _similarities(content):
        similar[np.arange(len(rows)), rows] = -np.inf
        best = _largest(similar, neighbours)
        values = np.take_along_axis(similar, best, axis=1)
        keep = values > 0
        chosen.append(best[keep].astype(np.int32))
        cosines.append(values[keep])
        starts.append(keep.sum(axis=1))
    return {
        "starts": np.cumsum(np.concatenate(starts)),
        "neighbours": np.concatenate(chosen),
        "cosines": np.concatenate(cosines),
    }


def _similarities(
    content: Float[np.ndarray, "present feature"] | csr_matrix,
) -> Iterator[tuple[Int[np.ndarray, " block"], Float[np.ndarray, "block present"]]]:
    size = cast(tuple[int, int], content.shape)[0]
    block = max(1, BLOCK_BYTES // (8 * max(size, 1)))
    for start in range(0, size, block):
        rows = np.arange(start, min(start + block, size))
        part = content[start : start + block]
        yield rows, part @ content.T if isinstance(part, np.ndarray) else (part @ content.T).toarray()


def _largest(values: Float[np.ndarray, "row column"], n: int) -> Int[np.ndarray, "row n"]:
    """Columns of each row's ``n`` largest values, by falling value, then by rising column."""
    n = min(n, values.shape[1])
    least = -np.partition(-values, n - 1, axis=1)[:, n - 1 : n] if n else values[:, :0]
    best = np.empty((len(values), n), np.int64)
    for row, (line, bound) in enumerate(zip(values, least, strict=True)):
        candidates = np.flatnonzero(line >= bound)
        best[row] = candidates[np.lexsort((candidates, -line[candidates]))[:n]]
    return best


def _arrays(features: Features) -> tuple[np.ndarray, ...]:
    seen = features.observed
    if isinstance(features, DenseFeatures):
        return features.items, features.values, seen
    return features.items, features.starts, features.tokens, seen

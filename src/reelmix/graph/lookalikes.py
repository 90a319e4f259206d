"""Items that look, sound or read alike: for each item the k others with the most similar content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array, csr_matrix, diags_array

from reelmix.data import BagFeatures, Dataset, DenseFeatures
from reelmix.data.features import Features
from reelmix.data.interactions import TRAIN
from reelmix.graph.cache import cached
from reelmix.maxima import group_maxima, nth_largest

BLOCK_BYTES = 64 << 20
"""Memory for what is computed in one go."""

CACHED_BYTES = 8 << 20
"""Memory of similarities that are looked at where they were computed, in a cache of the processor."""

LEAST_ROWS = 64
"""Rows of a product that is not slowed down by having few."""

SLAB = 1 << 20
"""Similarities that are looked at in one go."""

MANY_PRODUCTS = 5e11
"""Multiplications that take some seconds."""

ENOUGH = 10
"""Pairs by chance, of which a third more or less would be chance too."""

DIGITS = 12
"""After the point, by which two similarities differ by more than rounding."""
ROUNDING = 1e-12


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
    found = cached("lookalikes", key, lambda: _chosen(directions(features), neighbours))
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


def _chosen(
    content: Float[np.ndarray, "present feature"] | csr_matrix, neighbours: int
) -> dict[str, np.ndarray]:
    """Each row's most similar others, by falling cosine; of equals, the next after the row first."""
    starts, chosen, cosines = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)], [np.zeros(0)]
    if isinstance(content, np.ndarray):
        found = _similar_vectors(content, neighbours)
    else:
        found = _similar_tokens(content, neighbours)
    for best, values in found if neighbours else ():
        keep = values > 0
        chosen.append(best[keep].astype(np.int32))
        cosines.append(values[keep])
        starts.append(keep.sum(axis=1))
    return {
        "starts": np.cumsum(np.concatenate(starts)),
        "neighbours": np.concatenate(chosen),
        "cosines": np.concatenate(cosines),
    }


Chosen = tuple[Int[np.ndarray, "row n"], Float[np.ndarray, "row n"]]
"""What rows choose, and the cosines."""


def _similar_tokens(content: csr_matrix, neighbours: int) -> Iterator[Chosen]:
    size = cast(tuple[int, int], content.shape)[0]
    for part in _slabs(size, size, BLOCK_BYTES // 8):
        rows = np.arange(size)[part]
        yield _exactly(rows, (content[rows] @ content.T).toarray(), neighbours)


def _similar_vectors(content: Float[np.ndarray, "present feature"], neighbours: int) -> Iterator[Chosen]:
    """By single precision first, which leaves a few for double precision to tell apart."""
    size, width = content.shape
    narrow = content.astype(np.float32)
    # how far a product of two vectors of length 1 may be off, twice
    slack = 2 * (width + 3) * float(np.finfo(np.float32).epsneg)
    for whole in _slabs(size, size, max(CACHED_BYTES // 4, LEAST_ROWS * size)):
        block = np.arange(size)[whole]
        rough = narrow[block] @ narrow.T
        rough[np.arange(len(block)), block] = -np.inf
        for part in _slabs(len(block), size, SLAB):
            rows = block[part]
            near = _near(rough[part], min(neighbours, size), slack, least=0.0)
            if near is None:
                yield _exactly(rows, content[rows] @ content.T, neighbours)
                continue
            places, columns = near
            values = _cosines(content, rows[places], columns)
            yield _first((places, columns, values), len(rows), min(neighbours, size), rows, size)


def _exactly(
    rows: Int[np.ndarray, " row"], cosines: Float[np.ndarray, "row present"], neighbours: int
) -> Chosen:
    cosines[np.arange(len(rows)), rows] = -np.inf
    best = largest(cosines, neighbours, rows)
    return best, np.take_along_axis(cosines, best, axis=1)


def _cosines(
    content: Float[np.ndarray, "present feature"],
    rows: Int[np.ndarray, " pair"],
    columns: Int[np.ndarray, " pair"],
) -> Float[np.ndarray, " pair"]:
    values = np.empty(len(rows))
    block = max(1, BLOCK_BYTES // (16 * max(content.shape[1], 1)))
    for start in range(0, len(rows), block):
        part = slice(start, start + block)
        np.einsum("pf,pf->p", content[rows[part]], content[columns[part]], out=values[part])
    return values


def largest(
    values: Float[np.ndarray, "row column"], n: int, first: Int[np.ndarray, " row"]
) -> Int[np.ndarray, "row n"]:
    """Columns of each row's ``n`` largest values, by falling value.

    Of equals, those from the row's ``first`` column on go first, and from the last column it goes on at the
    beginning. Equal is what differs by rounding alone, by less than about 1e-12.
    """
    size = values.shape[1]
    n = min(n, size)
    best = np.empty((len(values), n), np.int64)
    for part in _slabs(len(values), size, SLAB) if n else ():
        slab = values[part]
        near = _near(slab, n, ROUNDING)
        if near is None:
            best[part] = [
                _of_row(row, n, start) for row, start in zip(slab, first[part].tolist(), strict=True)
            ]
        else:
            best[part] = _first((*near, slab[near]), len(slab), n, first[part], size)[0]
    return best


def _slabs(n_rows: int, n_columns: int, numbers: int) -> Iterator[slice]:
    """So many rows at a time that their columns hold so many numbers."""
    slab = max(1, numbers // max(n_columns, 1))
    return (slice(start, start + slab) for start in range(0, n_rows, slab))


def _near(
    values: Float[np.ndarray, "row column"], n: int, slack: float, least: float = -np.inf
) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]] | None:
    """Rows and columns of the ``n`` largest, but for those below ``least``, and of a few that are near them.

    None if there are many of these: masses of equals.
    """
    bars = np.maximum(nth_largest(group_maxima(values, n), n), least) - slack
    near = values >= bars[:, None]
    if np.count_nonzero(near) > len(values) * (2 * n + 16):
        return None
    return np.divmod(np.flatnonzero(near), values.shape[1])


def _first(
    pairs: tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"], Float[np.ndarray, " pair"]],
    n_rows: int,
    n: int,
    first: Int[np.ndarray, " row"],
    size: int,
) -> Chosen:
    """The ``n`` first of each row's columns; where there are fewer, -inf is the value of what fills up."""
    rows, columns, values = pairs
    order = np.lexsort(((columns - first[rows]) % size, -values.round(DIGITS), rows))
    counts = np.bincount(rows, minlength=n_rows)
    place = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
    kept = place < n
    best, found = np.zeros((n_rows, n), np.int64), np.full((n_rows, n), -np.inf)
    best[rows[kept], place[kept]] = columns[order[kept]]
    found[rows[kept], place[kept]] = values[order[kept]]
    return best, found


def _of_row(values: Float[np.ndarray, " column"], n: int, first: int) -> Int[np.ndarray, " n"]:
    """The same of one row, whatever number of columns are equal: no more than ``n`` are sorted."""
    values = values.round(DIGITS)
    last = np.partition(values, len(values) - n)[len(values) - n]
    above, level = np.flatnonzero(values > last), np.flatnonzero(values == last)
    level = np.roll(level, -np.searchsorted(level, first % len(values)))
    above = above[np.lexsort(((above - first) % len(values), -values[above]))]
    return np.concatenate([above, level[: n - len(above)]])


def _arrays(features: Features) -> tuple[np.ndarray, ...]:
    seen = features.observed
    if isinstance(features, DenseFeatures):
        return features.items, features.values, seen
    return features.items, features.starts, features.tokens, seen

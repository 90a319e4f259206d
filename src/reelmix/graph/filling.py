"""What stands in for the features of items that lack a modality: five ways to fill them in, or none."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, cast, get_args

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array, csr_matrix
from sparse_dot_topn import sp_matmul_topn

from reelmix.data import BagFeatures, DenseFeatures, Split
from reelmix.data.features import Features
from reelmix.errors import ConfigError, nearest
from reelmix.graph.cooccurrence import user_graph

Missing = Literal["mask", "zero", "mean", "neighbours", "propagation", "pagerank"]
"""How an item that lacks a modality is treated; see :func:`filled`."""

NEIGHBOURS = 20
"""Items that each item keeps in the item graph: the default of the papers' published code."""

ITERATIONS = 20
"""Steps of ``propagation`` and ``pagerank``. At a restart of 0.15 longer walks carry 4 % of the weight."""

RESTART = 0.15
"""Chance of ``pagerank`` to return to where it started: the usual 1 - 0.85."""

TOKENS = 64
"""Tokens that a filled-in list keeps: means of many lists are long, and their ends weigh next to nothing."""

TOKENS_UNDERWAY = 4 * TOKENS
"""Tokens that a list keeps between steps, so that memory is bounded by (item, token kept)."""

BLOCK = 2**20
"""Numbers of an (item, feature) table that are worked on at a time: 8 MiB, which a processor's cache holds.
Twice as fast as 64 MiB with 50,000 items."""

Rows = np.ndarray | csr_matrix
"""One row an item: a table of vectors, or a sparse (item, token) matrix."""

Fill = Callable[[Rows], Rows]
"""From the observed rows, zeros for the items that lack the modality, to what to fill in for every item."""


def filled(split: Split, missing: Missing) -> Split:
    """The same split, whose dataset also has features for items that lacked a modality.

    Malitesta et al., "Do We Really Need to Drop Items with Missing Modalities in Multimodal Recommendation?",
    CIKM 2024, and "Training-free Graph-based Imputation of Missing Modalities in Multimodal Recommendation",
    2026. What is filled in, from observed features and training interactions alone, is flagged in the
    features' ``filled``:

    - ``mask``: nothing; the item takes no part in the modality.
    - ``zero``: zeros; for lists of tokens, no token.
    - ``mean``: the mean of all observed vectors.
    - ``neighbours``: the mean of the item's observed neighbours in :func:`item_graph`, weighted by the number
      of common users.
    - ``propagation``: every item that lacks it takes the sum of its neighbours, with the symmetric
      normalisation of the graph, again and again; the observed stay what they are (Rossi et al., "On the
      Unreasonable Effectiveness of Feature Propagation", LoG 2022).
    - ``pagerank``: the mean of all observed items, weighted by personalised PageRank from the item.

    A list of tokens is a row of an (item, token) matrix that adds up to 1; a filled-in list keeps its largest
    tokens and adds up to 1 too. Items that the graph does not connect with an observed one still lack the
    modality, and so do all where none was observed. In our graph edges weigh by their counts, and neighbours
    that lack the modality are left out of the mean, not counted as zeros.

    Args:
        split: whose items lack modalities.
        missing: how to fill them.

    Raises:
        ConfigError: there is no such way.
    """
    if missing not in get_args(Missing):
        raise ConfigError(
            expected="a way to treat missing modalities",
            found=repr(missing),
            where="missing",
            fix=nearest(missing, get_args(Missing)),
        )
    dataset = split.dataset
    observed = {name: dataset.observed(name) for name in dataset.modalities}
    incomplete = [name for name, seen in observed.items() if seen.any() and not seen.all()]
    if missing == "mask" or not incomplete:
        return split
    needs_graph = missing not in ("zero", "mean")
    graph = item_graph(split.matrix("train")) if needs_graph else None
    completed = {
        name: _completed(dataset.features[name], missing, graph, observed[name]) for name in incomplete
    }
    return replace(split, dataset=replace(dataset, features={**dataset.features, **completed}))


def _completed(
    own: Features, missing: Missing, graph: csr_matrix | None, observed: Bool[np.ndarray, " item"]
) -> Features:
    n_items = len(observed)
    if own.filled is not None:
        own = own.only(own.observed)
    fill = _fill(missing, csr_matrix((n_items, n_items)) if graph is None else graph, observed)
    rows = np.flatnonzero(~observed).astype(np.int32)
    if graph is not None:  # where nothing observed arrives, nothing is filled in
        weight = cast(np.ndarray, fill(observed[:, None].astype(np.float64)))[:, 0]
        rows = rows[weight[rows] > 0]
    if not len(rows):
        return own
    if isinstance(own, BagFeatures):
        return _filled_bag(own, rows, n_items, fill)
    return _filled_dense(own, rows, n_items, fill)


def item_graph(interactions: csr_array, neighbours: int = NEIGHBOURS) -> csr_matrix:
    """Items that the same users watched: (item, item), symmetric, the number of common training users.

    Two items are neighbours if either is among the ``neighbours`` with which the other shares most users;
    ties go to the smaller item row. Memory is bounded by (item, neighbours).

    Args:
        interactions: training interactions, (user, item), ones.
        neighbours: how many each item chooses.
    """
    chosen = user_graph(csr_array(interactions.T), neighbours)  # users and items change places
    n_items = len(chosen.starts) - 1
    entries = chosen.counts.astype(np.float64), chosen.neighbours, chosen.starts
    one_way = csr_matrix(entries, shape=(n_items, n_items))
    return csr_matrix(one_way.maximum(one_way.T))


def _fill(missing: Missing, graph: csr_matrix, observed: Bool[np.ndarray, " item"]) -> Fill:
    if missing == "zero":
        return lambda rows: rows * 0.0
    if missing == "mean":
        each = csr_matrix(np.ones((len(observed), 1)))
        return lambda rows: _times(each, _times(csr_matrix(observed[None] / observed.sum()), rows))
    if missing == "neighbours":
        total = graph @ observed.astype(np.float64)
        mean = _scaled(graph, _inverse(total))
        return lambda rows: _times(mean, rows)
    root = np.sqrt(_inverse(graph @ np.ones(len(observed))))
    normal = csr_matrix(_scaled(csr_matrix(_scaled(graph, root).T), root).T)
    if missing == "propagation":
        towards_missing = _scaled(normal, (~observed).astype(np.float64))
        return lambda rows: _repeated(lambda now: rows + _times(towards_missing, now), rows)
    return _pagerank(normal, observed)


def _pagerank(normal: csr_matrix, observed: Bool[np.ndarray, " item"]) -> Fill:
    walk = _scaled(normal, np.full(len(observed), 1 - RESTART))

    def visited(rows: Rows) -> Rows:
        return _repeated(lambda now: RESTART * rows + _times(walk, now), rows)

    total = cast(np.ndarray, visited(observed[:, None].astype(np.float64)))[:, 0]
    divide = csr_matrix((_inverse(total), (np.arange(len(total)),) * 2), shape=walk.shape)
    return lambda rows: _times(divide, visited(rows))


def _repeated(step: Callable[[Rows], Rows], rows: Rows) -> Rows:
    for _ in range(ITERATIONS):
        rows = step(rows)
    return rows


def _times(left: csr_matrix, rows: Rows) -> Rows:
    """The product; of a sparse one, the largest entries of each row."""
    if isinstance(rows, np.ndarray):
        return cast(np.ndarray, left @ rows)
    return sp_matmul_topn(left, rows, top_n=TOKENS_UNDERWAY, n_threads=min(4, os.cpu_count() or 1))


def _scaled(matrix: csr_matrix, by: Float[np.ndarray, " row"]) -> csr_matrix:
    data = matrix.data * np.repeat(by, np.diff(matrix.indptr))
    return csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _inverse(values: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """One over each value, 0 where it is 0."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


def _filled_dense(
    own: DenseFeatures, rows: Int[np.ndarray, " filled"], n_items: int, fill: Fill
) -> DenseFeatures:
    # half precision has no room for sums; what was observed is the same number in single precision
    made = np.empty((len(rows), own.size), np.promote_types(own.values.dtype, np.float32))
    width = max(1, BLOCK // n_items)
    for start in range(0, own.size, width):
        columns = slice(start, start + width)
        known = np.zeros((n_items, own.values[:1, columns].shape[1]))
        known[own.items] = own.values[:, columns]
        made[:, columns] = cast(np.ndarray, fill(known))[rows]
    items = np.concatenate([own.items, rows])
    order = np.argsort(items)
    joined = DenseFeatures(items, np.concatenate([own.values, made]), own.encoder, _flags(own, rows))
    return replace(joined.rearranged(order), items=items[order])


def _filled_bag(own: BagFeatures, rows: Int[np.ndarray, " filled"], n_items: int, fill: Fill) -> BagFeatures:
    starts = np.zeros(n_items + 1, np.int64)
    starts[own.items + 1] = np.diff(own.starts)
    entries = own.shares, own.tokens, np.cumsum(starts)
    # a copy: what comes next changes it in place
    known = csr_matrix(entries, shape=(n_items, own.n_tokens), copy=True)
    known.sum_duplicates()
    made = _largest(csr_matrix(cast(csr_matrix, fill(known))[rows]), TOKENS)
    made = _scaled(made, _inverse(made @ np.ones(own.n_tokens)))
    items = np.concatenate([own.items, rows])
    order = np.argsort(items)
    joined = replace(
        own,
        items=items,
        starts=np.concatenate([own.starts, own.starts[-1] + made.indptr[1:].astype(np.int64)]),
        tokens=np.concatenate([own.tokens, made.indices.astype(np.int32)]),
        filled=_flags(own, rows),
        weights=np.concatenate([own.shares, made.data]),
    )
    return replace(joined.rearranged(order), items=items[order])


def _flags(own: Features, rows: Int[np.ndarray, " filled"]) -> Bool[np.ndarray, " joined"]:
    return np.repeat([False, True], [len(own.items), len(rows)])


def _largest(rows: csr_matrix, n: int) -> csr_matrix:
    """The ``n`` largest positive entries of each row; ties go to the smaller column."""
    row = np.repeat(np.arange(len(rows.indptr) - 1), np.diff(rows.indptr))
    values = cast(np.ndarray, rows.data)
    order = np.lexsort((rows.indices, -values, row))
    place = np.arange(len(order)) - rows.indptr[row]  # each row keeps its stretch of entries
    kept = order[(place < n) & (values[order] > 0)]
    return csr_matrix((values[kept], (row[kept], rows.indices[kept])), shape=rows.shape)

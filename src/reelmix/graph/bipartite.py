"""Who watched what, as the normalised graph that representations travel along."""

from __future__ import annotations

from typing import cast

import numpy as np
from jaxtyping import Bool
from scipy.sparse import csr_array


def normalised(interactions: csr_array, has_modality: Bool[np.ndarray, " item"] | None = None) -> csr_array:
    """The bipartite graph of one modality with the symmetric normalisation of DualGNN, eq. 1.

    ``R[u, i] = 1 / sqrt(|N_u| |N_i|)`` for every interaction. Items that lack the modality have no edges, and
    degrees count the edges of this graph alone.

    Args:
        interactions: training interactions, (user, item), ones.
        has_modality: which items take part; None for all of them.

    Returns:
        R, (user, item), float64; the item side of the graph is its transpose.
    """
    edges = _edges(interactions, has_modality)
    n_users, n_items = cast(tuple[int, int], edges.shape)
    users = np.repeat(np.arange(n_users), np.diff(edges.indptr))
    user_degree = np.diff(edges.indptr)
    item_degree = np.bincount(edges.indices, minlength=n_items)
    edges.data = 1.0 / np.sqrt(user_degree[users] * item_degree[edges.indices])
    return edges


def mean_of_neighbours(
    interactions: csr_array, has_modality: Bool[np.ndarray, " item"] | None = None
) -> tuple[csr_array, csr_array]:
    """The bipartite graph of one modality for taking the mean over a node's neighbours.

    Args:
        interactions: training interactions, (user, item), ones.
        has_modality: which items take part; None for all of them.

    Returns:
        The mean over a user's items, (user, item), and over an item's users, (item, user); float64. Rows of
        nodes without neighbours are empty.
    """
    edges = _edges(interactions, has_modality)
    back = csr_array(edges.T)
    for matrix in (edges, back):
        degree = np.diff(matrix.indptr)
        matrix.data = np.repeat(1.0 / np.maximum(degree, 1), degree)
    return edges, back


def _edges(interactions: csr_array, has_modality: Bool[np.ndarray, " item"] | None) -> csr_array:
    edges = csr_array(interactions, dtype=np.float64, copy=True)
    if has_modality is not None:
        edges.data = has_modality[edges.indices].astype(np.float64)
        edges.eliminate_zeros()
    return edges

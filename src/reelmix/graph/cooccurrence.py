"""Who watches alike: for each user the K others with whom they share most items."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal, cast

import numpy as np
from jaxtyping import Int
from scipy.sparse import csr_array, csr_matrix
from sparse_dot_topn import sp_matmul_topn

from reelmix.graph.cache import cached

Aggregation = Literal["mean", "softmax"]


@dataclass(frozen=True, eq=False)
class UserGraph:
    """The top-K user co-occurrence graph of DualGNN, section IV-B: compressed rows, a row a user.

    Within a row the neighbours stand by falling count, then by rising user row.

    Attributes:
        starts: where each user's neighbours begin, and the end of the last (users + 1 numbers), int64.
        neighbours: rows of the neighbours, int32.
        counts: number of training items that both interacted with, int32, at least 1.
    """

    starts: Int[np.ndarray, " start"]
    neighbours: Int[np.ndarray, " edge"]
    counts: Int[np.ndarray, " edge"]

    def weights(self, aggregation: Aggregation) -> csr_array:
        """Aggregation weights as a (user, user) matrix, float64; rows sum to 1, or to 0 without neighbours.

        ``mean`` is eq. 6, one over the number of neighbours; ``softmax`` is eq. 7, over the counts.
        """
        lengths = np.diff(self.starts)
        row = np.repeat(np.arange(len(lengths)), lengths)
        if aggregation == "softmax":
            # counts of several hundred overflow exp: the largest of the row, which stands first, is taken off
            values = np.exp((self.counts - self.counts[self.starts[row]]).astype(np.float64))
        else:
            values = np.ones(len(row))
        totals = np.bincount(row, weights=values, minlength=len(lengths))
        shape = (len(lengths), len(lengths))
        return csr_array((values / totals[row], self.neighbours, self.starts), shape=shape)


Work = Callable[[range], dict[str, np.ndarray]]
"""Finds the neighbours of these rows of users."""

RunParts = Callable[[Work, Sequence[range]], Iterable[dict[str, np.ndarray]]]
"""Does the work on each part, somewhere, and returns what is found in their order; such as ``map``."""


def user_graph(interactions: csr_array, neighbours: int, *, parts: int = 1, run: RunParts = map) -> UserGraph:
    """For each user, the ``neighbours`` users with the largest count of common training items.

    C[u, u'] is the number of items that both interacted with. Kept are the largest C[u, u'] > 0 with
    u' != u; ties go to the smaller user row, so that the graph is the same everywhere. A user with fewer
    neighbours keeps them all. Memory is bounded by (user, K), never (user, user). The graph is kept in
    reelmix's cache folder under a hash of the interactions.

    Args:
        interactions: training interactions, (user, item), ones.
        neighbours: K.
        parts: ranges of users that are worked out apart; the graph is the same.
        run: does so.
    """
    edges = csr_array(interactions)
    edges.sort_indices()
    key = ("user-graph-1", edges.indices.astype(np.int32), edges.indptr.astype(np.int64), neighbours)
    n_users = cast(tuple[int, int], edges.shape)[0]
    ends = [n_users * part // parts for part in range(parts + 1)]
    ranges = [range(first, last) for first, last in pairwise(ends)]
    work = partial(_top_neighbours, edges, neighbours)
    arrays = cached("user-graph", key, lambda: _joined(list(run(work, ranges))))
    return UserGraph(arrays["starts"], arrays["neighbours"], arrays["counts"])


def _joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The graph of all users, from those of ranges that follow each other."""
    lengths = [np.diff(part["starts"]) for part in parts]
    return {
        "starts": np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(lengths))]),
        "neighbours": np.concatenate([part["neighbours"] for part in parts]),
        "counts": np.concatenate([part["counts"] for part in parts]),
    }


def _top_neighbours(edges: csr_array, neighbours: int, rows: range) -> dict[str, np.ndarray]:
    n_users, n_items = cast(tuple[int, int], edges.shape)
    # Two orders that change nothing but the time, by a third: popular items first, and users by the length of
    # their history, keep what the product adds to close together.
    rank = np.argsort(np.argsort(-np.bincount(edges.indices, minlength=n_items), kind="stable"))
    ones = np.ones(edges.nnz, np.float32)
    ranked = csr_array((ones, rank[edges.indices], edges.indptr), shape=edges.shape)
    ranked.sort_indices()
    degrees = np.diff(edges.indptr)
    most = int(np.sort(degrees)[-2:].min(initial=np.iinfo(np.int32).max))
    users = np.argsort(degrees, kind="stable").astype(np.int32)
    block = _exact_users(most)
    blocks = [users[first : first + block] for first in range(0, max(n_users, 1), block)]
    pairs = [_most_in_common(ranked, rows, others, most, neighbours) for others in blocks]
    row, other, count = pairs[0] if len(pairs) == 1 else map(np.concatenate, zip(*pairs, strict=True))
    if len(pairs) > 1:
        order = np.lexsort((other, -count, row))
        row, other, count = row[order], other[order], count[order]
    lengths = np.bincount(row, minlength=len(rows))
    place = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    keep = place < neighbours
    return {
        "starts": np.concatenate([np.zeros(1, np.int64), np.cumsum(np.minimum(lengths, neighbours))]),
        "neighbours": other[keep],
        "counts": count[keep],
    }


def _exact_users(most: int) -> int:
    """Users whose order one product can keep: ``_base(users, most) * most`` must stay below 2^53."""
    return max(1, (2**53 // max(most, 1) - 1) // (most + 1))


def _base(n_users: int, most: int) -> int:
    """So large that one common item more outweighs the place of any user."""
    return n_users * (most + 1) + 1


Pairs = tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]
"""A row, another user, and the number of items that they have in common."""


def _most_in_common(
    ranked: csr_array, rows: range, others: Int[np.ndarray, " other"], most: int, neighbours: int
) -> Pairs:
    """Those of ``others`` that each of ``rows`` shares most items with: ``neighbours``, or one more.

    Within a row they stand by falling count, then by rising user row. No two users share more than ``most``.
    """
    left, right = ranked[rows.start : rows.stop], ranked[others]
    # The order "larger count, then smaller row" as one number: count * (base - place). All are whole numbers
    # below 2^53, so float64 holds them exactly.
    weight = _base(len(others), most) - np.argsort(np.argsort(others)).astype(np.float64)
    values = np.repeat(weight, np.diff(right.indptr))
    best = sp_matmul_topn(
        csr_matrix((np.ones(left.nnz), left.indices, left.indptr), shape=left.shape),
        csr_matrix(csr_matrix((values, right.indices, right.indptr), shape=right.shape).T),
        top_n=neighbours + 1,  # one more than asked for, because a user is their own closest neighbour
        sort=True,
        n_threads=min(4, os.cpu_count() or 1),
    )
    row = np.repeat(np.arange(len(rows), dtype=np.int32), np.diff(best.indptr))
    other = others[best.indices]
    count = np.rint(best.data / weight[best.indices]).astype(np.int32)
    apart = row + rows.start != other
    return row[apart], other[apart], count[apart]

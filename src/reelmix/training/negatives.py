"""One unobserved item for each observed one (DualGNN, eq. 10)."""

from __future__ import annotations

from typing import cast

import numpy as np
from jaxtyping import Int
from scipy.sparse import csr_array


class NegativeSampler:
    """Draws, for a user, an item uniformly from those that the user has not interacted with in training.

    Nothing is drawn and thrown away: a user's unobserved items are numbered 0, 1, ... without listing them,
    a number is drawn, and one binary search finds its item. A user who has seen all items but one costs as
    much as any other.

    Args:
        interactions: training interactions, (user, item).
    """

    def __init__(self, interactions: csr_array) -> None:
        seen = csr_array(interactions)
        seen.sort_indices()
        n_users, n_items = cast(tuple[int, int], seen.shape)
        self.degrees = np.diff(seen.indptr).astype(np.int64)
        self.unobserved = n_items - self.degrees
        self._starts = seen.indptr[:-1].astype(np.int64)
        # Of a user's sorted items, the k-th one, p_k, has p_k - k unobserved items before it. Users are
        # laid end to end, n_items + 1 apart, so that one search serves all of them.
        self._stride = n_items + 1
        users = np.repeat(np.arange(n_users, dtype=np.int64), self.degrees)
        place = np.arange(seen.nnz) - np.repeat(self._starts, self.degrees)
        self._unobserved_before = users * self._stride + seen.indices - place

    def draw(self, users: Int[np.ndarray, " draw"], rng: np.random.Generator) -> Int[np.ndarray, " draw"]:
        """One item for each entry of ``users``, none of them a training positive of that user.

        Args:
            users: rows of users with at least one unobserved item.
            rng: where chance comes from.
        """
        number = rng.integers(0, self.unobserved[users])
        seen_before = np.searchsorted(self._unobserved_before, users * self._stride + number, side="right")
        return number + seen_before - self._starts[users]

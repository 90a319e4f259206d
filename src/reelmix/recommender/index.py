"""An approximate index of the items: the best of a million in a fraction of reading them all."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from reelmix.extras import optional

RECALL = 0.97
"""Share of the true best ten that a built index must find, on average over users tried."""

TRIED = 256
"""Users, drawn at random, by whom that share is measured."""

LISTS_PER_ROOT = 4
"""Lists for each root of the number of items, as faiss's makers advise: 4 sqrt(n)."""

TRAINED_ON = 50
"""Items for each list that its centres are found by."""


class Index:
    """The items in lists by direction (an inverted file, IVF; faiss), of which a question looks at a few.

    How many it looks at is measured when it is built: as few as find ``recall`` of the true best ten of users
    drawn at random. What it finds is scored exactly, so that scores and order are those of the full product.

    Args:
        items: vectors; score = vector . item.
        users: vectors, of whom some are drawn to measure.
        recall: what must be found, from 0 to 1.
        rng: seed of the draw.

    Raises:
        ConfigError: faiss is not installed.

    Attributes:
        size: items in it; those that came later are looked at one by one.
        looked_at: lists that a question looks at.
        found: the recall measured with that.
    """

    def __init__(
        self,
        items: Float[np.ndarray, "item dim"],
        users: Float[np.ndarray, "user dim"],
        *,
        recall: float = RECALL,
        rng: int = 0,
    ) -> None:
        faiss: Any = optional("faiss", "serve")
        self.size, dim = items.shape
        lists = max(1, int(LISTS_PER_ROOT * np.sqrt(self.size)))
        items = np.ascontiguousarray(items, np.float32)
        self._coarse = faiss.IndexFlatIP(dim)
        self._lists = faiss.IndexIVFFlat(self._coarse, dim, lists, faiss.METRIC_INNER_PRODUCT)
        self._lists.cp.max_points_per_centroid = TRAINED_ON
        self._lists.cp.min_points_per_centroid = 1
        self._lists.cp.seed = rng + 1
        self._lists.train(items)
        self._lists.add(items)
        people = np.flatnonzero(users.any(axis=1))
        drawn = np.random.default_rng(rng).permutation(people)[:TRIED]
        asked = np.ascontiguousarray(users[drawn], np.float32)
        self.looked_at, self.found = self._enough(faiss, items, asked, lists, recall)

    def _enough(
        self, faiss: Any, items: np.ndarray, asked: np.ndarray, lists: int, recall: float
    ) -> tuple[int, float]:
        """How many lists are enough, doubled from one and then halved in between, and what they find."""
        truth = faiss.knn(asked, items, min(10, len(items)), metric=faiss.METRIC_INNER_PRODUCT)[1]

        def share(looked_at: int) -> float:
            self._lists.nprobe = looked_at
            found = self._lists.search(asked, truth.shape[1])[1]
            shares = [np.isin(t, f).mean() for t, f in zip(truth, found, strict=True)]
            return float(np.mean(shares or [1.0]))

        enough, found = 1, share(1)
        while found < recall and enough < lists:
            enough = min(2 * enough, lists)
            found = share(enough)
        too_few = enough // 2
        while enough - too_few > max(1, enough // 16):  # one in sixteen more costs less than looking on
            between = (too_few + enough) // 2
            reached = share(between)
            if reached >= recall:
                enough, found = between, reached
            else:
                too_few = between
        self._lists.nprobe = enough
        return enough, found

    def candidates(self, vector: Float[np.ndarray, " dim"], n: int) -> Int[np.ndarray, " found"]:
        """Rows of about the n best items, in no order."""
        found = self._lists.search(np.ascontiguousarray(vector[None], np.float32), min(n, self.size))[1][0]
        return found[found >= 0]

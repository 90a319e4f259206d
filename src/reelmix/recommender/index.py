"""An approximate index of the items: the best of a million in a fraction of reading them all."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from reelmix.extras import optional

RECALL = 0.96
"""Share of the true best ten that a built index must find, on average over users tried."""

TRIED = 512
"""Users, drawn at random, by whom that share is measured."""

LISTS_PER_ROOT = 4
"""Lists for each root of the number of items, as faiss's makers advise: 4 sqrt(n)."""

TRAINED_ON = 50
"""Items for each list that its centres are found by."""

ROUNDS = 10
"""Of moving the centres, as faiss does by default for an inverted file."""

PRECISIONS = ("QT_8bit", "QT_fp16")
"""What a list holds of a number: eight bits, or sixteen where with eight not enough is found.

Reading the lists is what a question waits for; eight bits a number are a quarter of the items' own bytes.
"""

SPARE = 10
"""Items found beyond those asked for: in lower precision the last of them may change places."""


class Index:
    """The items in lists by direction (an inverted file, IVF; faiss), of which a question looks at a few.

    How many it looks at is measured when it is built: as few as find ``recall`` of the true best ten of users
    drawn at random. The lists hold the items in lower precision; what is found is scored exactly, so that
    scores and order are those of the full product.

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
        largest = max(items.max(), -items.min()) or 1.0  # half precision ends at 65,504
        items = np.ascontiguousarray(items / largest, np.float32)
        people = np.flatnonzero(users.any(axis=1))
        drawn = np.random.default_rng(rng).permutation(people)[:TRIED]
        asked = np.ascontiguousarray(users[drawn], np.float32)
        self._coarse, places = _grouped(faiss, items, lists, rng)
        for precision in PRECISIONS:
            self._lists = faiss.IndexIVFScalarQuantizer(
                self._coarse,
                dim,
                lists,
                getattr(faiss.ScalarQuantizer, precision),
                faiss.METRIC_INNER_PRODUCT,
                False,
            )
            swig = faiss.swig_ptr
            self._lists.train(items)  # the ranges of numbers alone: the lists are known
            self._lists.add_core(self.size, swig(items), None, swig(places))
            self.looked_at, self.found = self._enough(faiss, items, asked, lists, recall)
            if self.found >= recall:
                break

    def _enough(
        self, faiss: Any, items: np.ndarray, asked: np.ndarray, lists: int, recall: float
    ) -> tuple[int, float]:
        """How many lists are enough, doubled from one and then halved in between, and what they find."""
        truth = faiss.knn(asked, items, min(10, len(items)), metric=faiss.METRIC_INNER_PRODUCT)[1]

        def share(looked_at: int) -> float:
            self._lists.nprobe = looked_at
            found = self._lists.search(asked, min(truth.shape[1] + SPARE, len(items)))[1]
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
        """Rows of the n best items and some more, in no order."""
        asked = np.ascontiguousarray(vector[None], np.float32)
        found = self._lists.search(asked, min(n + SPARE, self.size))[1][0]
        return found[found >= 0]


def _grouped(
    faiss: Any, items: Float[np.ndarray, "item dim"], lists: int, rng: int
) -> tuple[Any, Int[np.ndarray, " item"]]:
    """The lists' means, as an index of them, and each item's list: that whose centre is nearest by angle.

    The mean tells how long a list's items are, too: by it a question meets the lists in the order of the
    average score of their items, and a tenth fewer of them are enough than by the centre.
    """
    dim = items.shape[1]
    centres = faiss.Kmeans(
        dim,
        lists,
        spherical=True,
        seed=rng + 1,
        max_points_per_centroid=TRAINED_ON,
        min_points_per_centroid=1,
        niter=ROUNDS,
    )
    centres.train(items)
    places = np.ascontiguousarray(centres.index.search(items, 1)[1][:, 0])
    in_list = csr_array(
        (np.ones(len(items), np.float32), places, np.arange(len(items) + 1)), shape=(len(items), lists)
    )
    means = faiss.IndexFlatIP(dim)
    means.add((in_list.T @ items) / np.maximum(np.bincount(places, minlength=lists), 1)[:, None])
    return means, places

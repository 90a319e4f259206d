"""Who watched what: one row for each pair of a user and an item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Num
from scipy.sparse import csr_array

TRAIN, VALIDATION, TEST = 0, 1, 2
LABEL_NAMES = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Interactions:
    """Distinct (user, item) pairs, sorted by user then item, in row numbers.

    Attributes:
        users: row of the user, int32.
        items: row of the item, int32.
        timestamps: when, in the caller's unit, int64 or float64; None if unknown.
        weights: how strongly, float32; kept and exported, not used by BPR; None if unknown.
        labels: 0 train, 1 validation, 2 test, int8; None if the data came without a split.
    """

    users: Int[np.ndarray, " interaction"]
    items: Int[np.ndarray, " interaction"]
    timestamps: Num[np.ndarray, " interaction"] | None = None
    weights: Float[np.ndarray, " interaction"] | None = None
    labels: Int[np.ndarray, " interaction"] | None = None

    @classmethod
    def of(
        cls,
        users: Int[np.ndarray, " row"],
        items: Int[np.ndarray, " row"],
        timestamps: Num[np.ndarray, " row"] | None = None,
        weights: Float[np.ndarray, " row"] | None = None,
        labels: Int[np.ndarray, " row"] | None = None,
    ) -> Interactions:
        """Sorts the rows and keeps one of each repeated pair: the training one first, then the earliest.

        Of those that are equal in this, too, the heaviest: the order of the rows must not matter.
        """
        pair = users.astype(np.int64) << 32 | items.astype(np.int64)
        lightness = None if weights is None else -weights
        keys = [key for key in (lightness, timestamps, labels) if key is not None]
        order = np.lexsort((*keys, pair)) if keys else np.argsort(pair, kind="stable")
        pair = pair[order]
        first = np.ones(len(pair), bool)
        first[1:] = pair[1:] != pair[:-1]
        kept = order[first]
        return cls(
            users[kept].astype(np.int32),
            items[kept].astype(np.int32),
            None if timestamps is None else timestamps[kept],
            None if weights is None else weights[kept].astype(np.float32),
            None if labels is None else labels[kept].astype(np.int8),
        )

    def __len__(self) -> int:
        return len(self.users)

    def take(self, chosen: Bool[np.ndarray, " interaction"] | Int[np.ndarray, " chosen"]) -> Interactions:
        """The interactions at a mask or at ascending positions."""
        known = (self.timestamps, self.weights, self.labels)
        return Interactions(
            self.users[chosen],
            self.items[chosen],
            *(None if column is None else column[chosen] for column in known),
        )

    def matrix(self, n_users: int, n_items: int) -> csr_array:
        """The (user, item) matrix of ones, float32, with sorted columns."""
        row_starts = np.zeros(n_users + 1, np.int64)
        np.cumsum(np.bincount(self.users, minlength=n_users), out=row_starts[1:])
        ones = np.ones(len(self), np.float32)
        return csr_array((ones, self.items, row_starts), shape=(n_users, n_items))

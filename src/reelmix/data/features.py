"""What items look, sound and read like: the vectors or tokens that exist, and which items have them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from reelmix.errors import DataError


@dataclass(frozen=True, eq=False)
class DenseFeatures:
    """One vector for each item that has the modality.

    Attributes:
        items: rows of the items that have it, ascending, int32.
        values: their vectors, one row an item, float16, float32 or float64.
        encoder: what made them, for the card.
        filled: which of them were filled in and never observed; None where all were observed.
    """

    items: Int[np.ndarray, " present"]
    values: Float[np.ndarray, "present feature"]
    encoder: str = "unknown"
    filled: Bool[np.ndarray, " present"] | None = None

    @property
    def size(self) -> int:
        """Length of a vector."""
        return self.values.shape[1]

    @property
    def observed(self) -> Bool[np.ndarray, " present"]:
        """Which of the vectors were observed."""
        return np.ones(len(self.items), bool) if self.filled is None else ~self.filled

    def only(self, here: Bool[np.ndarray, " present"]) -> DenseFeatures:
        """The features of a part of the items that have them, in their old rows."""
        filled = None if self.filled is None else self.filled[here]
        return replace(self, items=self.items[here], values=self.values[here], filled=filled)

    def rearranged(self, source: Int[np.ndarray, " present"]) -> DenseFeatures:
        """The same items, the k-th with the content of the ``source[k]``-th."""
        filled = None if self.filled is None else self.filled[source]
        return replace(self, values=self.values[source], filled=filled)

    def take(self, keep: Bool[np.ndarray, " item"]) -> DenseFeatures:
        """The features of the kept items, in their new rows."""
        kept = self.only(keep[self.items])
        return replace(kept, items=_new_rows(keep)[kept.items])


@dataclass(frozen=True, eq=False)
class BagFeatures:
    """A list of tokens (words, say) for each item that has the modality; their embeddings are trained.

    Attributes:
        items: rows of the items that have at least one token (of those filled in, perhaps none), ascending,
            int32.
        starts: where each item's tokens begin in ``tokens``, and the end of the last, int64.
        tokens: token numbers, int32, in 0 .. n_tokens - 1.
        n_tokens: how many distinct tokens there can be.
        encoder: what made them, for the card.
        filled: which of the items were filled in and never observed; None where all were observed.
        weights: of each token in its item's mean, adding up to 1 for an item; None where all tokens of an
            item weigh alike.
    """

    items: Int[np.ndarray, " present"]
    starts: Int[np.ndarray, " present+1"]
    tokens: Int[np.ndarray, " token"]
    n_tokens: int
    encoder: str = "unknown"
    filled: Bool[np.ndarray, " present"] | None = None
    weights: Float[np.ndarray, " token"] | None = None

    @property
    def size(self) -> int:
        """How many distinct tokens there can be."""
        return self.n_tokens

    @property
    def observed(self) -> Bool[np.ndarray, " present"]:
        """Which of the lists were observed."""
        return np.ones(len(self.items), bool) if self.filled is None else ~self.filled

    @property
    def shares(self) -> Float[np.ndarray, " token"]:
        """What each token counts for in its item's mean: its weight, or one over the number of tokens."""
        if self.weights is not None:
            return self.weights
        lengths = np.diff(self.starts)
        return np.repeat(1.0 / np.maximum(lengths, 1), lengths)

    def only(self, here: Bool[np.ndarray, " present"]) -> BagFeatures:
        """The features of a part of the items that have them, in their old rows."""
        lengths = np.diff(self.starts)
        starts = np.concatenate([[0], np.cumsum(lengths[here])]).astype(np.int64)
        kept = np.repeat(here, lengths)
        return replace(
            self,
            items=self.items[here],
            starts=starts,
            tokens=self.tokens[kept],
            filled=None if self.filled is None else self.filled[here],
            weights=None if self.weights is None else self.weights[kept],
        )

    def rearranged(self, source: Int[np.ndarray, " present"]) -> BagFeatures:
        """The same items, the k-th with the content of the ``source[k]``-th."""
        lengths = np.diff(self.starts)[source]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.arange(starts[-1]) + np.repeat(self.starts[source] - starts[:-1], lengths)
        return replace(
            self,
            starts=starts,
            tokens=self.tokens[places],
            filled=None if self.filled is None else self.filled[source],
            weights=None if self.weights is None else self.weights[places],
        )

    def take(self, keep: Bool[np.ndarray, " item"]) -> BagFeatures:
        """The features of the kept items, in their new rows."""
        kept = self.only(keep[self.items])
        return replace(kept, items=_new_rows(keep)[kept.items])


Features = DenseFeatures | BagFeatures


def _new_rows(keep: Bool[np.ndarray, " item"]) -> Int[np.ndarray, " item"]:
    return (np.cumsum(keep) - 1).astype(np.int32)


def dense_features(
    items: Int[np.ndarray, " row"], values: np.ndarray, *, where: str, encoder: str = "unknown"
) -> DenseFeatures:
    """Checked vectors of the items at the given rows, in any order.

    ``values`` already in the order of items is kept, not copied: it may be larger than memory.

    Raises:
        DataError: wrong number of axes, rows or dtype; NaN or infinity; an item twice.
    """
    if values.ndim != 2 or values.shape[1] == 0:
        raise DataError(
            expected="a table of one vector an item (2 axes)",
            found=f"an array of shape {values.shape}",
            where=where,
            fix="Save the features as an array of shape (item, feature).",
        )
    if values.dtype.kind != "f" or values.dtype.itemsize > 8:
        raise DataError(
            expected="float16, float32 or float64",
            found=str(values.dtype),
            where=where,
            fix="Convert the features with .astype('float32') and save them again.",
        )
    if len(items) != len(values):
        raise DataError(
            expected=f"{len(items)} rows, one for each item",
            found=str(len(values)),
            where=where,
            fix="Export the features again, or name the item of each row.",
        )
    require_finite(values, where)
    order = _order_of_distinct(items, where)
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    ordered = native if (np.diff(order) == 1).all() else native[order]
    return DenseFeatures(items[order].astype(np.int32), ordered, encoder)


def bag_features(
    items: Int[np.ndarray, " row"],
    tokens: np.ndarray,
    *,
    where: str,
    n_tokens: int | None = None,
    encoder: str = "unknown",
) -> BagFeatures:
    """Tokens of items from an edge list: ``items[e]`` has ``tokens[e]``. A repeated token counts twice.

    Raises:
        DataError: lists of unequal length, or tokens that are not whole numbers from 0 to ``n_tokens`` - 1.
    """
    if items.shape != tokens.shape:
        raise DataError(
            expected="as many items as tokens",
            found=f"{items.shape} and {tokens.shape}",
            where=where,
            fix="Give an array of shape (2, edge): items above, tokens below.",
        )
    if tokens.dtype.kind not in "iu":
        raise DataError(
            expected="whole numbers as tokens",
            found=str(tokens.dtype),
            where=where,
            fix="Number the tokens from 0.",
        )
    lowest, highest = (int(tokens.min()), int(tokens.max())) if tokens.size else (0, -1)
    limit = np.iinfo(np.int32).max if n_tokens is None else n_tokens
    if lowest < 0 or highest >= limit:
        raise DataError(
            expected=f"token numbers from 0 to {limit - 1}",
            found=f"{lowest} to {highest}",
            where=where,
            fix="Number the tokens from 0.",
        )
    order = np.lexsort((tokens, items))
    present, counts = np.unique(items, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    n_tokens = highest + 1 if n_tokens is None else n_tokens
    return BagFeatures(present.astype(np.int32), starts, tokens[order].astype(np.int32), n_tokens, encoder)


def require_finite(
    values: Float[np.ndarray, "row feature"], where: str, rows: Int[np.ndarray, " row"] | None = None
) -> None:
    """Raises DataError at the first NaN or infinity; ``rows`` says where each row stands in its file."""
    for start in range(0, len(values), 65_536):
        finite = np.isfinite(values[start : start + 65_536])
        if not finite.all():
            row, column = (int(place) for place in np.argwhere(~finite)[0])
            row += start
            raise DataError(
                expected="finite numbers",
                found=str(values[row, column]),
                where=f"{where}, row {row if rows is None else rows[row]}, column {column}",
                fix="If the item lacks the modality, leave its row out and name the item of each row.",
            )


def _order_of_distinct(items: Int[np.ndarray, " row"], where: str) -> Int[np.ndarray, " row"]:
    order = np.argsort(items, kind="stable")
    repeated = np.flatnonzero(np.diff(items[order]) == 0)
    if repeated.size:
        raise DataError(
            expected="each item once",
            found=f"one item in rows {order[repeated[0]]} and {order[repeated[0] + 1]}",
            where=where,
            fix="Keep one row for each item.",
        )
    return order

"""Metrics of ranked lists, one number a user. To add one, write one function here, under ``@_metric``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy.sparse import csr_array

from reelmix.errors import ConfigError, DataError


@dataclass(frozen=True, eq=False)
class Hits:
    """All that the metrics below see of ranked lists.

    Attributes:
        hit: whether the item at each rank is relevant to the user; False where a list has ended.
        relevant: how many items are relevant to each user, listed or not; at least 1.

    Raises:
        DataError: a user has no relevant item: no metric has a value then.
    """

    hit: Bool[np.ndarray, "user rank"]
    relevant: Int[np.ndarray, " user"]

    def __post_init__(self) -> None:
        if (self.relevant < 1).any():
            raise DataError(
                expected="at least one relevant item for every user",
                found="none",
                where=f"relevant, row {np.argmax(self.relevant < 1)}",
                fix="Leave users without a relevant item out.",
            )

    def first(self, at: int) -> Bool[np.ndarray, "user at"]:
        """The first ``at`` ranks.

        Raises:
            ConfigError: the lists are shorter than that.
        """
        if not 1 <= at <= self.hit.shape[1]:
            raise ConfigError(
                expected=f"a cut between 1 and the length of the lists, {self.hit.shape[1]}",
                found=str(at),
                where="at",
                fix="Rank longer lists or cut earlier.",
            )
        return self.hit[:, :at]


Metric = Callable[[Hits, int], Float64[np.ndarray, " user"]]
"""A metric: of hits and a cut, the value of each user between 0 and 1."""

_metrics: dict[str, Metric] = {}

METRICS: Mapping[str, Metric] = MappingProxyType(_metrics)
"""All metrics by name."""


def _metric(function: Metric) -> Metric:
    """Enters a metric under its function's name."""
    _metrics[function.__name__] = function
    return function


def find_hits(items: Int[np.ndarray, "user rank"], relevant: csr_array) -> Bool[np.ndarray, "user rank"]:
    """Which places of the lists hold a relevant item.

    Args:
        items: item rows, best first; -1 is a place without an item.
        relevant: (user, item), one row a list, in canonical format; a stored cell is a relevant item.
    """
    n_users, n_items = cast("tuple[int, int]", relevant.shape)
    known = np.repeat(np.arange(n_users) * n_items, np.diff(relevant.indptr)) + relevant.indices
    if not len(known):
        return np.zeros(items.shape, bool)
    asked = np.arange(n_users)[:, None] * n_items + items
    nearest = np.searchsorted(known, asked)
    np.minimum(nearest, len(known) - 1, out=nearest)
    return (known[nearest] == asked) & (items >= 0)


def coverage(shown: Bool[np.ndarray, " item"]) -> float:
    """Distinct items in all lists, as a share of all items: a number of the lists together, not of a user.

    Args:
        shown: whether an item stands in any list.
    """
    return int(shown.sum()) / len(shown)


@_metric
def recall(hits: Hits, at: int) -> Float64[np.ndarray, " user"]:
    """Hits within ``at``, divided by the number of relevant items (not by the smaller of that and ``at``)."""
    return _count(hits, at) / hits.relevant


@_metric
def precision(hits: Hits, at: int) -> Float64[np.ndarray, " user"]:
    """Hits within ``at``, divided by ``at``, even if there were fewer candidates."""
    return _count(hits, at) / at


@_metric
def hit_rate(hits: Hits, at: int) -> Float64[np.ndarray, " user"]:
    """1 if there is a hit within ``at``, else 0."""
    return np.any(hits.first(at), axis=1).astype(np.float64)


@_metric
def mrr(hits: Hits, at: int) -> Float64[np.ndarray, " user"]:
    """1 / rank of the first hit within ``at``, 0 if there is none."""
    first = hits.first(at)
    return np.where(first.any(axis=1), 1.0 / (first.argmax(axis=1) + 1), 0.0)


@_metric
def ndcg(hits: Hits, at: int) -> Float64[np.ndarray, " user"]:
    """Discounted gain over that of an ideal list of min(``at``, relevant) hits.

    Gain 1, discount log2(rank + 1): Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR
    techniques", ACM TOIS 20(4), 2002, in the form that trec_eval uses.
    """
    return _gain(hits, at) / _ideal_gain(at)[np.minimum(hits.relevant, at)]


@_metric
def ndcg_hits(hits: Hits, at: int) -> Float64[np.ndarray, " user"]:
    """NDCG whose ideal list has as many hits as were found: the fault of published code. Not for new results.

    It says how early the hits come, not how many there are: one hit at rank 1 of 5 relevant items gives 1.0
    (``ndcg`` gives 0.339). The published implementations of DualGNN compute it so; it is here to compare with
    tables made that way, and only by its name.
    """
    return _gain(hits, at) / _ideal_gain(at)[np.maximum(_count(hits, at), 1)]


def _count(hits: Hits, at: int) -> Int[np.ndarray, " user"]:
    """The number of hits within ``at``."""
    return np.count_nonzero(hits.first(at), axis=1)


def _discounts(at: int) -> Float64[np.ndarray, " at"]:
    """1 / log2(rank + 1) for the ranks 1 to ``at``."""
    return 1.0 / np.log2(np.arange(2, at + 2))


def _gain(hits: Hits, at: int) -> Float64[np.ndarray, " user"]:
    """The sum of the hits' discounts. No matrix product: its rounding depends on the size of the block."""
    return (hits.first(at) * _discounts(at)).sum(axis=1)


def _ideal_gain(at: int) -> Float64[np.ndarray, " count"]:
    """The discounted gain of a list that begins with 0, 1, ..., ``at`` hits."""
    return np.concatenate(([0.0], np.cumsum(_discounts(at))))

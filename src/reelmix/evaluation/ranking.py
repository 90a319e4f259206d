"""The exact best n items of each user from a block of scores: the hot path of evaluation and of serving."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Int32

from reelmix.errors import ConfigError, DataError
from reelmix.maxima import group_maxima, group_size, nth_largest

_SLAB_BYTES = 1 << 20
"""Temporary bytes of one slab of users: about a core's level-2 cache, where each pass finds the scores."""

_BYTES_A_CANDIDATE = 80
"""Eight temporary 8-byte arrays run over the candidates of a slab, and a few smaller ones."""


class TopN(NamedTuple):
    """The lists of a block of users.

    Attributes:
        items: item rows, best first; -1 fills the places after the last candidate.
        counts: how many places of each list are filled.
    """

    items: Int32[np.ndarray, "user n"]
    counts: Int[np.ndarray, " user"]


def top_n(
    scores: Float[np.ndarray, "user item"], n: int, *, user_rows: Int[np.ndarray, " user"] | None = None
) -> TopN:
    """The n best items of each user: by falling score, ties by rising item row.

    The result is exact and depends on a user's own scores only, never on the other users of the block.
    Method: the n-th largest of the maxima of disjoint groups of items is a bar that at least n items reach,
    and few others do, so one comparison of the block leaves little to sort.

    Args:
        scores: float32 or float64; -inf marks an item that must not be listed.
        n: length of the lists, at least 1; it may exceed the number of items.
        user_rows: what to call the users in an error message; their places in the block if absent.

    Returns:
        Lists of length n, int32, ending in -1 where a user has fewer than n items above -inf, and their true
        lengths.

    Raises:
        ConfigError: n is below 1.
        DataError: scores are not floating-point, or one of them is NaN.
    """
    if n < 1:
        raise ConfigError(
            expected="a list length of at least 1", found=str(n), where="n", fix="Ask for one item or more."
        )
    if not np.issubdtype(scores.dtype, np.floating):
        raise DataError(
            expected="floating-point scores",
            found=str(scores.dtype),
            where="scores",
            fix="Convert them with scores.astype(numpy.float32).",
        )
    n_users, n_items = scores.shape
    names = np.arange(n_users) if user_rows is None else user_rows
    lists = np.full((n_users, n), -1, np.int32)
    width = min(n, n_items)
    slab = max(1, _SLAB_BYTES // max(1, row_bytes(n_items, n, scores.itemsize)))
    for start in range(0, n_users if width else 0, slab):
        part = slice(start, start + slab)
        _rank_slab(scores[part], lists[part, :width], names[part])
    return TopN(lists, np.count_nonzero(lists >= 0, axis=1))


def row_bytes(n_items: int, n: int, itemsize: int = 8) -> int:
    """An upper bound of the temporary bytes that ``top_n`` needs for each user, its result left out.

    Args:
        n_items: number of items scored.
        n: length of the lists.
        itemsize: bytes of one score, 4 or 8.
    """
    width = max(1, min(n, n_items))
    groups = n_items // group_size(n_items, width)
    maxima_twice_and_nan_mask = groups * (2 * itemsize + 1)
    return n_items + maxima_twice_and_nan_mask + _BYTES_A_CANDIDATE * _candidates_a_row(n_items, width)


def tie_bytes(n_items: int, itemsize: int = 8) -> int:
    """An upper bound of the further bytes that ``top_n`` needs at any one time if all items tie.

    Args:
        n_items: number of items scored.
        itemsize: bytes of one score, 4 or 8.
    """
    return n_items * (3 * itemsize + 24)


def _candidates_a_row(n_items: int, n: int) -> int:
    """Up to how many candidates a user (on average over a slab) are sorted together."""
    return min(n_items, 2 * n + 16)


def _rank_slab(
    scores: Float[np.ndarray, "user item"],
    lists: Int32[np.ndarray, "user n"],
    names: Int[np.ndarray, " user"],
) -> None:
    """Writes the lists of a few users; ``lists`` holds -1 everywhere before."""
    n_users, n = lists.shape
    bars = _bars(scores, n, names)
    candidate = scores >= bars[:, None]
    if np.count_nonzero(candidate) <= n_users * _candidates_a_row(scores.shape[1], n):
        _sort_together(scores, candidate, lists)
        return
    for row in range(n_users):  # masses of ties: cut each user's before sorting
        best = _best_of_row(scores[row], candidate[row], n)
        lists[row, : len(best)] = best


def _bars(
    scores: Float[np.ndarray, "user item"], n: int, names: Int[np.ndarray, " user"]
) -> Float[np.ndarray, " user"]:
    """For each user a finite number or +inf that all of the n best items reach, -inf left out."""
    maxima = group_maxima(scores, n)
    if np.isnan(maxima).any():  # a maximum hands NaN on, so this small array tells of the whole block
        _refuse_nan(scores, names)
    return np.maximum(nth_largest(maxima, n), np.finfo(scores.dtype).min)


def _refuse_nan(scores: Float[np.ndarray, "user item"], names: Int[np.ndarray, " user"]) -> None:
    """Raises the error that says where the first NaN is."""
    for name, row in zip(names, scores, strict=True):
        if (nan := np.isnan(row)).any():
            raise DataError(
                expected="a number or -inf",
                found="NaN",
                where=f"scores: user row {name}, item row {np.argmax(nan)}",
                fix="Look at the model's vectors or at its training loss: training may have diverged.",
            )


def _sort_together(
    scores: Float[np.ndarray, "user item"],
    candidate: Bool[np.ndarray, "user item"],
    lists: Int32[np.ndarray, "user n"],
) -> None:
    """Sorts the candidates of all users of the slab at once and writes the first n of each."""
    n_users, n = lists.shape
    users, items = np.divmod(np.flatnonzero(candidate), scores.shape[1])
    # Stable, so ties stay by item; ``users`` is sorted already, so each user's candidates stay together.
    order = np.lexsort((-scores[users, items], users))
    counts = np.bincount(users, minlength=n_users)
    place = np.arange(len(users)) - (np.cumsum(counts) - counts)[users]
    kept = place < n
    lists[users[kept], place[kept]] = items[order[kept]]


def _best_of_row(
    scores: Float[np.ndarray, " item"], candidate: Bool[np.ndarray, " item"], n: int
) -> Int[np.ndarray, " best"]:
    """The n best candidates of one user, whatever number of them ties: no more than n are sorted."""
    items = np.flatnonzero(candidate)
    if len(items) > n:
        values = scores[items]
        last = np.partition(values, len(values) - n)[len(values) - n]
        above, level = items[values > last], items[values == last]
        items = np.concatenate((above, level[: n - len(above)]))
    return items[np.argsort(-scores[items], kind="stable")]

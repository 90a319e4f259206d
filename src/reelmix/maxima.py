"""What stands out of rows of numbers, found without sorting them: maxima of groups set a bar."""

from __future__ import annotations

from math import isqrt

import numpy as np
from jaxtyping import Float

_GROUPS_A_PLACE = 16
"""Groups of columns for each place of a list: more take longer to partition, fewer let more through."""


def group_size(n_columns: int, n: int) -> int:
    """Columns in a group: at most the root of their number, so that fewer than groups are left over."""
    return max(1, min(n_columns // (_GROUPS_A_PLACE * n), isqrt(n_columns)))


def group_maxima(values: Float[np.ndarray, "row column"], n: int) -> Float[np.ndarray, "row group"]:
    """The maxima of disjoint groups of columns, at least ``n`` of them; NaN if one of a group is.

    The n-th largest of them is a bar that at least n columns reach, and few others do.
    """
    n_rows, n_columns = values.shape
    size = group_size(n_columns, n)
    groups = n_columns // size
    # Group g holds the columns g, g + groups, g + 2 groups ...: the maximum runs along contiguous memory.
    maxima = values[:, : size * groups].reshape(n_rows, size, groups).max(axis=1)
    left_over = values[:, size * groups :]
    joined = maxima[:, : left_over.shape[1]]
    np.maximum(joined, left_over, out=joined)
    return maxima


def nth_largest(values: Float[np.ndarray, "row column"], n: int) -> Float[np.ndarray, " row"]:
    """The n-th largest of each row, whose order is not kept."""
    values.partition(values.shape[1] - n, axis=1)
    return values[:, values.shape[1] - n]

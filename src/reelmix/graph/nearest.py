"""For each row the others with the largest cosine: exact, though looked for in single precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix

from reelmix.maxima import group_maxima, nth_largest

BLOCK_BYTES = 64 << 20
"""Memory for what is computed in one go."""

CACHED_BYTES = 8 << 20
"""Memory of similarities that are looked at where they were computed, in a cache of the processor."""

LEAST_ROWS = 64
"""Rows of a product that is not slowed down by having few."""

SLAB = 1 << 20
"""Similarities that are looked at in one go."""

DIGITS = 12
"""After the point: similarities that are equal by these differ by rounding alone."""

ROUNDING = 10.0**-DIGITS


def nearest_others(
    content: Float[np.ndarray, "row feature"] | csr_matrix, neighbours: int
) -> dict[str, np.ndarray]:
    """Each row's most similar others, by falling cosine; of equals, the next after the row first.

    Args:
        content: vectors of length 1, or of zeros, float64.
        neighbours: how many others each row chooses, if so many have a cosine above 0.

    Returns:
        ``starts``, where each row's choices begin, and the last end; ``neighbours``, the chosen rows; and
        their ``cosines``.
    """
    starts, chosen, cosines = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)], [np.zeros(0)]
    if isinstance(content, np.ndarray):
        found = _similar_vectors(content, neighbours)
    else:
        found = _similar_tokens(content, neighbours)
    for best, values in found if neighbours else ():
        keep = values > 0
        chosen.append(best[keep].astype(np.int32))
        cosines.append(values[keep])
        starts.append(keep.sum(axis=1))
    return {
        "starts": np.cumsum(np.concatenate(starts)),
        "neighbours": np.concatenate(chosen),
        "cosines": np.concatenate(cosines),
    }


Chosen = tuple[Int[np.ndarray, "row n"], Float[np.ndarray, "row n"]]
"""What rows choose, and the cosines."""


def _similar_tokens(content: csr_matrix, neighbours: int) -> Iterator[Chosen]:
    size = cast(tuple[int, int], content.shape)[0]
    for part in _slabs(size, size, BLOCK_BYTES // 8):
        rows = np.arange(size)[part]
        yield _exactly(rows, (content[rows] @ content.T).toarray(), neighbours)


def _similar_vectors(content: Float[np.ndarray, "row feature"], neighbours: int) -> Iterator[Chosen]:
    """By single precision first, which leaves a few for double precision to tell apart."""
    size, width = content.shape
    narrow = content.astype(np.float32)
    # how far a product of two vectors of length 1 may be off, twice
    slack = 2 * (width + 3) * float(np.finfo(np.float32).epsneg)
    for whole in _slabs(size, size, max(CACHED_BYTES // 4, LEAST_ROWS * size)):
        block = np.arange(size)[whole]
        rough = narrow[block] @ narrow.T
        rough[np.arange(len(block)), block] = -np.inf
        for part in _slabs(len(block), size, SLAB):
            rows = block[part]
            near = _near(rough[part], min(neighbours, size), slack, least=0.0)
            if near is None:
                yield _exactly(rows, content[rows] @ content.T, neighbours)
                continue
            places, columns = near
            values = _cosines(content, rows[places], columns)
            yield _first((places, columns, values), len(rows), min(neighbours, size), rows, size)


def _exactly(
    rows: Int[np.ndarray, " row"], cosines: Float[np.ndarray, "row other"], neighbours: int
) -> Chosen:
    cosines[np.arange(len(rows)), rows] = -np.inf
    best = largest(cosines, neighbours, rows)
    return best, np.take_along_axis(cosines, best, axis=1)


def _cosines(
    content: Float[np.ndarray, "row feature"],
    rows: Int[np.ndarray, " pair"],
    columns: Int[np.ndarray, " pair"],
) -> Float[np.ndarray, " pair"]:
    values = np.empty(len(rows))
    block = max(1, BLOCK_BYTES // (16 * max(content.shape[1], 1)))
    for start in range(0, len(rows), block):
        part = slice(start, start + block)
        np.einsum("pf,pf->p", content[rows[part]], content[columns[part]], out=values[part])
    return values


def largest(
    values: Float[np.ndarray, "row column"], n: int, first: Int[np.ndarray, " row"]
) -> Int[np.ndarray, "row n"]:
    """Columns of each row's ``n`` largest values, by falling value.

    Of equals, those from the row's ``first`` column on go first, and from the last column it goes on at the
    beginning. Equal is what differs by rounding alone, by less than about 1e-12.
    """
    size = values.shape[1]
    n = min(n, size)
    best = np.empty((len(values), n), np.int64)
    for part in _slabs(len(values), size, SLAB) if n else ():
        slab = values[part]
        near = _near(slab, n, ROUNDING)
        if near is None:
            best[part] = [
                _of_row(row, n, start) for row, start in zip(slab, first[part].tolist(), strict=True)
            ]
        else:
            best[part] = _first((*near, slab[near]), len(slab), n, first[part], size)[0]
    return best


def _slabs(n_rows: int, n_columns: int, numbers: int) -> Iterator[slice]:
    """So many rows at a time that their columns hold so many numbers."""
    slab = max(1, numbers // max(n_columns, 1))
    return (slice(start, start + slab) for start in range(0, n_rows, slab))


def _near(
    values: Float[np.ndarray, "row column"], n: int, slack: float, least: float = -np.inf
) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]] | None:
    """Rows and columns of the ``n`` largest, but for those below ``least``, and of a few that are near them.

    None if there are many of these: masses of equals.
    """
    bars = np.maximum(nth_largest(group_maxima(values, n), n), least) - slack
    near = values >= bars[:, None]
    if np.count_nonzero(near) > len(values) * (2 * n + 16):
        return None
    return np.divmod(np.flatnonzero(near), values.shape[1])


def _first(
    pairs: tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"], Float[np.ndarray, " pair"]],
    n_rows: int,
    n: int,
    first: Int[np.ndarray, " row"],
    size: int,
) -> Chosen:
    """The ``n`` first of each row's columns; where there are fewer, -inf is the value of what fills up."""
    rows, columns, values = pairs
    order = np.lexsort(((columns - first[rows]) % size, -values.round(DIGITS), rows))
    counts = np.bincount(rows, minlength=n_rows)
    place = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
    kept = place < n
    best, found = np.zeros((n_rows, n), np.int64), np.full((n_rows, n), -np.inf)
    best[rows[kept], place[kept]] = columns[order[kept]]
    found[rows[kept], place[kept]] = values[order[kept]]
    return best, found


def _of_row(values: Float[np.ndarray, " column"], n: int, first: int) -> Int[np.ndarray, " n"]:
    """The same of one row, whatever number of columns are equal: no more than ``n`` are sorted."""
    values = values.round(DIGITS)
    last = np.partition(values, len(values) - n)[len(values) - n]
    above, level = np.flatnonzero(values > last), np.flatnonzero(values == last)
    level = np.roll(level, -np.searchsorted(level, first % len(values)))
    above = above[np.lexsort(((above - first) % len(values), -values[above]))]
    return np.concatenate([above, level[: n - len(above)]])

"""Texts in the cells of interactions, read as numbers and times."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from reelmix.errors import DataError


def with_numbers(pairs: pl.DataFrame, where: Path) -> pl.DataFrame:
    """``pairs`` with its columns ``weight`` and ``timestamp`` as numbers, or as times, if they are texts.

    Raises:
        DataError: a cell is neither empty nor a number (nor, for ``timestamp``, a date or time in ISO 8601).
    """
    for name in ("weight", "timestamp"):
        if name in pairs.columns and pairs[name].dtype == pl.String:
            pairs = pairs.with_columns(_numbers(pairs[name], where, times=name == "timestamp").alias(name))
    return pairs


def _numbers(cells: pl.Series, where: Path, *, times: bool) -> pl.Series:
    empty = cells.null_count()
    for dtype in (pl.Int64, pl.Float64):
        numbers = cells.cast(dtype, strict=False)
        if numbers.null_count() == empty:
            return numbers
    read = _times(cells) if times and numbers.null_count() == len(cells) else numbers
    odd = read.is_null() & cells.is_not_null()
    if odd.any():
        row = int(odd.arg_max() or 0)
        raise DataError(
            expected=f"a number{' or a time such as 2026-01-31T12:00:00' if times else ''}",
            found=repr(cells[row]),
            where=f"{where}, column {cells.name}, row {row}",
            fix="Correct or drop that row, or leave the column out.",
        )
    return read


def _times(cells: pl.Series) -> pl.Series:
    try:
        return cells.str.to_datetime(strict=False)
    except pl.exceptions.PolarsError:  # not one cell looks like a time
        return pl.Series(cells.name, [None] * len(cells), dtype=pl.Datetime("us"))

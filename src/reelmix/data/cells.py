"""Texts in the cells of interactions, read as numbers and times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from reelmix.errors import DataError

NUMBERS = ("weight", "timestamp")


@dataclass
class CellKind:
    """What all texts of a column can be read as, learned from one stretch of it after the other.

    Attributes:
        times: whether they may be dates and times.
        whole: every text so far is a whole number, or there was none.
        number: every text so far is a number.
        some: a text was a number.
    """

    times: bool
    whole: bool = True
    number: bool = True
    some: bool = False

    def look(self, cells: pl.Series) -> None:
        """Learns from more of the column."""
        empty = cells.null_count()
        if self.whole:
            self.whole = cells.cast(pl.Int64, strict=False).null_count() == empty
        numbers = cells.cast(pl.Float64, strict=False)
        self.number &= numbers.null_count() == empty
        self.some |= numbers.null_count() < len(cells)

    def read(self, cells: pl.Series) -> pl.Series:
        """The numbers or times of a stretch; null where a text is neither."""
        if self.whole:
            return cells.cast(pl.Int64)
        if self.number or self.some or not self.times:
            return cells.cast(pl.Float64, strict=False)
        return _times(cells)

    @property
    def dtype(self) -> type[np.number]:
        """Of the numbers; times are microseconds."""
        return np.float64 if not self.whole and (self.number or self.some) else np.int64


def kinds_of(pairs: pl.DataFrame) -> dict[str, CellKind]:
    """One for each column of numbers that holds texts; they know nothing yet."""
    return {
        name: CellKind(times=name == "timestamp")
        for name in NUMBERS
        if name in pairs.columns and pairs[name].dtype == pl.String
    }


def with_numbers(
    pairs: pl.DataFrame, where: Path, kinds: Mapping[str, CellKind] | None = None, first: int = 0
) -> pl.DataFrame:
    """``pairs`` with its columns ``weight`` and ``timestamp`` as numbers, or as times, if they are texts.

    Args:
        pairs: the table, or a stretch of it.
        where: the file, for messages.
        kinds: what is known of the whole columns; None where ``pairs`` is whole.
        first: the row of the file that the stretch begins with.

    Raises:
        DataError: a cell is neither empty nor a number (nor, for ``timestamp``, a date or time in ISO 8601).
    """
    if kinds is None:
        kinds = kinds_of(pairs)
        for name, kind in kinds.items():
            kind.look(pairs[name])
    return pairs.with_columns(
        _numbers(pairs[name], kind, where, first).alias(name) for name, kind in kinds.items()
    )


def _numbers(cells: pl.Series, kind: CellKind, where: Path, first: int) -> pl.Series:
    read = kind.read(cells)
    odd = read.is_null() & cells.is_not_null()
    if odd.any():
        row = int(odd.arg_max() or 0)
        raise DataError(
            expected=f"a number{' or a time such as 2026-01-31T12:00:00' if kind.times else ''}",
            found=repr(cells[row]),
            where=f"{where}, column {cells.name}, row {first + row}",
            fix="Correct or drop that row, or leave the column out.",
        )
    return read


def _times(cells: pl.Series) -> pl.Series:
    try:
        return cells.str.to_datetime(strict=False)
    except pl.exceptions.PolarsError:  # not one cell looks like a time
        return pl.Series(cells.name, [None] * len(cells), dtype=pl.Datetime("us"))

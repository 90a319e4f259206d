"""One type for the ids of users, and one for the ids of items, however many files they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from reelmix.data.vocabulary import as_ids
from reelmix.errors import DataError


@dataclass(frozen=True, eq=False)
class IdColumn:
    """Ids as one file holds them.

    Attributes:
        values: the ids.
        where: the file, and the column if it has several, for messages.
        text: whether the file cannot tell 7 from "7": CSV, say, but not Parquet.
    """

    values: pl.Series
    where: str
    text: bool


def settle(kind: str, columns: Sequence[IdColumn]) -> list[pl.Series]:
    """The ids of all files in one type: 64-bit integers if all of them can be read so, else strings.

    In a text file, only digits written as a program would write them are integers: 7, -7, but not 007, +7 or
    what takes more than 64 bits. A file with types of its own decides for the others.

    Raises:
        DataError: an empty id, a number with a decimal point, or files that contradict each other.
    """
    series = [as_ids(column.values, kind, column.where) for column in columns]
    typed = [
        (column, ids) for column, ids in zip(columns, series, strict=True) if not column.text and len(ids)
    ]
    texts = [(column, ids) for column, ids in zip(columns, series, strict=True) if column.text]
    if len({ids.dtype for _, ids in typed}) > 1:
        places = {ids.dtype: column.where for column, ids in typed}
        raise _contradiction(
            kind, f"whole numbers in {places[pl.Int64()]} and texts in {places[pl.String()]}"
        )
    if any(ids.dtype == pl.String for _, ids in typed):
        return [ids.cast(pl.String) for ids in series]
    whole = {id(column): _as_integers(ids) for column, ids in texts}
    for column, ids in texts:
        if whole[id(column)] is None:
            if typed:
                odd = ids.filter(_is_integer(ids).not_())[0]
                raise _contradiction(
                    kind, f"whole numbers in {typed[0][0].where} and {odd!r} in {column.where}"
                )
            _refuse_decimals(kind, column.where, ids)
    if any(ids is None for ids in whole.values()):
        return [ids.cast(pl.String) for ids in series]
    integers = [whole.get(id(column)) for column in columns]
    return [ids if read is None else read for ids, read in zip(series, integers, strict=True)]


def _is_integer(ids: pl.Series) -> pl.Series:
    # there and back again: what comes back unchanged was written the usual way
    return (ids.cast(pl.Int64, strict=False).cast(pl.String) == ids).fill_null(value=False)


def _as_integers(ids: pl.Series) -> pl.Series | None:
    if not _is_integer(ids.head(1000)).all() or not _is_integer(ids).all():
        return None
    return ids.cast(pl.Int64)


def _refuse_decimals(kind: str, where: str, ids: pl.Series) -> None:
    decimal = ids.head(1000).str.contains(r"^[+-]?\d+\.\d*$")
    if decimal.all() and ids.str.contains(r"^[+-]?\d+\.\d*$").all():
        raise DataError(
            expected=f"every {kind} id to be a whole number or a text",
            found=f"numbers with a decimal point such as {ids[0]}",
            where=where,
            fix="Export the ids as whole numbers; a program that met an empty cell may have changed them.",
        )


def _contradiction(kind: str, found: str) -> DataError:
    return DataError(
        expected=f"{kind} ids of one type",
        found=found,
        where="ids",
        fix="Write the ids the same way in all files.",
    )

"""The caller's own ids, and the row numbers that stand for them inside the package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl
from jaxtyping import Int

from reelmix.errors import DataError, UnknownIdError

UserOrItemId = int | str

FEW = 100
"""Rows whose ids are looked up one by one: a call into polars costs more."""


class Vocabulary:
    """All ids of one kind, sorted; the row of an id is its place in that order.

    Ids are 64-bit integers or strings, never both. Integers sort by value, strings by code point, so that
    the same ids get the same rows whatever order they came in.
    """

    def __init__(self, ids: pl.Series, kind: Literal["user", "item"]) -> None:
        self.kind = kind
        self.ids = ids.rename("id")

    @classmethod
    def of(cls, values: pl.Series | Iterable[UserOrItemId], kind: Literal["user", "item"]) -> Vocabulary:
        """The distinct ids among ``values``.

        Raises:
            DataError: an id is null, empty, or neither an integer nor a string.
        """
        return cls(as_ids(values, kind).unique().sort(), kind)

    def __len__(self) -> int:
        return self.ids.len()

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._row_of

    def __repr__(self) -> str:
        return f"Vocabulary({len(self):,} {self.kind}s, {self.ids.dtype})"

    @cached_property
    def _plain(self) -> list[UserOrItemId]:
        return self.ids.to_list()

    @cached_property
    def _row_of(self) -> dict[UserOrItemId, int]:
        return {identifier: row for row, identifier in enumerate(self._plain)}

    def row(self, identifier: UserOrItemId) -> int:
        """The row of one id.

        Raises:
            UnknownIdError: there is no such id.
        """
        found = self._row_of.get(identifier)
        if found is None:
            raise UnknownIdError(
                expected=f"a known {self.kind}",
                found=repr(identifier),
                where=f"{self.kind} id",
                fix=self._hint(identifier),
            )
        return found

    def rows(self, identifiers: pl.Series | Iterable[UserOrItemId]) -> Int[np.ndarray, " id"]:
        """The rows of many ids, int32; -1 where an id is unknown."""
        asked = as_ids(identifiers, self.kind)
        if asked.dtype != self.ids.dtype:
            return np.full(asked.len(), -1, np.int32)
        index = pl.DataFrame({"id": self.ids, "row": np.arange(len(self), dtype=np.int32)})
        joined = pl.DataFrame({"id": asked}).join(index, on="id", how="left", maintain_order="left")
        return joined["row"].fill_null(-1).to_numpy()

    def take(self, rows: Sequence[int] | Int[np.ndarray, " row"]) -> list[UserOrItemId]:
        """The ids at these rows."""
        if len(rows) <= FEW:
            return [self._plain[row] for row in rows]
        return self.ids.gather(np.asarray(rows, np.int64)).to_list()

    def parse(self, text: str) -> UserOrItemId:
        """An id as typed on a command line, in the type that this vocabulary holds.

        Raises:
            UnknownIdError: the ids are integers and ``text`` is not one.
        """
        if self.ids.dtype == pl.String:
            return text
        try:
            return int(text)
        except ValueError:
            raise UnknownIdError(
                expected=f"a known {self.kind}",
                found=repr(text),
                where=f"{self.kind} id",
                fix=self._hint(text),
            ) from None

    def _hint(self, identifier: object) -> str:
        if not len(self):
            return "There are none."
        if self.ids.dtype == pl.Int64:
            return f"The ids here are integers such as {self.ids[0]}."
        text = str(identifier)
        alike = self.ids.filter(self.ids.str.starts_with(text[:1])).head(10_000).to_list()
        close = get_close_matches(text, alike, n=1)
        return f"Did you mean {close[0]!r}?" if close else f"The ids here look like {self.ids[0]!r}."


def as_ids(values: pl.Series | Iterable[Any], kind: str, where: str = "", first: int = 0) -> pl.Series:
    """``values`` as a series of 64-bit integers, or of strings if one is larger than that or a text.

    Args:
        values: the ids.
        kind: "user" or "item", for messages.
        where: the file that they came from, for messages.
        first: the row of that file that they begin with, for messages.

    Raises:
        DataError: a null or empty id, mixed types, or a type that cannot be an id (a float, say).
    """
    if not isinstance(values, pl.Series):
        values = _series_of_plain_values(list(values), kind, where)
    if values.null_count():
        raise _bad_id(kind, "an empty one", where, first + int(values.is_null().arg_max() or 0))
    if values.dtype.is_integer() or values.dtype == pl.Null:
        small = values.cast(pl.Int64, strict=False)
        return values.cast(pl.String) if small.null_count() else small
    if values.dtype == pl.Categorical or values.dtype == pl.Enum:
        values = values.cast(pl.String)
    if values.dtype != pl.String:
        example = f" such as {values[0]!r}" if len(values) else ""
        raise _bad_id(kind, f"{values.dtype} values{example}", where)
    empty = values == ""
    if empty.any():
        raise _bad_id(kind, "an empty one", where, first + int(empty.arg_max() or 0))
    return values


def _series_of_plain_values(values: list[Any], kind: str, where: str) -> pl.Series:
    whole = [isinstance(value, int | np.integer) and not isinstance(value, bool) for value in values]
    for row, value in enumerate(values):
        if not (whole[row] or isinstance(value, str)):
            raise _bad_id(kind, "an empty one" if value is None else repr(value), where, row)
    if any(whole) and not all(whole):
        raise _bad_id(kind, "integers and strings together", where)
    if any(whole) and all(-(2**63) <= int(value) < 2**63 for value in values):
        return pl.Series([int(value) for value in values], dtype=pl.Int64)
    try:
        return pl.Series([str(value) for value in values], dtype=pl.String)
    except UnicodeEncodeError as error:
        raise _bad_id(kind, f"{error.object!r}, which is not valid Unicode", where) from None


def _bad_id(kind: str, found: str, where: str, row: int | None = None) -> DataError:
    place = [where or f"{kind} ids"] + ([] if row is None else [f"row {row}"])
    return DataError(
        expected=f"every {kind} id to be a whole number or a non-empty text",
        found=found,
        where=", ".join(place),
        fix="Correct the id; numbers with a decimal point are not ids.",
    )

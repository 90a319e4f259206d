"""The caller's own ids, and the row numbers that stand for them inside the package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl
from jaxtyping import Int

from reelmix.errors import DataError, UnknownIdError, nearest

UserOrItemId = int | str


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
    def _row_of(self) -> dict[UserOrItemId, int]:
        return {identifier: row for row, identifier in enumerate(self.ids.to_list())}

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
        if self.ids.dtype == pl.Int64:
            return f"The ids here are integers such as {self.ids[0]}." if len(self) else "There are none."
        text = str(identifier)
        close = [other for other in self.ids.to_list() if other[:1] == text[:1]][:10_000]
        return (
            nearest(text, close) if close and len(close) < 20 else f"The ids here look like {self.ids[0]!r}."
        )


def as_ids(values: pl.Series | Iterable[UserOrItemId], kind: str) -> pl.Series:
    """``values`` as a series of 64-bit integers or of strings.

    Raises:
        DataError: a null or empty id, mixed types, or a type that cannot be an id (a float, say).
    """
    if not isinstance(values, pl.Series):
        values = _series_of_plain_values(list(values), kind)
    if values.null_count():
        row = int(values.is_null().arg_max() or 0)
        raise _bad_id(kind, "an empty one", f"row {row}")
    if values.dtype == pl.UInt64 and values.len() and int(values.max()) > np.iinfo(np.int64).max:  # type: ignore[arg-type]
        return values.cast(pl.String)
    if values.dtype.is_integer() or values.dtype == pl.Null:
        return values.cast(pl.Int64)
    if values.dtype == pl.Categorical or values.dtype == pl.Enum:
        values = values.cast(pl.String)
    if values.dtype != pl.String:
        raise _bad_id(kind, f"{values.dtype} values such as {values[0]!r}", "the id column")
    empty = values == ""
    if empty.any():
        raise _bad_id(kind, "an empty one", f"row {int(empty.arg_max() or 0)}")
    return values


def _series_of_plain_values(values: list[UserOrItemId], kind: str) -> pl.Series:
    if all(isinstance(value, str) for value in values):
        return pl.Series(values, dtype=pl.String)
    if all(isinstance(value, int | np.integer) and not isinstance(value, bool) for value in values):
        whole = [int(value) for value in values]
        if all(-(2**63) <= value < 2**63 for value in whole):
            return pl.Series(whole, dtype=pl.Int64)
        return pl.Series([str(value) for value in whole], dtype=pl.String)
    odd = (
        next(value for value in values if not isinstance(value, str | int))
        if any(not isinstance(value, str | int) for value in values)
        else "integers and strings together"
    )
    raise _bad_id(kind, repr(odd), "the ids")


def _bad_id(kind: str, found: str, where: str) -> DataError:
    return DataError(
        expected=f"every {kind} id to be a whole number or a non-empty text",
        found=found,
        where=where,
        fix="Correct the id; numbers with a decimal point are not ids.",
    )

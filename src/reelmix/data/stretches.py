"""Interactions that are more than memory holds: read twice, a stretch at a time, and sorted through files.

The first reading finds the ids; the second turns each stretch into row numbers and hands its rows out to
files, each for a range of users. Such a file fits into memory, is sorted there, and goes to the end of the
result. That is mapped: what is looked at comes from the disk, and goes when memory is short.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
from jaxtyping import Int, Num

from reelmix.data.cells import CellKind, kinds_of, with_numbers
from reelmix.data.columns import require_columns, timestamps_of
from reelmix.data.interactions import Interactions
from reelmix.data.vocabulary import as_ids
from reelmix.errors import DataError
from reelmix.files import storage_error

ROWS = 500_000
"""Rows of a stretch. With a million an import is no faster."""

SORTED_ROWS = 4_000_000
"""Rows that are sorted at one time."""

MAX_PARTS = 500
"""Files that are open at one time: a system allows about a thousand."""

LARGE_BYTES = {".parquet": 32 << 20}
"""Files above are read a stretch at a time: a quarter slower, in a part of the memory. Parquet is packed."""

Table = Callable[[], Iterable[pl.DataFrame]]
"""Reads a table from its first row on, a stretch at a time."""

Columns = Mapping[str, Num[np.ndarray, " row"]]
"""Arguments of :meth:`Interactions.of`."""

KEPT = {"users": np.int32, "items": np.int32, "weights": np.float32, "labels": np.int8}
"""As what the columns are kept; timestamps as what they are."""


def is_large(path: Path) -> bool:
    """Whether a file is better read in stretches."""
    try:
        return path.stat().st_size > LARGE_BYTES.get(path.suffix, 256 << 20)
    except OSError:  # whoever reads it says what is wrong
        return False


@dataclass(frozen=True, eq=False)
class Stretches:
    """A table of interactions in the caller's ids that was looked through once, and will be read again.

    Attributes:
        table: with the columns that ``assemble`` takes; numbers may be texts.
        where: its file, for messages.
        n_rows: of all stretches together.
        users: the distinct ids of users.
        rows_of: how many rows each of them has.
        items: the distinct ids of items.
        kinds: what the texts are that numbers are written in.
        time: the dtype of timestamps.
    """

    table: Table
    where: Path
    n_rows: int
    users: pl.Series
    rows_of: Int[np.ndarray, " user"]
    items: pl.Series
    kinds: Mapping[str, CellKind]
    time: np.dtype[np.generic]

    @classmethod
    def look(cls, table: Table, where: Path) -> Stretches:
        """Reads a table for the first time.

        Raises:
            DataError: an empty id, or one of a type that cannot be an id, or a time that is none; or there
                is no column of ids.
        """
        users, items, kinds = _Distinct(), _Distinct(), dict[str, CellKind]()
        time, n_rows = np.dtype(np.int64), 0
        for stretch in table():
            require_columns(stretch, ["user_id", "item_id"], where)
            kinds = kinds or kinds_of(stretch)
            for name, kind in kinds.items():
                kind.look(stretch[name])
            if "timestamp" not in kinds:
                times = timestamps_of(stretch, where, n_rows)
                time = time if times is None else np.promote_types(time, times.dtype)
            for distinct, kind in ((users, "user"), (items, "item")):
                column = f"{kind}_id"
                distinct.add(as_ids(stretch[column], kind, f"{where}, column {column}", n_rows))
            n_rows += stretch.height
        if "timestamp" in kinds:
            time = np.dtype(kinds["timestamp"].dtype)
        return cls(table, where, n_rows, *users.counted(), items.counted()[0], kinds, time)

    def settled(self, users: pl.Series, items: pl.Series) -> Stretches:
        """The same with all ids in the types that these have: ``users`` and ``items``, one by one."""
        return replace(self, users=users, items=items)

    def interactions(
        self, rows: Int[np.ndarray, " user"], columns: Callable[[pl.DataFrame, int], Columns]
    ) -> Interactions:
        """All interactions, sorted and merged as :meth:`Interactions.of` does; in files that have no name.

        Args:
            rows: the row of each of ``users``.
            columns: from a stretch, and the number of its first row, to row numbers and checked columns.

        Raises:
            DataError: what ``columns`` finds; or a cell that is no number; or the file was changed meanwhile.
            StorageError: the folder of temporary files is full.
        """
        counts = np.zeros(len(rows), np.int64)
        counts[rows] = self.rows_of
        try:
            return _sorted(self._in_rows(columns), counts, self.time)
        except OSError as error:
            raise storage_error(error, Path(tempfile.gettempdir())) from error

    def _in_rows(self, columns: Callable[[pl.DataFrame, int], Columns]) -> Iterator[Columns]:
        first = 0
        for stretch in self.table():
            typed = with_numbers(stretch, self.where, self.kinds, first).with_columns(
                as_ids(stretch["user_id"], "user").cast(self.users.dtype).alias("user_id"),
                as_ids(stretch["item_id"], "item").cast(self.items.dtype).alias("item_id"),
            )
            found = columns(typed, first)
            first += stretch.height
            if first > self.n_rows or (found["users"] < 0).any():
                first = -1
                break
            yield found
        if first != self.n_rows:  # who reads it twice must not lose what came in between
            raise DataError(
                expected=f"the {self.n_rows:,} rows that were there when it was read for the first time",
                found="others",
                where=str(self.where),
                fix="Import a copy that nobody writes to.",
            )


class _Distinct:
    """The distinct ids of a column by their first row, and how often each occurs, stretch by stretch."""

    def __init__(self) -> None:
        self.known = pl.DataFrame(schema={"id": pl.String, "n": pl.Int64})
        self.new: list[pl.DataFrame] = []

    def add(self, ids: pl.Series) -> None:
        counted = pl.DataFrame({"id": ids}).group_by("id", maintain_order=True).len("n")
        self.new.append(counted.cast({"n": pl.Int64}))
        if sum(table.height for table in self.new) > max(ROWS, self.known.height):
            self._merge()

    def counted(self) -> tuple[pl.Series, Int[np.ndarray, " id"]]:
        self._merge()
        return self.known["id"], self.known["n"].to_numpy()

    def _merge(self) -> None:
        tables = [table for table in (self.known, *self.new) if table.height]
        if any(table["id"].dtype == pl.String for table in tables):
            tables = [table.with_columns(pl.col("id").cast(pl.String)) for table in tables]
        if tables:
            together = pl.concat(tables).group_by("id", maintain_order=True)
            self.known, self.new = together.agg(pl.col("n").sum()), []


def _sorted(
    stretches: Iterable[Columns], counts: Int[np.ndarray, " user"], time: np.dtype[np.generic]
) -> Interactions:
    rows_before = np.cumsum(counts)
    n_rows = int(rows_before[-1])
    parts = min(MAX_PARTS, -(-n_rows // SORTED_ROWS))
    last_users = np.searchsorted(rows_before, [n_rows * part // parts for part in range(1, parts)])
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(parts)]
        record = np.dtype([])
        for columns in stretches:
            record = np.dtype([(name, time if name == "timestamps" else KEPT[name]) for name in columns])
            rows = np.empty(len(columns["users"]), record)
            for name, column in columns.items():
                rows[name] = column
            part = np.searchsorted(last_users, rows["users"])
            for number in np.unique(part):
                files[number].write(rows[part == number].tobytes())
        whole = {name: stack.enter_context(tempfile.TemporaryFile()) for name in record.names or ()}
        for file in files:
            file.seek(0)
            rows = np.frombuffer(file.read(), record)
            file.close()  # its room on the disk is free again
            merged = Interactions.of(**{name: rows[name] for name in whole})
            for name, out in whole.items():
                out.write(getattr(merged, name).tobytes())
        return Interactions(**{name: _mapped(out, record[name]) for name, out in whole.items()})


def _mapped(file: IO[bytes], dtype: np.dtype[np.generic]) -> np.ndarray:
    """All of a file as an array, which stays when the file is closed."""
    file.flush()
    return np.asarray(np.memmap(file, dtype, "c"))

"""Tables as people keep them (CSV, TSV, JSONL, Parquet): chosen columns, under our names, nothing guessed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from reelmix.errors import ConfigError, DataError, nearest
from reelmix.files import damaged, require_file

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_KINDS = {
    ".csv": "a CSV file",
    ".tsv": "a TSV file",
    ".jsonl": "a JSONL file",
    ".ndjson": "a JSONL file",
    ".parquet": "a Parquet file",
} | dict.fromkeys((".inter", ".item", ".itememb"), "a file of tab-separated columns")
_SEPARATORS = {".csv": ",", ".tsv": "\t", ".inter": "\t", ".item": "\t", ".itememb": "\t"}


def is_text(path: Path) -> bool:
    """Whether the ids in this file are digits that may mean a number or a text: anything but Parquet."""
    return path.suffix != ".parquet"


def column_names(path: Path) -> list[str]:
    """The names of a table's columns, in order.

    Raises:
        DataError: the file is not what its name says.
        StorageError: the file is missing, may not be read, or is damaged.
    """
    return _read(path, lambda table: table.head(0)).columns


def read_rows(
    path: Path,
    accepted: Mapping[str, Sequence[str]],
    columns: Mapping[str, str] | None = None,
    required: Sequence[str] = ("user_id", "item_id"),
    *,
    others: bool = False,
) -> pl.DataFrame:
    """The columns of a table that we have a name for, under that name.

    Cells of CSV and TSV stay texts, an empty one null; ids in JSONL become texts.

    Args:
        path: the file.
        accepted: our name to the names that its column may have, the likeliest first.
        columns: our name to the name that the caller says it has.
        required: those of our names that must be there.
        others: whether to read the other columns too, under the file's own names.

    Raises:
        DataError: a required or mapped column is absent, or the file is not what its name says.
        StorageError: the file is missing, may not be read, or is damaged.
    """
    found = column_names(path)
    chosen = _choose(found, accepted, columns or {}, required, path)
    wanted = [pl.col(theirs).alias(ours) for ours, theirs in chosen.items()]
    if others:
        taken = {*chosen, *chosen.values()}
        wanted += [pl.col(theirs) for theirs in found if theirs not in taken]
    return _read(path, lambda table: table.select(wanted), _ids(chosen))


def read_stretches(
    path: Path, accepted: Mapping[str, Sequence[str]], columns: Mapping[str, str] | None, rows: int
) -> Iterator[pl.DataFrame]:
    """What :func:`read_rows` returns, so many rows at a time, in their order; the file is never in memory.

    Raises:
        DataError, StorageError: as :func:`read_rows`.
    """
    chosen = _choose(column_names(path), accepted, columns or {}, ("user_id", "item_id"), path)
    wanted = [pl.col(theirs).alias(ours) for ours, theirs in chosen.items()]
    with _understood(path):
        yield from _scan(path, _ids(chosen)).select(wanted).collect_batches(chunk_size=rows)


def _ids(chosen: Mapping[str, str]) -> list[str]:
    return [theirs for ours, theirs in chosen.items() if ours in ("user_id", "item_id")]


def _read(
    path: Path, chosen: Callable[[pl.LazyFrame], pl.LazyFrame], ids: Sequence[str] = ()
) -> pl.DataFrame:
    require_file(path, _KINDS[path.suffix])
    with _understood(path):
        return chosen(_scan(path, ids)).collect()


@contextmanager
def _understood(path: Path) -> Generator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        if path.suffix == ".parquet":
            raise damaged("Parquet", error, path) from None
        raise _unreadable(path, error) from None


def _scan(path: Path, ids: Sequence[str]) -> pl.LazyFrame:
    if path.suffix == ".parquet":
        return pl.scan_parquet(path)
    if path.suffix in _SEPARATORS:
        # an atomic file has no quoting: a quotation mark in a title is only that
        quote = '"' if path.suffix in (".csv", ".tsv") else None
        return pl.scan_csv(path, separator=_SEPARATORS[path.suffix], infer_schema=False, quote_char=quote)
    texts = dict.fromkeys(ids, pl.String)  # an id such as 10 ** 20 fits no number type
    return pl.scan_ndjson(path, infer_schema_length=None, schema_overrides=texts)


def _unreadable(path: Path, error: Exception) -> DataError:
    kind = _KINDS[path.suffix]
    lines = _lines_to_blame(path) if path.suffix in _SEPARATORS else None
    if lines:
        return lines
    if path.stat().st_size == 0:
        return DataError(expected=kind, found="an empty one", where=str(path), fix="Check the path.")
    return DataError(
        expected=f"{kind} in UTF-8",
        found=f"something else ({str(error).splitlines()[0]})",
        where=str(path),
        fix="Export it again.",
    )


def _lines_to_blame(path: Path) -> DataError | None:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            quoting = csv.QUOTE_MINIMAL if path.suffix in (".csv", ".tsv") else csv.QUOTE_NONE
            rows = csv.reader(file, delimiter=_SEPARATORS[path.suffix], quoting=quoting)
            header = next(rows, [])
            for row in rows:
                if len(row) > len(header):
                    return DataError(
                        expected=f"{len(header)} cells, as in the first line",
                        found=str(len(row)),
                        where=f"{path}, line {rows.line_num}",
                        fix="Put quotation marks around cells that hold the separator.",
                    )
    except (UnicodeDecodeError, csv.Error):
        return None
    return None


def _choose(
    found: Sequence[str],
    accepted: Mapping[str, Sequence[str]],
    columns: Mapping[str, str],
    required: Sequence[str],
    where: Path,
) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for ours, theirs in columns.items():
        if theirs not in found:
            raise DataError(
                expected=f"a column {theirs}, to be used as {ours}",
                found=", ".join(found) or "no columns",
                where=str(where),
                fix=nearest(theirs, found),
            )
        chosen[ours] = theirs
    for ours, names in accepted.items():
        name = next((name for name in names if name in found), None)
        if ours not in chosen and name is not None:
            chosen[ours] = name
    for ours in required:
        if ours not in chosen:
            raise DataError(
                expected=f"a column {ours}",
                found=", ".join(found) or "no columns",
                where=str(where),
                fix=f"Say which column holds it, for example {ours}={_likely(ours, found)}.",
            )
    return chosen


def _likely(ours: str, found: Sequence[str]) -> str:
    hints = {"user_id": ("user", "uid", "member", "account"), "item_id": ("item", "movie", "video", "iid")}
    for name in found:
        if any(hint in name.lower() for hint in hints.get(ours, ())):
            return name
    return found[0] if found else ours


def require_mapping(columns: Mapping[str, str] | None, known: Sequence[str]) -> None:
    """Raises ConfigError if ``columns`` maps a name that we have no use for."""
    for ours in columns or {}:
        if ours not in known:
            raise ConfigError(
                expected="one of our column names on the left",
                found=repr(ours),
                where="columns",
                fix=nearest(ours, known),
            )

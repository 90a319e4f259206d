"""Parquet files as tables: written whole or not at all, and read with an error that says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from reelmix.files import damaged, replacing, require_file


def write_table(path: Path, table: pl.DataFrame) -> None:
    """Writes a Parquet file atomically.

    Raises:
        StorageError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    with replacing(path) as temporary:
        try:
            table.write_parquet(temporary)
        except pl.exceptions.PolarsError as error:
            raise refusal(error) from error


def write_stretches(path: Path, stretches: Iterable[pl.DataFrame]) -> None:
    """Writes a Parquet file atomically, of tables that follow each other and are never in memory together.

    Raises:
        StorageError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    rest = iter(stretches)
    first = next(rest)
    source = register_io_source(lambda *_: chain([first], rest), schema=first.schema)
    with replacing(path) as temporary:
        try:
            source.sink_parquet(temporary)
        except pl.exceptions.PolarsError as error:
            raise refusal(error) from error


def read_table(path: Path, what: str) -> pl.DataFrame:
    """A Parquet file.

    Raises:
        StorageError: it is missing, or not a whole Parquet file.
    """
    require_file(path, what)
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged("Parquet", error, path) from None


def read_table_stretches(path: Path, what: str, rows: int) -> Iterator[pl.DataFrame]:
    """A Parquet file, so many rows at a time; it is never in memory.

    Raises:
        StorageError: it is missing, or not a whole Parquet file.
    """
    require_file(path, what)
    try:
        yield from pl.scan_parquet(path).collect_batches(chunk_size=rows)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged("Parquet", error, path) from None


def refusal(error: Exception) -> OSError:
    """What the operating system refused, of which libraries in Rust tell in their text: ... (os error 28)."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(number[1]), str(error)) if number else OSError(str(error))

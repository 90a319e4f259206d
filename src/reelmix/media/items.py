"""Which items there are, and where their content is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from reelmix.data.formats._ids import IdColumn, settle
from reelmix.data.formats._rows import is_text, read_rows
from reelmix.data.vocabulary import UserOrItemId
from reelmix.errors import DataError
from reelmix.files import require_file
from reelmix.media.folder import media_files

COLUMNS = {
    "item_id": ("item_id",),
    "file": ("file", "media", "path"),
    "title": ("title",),
    "description": ("description",),
}


@dataclass(frozen=True)
class Item:
    """An item and where its content is.

    Attributes:
        id: the caller's own.
        file: path within the folder; None if it has none.
        title, description: in words, if there are any.
    """

    id: UserOrItemId
    file: str | None
    title: str | None = None
    description: str | None = None


def items_of(folder: Path, table: Path | None) -> list[Item]:
    """The items of a table, or without one the files of a folder, named by their paths without the suffix.

    Raises:
        StorageError: the table cannot be read.
        DataError: it lacks a column or names an item twice; or the folder has no video and no sound.
    """
    if table is None:
        names = media_files(folder)
        if not names:
            raise DataError(
                expected="videos or sounds",
                found="none",
                where=str(folder),
                fix="Name the folder that holds the files, or give --items.",
            )
        ids = [name.rpartition(".")[0] for name in names]
        if len(set(ids)) < len(ids):  # clip.mp4 and clip.webm
            ids = names
        (settled,) = settle("item", [IdColumn(pl.Series(ids), str(folder), text=True)])
        return [Item(identifier, name) for identifier, name in zip(settled.to_list(), names, strict=True)]
    require_file(table, "a table of items")
    rows = read_rows(table, COLUMNS, {}, ["item_id", "file"])
    (ids,) = settle("item", [IdColumn(rows["item_id"], f"{table}, column item_id", is_text(table))])
    if ids.n_unique() < len(ids):
        raise DataError(
            expected="every item once",
            found=f"{ids.filter(ids.is_duplicated())[0]!r} twice",
            where=str(table),
            fix="Leave one of the rows out.",
        )
    columns = [
        rows[name].cast(pl.String).to_list() if name in rows.columns else [None] * len(rows)
        for name in ("file", "title", "description")
    ]
    return [Item(*row) for row in zip(ids.to_list(), *columns, strict=True)]

"""Tables as most programs write them: interactions, optionally items, optionally features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from reelmix.data.assemble import assemble
from reelmix.data.cells import with_numbers
from reelmix.data.dataset import Card, Dataset
from reelmix.data.formats._feature_folder import read_feature_folder
from reelmix.data.formats._files import card_name
from reelmix.data.formats._ids import IdColumn, settle
from reelmix.data.formats._rows import (
    TABLE_SUFFIXES,
    column_names,
    is_text,
    read_rows,
    read_stretches,
    require_mapping,
)
from reelmix.data.stretches import ROWS, Stretches, is_large
from reelmix.errors import DataError, StorageError
from reelmix.files import require_folder

PAIRS = {
    "user_id": ("user_id",),
    "item_id": ("item_id",),
    "timestamp": ("timestamp",),
    "weight": ("weight", "rating"),
    "split": ("split",),
}
ITEMS = {"item_id": ("item_id",), "title": ("title",)}


def import_table(
    path: str | Path,
    *,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    stream: bool | None = None,
) -> Dataset:
    """Reads interactions from CSV, TSV, JSONL or Parquet, with items and features beside them.

    A file holds the interactions alone. A folder holds

    - ``interactions.*``: ``user_id``, ``item_id`` and, optionally, ``timestamp`` (a number, or a time in ISO
      8601), ``weight`` (or ``rating``) and ``split`` (train, validation, test);
    - optionally ``items.*``: ``item_id``, each item once, optionally ``title`` and anything else. Without it,
      the items are those of the interactions and of the features;
    - optionally ``features/``, one file a modality, named after it. An item that it does not list lacks the
      modality:

      - ``<modality>.npy``, (row, feature), and the items of its rows in ``<modality>_ids.npy``, ``.csv`` (one
        column) or ``.txt`` (one id a line). Without those, row i belongs to row i of ``items.*``;
      - ``<modality>.safetensors``, ``values`` and ``item_ids``;
      - ``<modality>.parquet``, ``item_id`` and a column of lists, or one column a number.

    In text files (all but Parquet) ids are integers if all of a kind can be, and texts otherwise.

    Args:
        path: the folder, or the file of interactions.
        name: of the dataset; by default that of the folder or file.
        columns: our column name to the file's: ``{"user_id": "userId", "item_id": "movieId"}``.
        stream: read the interactions twice, a stretch at a time, so that memory need not hold them. The
            dataset is the same; its interactions lie in the folder of temporary files until it is given up.
            None does so with large files.

    Raises:
        DataError: a column is missing, ids contradict each other, a value is bad.
        StorageError: a file is missing or damaged.
        ConfigError: ``columns`` maps a name that we have no use for.
    """
    require_mapping(columns, [*PAIRS, "title"])
    inter, items, folder = _parts(Path(path))
    mapped = columns or {}
    pairs = _interactions(inter, {ours: theirs for ours, theirs in mapped.items() if ours in PAIRS}, stream)
    table = None if items is None else _item_table(items, mapped)
    of_items = None if items is None or table is None else _ids(table["item_id"], "item_id", items)
    features = read_feature_folder(folder, of_items) if folder else {}
    (user_ids,) = settle("user", [_ids(pairs.users, "user_id", inter)])
    of_features = (ids for _, ids in features.values())
    parts = [_ids(pairs.items, "item_id", inter), *([of_items] if of_items else []), *of_features]
    item_ids, *rest = settle("item", parts)
    if table is not None:
        table = table.with_columns(rest.pop(0).alias("item_id"))
    return assemble(
        pairs.settled(user_ids, item_ids),
        table,
        {name: replace(one, ids=ids) for (name, (one, _)), ids in zip(features.items(), rest, strict=True)},
        card=Card(name or card_name(Path(path)), f"imported from a table, {inter.name}"),
        where=inter,
    )


@dataclass(frozen=True, eq=False)
class _Whole:
    """Interactions in memory, as :class:`Stretches` are not."""

    table: pl.DataFrame
    where: Path

    @property
    def users(self) -> pl.Series:
        return self.table["user_id"]

    @property
    def items(self) -> pl.Series:
        return self.table["item_id"]

    def settled(self, users: pl.Series, items: pl.Series) -> pl.DataFrame:
        ids = users.alias("user_id"), items.alias("item_id")
        return with_numbers(self.table, self.where).with_columns(ids)


def _interactions(inter: Path, columns: Mapping[str, str], stream: bool | None) -> _Whole | Stretches:
    if is_large(inter) if stream is None else stream:
        return Stretches.look(lambda: read_stretches(inter, PAIRS, columns, ROWS), inter)
    return _Whole(read_rows(inter, PAIRS, columns), inter)


def _ids(values: pl.Series, column: str, path: Path) -> IdColumn:
    return IdColumn(values, f"{path}, column {column}", is_text(path))


def _parts(path: Path) -> tuple[Path, Path | None, Path | None]:
    """The files of interactions and of items, and the folder of features."""
    if path.is_file():
        if path.suffix not in TABLE_SUFFIXES:
            raise DataError(
                expected=f"a file of interactions ({', '.join(TABLE_SUFFIXES)})",
                found=path.name,
                where=str(path.parent),
                fix="Convert it, or choose another format.",
            )
        return path, None, None
    require_folder(path, "a folder or a file of interactions")
    inter, items = _table_file(path, "interactions"), _table_file(path, "items")
    if inter is None:
        raise StorageError(
            expected=f"a file interactions ({', '.join(TABLE_SUFFIXES)})",
            found="none",
            where=str(path),
            fix="Name the file of interactions itself, or rename it.",
        )
    features = path / "features"
    return inter, items, features if features.is_dir() else None


def _table_file(folder: Path, stem: str) -> Path | None:
    found = [path for suffix in TABLE_SUFFIXES if (path := folder / f"{stem}{suffix}").exists()]
    if len(found) > 1:
        raise DataError(
            expected=f"one file {stem}",
            found=", ".join(path.name for path in found),
            where=str(folder),
            fix="Move the one that is not wanted elsewhere.",
        )
    return found[0] if found else None


def _item_table(path: Path, columns: Mapping[str, str]) -> pl.DataFrame:
    found = column_names(path)
    mapped = {ours: theirs for ours, theirs in columns.items() if ours in ITEMS and theirs in found}
    return read_rows(path, ITEMS, mapped, ["item_id"], others=True)

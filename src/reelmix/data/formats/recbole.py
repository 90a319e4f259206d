"""RecBole's atomic files: tab-separated, with a type in the name of every column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from reelmix.data.assemble import assemble
from reelmix.data.cells import with_numbers
from reelmix.data.dataset import Card, Dataset
from reelmix.data.feature_files import FeatureTable
from reelmix.data.formats._files import card_name, only_file
from reelmix.data.formats._ids import IdColumn, settle
from reelmix.data.formats._rows import column_names, read_rows, require_mapping
from reelmix.data.formats._vectors import tokens_in_cells, vectors_in_cells
from reelmix.errors import DataError

TYPES = ("token", "token_seq", "float", "float_seq")
FEATURES = {"float_seq": vectors_in_cells, "token_seq": tokens_in_cells}
PAIRS = {
    "user_id": ("user_id", "uid"),
    "item_id": ("item_id", "iid"),
    "timestamp": ("timestamp",),
    "weight": ("rating",),
}
ITEMS = {"item_id": ("item_id", "iid"), "title": ("title", "movie_title", "item_name", "name")}


def import_recbole(
    path: str | Path, *, name: str | None = None, columns: Mapping[str, str] | None = None
) -> Dataset:
    """Reads a folder of RecBole's atomic files.

    ``NAME.inter`` holds the interactions: ``user_id:token``, ``item_id:token`` and, optionally,
    ``timestamp:float`` and ``rating:float``. ``NAME.item`` and ``NAME.itememb``, if they exist, tell about
    items; a ``float_seq`` column of theirs (a vector) or a ``token_seq`` column (tokens: genres, words)
    becomes the features of a modality of that name, which an item with an empty cell lacks; the words of the
    title are one of them. An item without a row in ``NAME.item`` has empty cells there. Other atomic files
    are not read.

    Args:
        path: the folder, or the ``*.inter`` file in it.
        name: of the dataset; by default that of the ``*.inter`` file.
        columns: our column name (those above, ``weight`` and ``title``) to the file's, without its type.

    Raises:
        DataError: a column or its type is missing, a value is not of its type, vectors differ in length.
        StorageError: a file is missing or damaged.
        ConfigError: ``columns`` maps a name that we have no use for.
    """
    require_mapping(columns, [*PAIRS, "title"])
    inter = only_file(Path(path), "*.inter", "a folder of RecBole's files")
    pairs, _ = _read(inter, PAIRS, columns)
    about = [file for suffix in (".item", ".itememb") if (file := inter.with_suffix(suffix)).exists()]
    tables = [_read(file, ITEMS, columns) for file in about]
    (users,) = settle("user", [IdColumn(pairs["user_id"], f"{inter}, column user_id", text=True)])
    places = zip([inter, *about], [pairs, *(table for table, _ in tables)], strict=True)
    items, *ids = settle(
        "item", [IdColumn(table["item_id"], f"{file}, column item_id", text=True) for file, table in places]
    )
    features: dict[str, FeatureTable] = {}
    item_table = pl.DataFrame({"item_id": pl.Series([], dtype=items.dtype)})
    for file, of_file, (table, types) in zip(about, ids, tables, strict=True):
        for column, kind in {**types, "title": "token_seq"}.items():
            if kind in FEATURES and column in table.columns:
                _require_new(column, features, file)
                features[column] = FEATURES[kind](of_file, table[column], f"{file}, column {column}")
        if file.suffix == ".item":
            item_table = _item_table(table.with_columns(of_file.alias("item_id")), types, file)
    return assemble(
        with_numbers(pairs, inter).with_columns(users.alias("user_id"), items.alias("item_id")),
        _with_every_item(item_table, [items, *ids]),
        features,
        card=Card(name or card_name(inter), "imported from files in RecBole's format"),
        where=inter,
    )


def _read(
    path: Path, accepted: Mapping[str, Sequence[str]], columns: Mapping[str, str] | None
) -> tuple[pl.DataFrame, dict[str, str]]:
    """A table under our names or the file's own without their types, and the type of each of the latter."""
    types: dict[str, str] = {}
    for column in column_names(path):
        bare, _, kind = column.rpartition(":")
        if kind not in TYPES or not bare:
            raise DataError(
                expected=f"column names that end in a type ({', '.join(TYPES)})",
                found=repr(column),
                where=str(path),
                fix=f"Write {bare or column}:token, for example.",
            )
        types[bare] = kind
    typed = {
        ours: [f"{name}:{types[name]}" for name in names if name in types] for ours, names in accepted.items()
    }
    mapped = {
        ours: f"{theirs}:{types[theirs]}" if theirs in types else theirs
        for ours, theirs in (columns or {}).items()
        if ours in accepted and (theirs in types or path.suffix == ".inter")
    }
    required = [ours for ours in ("user_id", "item_id") if ours in accepted]
    table = read_rows(path, typed, mapped, required, others=path.suffix != ".inter")
    return table.rename(lambda column: column.rpartition(":")[0] or column), types


def _require_new(modality: str, features: Mapping[str, FeatureTable], file: Path) -> None:
    if modality in features:
        raise DataError(
            expected="each modality once",
            found=f"{modality} in two files",
            where=str(file),
            fix="Rename the column in one of them.",
        )


def _item_table(table: pl.DataFrame, types: Mapping[str, str], file: Path) -> pl.DataFrame:
    for column in [column for column in table.columns if types.get(column) == "float"]:
        numbers = table[column].cast(pl.Float64, strict=False)
        odd = numbers.is_null() & table[column].is_not_null()
        if odd.any():
            row = int(odd.arg_max() or 0)
            raise DataError(
                expected="a number",
                found=repr(table[column][row]),
                where=f"{file}, column {column}, row {row}",
                fix=f"Correct the number, or write {column}:token as the column's name.",
            )
        table = table.with_columns(numbers.alias(column))
    return table.select(column for column in table.columns if types.get(column) != "float_seq")


def _with_every_item(table: pl.DataFrame, ids: Sequence[pl.Series]) -> pl.DataFrame:
    known = table["item_id"]
    every = pl.concat([one.rename("item_id") for one in ids]).unique()
    return pl.concat(
        [table, pl.DataFrame({"item_id": every.filter(~every.is_in(known.implode()))})], how="diagonal"
    )

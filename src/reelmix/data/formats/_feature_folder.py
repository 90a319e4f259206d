"""The folder ``features`` beside a table of interactions: one file a modality."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl

from reelmix.data.feature_files import FeatureTable, read_features
from reelmix.data.formats._ids import IdColumn
from reelmix.data.formats._vectors import vectors_in_cells, vectors_in_columns
from reelmix.data.tables import read_table
from reelmix.errors import DataError
from reelmix.files import damaged, read_npy, require_file, require_folder

_FEATURES = (".npy", ".safetensors", ".parquet")
_IDS = ("_ids.npy", "_ids.csv", "_ids.txt")
_DOCUMENTS = (".md", ".toml", ".json", ".yaml")


def read_feature_folder(folder: Path, items: IdColumn | None) -> dict[str, tuple[FeatureTable, IdColumn]]:
    """Every modality's features, and the ids of their rows as the file holds them.

    Args:
        folder: the folder.
        items: the ids in the file of items, in its order; None if there is no such file.

    Raises:
        DataError: a file that is not of a known kind, one modality in two files, rows without items.
        StorageError: a file is missing or damaged.
    """
    found: dict[str, Path] = {}
    for path in sorted(require_folder(folder, "a folder of features").iterdir()):
        if path.name.startswith(".") or path.suffix in _DOCUMENTS or _names_rows(path):
            continue
        if path.suffix not in _FEATURES:
            raise DataError(
                expected=f"files of features ({', '.join(_FEATURES)})",
                found=path.name,
                where=str(folder),
                fix="Convert it: numpy.save('NAME.npy', values), one row an item. Or move it elsewhere.",
            )
        if path.stem in found:
            raise DataError(
                expected=f"one file of {path.stem} features",
                found=f"{found[path.stem].name} and {path.name}",
                where=str(folder),
                fix="Move the one that is not wanted elsewhere.",
            )
        found[path.stem] = path
    readers = {".npy": lambda path: _from_npy(path, items), ".parquet": _from_parquet}
    return {name: readers.get(path.suffix, _from_safetensors)(path) for name, path in found.items()}


def _names_rows(path: Path) -> bool:
    ending = next((ending for ending in _IDS if path.name.endswith(ending)), None)
    return ending is not None and path.with_name(path.name.removesuffix(ending) + ".npy").exists()


def _from_safetensors(path: Path) -> tuple[FeatureTable, IdColumn]:
    table = read_features(path)
    return table, IdColumn(table.ids, str(path), text=False)


def _from_parquet(path: Path) -> tuple[FeatureTable, IdColumn]:
    table = read_table(path, "a file of features")
    if "item_id" not in table.columns:
        raise DataError(
            expected="a column item_id",
            found=", ".join(table.columns) or "no columns",
            where=str(path),
            fix="Add it: the item that each row belongs to.",
        )
    rest = table.drop("item_id")
    if rest.width == 1 and not rest.to_series().dtype.is_numeric():
        features = vectors_in_cells(table["item_id"], rest.to_series(), str(path))
    else:
        features = vectors_in_columns(table["item_id"], rest, str(path))
    return features, IdColumn(features.ids, str(path), text=False)


def _from_npy(path: Path, items: IdColumn | None) -> tuple[FeatureTable, IdColumn]:
    values = read_npy(path, "a file of features")
    named = [file for ending in _IDS if (file := path.with_name(path.stem + ending)).exists()]
    if len(named) > 1:
        raise DataError(
            expected="one file of the rows' ids",
            found=", ".join(file.name for file in named),
            where=str(path.parent),
            fix="Move the one that is not wanted elsewhere.",
        )
    ids = _read_ids(named[0]) if named else items
    if ids is None:
        raise DataError(
            expected=f"the items of its rows in {path.stem}_ids (.npy, .csv or .txt), or a file of items",
            found="neither",
            where=str(path),
            fix="Save the id of each row's item, in the order of the rows.",
        )
    if values.ndim == 2 and len(values) != len(ids.values):
        raise DataError(
            expected=f"{len(ids.values)} rows, one for each id in {ids.where}",
            found=str(len(values)),
            where=str(path),
            fix="Export both again, in the same order.",
        )
    return FeatureTable(ids.values, values, str(path)), ids


def _read_ids(path: Path) -> IdColumn:
    if path.suffix == ".npy":
        ids = read_npy(path, "a file of ids")
        if ids.ndim != 1 or ids.dtype.kind not in "iuU":
            raise DataError(
                expected="a list of ids, whole numbers or texts",
                found=f"{ids.dtype} of shape {ids.shape}",
                where=str(path),
                fix="Save one id for each row of the features.",
            )
        return IdColumn(pl.Series(ids.tolist() if ids.dtype.kind == "U" else ids), str(path), text=False)
    require_file(path, "a file of ids")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells: list[str | None]
            if path.suffix == ".csv":
                cells = [row[0] if len(row) == 1 else None for row in csv.reader(file) if row]
            else:
                cells = [line.rstrip("\r") for line in file.read().removesuffix("\n").split("\n")]
    except (UnicodeDecodeError, csv.Error) as error:
        raise damaged("UTF-8", error, path) from None
    if None in cells:
        raise DataError(
            expected="one id a line",
            found="several cells",
            where=f"{path}, line {cells.index(None) + 1}",
            fix="Keep the column of ids only.",
        )
    ids = cells[1:] if cells[:1] == ["item_id"] else cells
    return IdColumn(pl.Series(ids, dtype=pl.String), str(path), text=True)

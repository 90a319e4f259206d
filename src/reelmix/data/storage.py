"""A dataset as a folder: ``dataset.toml``, ``interactions.parquet``, ``items.parquet``, ``features/``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import tomli_w

from reelmix.data.assemble import assemble
from reelmix.data.columns import require_columns
from reelmix.data.dataset import Card, Dataset
from reelmix.data.feature_files import FORMAT_VERSION, read_features, write_features
from reelmix.data.features import BagFeatures
from reelmix.data.interactions import LABEL_NAMES
from reelmix.data.stretches import ROWS, Stretches, is_large
from reelmix.data.tables import read_table, read_table_stretches, write_stretches, write_table
from reelmix.errors import DataError, StorageError
from reelmix.files import new_folder, require_folder, write_atomic
from reelmix.settings import read_toml

_TOML_NAMES = {str: "a string", bool: "a boolean", list: "an array", dict: "a table"}


def write_dataset(dataset: Dataset, folder: Path) -> Path:
    """Writes ``folder``, whole or not at all; see :meth:`Dataset.write`."""
    _require_observed(dataset)
    with new_folder(folder, "the dataset") as inside:
        write_stretches(inside / "interactions.parquet", _stretches(dataset))
        write_table(inside / "items.parquet", dataset.item_table)
        (inside / "features").mkdir()
        for name, features in dataset.features.items():
            write_features(inside / "features" / f"{name}.safetensors", features, dataset.items)
        write_atomic(inside / "dataset.toml", tomli_w.dumps(_card_table(dataset)))
    return folder


def _stretches(dataset: Dataset) -> Iterator[pl.DataFrame]:
    """The table of interactions, in the caller's ids, so many rows at a time; at least one."""
    pairs = dataset.interactions
    for start in range(0, max(len(pairs), 1), ROWS):
        stretch = slice(start, start + ROWS)
        columns: dict[str, Any] = {
            "user_id": dataset.users.ids.gather(pairs.users[stretch]),
            "item_id": dataset.items.ids.gather(pairs.items[stretch]),
        }
        if pairs.timestamps is not None:
            columns["timestamp"] = pairs.timestamps[stretch]
        if pairs.weights is not None:
            columns["weight"] = pairs.weights[stretch]
        if pairs.labels is not None:
            columns["split"] = pl.Series(LABEL_NAMES).gather(pairs.labels[stretch])
        yield pl.DataFrame(columns)


def _require_observed(dataset: Dataset) -> None:
    for name, features in dataset.features.items():
        n_filled = int((~features.observed).sum())
        if n_filled:
            raise DataError(
                expected="features that were observed",
                found=f"{n_filled:,} items whose features were filled in",
                where=f"modality {name!r}",
                fix="Write the dataset as it was before: a model fills it by its own setting missing.",
            )
        if isinstance(features, BagFeatures) and features.weights is not None:
            raise DataError(
                expected="tokens that weigh alike",
                found="weights of tokens",
                where=f"modality {name!r}",
                fix="Leave the weights out: a dataset folder holds none.",
            )


def _card_table(dataset: Dataset) -> dict[str, Any]:
    card = dataset.card
    return {
        "format_version": FORMAT_VERSION,
        "name": card.name,
        "provenance": card.provenance,
        "simulated": card.simulated,
        "notes": list(card.notes),
        "content_hash": dataset.content_hash,
        "users": dataset.n_users,
        "items": dataset.n_items,
        "interactions": len(dataset.interactions),
        "modalities": {
            name: {
                "kind": "bag" if isinstance(features, BagFeatures) else "dense",
                "items": len(features.items),
                "size": features.size,
                "encoder": features.encoder,
            }
            for name, features in dataset.features.items()
        },
    }


def read_dataset(folder: Path) -> Dataset:
    """Reads a dataset folder and checks it; see :meth:`Dataset.read`."""
    require_folder(folder, "a dataset folder")
    table = read_toml(folder / "dataset.toml")
    if table.get("format_version") != FORMAT_VERSION:
        raise StorageError(
            expected=f"dataset format version {FORMAT_VERSION}",
            found=str(table.get("format_version", "none")),
            where=str(folder / "dataset.toml"),
            fix="Import the data again with this version of reelmix.",
        )
    card, modalities = _card(table, folder)
    items = read_table(folder / "items.parquet", "the table of items")
    require_columns(items, ["item_id"], folder / "items.parquet")
    dataset = assemble(
        _pairs(folder / "interactions.parquet", "the table of interactions"),
        items,
        {name: read_features(folder / "features" / f"{name}.safetensors") for name in modalities},
        card=card,
        where=folder / "interactions.parquet",
    )
    if table.get("content_hash") not in (None, dataset.content_hash):
        raise StorageError(
            expected=f"content hash {table['content_hash']}",
            found=dataset.content_hash,
            where=str(folder),
            fix="The files were changed after import: import again, or delete the line content_hash from "
            "dataset.toml if the change was meant.",
        )
    return dataset


def _pairs(path: Path, what: str) -> pl.DataFrame | Stretches:
    if is_large(path):
        return Stretches.look(lambda: read_table_stretches(path, what, ROWS), path)
    return read_table(path, what)


def _card(table: dict[str, Any], folder: Path) -> tuple[Card, list[str]]:
    kinds = {"name": str, "provenance": str, "simulated": bool, "notes": list, "modalities": dict}
    for key, kind in kinds.items():
        if not isinstance(table.get(key, kind()), kind):
            raise StorageError(
                expected=f"{key} to be {_TOML_NAMES[kind]}",
                found=repr(table[key]),
                where=str(folder / "dataset.toml"),
                fix="Correct that line and try again.",
            )
    card = Card(
        table.get("name", folder.name),
        table.get("provenance", "unknown"),
        table.get("simulated", False),
        tuple(str(note) for note in table.get("notes", ())),
    )
    return card, list(table.get("modalities", {}))

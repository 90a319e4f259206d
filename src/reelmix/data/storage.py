"""A dataset as a folder: ``dataset.toml``, ``interactions.parquet``, ``items.parquet``, ``features/*.safetensors``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import tomli_w

from reelmix.data.assemble import assemble, feature_rows, require_columns
from reelmix.data.dataset import Card, Dataset
from reelmix.data.features import BagFeatures, Features, bag_features, dense_features
from reelmix.data.interactions import LABEL_NAMES
from reelmix.data.vocabulary import Vocabulary
from reelmix.errors import DataError, StorageError
from reelmix.files import (
    new_folder,
    read_arrays,
    replacing,
    require_file,
    require_folder,
    write_arrays,
    write_atomic,
)
from reelmix.settings import read_toml

FORMAT_VERSION = 1


def write_dataset(dataset: Dataset, folder: Path) -> Path:
    """Writes ``folder``, whole or not at all; see :meth:`Dataset.write`."""
    with new_folder(folder, "the dataset") as inside:
        pairs = dataset.interactions
        columns: dict[str, Any] = {
            "user_id": dataset.users.ids.gather(pairs.users),
            "item_id": dataset.items.ids.gather(pairs.items),
        }
        if pairs.timestamps is not None:
            columns["timestamp"] = pairs.timestamps
        if pairs.weights is not None:
            columns["weight"] = pairs.weights
        if pairs.labels is not None:
            columns["split"] = pl.Series(LABEL_NAMES).gather(pairs.labels)
        write_table(inside / "interactions.parquet", pl.DataFrame(columns))
        write_table(inside / "items.parquet", dataset.item_table)
        (inside / "features").mkdir()
        for name, features in dataset.features.items():
            _write_features(inside / "features" / f"{name}.safetensors", features, dataset.items)
        write_atomic(inside / "dataset.toml", tomli_w.dumps(_card_table(dataset)))
    return folder


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


def write_table(path: Path, table: pl.DataFrame) -> None:
    """Writes a Parquet file atomically."""
    with replacing(path) as temporary:
        table.write_parquet(temporary)


def read_table(path: Path, what: str) -> pl.DataFrame:
    """A Parquet file.

    Raises:
        StorageError: it is missing, or not a whole Parquet file.
    """
    require_file(path, what)
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise StorageError(
            expected="a whole Parquet file",
            found=f"a damaged one ({str(error).splitlines()[0]})",
            where=str(path),
            fix="Restore it from a copy, or make it again.",
        ) from None


def _write_features(path: Path, features: Features, items: Vocabulary) -> None:
    ids = items.ids.gather(features.items)
    if ids.dtype == pl.Int64:
        arrays = {"item_ids": ids.to_numpy()}
    else:
        lengths = ids.str.len_bytes().to_numpy().astype(np.int64)
        text = np.frombuffer("".join(ids.to_list()).encode(), np.uint8)
        arrays = {"item_id_text": text, "item_id_starts": np.concatenate([[0], np.cumsum(lengths)])}
    metadata = {"format_version": str(FORMAT_VERSION), "encoder": features.encoder}
    if isinstance(features, BagFeatures):
        arrays |= {"starts": features.starts, "tokens": features.tokens}
        metadata |= {"kind": "bag", "n_tokens": str(features.n_tokens)}
    else:
        arrays |= {"values": features.values}
        metadata |= {"kind": "dense"}
    write_arrays(path, arrays, metadata)


def read_dataset(folder: Path) -> Dataset:
    """Reads a dataset folder and checks it; see :meth:`Dataset.read`."""
    require_folder(folder, "a dataset folder")
    card = read_toml(folder / "dataset.toml")
    if card.get("format_version") != FORMAT_VERSION:
        raise StorageError(
            expected=f"dataset format version {FORMAT_VERSION}",
            found=str(card.get("format_version", "none")),
            where=str(folder / "dataset.toml"),
            fix="Import the data again with this version of reelmix.",
        )
    table = read_table(folder / "items.parquet", "the table of items")
    require_columns(table, ["item_id"], folder / "items.parquet")
    features: dict[str, tuple[pl.Series, dict[str, np.ndarray], dict[str, str]]] = {}
    for name in card.get("modalities", {}):
        path = folder / "features" / f"{name}.safetensors"
        arrays, metadata = read_arrays(path)
        features[name] = (_feature_ids(arrays, path), arrays, metadata)
    pairs = read_table(folder / "interactions.parquet", "the table of interactions")
    dataset = assemble(
        pairs,
        table,
        {},
        card=Card(
            str(card.get("name", folder.name)),
            str(card.get("provenance", "unknown")),
            bool(card.get("simulated", False)),
            tuple(card.get("notes", ())),
        ),
        where=folder / "interactions.parquet",
    )
    read = {
        name: _features(dataset.items, *content, folder / "features" / f"{name}.safetensors")
        for name, content in features.items()
    }
    dataset = Dataset(
        dataset.users, dataset.items, dataset.interactions, read, dataset.item_table, dataset.card
    )
    if card.get("content_hash") not in (None, dataset.content_hash):
        raise StorageError(
            expected=f"content hash {card['content_hash']}",
            found=dataset.content_hash,
            where=str(folder),
            fix="The files were changed after import: import again, or delete the line content_hash from "
            "dataset.toml if the change was meant.",
        )
    return dataset


def _feature_ids(arrays: dict[str, np.ndarray], path: Path) -> pl.Series:
    if "item_ids" in arrays:
        return pl.Series(arrays["item_ids"])
    if "item_id_text" in arrays and "item_id_starts" in arrays:
        text, starts = arrays["item_id_text"].tobytes(), arrays["item_id_starts"].tolist()
        ids = [text[start:end].decode() for start, end in zip(starts[:-1], starts[1:], strict=True)]
        return pl.Series(ids, dtype=pl.String)
    raise DataError(
        expected="item_ids beside the values",
        found=", ".join(sorted(arrays)) or "nothing",
        where=str(path),
        fix="Add the array item_ids: the id of the item that each row belongs to.",
    )


def _features(
    items: Vocabulary, ids: pl.Series, arrays: dict[str, np.ndarray], metadata: dict[str, str], path: Path
) -> Features:
    rows = feature_rows(items, ids, str(path))
    encoder = metadata.get("encoder", "unknown")
    if metadata.get("kind", "dense") == "bag":
        lengths = np.diff(arrays["starts"])
        return bag_features(
            np.repeat(rows, lengths),
            arrays["tokens"],
            where=str(path),
            n_tokens=int(metadata["n_tokens"]),
            encoder=encoder,
        )
    return dense_features(rows, arrays["values"], where=str(path), encoder=encoder)

"""What was found, as files: features, the table of items, the card and the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import tomli_w

from reelmix.data.feature_files import write_features
from reelmix.data.features import DenseFeatures
from reelmix.data.vocabulary import UserOrItemId, Vocabulary
from reelmix.files import replacing, write_atomic
from reelmix.media.encoder import Modality, Provenance
from reelmix.media.items import Item
from reelmix.media.ledger import Found
from reelmix.media.limits import Limits

CARD = "extract.toml"
LOG = "extract.log.parquet"


def write_extracted(
    out: Path,
    items: Sequence[Item],
    found: Mapping[Modality, Mapping[UserOrItemId, Found]],
    provenance: Mapping[Modality, Provenance],
    limits: Limits,
) -> None:
    """Writes what was found of each item, by modality; each file whole or not at all.

    Args:
        out: the folder.
        items: all of them.
        found: by modality and item.
        provenance: by modality, what made the vectors.
        limits: that were kept.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    vocabulary = Vocabulary.of([item.id for item in items], "item")
    table = pl.DataFrame(
        {
            "item_id": [item.id for item in items],
            "title": [item.title for item in items],
            "media": [item.file for item in items],
        },
        schema_overrides={"title": pl.String, "media": pl.String},
    )
    if table["title"].null_count() == len(table):
        table = table.drop("title")
    with replacing(out / "items.parquet") as path:
        table.write_parquet(path)
    card: dict[str, Any] = {"items": len(items), "limits": limits.model_dump(), "features": {}}
    for modality, results in found.items():
        vectors = {
            row: vector
            for row, name in enumerate(vocabulary.ids.to_list())
            if (vector := results[name].vector) is not None
        }
        path = out / "features" / f"{modality}.safetensors"
        about = asdict(provenance[modality]) | {"items": len(vectors)}
        if vectors:
            rows, values = np.array(list(vectors), np.int32), np.stack(list(vectors.values()))
            about["size"] = values.shape[1]
            write_features(path, DenseFeatures(rows, values, encoder=str(provenance[modality])), vocabulary)
        else:
            path.unlink(missing_ok=True)
        card["features"][modality] = about
    write_atomic(out / CARD, tomli_w.dumps(card))
    with replacing(out / LOG) as path:
        _log(items, found).write_parquet(path)


def _log(items: Sequence[Item], found: Mapping[Modality, Mapping[UserOrItemId, Found]]) -> pl.DataFrame:
    rows = [
        (item.id, item.file, modality, results[item.id])
        for item in items
        for modality, results in found.items()
    ]
    return pl.DataFrame(
        {
            "item_id": [row[0] for row in rows],
            "file": [row[1] for row in rows],
            "modality": [row[2] for row in rows],
            "missing_because": [row[3].reason for row in rows],
            "decoding_seconds": [row[3].decoding for row in rows],
            "encoding_seconds": [row[3].encoding for row in rows],
        },
        schema_overrides={"file": pl.String, "missing_because": pl.String},
    )

"""Features in the caller's own item ids: as importers find them, and as safetensors files hold them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from reelmix.data.features import BagFeatures, Features
from reelmix.data.vocabulary import Vocabulary
from reelmix.errors import DataError
from reelmix.files import damaged, read_arrays, write_arrays

FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of one modality before they are checked against a dataset.

    Attributes:
        ids: the item of each row (dense) or of each token (bag).
        values: (row, feature) vectors, or (row,) token numbers.
        where: the file that they came from, for messages.
        kind: "dense" or "bag".
        n_tokens: of a bag, how many distinct tokens there can be; None takes the highest and one more.
        encoder: what made them.
    """

    ids: pl.Series
    values: np.ndarray
    where: str
    kind: Literal["dense", "bag"] = "dense"
    n_tokens: int | None = None
    encoder: str = "unknown"


def write_features(path: Path, features: Features, items: Vocabulary) -> None:
    """Writes features as safetensors: ``values`` (or ``starts`` and ``tokens``) and the ids of their items.

    Integer ids are the array ``item_ids``; texts are ``item_id_text``, all of them in UTF-8 without a gap,
    and ``item_id_starts``, where each begins and the last ends.

    Raises:
        StorageError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    ids = items.ids.gather(features.items)
    if ids.dtype == pl.Int64:
        arrays = {"item_ids": ids.to_numpy()}
    else:
        text = np.frombuffer("".join(ids.to_list()).encode(), np.uint8)
        ends = np.cumsum(ids.str.len_bytes().to_numpy(), dtype=np.int64)
        arrays = {"item_id_text": text, "item_id_starts": np.concatenate([[0], ends])}
    metadata = {"format_version": str(FORMAT_VERSION), "encoder": features.encoder}
    if isinstance(features, BagFeatures):
        arrays |= {"starts": features.starts, "tokens": features.tokens}
        metadata |= {"kind": "bag", "n_tokens": str(features.n_tokens)}
    else:
        arrays |= {"values": features.values}
        metadata |= {"kind": "dense"}
    write_arrays(path, arrays, metadata)


def read_features(path: Path) -> FeatureTable:
    """The features of a safetensors file that :func:`write_features` or the caller's own program wrote.

    Raises:
        StorageError: the file is missing or damaged.
        DataError: it lacks an array, or the ids and the values do not go together.
    """
    arrays, metadata = read_arrays(path)
    ids = _ids(arrays, path)
    encoder = metadata.get("encoder", "unknown")
    if metadata.get("kind", "dense") == "dense":
        return FeatureTable(ids, _array(arrays, "values", path), str(path), encoder=encoder)
    starts, tokens = _array(arrays, "starts", path), _array(arrays, "tokens", path)
    n_tokens = metadata.get("n_tokens", "")
    if not (n_tokens.isdecimal() and _divides(starts, len(tokens)) and len(ids) == len(starts) - 1):
        raise damaged("safetensors", "starts, tokens and n_tokens contradict each other", path)
    of_each_token = ids.gather(np.repeat(np.arange(len(ids)), np.diff(starts)))
    return FeatureTable(of_each_token, tokens, str(path), "bag", int(n_tokens), encoder)


def _ids(arrays: dict[str, np.ndarray], path: Path) -> pl.Series:
    if "item_ids" in arrays:
        ids = arrays["item_ids"]
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise DataError(
                expected="item_ids as a list of whole numbers",
                found=f"{ids.dtype} of shape {ids.shape}",
                where=str(path),
                fix="Save one id for each row of the values.",
            )
        return pl.Series(ids)
    if "item_id_text" not in arrays or "item_id_starts" not in arrays:
        raise _lacking("item_ids", arrays, path, "Add item_ids: the id of the item that each row belongs to.")
    text, starts = arrays["item_id_text"], arrays["item_id_starts"]
    if text.dtype != np.uint8 or not _divides(starts, text.size):
        raise damaged("safetensors", "item_id_text and item_id_starts contradict each other", path)
    try:
        raw = text.tobytes()
        return pl.Series([raw[a:b].decode() for a, b in itertools.pairwise(starts.tolist())], dtype=pl.String)
    except UnicodeDecodeError as error:
        raise damaged("safetensors", error, path) from None


def _divides(starts: np.ndarray, size: int) -> bool:
    if starts.ndim != 1 or starts.dtype.kind not in "iu" or not starts.size:
        return False
    return bool(starts[0] == 0 and starts[-1] == size and (starts[1:] >= starts[:-1]).all())


def _array(arrays: dict[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    if name not in arrays:
        raise _lacking(name, arrays, path, f"Save the features under the name {name}.")
    return arrays[name]


def _lacking(name: str, arrays: dict[str, np.ndarray], path: Path, fix: str) -> DataError:
    return DataError(
        expected=f"an array {name}", found=", ".join(sorted(arrays)) or "no arrays", where=str(path), fix=fix
    )

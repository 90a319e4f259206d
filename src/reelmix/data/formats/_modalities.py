"""Feature arrays of research code: which modality a file is, and which item a row is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from reelmix.data.feature_files import FeatureTable
from reelmix.errors import DataError
from reelmix.files import read_npy

_NAMES = {
    "visual": ("v", "image", "img", "video", "visual", "frame"),
    "acoustic": ("a", "audio", "acoustic"),
    "textual": ("t", "text", "txt", "textual", "word", "words"),
}


def modality_files(folder: Path, patterns: Iterable[str], suffixes: Sequence[str]) -> dict[str, Path]:
    """The feature files of a folder by modality: visual, acoustic, textual, then any others by name.

    Args:
        folder: where to look.
        patterns: regular expressions for a file's stem in lower case, with a group ``word``.
        suffixes: of the files, such as ".npy".

    Raises:
        DataError: two files hold the same modality.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        match = next(filter(None, (re.fullmatch(one, path.stem.lower()) for one in patterns)), None)
        if path.suffix not in suffixes or match is None:
            continue
        word = match["word"]
        name = next((name for name, words in _NAMES.items() if word in words), word)
        if name in found:
            raise DataError(
                expected=f"one file of {name} features",
                found=f"{found[name].name} and {path.name}",
                where=str(folder),
                fix="Move the one that is not wanted elsewhere.",
            )
        found[name] = path
    order = [*_NAMES, *sorted(found)]
    return dict(sorted(found.items(), key=lambda entry: order.index(entry[0])))


def features_by_row(path: Path, highest: int, fix: str = "") -> FeatureTable:
    """The array of a ``.npy`` file, whose row i belongs to item i.

    Args:
        path: the file.
        highest: the highest item id in the interactions.
        fix: what else the caller can do if there are too few rows.

    Raises:
        DataError: there are fewer rows than items, or pickled objects.
        StorageError: the file is missing or damaged.
    """
    values = read_npy(path, "a file of features")
    if values.ndim == 2 and len(values) <= highest:
        raise DataError(
            expected=f"at least {highest + 1} rows, as row i belongs to item i and item {highest} exists",
            found=str(len(values)),
            where=str(path),
            fix=fix or "Export the features again, with a row for every item.",
        )
    return FeatureTable(pl.Series(np.arange(len(values) if values.ndim else 0)), values, str(path))

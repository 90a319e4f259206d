"""MMRec's folders: one ``*.inter`` with ``x_label``, and ``image_feat.npy``, ``text_feat.npy`` and so on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from reelmix.data.assemble import assemble
from reelmix.data.cells import with_numbers
from reelmix.data.dataset import Card, Dataset
from reelmix.data.formats._files import card_name, only_file
from reelmix.data.formats._ids import IdColumn, settle
from reelmix.data.formats._modalities import features_by_row, modality_files
from reelmix.data.formats._rows import read_rows, require_mapping
from reelmix.data.interactions import LABEL_NAMES
from reelmix.errors import DataError

ACCEPTED = {
    "user_id": ("userID", "user_id"),
    "item_id": ("itemID", "item_id"),
    "split": ("x_label",),
    "timestamp": ("timestamp",),
    "weight": ("rating", "weight"),
}
PATTERNS = (r"(?P<word>.+)_feat",)


def import_mmrec(
    path: str | Path, *, name: str | None = None, columns: Mapping[str, str] | None = None
) -> Dataset:
    """Reads a dataset folder of MMRec.

    The interactions are a file ``*.inter`` of tab-separated columns ``userID``, ``itemID`` and, optionally,
    ``x_label`` (0 training, 1 validation, 2 test), ``timestamp`` and ``rating``. Row i of every
    ``<modality>_feat.npy`` belongs to item i: ``image_feat`` becomes visual, ``audio_feat`` acoustic,
    ``text_feat`` textual, any other keeps its name. All rows of all these files are items, whether or not
    someone interacted with them; where one file has fewer rows than another, its items at the end lack it.

    Args:
        path: the folder, or the ``*.inter`` file in it.
        name: of the dataset; by default that of the folder.
        columns: our column name to the file's, where it is another than those above.

    Raises:
        DataError: a column missing, a label unknown, an item id no row number, a feature file too short.
        StorageError: a file is missing or damaged.
        ConfigError: ``columns`` maps a name that we have no use for.
    """
    require_mapping(columns, list(ACCEPTED))
    inter = only_file(Path(path), "*.inter", "an MMRec folder")
    pairs = read_rows(inter, ACCEPTED, columns)
    if "split" in pairs.columns:
        pairs = pairs.with_columns(_words(pairs["split"], inter))
    (users,) = settle("user", [IdColumn(pairs["user_id"], f"{inter}, column user_id", text=True)])
    (items,) = settle("item", [IdColumn(pairs["item_id"], f"{inter}, column item_id", text=True)])
    files = modality_files(inter.parent, PATTERNS, [".npy"])
    highest = _highest_row(items, inter) if files else -1
    features = {modality: features_by_row(file, highest) for modality, file in files.items()}
    every = np.arange(max((len(table.ids) for table in features.values()), default=0))
    return assemble(
        with_numbers(pairs, inter).with_columns(users.alias("user_id"), items.alias("item_id")),
        pl.DataFrame({"item_id": every}) if features else None,
        features,
        card=Card(name or card_name(inter.parent), "imported from files in MMRec's format"),
        where=inter,
    )


def _words(labels: pl.Series, where: Path) -> pl.Series:
    odd = labels.is_in(["0", "1", "2"]).fill_null(value=False).not_()
    if odd.any():
        row = int(odd.arg_max() or 0)
        raise DataError(
            expected="0 (training), 1 (validation) or 2 (test)",
            found="an empty cell" if labels[row] is None else repr(labels[row]),
            where=f"{where}, column of the split, row {row}",
            fix="Correct the label.",
        )
    numbers = dict(zip("012", LABEL_NAMES, strict=True))
    return labels.replace_strict(numbers, return_dtype=pl.String).alias("split")


def _highest_row(items: pl.Series, where: Path) -> int:
    odd = items if items.dtype != pl.Int64 else items.filter(items < 0)
    if len(odd):
        raise DataError(
            expected="item ids that are row numbers of the feature files",
            found=repr(odd[0]),
            where=str(where),
            fix="Number the items from 0 in the order of the rows.",
        )
    return int(items.to_numpy().max(initial=-1))

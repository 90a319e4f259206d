"""Files of MMGCN's and DualGNN's authors: ``train.npy``, ``val_full.npy``, ``test_full.npy``, features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Int

from reelmix.data.assemble import assemble
from reelmix.data.dataset import Card, Dataset
from reelmix.data.feature_files import FeatureTable
from reelmix.data.formats._files import card_name
from reelmix.data.formats._modalities import features_by_row, modality_files
from reelmix.data.formats._pickled import read_pairs
from reelmix.data.interactions import LABEL_NAMES
from reelmix.errors import ConfigError, DataError, StorageError
from reelmix.files import read_npy, require_folder

# Names in the authors' loaders and in code derived from them; a suffix such as _tik or _sample may follow.
PATTERNS = (
    r"feature_?(?P<word>[a-z]+?)(_.*)?",  # FeatureVideo_normal
    r"feat_(?P<word>[a-z]+)(_.*)?",  # feat_v, feat_v_tik
    r"(?P<word>[a-z]+)_feat(_.*)?",  # v_feat, visual_feat_new
    r"(?P<word>words?)_tensor(_.*)?",  # words_tensor
)
PARTS = ("train", "val_full", "test_full")


def import_mmgcn(
    path: str | Path,
    *,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    item_offset: int | None = None,
) -> Dataset:
    """Reads a folder as the authors of MMGCN and DualGNN published theirs.

    - ``train.npy`` has rows (user, item); ``val_full.npy`` and ``test_full.npy`` have rows (user, item, item,
      ...), pickled because their lengths differ: only numbers are taken from them, nothing is run.
    - Users are numbered from 0, and items go on from there: the first item's number is the number of users.
      If every item number is above every user number, the highest user number plus 1 is subtracted.
    - Row i of a feature array belongs to item i, counted from 0: ``FeatureVideo_normal``,
      ``FeatureAudio_avg_normal``, ``FeatureText_stl_normal``, or ``feat_v``, ``v_feat``, ``visual_feat`` ...
    - TikTok's text is an array (2, E) of whole numbers, items above and words below: a bag of words an item.
    - ``val.npy`` and ``test.npy`` are not read: they hold a thousand drawn negatives before the positives.
      Nor are ``user_item_dict.npy`` and ``user_graph_dict.npy``, which only repeat what training holds.

    Args:
        path: the folder. A suffix is accepted: ``train_tik.npy``.
        name: of the dataset; by default that of the folder.
        columns: not for this format, which has no columns.
        item_offset: what to subtract from item numbers, if not what is said above.

    Raises:
        DataError: a pickle that asks for more than numbers and lists, too few feature rows, a torch file.
        StorageError: a file is missing or damaged.
        ConfigError: ``columns`` is given, or ``item_offset`` is above an item's number.
    """
    folder = require_folder(Path(path), "a folder of MMGCN's files")
    if columns:
        raise ConfigError(
            expected="no columns", found=", ".join(columns), where="columns", fix="These files have none."
        )
    parts = [read_pairs(_part(folder, stem)) for stem in PARTS]
    labels = np.repeat(LABEL_NAMES, [len(users) for users, _ in parts])
    users, items = (np.concatenate(numbers) for numbers in zip(*parts, strict=True))
    offset = _offset(users, items, item_offset)
    items = items - offset
    features = _features(folder, int(items.max(initial=-1)))
    every = np.unique(np.concatenate([items, *(table.ids.to_numpy() for table in features.values())]))
    notes = (f"{offset:,} was subtracted from the item numbers of the files",) if offset else ()
    return assemble(
        pl.DataFrame({"user_id": users, "item_id": items, "split": labels}),
        pl.DataFrame({"item_id": every}) if features else None,
        features,
        card=Card(name or card_name(folder), "imported from files in MMGCN's format", notes=notes),
        where=folder,
    )


def _part(folder: Path, stem: str) -> Path:
    wanted = f"{stem}.npy"
    if (folder / wanted).exists():
        return folder / wanted
    found = sorted(folder.glob(f"{stem}_*.npy"))
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            expected=f"one file {wanted}",
            found=", ".join(path.name for path in found),
            where=str(folder),
            fix=f"Rename the one that is wanted to {wanted}.",
        )
    raise StorageError(
        expected=f"a file {wanted}", found="none", where=str(folder), fix="Check the path and the format."
    )


def _offset(users: Int[np.ndarray, " pair"], items: Int[np.ndarray, " pair"], said: int | None) -> int:
    lowest, n_users = int(items.min(initial=2**62)), int(users.max(initial=-1)) + 1
    if said is None:
        return n_users if items.size and lowest >= n_users else 0
    if said > lowest:
        raise ConfigError(
            expected=f"item_offset from 0 to {lowest}, the lowest item number",
            found=str(said),
            where="item_offset",
            fix="Leave it out, or give the number of users.",
        )
    return said


def _features(folder: Path, highest: int) -> dict[str, FeatureTable]:
    arrays = modality_files(folder, PATTERNS, [".npy"])
    for modality, path in modality_files(folder, PATTERNS, [".pt", ".pth"]).items():
        if modality not in arrays:
            raise DataError(
                expected=f"{modality} features as a NumPy array (.npy)",
                found=f"a torch file, {path.name}",
                where=str(folder),
                fix=f"Convert it: numpy.save('{path.stem}.npy', torch.load('{path.name}', "
                "map_location='cpu', weights_only=True).numpy()).",
            )
    return {modality: _feature_table(path, highest) for modality, path in arrays.items()}


def _feature_table(path: Path, highest: int) -> FeatureTable:
    array = read_npy(path, "a file of features")
    if array.ndim == 2 and len(array) == 2 and array.dtype.kind in "iu":
        return FeatureTable(pl.Series(array[0]), array[1], str(path), kind="bag")
    return features_by_row(path, highest, "Export them again, or give the number of users as item_offset.")

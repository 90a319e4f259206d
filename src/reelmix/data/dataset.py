"""What was watched, and what the items look, sound and read like: the immutable input of everything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from jaxtyping import Bool, Int

from reelmix.data.features import BagFeatures, Features
from reelmix.data.interactions import Interactions
from reelmix.data.vocabulary import Vocabulary
from reelmix.errors import DataError, nearest
from reelmix.files import digest
from reelmix.settings import DataSize

if TYPE_CHECKING:
    from reelmix.data.split import Split, SplitMethod


@dataclass(frozen=True)
class Card:
    """Where a dataset comes from.

    Attributes:
        name: a short name.
        provenance: who published or made it, and by which importer it came.
        simulated: made by a program, not by people.
        notes: what was dropped or changed on the way in, one sentence each.
    """

    name: str
    provenance: str = "unknown"
    simulated: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Dataset:
    """Users, items, interactions, and for each modality the features that exist.

    Attributes:
        users: the caller's user ids.
        items: the caller's item ids; an item may have no interaction, and may lack any modality.
        interactions: distinct (user, item) pairs in row numbers.
        features: modality name to its features, in the order in which models see them.
        item_table: one row an item in vocabulary order: ``item_id``, optionally ``title`` and anything else.
        card: provenance.
    """

    users: Vocabulary
    items: Vocabulary
    interactions: Interactions
    features: Mapping[str, Features]
    item_table: pl.DataFrame
    card: Card = field(default_factory=lambda: Card("unnamed"))

    @classmethod
    def read(cls, folder: str | Path) -> Dataset:
        """Reads a dataset folder.

        Raises:
            StorageError: a file is missing, damaged or of another version.
            DataError: the content contradicts itself (an unknown item, a repeated id, NaN).
        """
        from reelmix.data.storage import read_dataset

        return read_dataset(Path(folder))

    def write(self, folder: str | Path) -> Path:
        """Writes a new dataset folder, whole or not at all.

        Raises:
            StorageError: the folder holds something already, or the disk is full.
            DataError: features were filled in: on disk nobody could tell them from observed ones.
        """
        from reelmix.data.storage import write_dataset

        return write_dataset(self, Path(folder))

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.items)

    @property
    def size(self) -> DataSize:
        """By which presets are chosen."""
        each = np.bincount(self.interactions.users, minlength=1)
        return DataSize(len(self.interactions), float(np.median(each)))

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in order."""
        return tuple(self.features)

    @cached_property
    def content_hash(self) -> str:
        """A hash of ids, interactions and features: equal for equal content, whatever order it came in."""
        parts: list[object] = []
        for vocabulary in (self.users, self.items):
            parts += _id_parts(vocabulary)
        pairs = self.interactions
        for column in (pairs.users, pairs.items, pairs.timestamps, pairs.weights, pairs.labels):
            parts.append("absent" if column is None else column)
        for name, features in sorted(self.features.items()):
            parts += [name, features.items]
            if isinstance(features, BagFeatures):
                parts += [features.starts, features.tokens, features.n_tokens]
                parts += [] if features.weights is None else ["weights", features.weights]
            else:
                parts.append(features.values)
            parts += [] if features.observed.all() else ["filled", ~features.observed]
        return digest(*parts)

    def has(self, modality: str) -> Bool[np.ndarray, " item"]:
        """Which items take part in the modality: they were observed to have it, or it was filled in."""
        return _mask(self.features[modality].items, self.n_items)

    def observed(self, modality: str) -> Bool[np.ndarray, " item"]:
        """Which items were observed to have the modality: what was filled in does not count."""
        features = self.features[modality]
        return _mask(features.items[features.observed], self.n_items)

    def only(self, modalities: Sequence[str]) -> Dataset:
        """The same dataset with these modalities alone, in this order.

        Raises:
            DataError: there is no such modality.
        """
        for name in modalities:
            if name not in self.features:
                raise DataError(
                    expected="a modality of this dataset",
                    found=repr(name),
                    where="modalities",
                    fix=nearest(name, self.features) if self.features else "This dataset has none.",
                )
        return replace(self, features={name: self.features[name] for name in modalities})

    def take_items(self, keep: Bool[np.ndarray, " item"]) -> Dataset:
        """The same users with these items alone, and with the interactions that are left."""
        pairs = self.interactions.take(keep[self.interactions.items])
        new_rows = (np.cumsum(keep) - 1).astype(np.int32)
        return replace(
            self,
            items=Vocabulary(self.items.ids.filter(pl.Series(keep)), "item"),
            interactions=replace(pairs, items=new_rows[pairs.items]),
            features={name: features.take(keep) for name, features in self.features.items()},
            item_table=self.item_table.filter(pl.Series(keep)),
        )

    def k_core(self, k: int) -> Dataset:
        """The largest part in which every user and every item has at least ``k`` interactions.

        Raises:
            DataError: nothing is left.
        """
        users, items = self.interactions.users, self.interactions.items
        kept = np.ones(len(users), bool)
        while True:
            busy_users = np.bincount(users[kept], minlength=self.n_users) >= k
            busy_items = np.bincount(items[kept], minlength=self.n_items) >= k
            still = kept & busy_users[users] & busy_items[items]
            if still.sum() == kept.sum():
                break
            kept = still
        if not kept.any():
            raise DataError(
                expected=f"a {k}-core",
                found=f"none among {len(users):,} interactions",
                where="k_core",
                fix="Use a smaller k.",
            )
        return self._keep(kept, f"{k}-core of {self.n_users:,} users and {self.n_items:,} items")

    def _keep(self, interactions: Bool[np.ndarray, " interaction"], note: str) -> Dataset:
        pairs = self.interactions.take(interactions)
        keep_users = _mask(pairs.users, self.n_users)
        keep_items = _mask(pairs.items, self.n_items)
        new_user, new_item = np.cumsum(keep_users) - 1, np.cumsum(keep_items) - 1
        return Dataset(
            Vocabulary(self.users.ids.filter(pl.Series(keep_users)), "user"),
            Vocabulary(self.items.ids.filter(pl.Series(keep_items)), "item"),
            replace(
                pairs,
                users=new_user[pairs.users].astype(np.int32),
                items=new_item[pairs.items].astype(np.int32),
            ),
            {name: features.take(keep_items) for name, features in self.features.items()},
            self.item_table.filter(pl.Series(keep_items)),
            replace(self.card, notes=(*self.card.notes, note)),
        )

    def split(self, method: SplitMethod | None = None, *, rng: int = 0) -> Split:
        """Training, validation and test interactions; see :func:`reelmix.data.split.split`."""
        from reelmix.data.split import split

        return split(self, method, rng=rng)


def _mask(rows: Int[np.ndarray, " interaction"], size: int) -> Bool[np.ndarray, " row"]:
    mask = np.zeros(size, bool)
    mask[rows] = True
    return mask


def _id_parts(vocabulary: Vocabulary) -> list[object]:
    ids = vocabulary.ids
    if ids.dtype == pl.Int64:
        return ["integers", ids.to_numpy()]
    return ["texts", ids.str.len_bytes().to_numpy(), "".join(ids.to_list())]

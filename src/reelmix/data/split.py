"""Which interactions train the model, which choose its settings, and which judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Int
from scipy.sparse import csr_array

from reelmix.data.dataset import Dataset
from reelmix.data.interactions import LABEL_NAMES, TEST, TRAIN, VALIDATION, Interactions
from reelmix.errors import ConfigError, DataError, nearest

SplitMethod = Literal["given", "random", "leave_one_out", "time"]


@dataclass(frozen=True, eq=False)
class Split:
    """The interactions of one dataset in three disjoint parts.

    Attributes:
        dataset: whose interactions these are.
        train, validation, test: the parts.
        method: how they were divided.
        rng: the seed that divided them (no meaning for "given" and "time").
        cut: rows of items whose edges leave a modality's graph although they have the modality: the paper's
            study of missing modalities (Fig. 9). Usually empty.
    """

    dataset: Dataset
    train: Interactions
    validation: Interactions
    test: Interactions
    method: SplitMethod
    rng: int
    cut: Mapping[str, Int[np.ndarray, " cut"]] = field(default_factory=dict)

    def matrix(self, part: Literal["train", "validation", "test"]) -> csr_array:
        """One part as a (user, item) matrix of ones, float32."""
        pairs: Interactions = getattr(self, part)
        return pairs.matrix(self.dataset.n_users, self.dataset.n_items)

    def edges(self, modality: str) -> Bool[np.ndarray, " item"]:
        """Which items have edges in this modality's graph: those that have the modality and were not cut."""
        has = self.dataset.has(modality).copy()
        if modality in self.cut:
            has[self.cut[modality]] = False
        return has

    def take_items(self, keep: Bool[np.ndarray, " item"]) -> Split:
        """The split of the same users without the other items: nothing of them is left."""
        new_rows = (np.cumsum(keep) - 1).astype(np.int32)

        def kept(pairs: Interactions) -> Interactions:
            pairs = pairs.take(keep[pairs.items])
            return replace(pairs, items=new_rows[pairs.items])

        cut = {name: new_rows[rows[keep[rows]]] for name, rows in self.cut.items()}
        return replace(
            self,
            dataset=self.dataset.take_items(keep),
            train=kept(self.train),
            validation=kept(self.validation),
            test=kept(self.test),
            cut=cut,
        )

    @property
    def untrained_users(self) -> Int[np.ndarray, " user"]:
        """Rows of the users without a training interaction: nothing is learned about them."""
        return np.flatnonzero(np.bincount(self.train.users, minlength=self.dataset.n_users) == 0)


def split(dataset: Dataset, method: SplitMethod | None = None, *, rng: int = 0) -> Split:
    """Divides a dataset's interactions.

    ``given`` keeps the labels that the data came with. ``random`` takes, of each user's n interactions, one
    tenth (rounded half up) for validation and one tenth for test: users with fewer than five interactions
    have neither. ``leave_one_out`` takes each user's last interaction (a random one without timestamps) for
    test and the one before for validation, of users with at least three. ``time`` trains on the earliest
    80 % of all interactions and tests on the last 10 %.

    Args:
        dataset: what to divide.
        method: how; by default ``given`` if the dataset has labels, else ``random``.
        rng: seed of the random choices.

    Raises:
        DataError: labels or timestamps are missing, or a part is empty.
        ConfigError: there is no such method, or the seed is negative.
    """
    if method is None:
        method = "given" if dataset.interactions.labels is not None else "random"
    if method not in get_args(SplitMethod):
        raise ConfigError(
            expected="a way to split",
            found=repr(method),
            where="split",
            fix=nearest(method, get_args(SplitMethod)),
        )
    if rng < 0:
        raise ConfigError(
            expected="a seed of 0 or more", found=str(rng), where="rng", fix="Seeds are whole numbers from 0."
        )
    pairs = dataset.interactions
    if method == "given":
        labels = _given(pairs)
    elif method == "time":
        labels = _by_time(pairs)
    else:
        labels = _within_users(pairs, dataset.n_users, method, np.random.default_rng(rng))
    train, validation, test = (pairs.take(labels == label) for label in (TRAIN, VALIDATION, TEST))
    for name, part in zip(LABEL_NAMES, (train, validation, test), strict=True):
        if len(part) == 0:
            raise DataError(
                expected="interactions in every part of the split",
                found=f"none in {name}",
                where=f"split {method!r} of {len(pairs):,} interactions",
                fix="Use another way to split, or more data.",
            )
    return Split(dataset, train, validation, test, method, rng)


def _given(pairs: Interactions) -> Int[np.ndarray, " interaction"]:
    if pairs.labels is None:
        raise DataError(
            expected="labels train, validation and test in the column split",
            found="none",
            where="interactions",
            fix="Split with method 'random', 'leave_one_out' or 'time'.",
        )
    return pairs.labels


def _by_time(pairs: Interactions) -> Int[np.ndarray, " interaction"]:
    if pairs.timestamps is None:
        raise DataError(
            expected="a timestamp on every interaction",
            found="none",
            where="interactions",
            fix="Split with method 'random' or 'leave_one_out'.",
        )
    order = np.argsort(pairs.timestamps, kind="stable")
    labels = np.zeros(len(pairs), np.int8)
    labels[order[(8 * len(pairs) + 5) // 10 :]] = VALIDATION
    labels[order[(9 * len(pairs) + 5) // 10 :]] = TEST
    return labels


def _within_users(
    pairs: Interactions, n_users: int, method: SplitMethod, rng: np.random.Generator
) -> Int[np.ndarray, " interaction"]:
    chance = rng.random(len(pairs))
    times = pairs.timestamps if method == "leave_one_out" else None
    keys = (chance, pairs.users) if times is None else (chance, times, pairs.users)
    order = np.lexsort(keys)  # users in turn, each one's interactions in random or temporal order
    counts = np.bincount(pairs.users, minlength=n_users)
    starts = np.cumsum(counts) - counts
    from_end = np.empty(len(pairs), np.int64)
    total = counts[pairs.users]
    from_end[order] = (starts + counts)[pairs.users[order]] - np.arange(len(pairs)) - 1
    held_out = (total >= 3).astype(np.int64) if method == "leave_one_out" else (total + 5) // 10
    labels = np.zeros(len(pairs), np.int8)
    labels[from_end < 2 * held_out] = VALIDATION
    labels[from_end < held_out] = TEST
    return labels

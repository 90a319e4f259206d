"""Floors: rankings in closed form, without training and without user vectors, that a model has to beat."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self, cast

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.sparse import csr_array

from reelmix.data import Split
from reelmix.models.base import Configured


class Floor(Configured, ABC):
    """Scores items from the training interactions alone, by a formula.

    The constructor takes the settings, :meth:`build` the data; after that it is a scorer that
    :func:`reelmix.evaluation.evaluate` takes.
    """

    @abstractmethod
    def build(self, split: Split, *, rng: int = 0) -> Self:
        """Computes what scores are made of, and returns itself; ``rng`` is unused: nothing is chance."""

    @property
    @abstractmethod
    def n_users(self) -> int:
        """Number of users."""

    @property
    @abstractmethod
    def n_items(self) -> int:
        """Number of items."""

    @abstractmethod
    def score(self, users: Int[np.ndarray, " block"]) -> Float[np.ndarray, "block item"]:
        """The scores of all items for these user rows."""


class ItemItemFloor(Floor):
    """Scores by a dense item-item matrix: a user's interactions times ``weights``."""

    weights: Float32[np.ndarray, "item item"]

    def build(self, split: Split, *, rng: int = 0) -> Self:
        """Computes the item-item matrix; see :meth:`Floor.build`. It takes 4 bytes an item and item."""
        interactions = csr_array(split.matrix("train"), dtype=np.float64)
        self.weights = self._item_item(interactions).astype(np.float32)
        self.interactions = csr_array(interactions, dtype=np.float32)
        return self

    @abstractmethod
    def _item_item(self, interactions: csr_array) -> Float[np.ndarray, "item item"]:
        """The matrix from the training interactions, (user, item), float64."""

    @property
    def n_users(self) -> int:
        """Number of users."""
        return cast(tuple[int, int], self.interactions.shape)[0]

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.weights)

    def score(self, users: Int[np.ndarray, " block"]) -> Float[np.ndarray, "block item"]:
        """The scores of all items for these user rows; zero for a user without training interactions."""
        return self.interactions[users] @ self.weights

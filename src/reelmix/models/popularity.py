"""Popularity: the same list for everyone."""

from __future__ import annotations

from typing import Self

import numpy as np
from jaxtyping import Float, Int

from reelmix.data import Split
from reelmix.models.floor import Floor
from reelmix.settings import ModelSettings


class PopularityConfig(ModelSettings):
    """Popularity has no settings."""


class Popularity(Floor):
    """An item's score is the number of its training interactions."""

    name = "popularity"
    Config = PopularityConfig

    def build(self, split: Split, *, rng: int = 0) -> Self:
        """Counts; see :meth:`Floor.build`."""
        self.counts = np.bincount(split.train.items, minlength=split.dataset.n_items).astype(np.float32)
        self._n_users = split.dataset.n_users
        return self

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self._n_users

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.counts)

    def score(self, users: Int[np.ndarray, " block"]) -> Float[np.ndarray, "block item"]:
        """The counts, once for each user."""
        return np.broadcast_to(self.counts, (len(users), self.n_items))

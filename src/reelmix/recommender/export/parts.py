"""What is known of a run's users and items: the part of its vectors that answers are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32

from reelmix.recommender.run import Run


class Written(NamedTuple):
    """How many users and items an export holds."""

    users: int
    items: int


@dataclass(frozen=True, eq=False)
class Part:
    """Users, or items.

    Attributes:
        ids: the caller's own, 64-bit integers or texts.
        titles: of items, null where there is none; users have no titles.
        vectors: score = user . item.
    """

    ids: pl.Series
    titles: pl.Series | None
    vectors: Float32[np.ndarray, "row dim"]

    def __len__(self) -> int:
        return self.ids.len()

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.vectors.shape[1]


def known_parts(run: Run) -> tuple[Part, Part]:
    """Users and items as :meth:`Recommender.recommend` knows them.

    Left out are users without training interactions and items of which nothing is known: their vectors say
    nothing, and a score of 0 would stand above items that a user is known to dislike.
    """
    recommender, table = run.recommender(), run.item_table
    if "title" in table.columns:
        titles = table["title"].cast(pl.String)
    else:
        titles = pl.repeat(None, len(run.items), dtype=pl.String, eager=True)
    users, items = recommender.known_users, recommender.known_items
    return (
        Part(run.users.ids.filter(users), None, _rows(run.vectors.users, users)),
        Part(run.items.ids.filter(items), titles.filter(items), _rows(run.vectors.items, items)),
    )


def _rows(
    vectors: Float32[np.ndarray, "row dim"], kept: Bool[np.ndarray, " row"]
) -> Float32[np.ndarray, "kept dim"]:
    return vectors if kept.all() else vectors[kept]

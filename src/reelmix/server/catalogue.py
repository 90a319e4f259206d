"""What the explorer shows of a run: cards of items, searches, the map."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from reelmix.recommender import Recommender
from reelmix.server import schemas
from reelmix.server.links import Links

MAP_POINTS = 20_000
"""Items, and users, on the map that is sent, at most."""


class Catalogue:
    """Items and users as they are shown.

    Args:
        recommender: of the run.
        links: to files of items; None where none are served.

    Attributes:
        watchers: how many people watched each item in training.
        lengths: how many items each user watched in training.
    """

    def __init__(self, recommender: Recommender, links: Links | None) -> None:
        self.run, self.links = recommender.run, links
        training = recommender.training
        self.watchers: Int[np.ndarray, " item"] = np.bincount(training.indices, minlength=len(self.run.items))
        self.lengths: Int[np.ndarray, " user"] = np.diff(training.indptr).astype(np.int64)

    def users(self, query: str, n: int) -> schemas.Users:
        """Users whose id contains a text, those who watched most first."""
        counts = self.lengths
        table = pl.DataFrame({"id": self.run.users.ids.cast(pl.String), "row": np.arange(len(counts))})
        rows = table.filter(pl.col("id").str.contains(query, literal=True))["row"].to_numpy()
        order = rows[np.lexsort((rows, -counts[rows]))]
        best = order[:n]
        found = [
            schemas.UserSummary(id=identifier, watched=int(counts[row]))
            for row, identifier in zip(best, self.run.users.take(best), strict=True)
        ]
        return schemas.Users(users=found, total=len(rows))

    def items(self, query: str, n: int) -> schemas.Items:
        """Items whose id or title contains a text, whatever its case, the most watched first."""
        found = self._searched.filter(pl.col("text").str.contains(query.lower(), literal=True))
        rows = found["row"].to_numpy()
        order = rows[np.lexsort((rows, -self.watchers[rows]))][:n]
        return schemas.Items(items=self.cards(order), total=len(rows))

    def cards(self, rows: Iterable[int] | Int[np.ndarray, " row"]) -> list[schemas.ItemCard]:
        """What is known of each of these items."""
        return [self.card(int(row)) for row in rows]

    def card(self, row: int) -> schemas.ItemCard:
        """What is known of an item."""
        run = self.run
        present, tint = run.vectors.present[row], self._tints[row]
        identifier = run.items.take([row])[0]
        names = run.vectors.item_parts
        return schemas.ItemCard(
            id=identifier,
            title=(run.titles[row] or None) if run.titles else None,
            modalities=[name for name, here in zip(names, present.tolist(), strict=True) if here],
            watched_by=int(self.watchers[row]),
            media=self.links.to(identifier) if self.links and self.media_of(row) else None,
            tint=None if np.isnan(tint) else round(float(tint), 4),
            added=row >= self._from_training,
        )

    def media_of(self, row: int) -> str | None:
        """The path of an item's file, as the data give it, if files are served."""
        if self.links is None or "media" not in self.run.item_table.columns:
            return None
        found = self.run.item_table["media"][row]
        return str(found) if found else None

    @cached_property
    def map(self) -> schemas.Map | None:
        """Places of items and users; None if none were drawn."""
        run, drawn = self.run, self.run.map
        if drawn is None:
            return None
        columns: dict[str, list[pl.DataFrame]] = {}
        for kind, ids, watched, bits in (
            ("item", run.items.ids, self.watchers, self._bits),
            ("user", run.users.ids, self.lengths, np.full(len(run.users), -1)),
        ):
            rows = pl.DataFrame(
                {"id": ids.cast(pl.String), "row": np.arange(len(ids)), "watched": watched, "bits": bits}
            )
            chosen = drawn.filter(pl.col("kind") == kind).join(rows, on="id", maintain_order="left")
            columns[kind] = [chosen.sort("watched", descending=True, maintain_order=True).head(MAP_POINTS)]
        points = pl.concat([*columns["item"], *columns["user"]])
        is_item, places = (points["kind"] == "item").to_list(), points["row"].to_list()
        titles = run.titles
        return schemas.Map(
            kind=points["kind"].to_list(),
            id=[
                *run.items.take([row for row, item in zip(places, is_item, strict=True) if item]),
                *run.users.take([row for row, item in zip(places, is_item, strict=True) if not item]),
            ],
            title=[
                (titles[row] or None) if titles and item else None
                for row, item in zip(places, is_item, strict=True)
            ],
            x=points["x"].round(4).to_list(),
            y=points["y"].round(4).to_list(),
            modalities=points["bits"].to_list(),
            watched=points["watched"].to_list(),
            cluster=points["cluster"].to_list(),
            names=list(run.vectors.item_parts),
            left_out=len(run.items) + len(run.users) - len(points),
        )

    @cached_property
    def _bits(self) -> Int[np.ndarray, " item"]:
        present = self.run.vectors.present
        return present @ (1 << np.arange(present.shape[1], dtype=np.int64))

    @cached_property
    def _searched(self) -> pl.DataFrame:
        texts = self.run.items.ids.cast(pl.String).rename("text")
        if self.run.titles:
            texts = texts + " " + pl.Series(self.run.titles)
        return pl.DataFrame({"text": texts.str.to_lowercase(), "row": np.arange(len(texts))})

    @property
    def _from_training(self) -> int:
        return len(self.run.items) - int(self.run.manifest.get("added_items", 0))

    @cached_property
    def _tints(self) -> Float[np.ndarray, " item"]:
        """A place on a circle, near for items that are alike: the angle in the plane of most variance."""
        vectors = self.run.vectors
        name = next(iter(vectors.item_parts), None)
        part = vectors.items if name is None else vectors.item_parts[name]
        known = part.any(axis=1)
        centred = part[known] - part[known].mean(axis=0)
        _, axes = np.linalg.eigh(centred.T @ centred)
        plane = centred @ axes[:, -2:]
        tints = np.full(len(part), np.nan)
        if plane.shape[1] == 2:
            tints[known] = np.arctan2(plane[:, 0], plane[:, 1]) / (2 * np.pi) % 1
        return tints

"""A run as it is served at one moment: with what came since training, and ready to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import numpy as np
import polars as pl
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from reelmix.data.vocabulary import UserOrItemId, as_ids
from reelmix.errors import ConfigError, DataError, ReelmixError
from reelmix.recommender import Recommender, Run
from reelmix.recommender.explain import emphasis_of, explain, explain_taste
from reelmix.recommender.index import Index
from reelmix.recommender.item_content import VECTORS
from reelmix.recommender.new_users import FOLD_IN
from reelmix.recommender.recommender import Recommendation, Taste
from reelmix.server import schemas
from reelmix.server.store import StoredItem

MAP_POINTS = 20_000
"""Items, and users, on the map that is sent, at most."""


@dataclass(frozen=True)
class Since:
    """Somebody who watched something since training.

    Attributes:
        taste: what is recommended by.
        history: rows of the items of training and of those since.
        count: items since.
    """

    taste: Taste
    history: Int[np.ndarray, " watched"]
    count: int


@dataclass(frozen=True, eq=False)
class Served:
    """A run with what came since training. It does not change: additions make another.

    Attributes:
        name: by which it is asked for.
        folder: where it was read.
        recommender: of the run and the items that came since.
        since: by user, those who watched something since training.
        media: whether files of items are served.
        added_items: how many came since the run was read.
    """

    name: str
    folder: Path
    recommender: Recommender
    since: Mapping[UserOrItemId, Since]
    media: bool = False
    added_items: int = 0

    @property
    def run(self) -> Run:
        """The run, with the items that came since."""
        return self.recommender.run

    @property
    def takes_history(self) -> bool:
        """Whether somebody new can be recommended to."""
        return str(self.run.manifest["model"]) in FOLD_IN and self.run.vectors.passes is not None

    # What came since training

    def with_items(self, items: Sequence[StoredItem]) -> Served:
        """The same with more items.

        Raises:
            DataError, ConfigError: see :meth:`reelmix.recommender.Recommender.add_items`.
        """
        features: dict[str, dict[UserOrItemId, list[float] | list[int]]] = {}
        for item in items:
            for modality, values in item.features.items():
                features.setdefault(modality, {})[item.id] = self._numbers(modality, values)
            if not item.features:
                raise DataError(
                    expected="at least one modality for every new item",
                    found=f"none for {item.id!r}",
                    where="items",
                    fix="Give it features, or leave it out: nothing is known of it.",
                )
        titles = {item.id: item.title for item in items if item.title is not None}
        recommender = self.recommender.add_items(features, titles=titles)
        return replace(self, recommender=recommender, added_items=self.added_items + len(items))

    def _numbers(self, modality: str, values: list[float]) -> list[float] | list[int]:
        known = self.run.manifest["dataset"]["features"].get(modality, {})
        if known.get("kind") != "bag":
            return values
        if any(value != int(value) for value in values):
            raise DataError(
                expected="whole numbers of tokens",
                found="fractions",
                where=f"features, modality {modality!r}",
                fix="This modality is a bag of tokens: give their numbers.",
            )
        return [int(value) for value in values]

    def with_interactions(self, pairs: Sequence[tuple[UserOrItemId, UserOrItemId]]) -> Served:
        """The same, of people who watched more.

        Raises:
            UnknownIdError: an unknown item.
            ConfigError: a user is new, and the model knows only those of its training.
        """
        fresh: dict[UserOrItemId, list[int]] = {}
        for user, item in pairs:
            fresh.setdefault(user, []).append(self.run.items.row(item))
        return replace(
            self, since={**self.since, **{user: self._later(user, rows) for user, rows in fresh.items()}}
        )

    def _later(self, user: UserOrItemId, rows: Sequence[int]) -> Since:
        before, known = self.since.get(user), user in self.run.users
        trained = self.recommender.training[[self.run.users.row(user)]].indices if known else rows[:0]
        seen = self.recommender.seen[[self.run.users.row(user)]].indices if known else rows[:0]
        earlier = before.history if before else trained
        history = np.union1d(np.asarray(earlier, np.int64), np.asarray(rows, np.int64))
        watched = np.union1d(np.asarray(seen, np.int64), history)
        count = len(history) - len(trained)
        if self.takes_history:
            identifiers = self.run.items.take(history)
            taste = self.recommender.taste_of(identifiers, apart_from=user if known else None)
            return Since(replace(taste, watched=watched), history, count)
        if not known:
            raise ConfigError(
                expected="a user of the training",
                found=repr(user),
                where="interactions",
                fix=f"{self.run.manifest['model']} takes in no new users: {', '.join(FOLD_IN)} do.",
            )
        return Since(replace(self.recommender.taste(user), watched=watched), history, count)

    # Lists and reasons

    def taste(self, user: UserOrItemId) -> Taste:
        """What is known of somebody.

        Raises:
            UnknownIdError: nothing is.
        """
        return self.since[user].taste if user in self.since else self.recommender.taste(user)

    def history(self, user: UserOrItemId) -> Int[np.ndarray, " watched"]:
        """Rows of what somebody watched in training and since.

        Raises:
            UnknownIdError: there is no such user.
        """
        if user in self.since:
            return self.since[user].history
        return self.recommender.training[[self.run.users.row(user)]].indices.astype(np.int64)

    def scored(self, taste: Taste, lines: Sequence[Recommendation]) -> list[schemas.ScoredItem]:
        """Lines of a list with the parts of their scores."""
        rows = [self.run.items.row(line.id) for line in lines]
        parts = {name: part[rows] @ taste.vector for name, part in self.run.vectors.item_parts.items()}
        found = []
        for place, (row, line) in enumerate(zip(rows, lines, strict=True)):
            theirs = {name: float(values[place]) for name, values in parts.items() if values[place]}
            card = self.card(row).model_dump()
            found.append(
                schemas.ScoredItem(
                    **card, score=line.score, parts=theirs, rest=line.score - sum(theirs.values())
                )
            )
        return found

    def explanation(self, user: UserOrItemId, item: UserOrItemId) -> schemas.Explanation:
        """Why somebody's score of an item is what it is.

        Raises:
            UnknownIdError: there is no such user or item.
        """
        if user in self.since:
            told = explain_taste(self.recommender, self.since[user].taste, item)
        else:
            self.recommender.taste(user)  # nothing is to be explained of whom nothing is known
            told = explain(self.recommender, user, item)
        return schemas.Explanation(
            user_id=user,
            item=self.card(self.run.items.row(item)),
            score=told.score,
            rank=told.rank,
            parts=dict(told.parts),
            rest=told.rest,
            lifts=dict(told.lifts),
            rank_without=dict(told.rank_without),
            filled=list(told.filled),
            like={name: [reason(line) for line in lines] for name, lines in told.like.items()},
            history=[reason(line) for line in told.history],
            neighbours=[
                schemas.Reason(id=source.user, score=source.score)
                for source in told.sources
                if source.user is not None
            ],
            sentence=told.sentence(),
        )

    # People

    def profile(self, user: UserOrItemId) -> schemas.Profile:
        """What somebody watched, and their emphasis beside that of others.

        Raises:
            UnknownIdError: there is no such user.
        """
        history = self.history(user)
        return schemas.Profile(user_id=user, history=self.cards(history), emphasis=self._emphasis(user))

    def _emphasis(self, user: UserOrItemId) -> list[schemas.Emphasis]:
        vectors = self.run.vectors
        names = list(vectors.item_parts)
        if not names:
            return []
        own, shares = self._alpha(user), self.recommender.shares_of(self.taste(user))
        everyone = None if vectors.emphasis is None else vectors.emphasis[self._trained].mean(axis=0)
        others, common = self._neighbours(user)
        theirs = None
        if vectors.emphasis is not None and len(others):
            theirs = np.average(vectors.emphasis[others], axis=0, weights=common)
        return [
            schemas.Emphasis(
                modality=name,
                weight=_at(own, place),
                share=0.0 if np.isnan(shares[place]) else float(shares[place]),
                neighbours=_at(theirs, place),
                everyone=_at(everyone, place),
            )
            for place, name in enumerate(names)
        ]

    def _alpha(self, user: UserOrItemId) -> Float[np.ndarray, " modality"] | None:
        if user in self.since:
            history = self.since[user].history
            shape = (1, len(self.run.items))
            ones = np.ones(len(history), np.float32)
            found = emphasis_of(self.run, csr_array((ones, history, [0, len(history)]), shape=shape))
            if found is not None:
                return found[0]
        emphasis = self.run.vectors.emphasis
        return None if emphasis is None or user not in self.run.users else emphasis[self.run.users.row(user)]

    def _neighbours(
        self, user: UserOrItemId
    ) -> tuple[Int[np.ndarray, " neighbour"], Int[np.ndarray, " neighbour"]]:
        """Rows of the training users with items in common, most first, and how many."""
        training = self.recommender.training
        common = np.asarray(training[:, self.history(user)].sum(axis=1)).astype(np.int64)
        if user in self.run.users:
            common[self.run.users.row(user)] = 0
        rows = np.flatnonzero(common)
        order = np.lexsort((rows, self._lengths[rows], -common[rows]))
        return rows[order], common[rows][order]

    def neighbourhood(self, user: UserOrItemId, n: int) -> schemas.Neighbourhood:
        """Who watched the same things, most in common first.

        Raises:
            UnknownIdError: there is no such user.
        """
        history = self.history(user)
        rows = self._neighbours(user)[0][:n]
        training, names = self.recommender.training, list(self.run.vectors.item_parts)
        emphasis, found, shared = self.run.vectors.emphasis, [], set[int]()
        for row, identifier in zip(rows.tolist(), self.run.users.take(rows), strict=True):
            both = np.intersect1d(training[[row]].indices, history)
            shared.update(both.tolist())
            found.append(
                schemas.Neighbour(
                    id=identifier,
                    common=self.run.items.take(both),
                    watched=int(self._lengths[row]),
                    emphasis=_named(names, None if emphasis is None else emphasis[row]),
                )
            )
        return schemas.Neighbourhood(
            user_id=user,
            emphasis=_named(names, self._alpha(user)),
            neighbours=found,
            items=self.cards(sorted(shared)),
        )

    def users(self, query: str, n: int) -> schemas.Users:
        """Users whose id contains a text, those who watched most first."""
        counts = self._lengths
        table = pl.DataFrame({"id": self.run.users.ids.cast(pl.String), "row": np.arange(len(counts))})
        rows = table.filter(pl.col("id").str.contains(query, literal=True))["row"].to_numpy()
        order = rows[np.lexsort((rows, -counts[rows]))]
        best = order[:n]
        found = [
            schemas.UserSummary(id=identifier, watched=int(counts[row]))
            for row, identifier in zip(best, self.run.users.take(best), strict=True)
        ]
        return schemas.Users(users=found, total=len(rows))

    # Items

    def items(self, query: str, n: int) -> schemas.Items:
        """Items whose id or title contains a text, whatever its case, the most watched first."""
        found = self._searched.filter(pl.col("text").str.contains(query.lower(), literal=True))
        rows = found["row"].to_numpy()
        order = rows[np.lexsort((rows, -self._watchers[rows]))][:n]
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
            watched_by=int(self._watchers[row]),
            media=f"/media?item_id={quote(str(identifier), safe='')}" if self.media_of(row) else None,
            tint=None if np.isnan(tint) else round(float(tint), 4),
            added=row >= self._from_training,
        )

    def media_of(self, row: int) -> str | None:
        """The path of an item's file, as the data give it, if files are served."""
        if not self.media or "media" not in self.run.item_table.columns:
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
            ("item", run.items.ids, self._watchers, self._bits),
            ("user", run.users.ids, self._lengths, np.full(len(run.users), -1)),
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

    @cached_property
    def _watchers(self) -> Int[np.ndarray, " item"]:
        """How many people watched each item in training."""
        return np.bincount(self.recommender.training.indices, minlength=len(self.run.items))

    @cached_property
    def _lengths(self) -> Int[np.ndarray, " user"]:
        """How many items each user watched in training."""
        return np.diff(self.recommender.training.indptr).astype(np.int64)

    @property
    def _trained(self) -> np.ndarray:
        return self._lengths > 0

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

    @property
    def takes_items(self) -> bool:
        """Whether items can be added from their content."""
        return str(self.run.manifest["model"]) in VECTORS


def served(
    name: str,
    folder: Path,
    *,
    items: Sequence[StoredItem] = (),
    interactions: Sequence[tuple[UserOrItemId, UserOrItemId]] = (),
    media: bool = False,
    index_from: int | None = None,
) -> tuple[Served, int]:
    """Reads a run and takes in what came since. What the run knows already, or cannot take in, is left out.

    Args:
        name, folder, media: of :class:`Served`.
        items, interactions: what came since.
        index_from: items from which on an approximate index is built; None never builds one.

    Returns:
        What is served, and how much of what came was left out for being of another kind than the run's.

    Raises:
        StorageError, RunError: see :meth:`reelmix.recommender.Run.read`.
    """
    run, index, left_out = Run.read(folder), None, 0
    if index_from is not None and len(run.items) >= index_from:
        index = Index(run.vectors.items, run.vectors.users)
    found = Served(name, folder, Recommender(run, index), {}, media)
    fresh = [item for item in items if item.id not in found.run.items]
    try:
        found = found.with_items(fresh) if fresh else found
    except ReelmixError:  # one by one, since some do not fit
        for item in fresh:
            try:
                found = found.with_items([item])
            except ReelmixError:
                left_out += 1
    for user, item in interactions:
        try:
            found = found.with_interactions([(user, item)])
        except ReelmixError:
            left_out += 1
    return found, left_out


def reason(line: Recommendation) -> schemas.Reason:
    """A line as it goes over the wire."""
    return schemas.Reason(id=line.id, title=line.title or None, score=line.score)


def same_kind(identifiers: Sequence[UserOrItemId], kind: str) -> None:
    """Refuses what cannot be ids.

    Raises:
        DataError: an empty text, or integers and texts together.
    """
    as_ids(identifiers, kind)


def _named(names: Sequence[str], values: np.ndarray | None) -> dict[str, float]:
    return {} if values is None else {name: float(v) for name, v in zip(names, values, strict=True)}


def _at(values: np.ndarray | None, place: int) -> float | None:
    return None if values is None else float(values[place])

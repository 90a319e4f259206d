"""A run as it is served at one moment: with what came since training, and ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int

from reelmix.data.vocabulary import UserOrItemId, as_ids
from reelmix.errors import ConfigError, DataError, ReelmixError
from reelmix.recommender import Recommender, Run
from reelmix.recommender.explain import explain, explain_taste
from reelmix.recommender.index import Index
from reelmix.recommender.item_content import VECTORS
from reelmix.recommender.new_users import FOLD_IN
from reelmix.recommender.recommender import Recommendation, Taste
from reelmix.server import schemas
from reelmix.server.catalogue import Catalogue
from reelmix.server.links import Links
from reelmix.server.store import StoredItem


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
        links: to files of items; None where none are served.
        added_items: how many came since the run was read.
    """

    name: str
    folder: Path
    recommender: Recommender
    since: Mapping[UserOrItemId, Since]
    links: Links | None = None
    added_items: int = 0

    @property
    def run(self) -> Run:
        """The run, with the items that came since."""
        return self.recommender.run

    @property
    def takes_history(self) -> bool:
        """Whether somebody new can be recommended to."""
        return str(self.run.manifest["model"]) in FOLD_IN and self.run.vectors.passes is not None

    @property
    def takes_items(self) -> bool:
        """Whether items can be added from their content."""
        return str(self.run.manifest["model"]) in VECTORS

    @cached_property
    def catalogue(self) -> Catalogue:
        """How its items and users are shown."""
        return Catalogue(self.recommender, self.links)

    def ready(self) -> Served:
        """The same, once everything is worked out that the first question would have to wait for."""
        for vocabulary in (self.run.users, self.run.items):
            for identifier in vocabulary.ids.head(1).to_list():
                vocabulary.row(identifier)
        if len(self.run.items):
            self.catalogue.card(0)
        return self

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
            card = self.catalogue.card(row).model_dump()
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
            item=self.catalogue.card(self.run.items.row(item)),
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


def served(
    name: str,
    folder: Path,
    *,
    items: Sequence[StoredItem] = (),
    interactions: Sequence[tuple[UserOrItemId, UserOrItemId]] = (),
    links: Links | None = None,
    index_from: int | None = None,
) -> tuple[Served, int]:
    """Reads a run and takes in what came since. What the run knows already, or cannot take in, is left out.

    Args:
        name, folder, links: of :class:`Served`.
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
    found = Served(name, folder, Recommender(run, index), {}, links)
    fresh = [item for item in items if item.id not in found.run.items]
    try:
        found = found.with_items(fresh) if fresh else found
    except ReelmixError:  # one by one, since some do not fit
        for item in fresh:
            try:
                found = found.with_items([item])
            except ReelmixError:
                left_out += 1
    known = [(user, item) for user, item in interactions if item in found.run.items]
    left_out += len(interactions) - len(known)
    try:
        found = found.with_interactions(known)
    except ReelmixError:
        for pair in known:
            try:
                found = found.with_interactions([pair])
            except ReelmixError:
                left_out += 1
    return found.ready(), left_out


def reason(line: Recommendation) -> schemas.Reason:
    """A line as it goes over the wire."""
    return schemas.Reason(id=line.id, title=line.title or None, score=line.score)


def same_kind(identifiers: Sequence[UserOrItemId], kind: str) -> None:
    """Refuses what cannot be ids.

    Raises:
        DataError: an empty text, or integers and texts together.
    """
    as_ids(identifiers, kind)

"""A trained model at work: lists for users, what is alike, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, overload

import numpy as np
from jaxtyping import Bool, Float, Int

from reelmix.data.vocabulary import UserOrItemId, Vocabulary
from reelmix.errors import ConfigError, DataError, UnknownIdError, nearest
from reelmix.evaluation.ranking import top_n
from reelmix.recommender.index import Index
from reelmix.recommender.new_items import Content, NewItems, with_items
from reelmix.recommender.new_users import fold_in, one_history
from reelmix.recommender.run import Run
from reelmix.recommender.shares import Spread, modality_shares

WhenUnknown = Literal["error", "empty"]
WhenUnknownItem = Literal["error", "ignore"]
BLOCK_BYTES = 64 << 20


@dataclass(frozen=True)
class Recommendation:
    """One line of a list.

    Attributes:
        id: the caller's id of the item or user.
        score: what it was ranked by.
        title: the item's title, if it has one.
    """

    id: UserOrItemId
    score: float
    title: str | None = None


@dataclass(frozen=True, eq=False)
class Taste:
    """A person to recommend for: one of training, or anybody with a history.

    Attributes:
        vector: score = vector . item.
        watched: rows of the items that they watched, which are not recommended.
    """

    vector: Float[np.ndarray, " dim"]
    watched: Int[np.ndarray, " watched"]


class Recommender:
    """Answers from the vectors of a run; needs neither training data nor torch.

    An item of which nothing is known, neither content nor who watched it, has the vector zero. It is never
    recommended: its score of 0 would stand above items that a user is known to dislike.

    Args:
        run: a finished run, or the folder of one.
        index: of its items, or of the first of them: :meth:`recommend_for_taste` is then approximate, but for
            questions that name items or modalities.

    Attributes:
        seen, training: all interactions and those of training, (user, item).
        known_users: who has an interaction in training; of the others' taste nothing is known.
        known_items: of which something is known, content or who watched it.
    """

    def __init__(self, run: Run | str | Path, index: Index | None = None) -> None:
        self.index = index
        self.run = run if isinstance(run, Run) else Run.read(run)
        self.vectors = self.run.vectors
        self.seen, self.training = self.run.matrix(), self.run.training
        self.known_users: Bool[np.ndarray, " user"] = np.diff(self.training.indptr) > 0
        self.known_items: Bool[np.ndarray, " item"] = np.logical_or(
            self.vectors.items.any(axis=1), self.vectors.present.any(axis=1)
        )

    @cached_property
    def shares(self) -> Float[np.ndarray, "user modality"]:
        """What decides each user's list; see :func:`reelmix.recommender.shares.modality_shares`."""
        return modality_shares(self.vectors)

    def shares_of(self, taste: Taste) -> Float[np.ndarray, " modality"]:
        """The same for anybody."""
        return modality_shares(self.vectors, taste.vector[None], self._spread)[0]

    @cached_property
    def _spread(self) -> Spread:
        return Spread.of(self.vectors)

    @overload
    def recommend(
        self,
        users: UserOrItemId,
        n: int = 10,
        *,
        include_seen: bool = False,
        among: Sequence[UserOrItemId] | None = None,
        without: Sequence[UserOrItemId] = (),
        without_modalities: Sequence[str] = (),
        unknown: WhenUnknown = "error",
    ) -> list[Recommendation]: ...
    @overload
    def recommend(
        self,
        users: Sequence[UserOrItemId],
        n: int = 10,
        *,
        include_seen: bool = False,
        among: Sequence[UserOrItemId] | None = None,
        without: Sequence[UserOrItemId] = (),
        without_modalities: Sequence[str] = (),
        unknown: WhenUnknown = "error",
    ) -> list[list[Recommendation]]: ...
    def recommend(
        self,
        users: UserOrItemId | Sequence[UserOrItemId],
        n: int = 10,
        *,
        include_seen: bool = False,
        among: Sequence[UserOrItemId] | None = None,
        without: Sequence[UserOrItemId] = (),
        without_modalities: Sequence[str] = (),
        unknown: WhenUnknown = "error",
    ) -> list[Recommendation] | list[list[Recommendation]]:
        """The items with the highest scores for one user, or for each of many.

        Args:
            users: an id, or a sequence of ids.
            n: length of a list; it is shorter when fewer items are left.
            include_seen: keep items that the user has interacted with, in any part of the data.
            among: only these items may be recommended.
            without: these items may not.
            without_modalities: rank as if these added nothing.
            unknown: what to do for a user who is unknown or has no training interaction: raise, or give an
                empty list.

        Returns:
            For one id a list, best first; for a sequence a list of such lists.

        Raises:
            UnknownIdError: an unknown user (unless ``unknown="empty"``) or item.
            ConfigError: ``n`` is below 1, or the model has no such modality.
        """
        _require_positive(n)
        one = isinstance(users, int | str | np.integer)
        asked: Sequence[UserOrItemId] = [users] if one else list(users)
        hidden = self._hidden(among, without)
        rows = [self._row_of_user(user, unknown) for user in asked]
        known = np.array([row for row in rows if row is not None], np.int64)
        found = iter(self._best(known, n, hidden, include_seen, without_modalities))
        lists = [[] if row is None else next(found) for row in rows]
        return lists[0] if one else lists

    def recommend_for_history(
        self,
        history: UserOrItemId | Sequence[UserOrItemId],
        n: int = 10,
        *,
        among: Sequence[UserOrItemId] | None = None,
        without: Sequence[UserOrItemId] = (),
        unknown: WhenUnknownItem = "error",
        apart_from: UserOrItemId | None = None,
    ) -> list[Recommendation]:
        """The items with the highest scores for someone who was not in training and watched these items.

        Nothing is trained: see :func:`reelmix.recommender.new_users.fold_in`. The items of the history are
        left out. The order of the history makes no difference, nor does an item that is named twice.

        Args:
            history: ids of what they watched; or one id.
            n: length of the list.
            among: only these items may be recommended.
            without: these items may not.
            unknown: what to do about an unknown id in the history: raise, or leave it out.
            apart_from: the training user whose history this is, if it is one's: they are then not taken for
                their own neighbour.

        Raises:
            UnknownIdError: an unknown id.
            DataError: the history is empty, or nothing is known of any of its items.
            ConfigError: the model knows only the users of its training, or ``n`` is below 1.
        """
        _require_positive(n)
        taste = self.taste_of(history, unknown=unknown, apart_from=apart_from)
        return self.recommend_for_taste(taste, n, among=among, without=without)

    def taste(self, user: UserOrItemId) -> Taste:
        """What is known of a user of the training.

        Raises:
            UnknownIdError: there is no such user, or they have no training interaction.
        """
        row = self._row_of_user(user, "error")
        return Taste(self.vectors.users[row], self.seen[[row]].indices)

    def taste_of(
        self,
        history: UserOrItemId | Sequence[UserOrItemId],
        *,
        unknown: WhenUnknownItem = "error",
        apart_from: UserOrItemId | None = None,
    ) -> Taste:
        """What :meth:`recommend_for_history` knows of such a person.

        Raises:
            UnknownIdError: an unknown id.
            DataError: the history is empty, or nothing is known of any of its items.
            ConfigError: the model knows only the users of its training.
        """
        rows = self._rows_of_history(history, unknown)
        watched = one_history(rows, len(self.run.items))
        itself = None if apart_from is None else np.array([self.run.users.row(apart_from)])
        vector = fold_in(self.run, watched, apart_from=itself)[0]
        if not vector.any():
            raise DataError(
                expected="an item that somebody watched in training, or whose content is known",
                found="none",
                where="history",
                fix="Give other items that this person watched, or recommend what is popular.",
            )
        return Taste(vector, rows)

    def recommend_for_taste(
        self,
        taste: Taste,
        n: int = 10,
        *,
        include_seen: bool = False,
        among: Sequence[UserOrItemId] | None = None,
        without: Sequence[UserOrItemId] = (),
        without_modalities: Sequence[str] = (),
    ) -> list[Recommendation]:
        """The items with the highest scores for a person; see :meth:`recommend`.

        Raises:
            UnknownIdError: an unknown item.
            ConfigError: ``n`` is below 1, or the model has no such modality.
        """
        _require_positive(n)
        if self.index is not None and among is None and not without_modalities:
            return self._approximate(self.index, taste, n, include_seen, without)
        scores = taste.vector[None] @ self._items(without_modalities).T
        scores[:, self._hidden(among, without)] = -np.inf
        if not include_seen:
            scores[:, taste.watched] = -np.inf
        return self._lines(self.run.items, scores, n, self.run.titles)[0]

    def _approximate(
        self, index: Index, taste: Taste, n: int, include_seen: bool, without: Sequence[UserOrItemId]
    ) -> list[Recommendation]:
        """The same from what the index finds and what came after it."""
        hidden = np.array([self.run.items.row(identifier) for identifier in without], np.int64)
        if not include_seen:
            hidden = np.concatenate([hidden, taste.watched])
        found = index.candidates(taste.vector, n + len(hidden))
        rows = np.concatenate([found, np.arange(index.size, len(self.run.items))])
        rows = np.sort(rows[self.known_items[rows] & ~np.isin(rows, hidden)])
        scores = self.vectors.items[rows] @ taste.vector
        best = np.lexsort((rows, -scores))[:n]
        titles = self.run.titles
        return [
            Recommendation(identifier, float(scores[place]), titles[rows[place]] if titles else None)
            for identifier, place in zip(self.run.items.take(rows[best]), best, strict=True)
        ]

    def _items(self, without_modalities: Sequence[str]) -> Float[np.ndarray, "item dim"]:
        """Item vectors, less the parts of some modalities."""
        items = self.vectors.items
        for name in dict.fromkeys(without_modalities):
            if name not in self.vectors.item_parts:
                raise ConfigError(
                    expected="a modality of the model",
                    found=repr(name),
                    where="without_modalities",
                    fix=nearest(name, self.vectors.item_parts),
                )
            items = items - self.vectors.item_parts[name]
        return items

    def _rows_of_history(
        self, history: UserOrItemId | Sequence[UserOrItemId], unknown: WhenUnknownItem
    ) -> Int[np.ndarray, " item"]:
        history = [history] if isinstance(history, int | str | np.integer) else list(history)
        if unknown == "ignore":
            history = [identifier for identifier in history if identifier in self.run.items]
        rows = np.unique(np.array([self.run.items.row(identifier) for identifier in history], np.int64))
        if len(rows) == 0:
            raise DataError(
                expected="at least one known item",
                found="none",
                where="history",
                fix="Give an item that this person watched; for somebody of whom nothing is known, "
                "recommend what is popular.",
            )
        return rows

    def add_items(
        self,
        features: Mapping[str, Content],
        *,
        titles: Mapping[UserOrItemId, str] | None = None,
        encoders: Mapping[str, str] | None = None,
    ) -> Recommender:
        """A recommender that also knows these new items, at once and without training.

        Their vectors are the model's own equations for an item that nobody has watched: see
        :func:`reelmix.recommender.new_items.with_items`. ``.run.write(folder)`` keeps them.

        Args:
            features: modality to item id to the item's vector, or to its token numbers where the modality is
                a bag; an item lacks the modalities that do not name it, and must have at least one.
            titles: item id to title.
            encoders: modality to what made its vectors, checked against that of the training.

        Raises:
            DataError: no item, one that the run has already or that has no modality, an unknown modality, or
                features of another kind, size or encoder than those of the training.
            ConfigError: the model knows no content.
        """
        new = NewItems.of(features, titles=titles, encoders=encoders, run=self.run)
        return Recommender(with_items(self.run, new), self.index)

    def similar_items(self, item: UserOrItemId, n: int = 10) -> list[Recommendation]:
        """The items whose vectors point most nearly the same way (cosine), without the item itself.

        Raises:
            UnknownIdError: there is no such item.
            DataError: nothing is known of it.
            ConfigError: ``n`` is below 1.
        """
        return self._similar(self.run.items, self.vectors.items, item, n, self.run.titles)

    def similar_users(self, user: UserOrItemId, n: int = 10) -> list[Recommendation]:
        """The users whose vectors point most nearly the same way (cosine), without the user themself.

        Raises:
            UnknownIdError: there is no such user.
            ConfigError: ``n`` is below 1.
        """
        return self._similar(self.run.users, self.vectors.users, user, n, None)

    def _similar(
        self,
        vocabulary: Vocabulary,
        vectors: Float[np.ndarray, "row dim"],
        identifier: UserOrItemId,
        n: int,
        titles: list[str] | None,
    ) -> list[Recommendation]:
        _require_positive(n)
        row = vocabulary.row(identifier)
        if vocabulary is self.run.items and not self.known_items[row]:
            raise DataError(
                expected=f"known content or training interactions of the {vocabulary.kind}",
                found=f"none of {identifier!r}",
                where=f"{vocabulary.kind} id",
                fix="Nothing can be said to be like it; train again with some of either.",
            )
        cosine = unit(vectors) @ unit(vectors[row : row + 1])[0]
        cosine[row] = -np.inf
        return self._lines(vocabulary, cosine[None], n, titles)[0]

    def _best(
        self,
        users: np.ndarray,
        n: int,
        hidden: Int[np.ndarray, " hidden"] | Bool[np.ndarray, " item"],
        include_seen: bool,
        without_modalities: Sequence[str],
    ) -> list[list[Recommendation]]:
        lists: list[list[Recommendation]] = []
        items = self._items(without_modalities)
        block = max(1, BLOCK_BYTES // (4 * len(self.run.items)))
        for start in range(0, len(users), block):
            rows = users[start : start + block]
            scores = self.vectors.users[rows] @ items.T
            scores[:, hidden] = -np.inf
            if not include_seen:
                seen = self.seen[rows]
                scores[np.repeat(np.arange(len(rows)), np.diff(seen.indptr)), seen.indices] = -np.inf
            lists += self._lines(self.run.items, scores, n, self.run.titles)
        return lists

    def _lines(
        self,
        vocabulary: Vocabulary,
        scores: Float[np.ndarray, "row choice"],
        n: int,
        titles: list[str] | None,
    ) -> list[list[Recommendation]]:
        lists = []
        for row, places in zip(scores, top_n(scores, n).items, strict=True):
            places = places[places >= 0]
            lists.append(
                [
                    Recommendation(identifier, float(row[place]), titles[place] if titles else None)
                    for identifier, place in zip(vocabulary.take(places), places, strict=True)
                ]
            )
        return lists

    @overload
    def _row_of_user(self, user: UserOrItemId, unknown: Literal["error"]) -> int: ...
    @overload
    def _row_of_user(self, user: UserOrItemId, unknown: WhenUnknown) -> int | None: ...
    def _row_of_user(self, user: UserOrItemId, unknown: WhenUnknown) -> int | None:
        if unknown == "empty" and user not in self.run.users:
            return None
        row = self.run.users.row(user)
        if self.known_users[row]:
            return row
        if unknown == "empty":
            return None
        raise UnknownIdError(
            expected="a user with training interactions",
            found=f"none of {user!r}",
            where="user id",
            fix="Nothing is known of this user's taste. Train again with some of what they watched.",
        )

    def _hidden(
        self, among: Sequence[UserOrItemId] | None, without: Sequence[UserOrItemId]
    ) -> Int[np.ndarray, " hidden"] | Bool[np.ndarray, " item"]:
        """Selects the items that may not be recommended: by row where they are few, or by a mask."""
        left_out = np.array([self.run.items.row(identifier) for identifier in without], np.int64)
        if among is None:
            return np.concatenate([self._unknown_items, left_out])
        hidden = np.ones(len(self.run.items), bool)
        hidden[[self.run.items.row(identifier) for identifier in among]] = False
        hidden[self._unknown_items] = hidden[left_out] = True
        return hidden

    @cached_property
    def _unknown_items(self) -> Int[np.ndarray, " unknown"]:
        return np.flatnonzero(~self.known_items)


def unit(vectors: Float[np.ndarray, "row dim"]) -> Float[np.ndarray, "row dim"]:
    """The vectors at length 1; zero vectors stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def _require_positive(n: int) -> None:
    if n < 1:
        raise ConfigError(
            expected="a list of at least 1", found=str(n), where="n", fix="Ask for n = 10, say."
        )

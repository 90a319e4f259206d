"""Why an item stands in a user's list: what each modality and each neighbour adds, and what it is like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from reelmix.data.vocabulary import UserOrItemId
from reelmix.recommender import tastes
from reelmix.recommender.new_users import one_history
from reelmix.recommender.recommender import Recommendation, Recommender, Taste, unit
from reelmix.recommender.run import Run

ALIKE = 3
"""Watched items that are named for each modality."""

BY_ITEM = {"reelmix": tastes.by_item}
"""By model, what each watched item adds to a user's vector."""


@dataclass(frozen=True)
class Source:
    """What one user's taste adds to a score.

    Attributes:
        user: the co-occurring user; None for the one whose score it is.
        weight: of the user graph (DualGNN, eqs. 6 and 7); 1 for the user's own part.
        common_items: training items that both interacted with; of the own part, all of the user's.
        score: what it adds to the score.
        parts: the same for each modality that the item has; they add up to ``score``, less what belongs to
            no modality.
    """

    user: UserOrItemId | None
    weight: float
    common_items: int
    score: float
    parts: Mapping[str, float]


@dataclass(frozen=True)
class Explanation:
    """Why a user's score of an item is what it is.

    Attributes:
        score: user . item.
        parts: what each modality of the item adds; with ``rest`` they add up to ``score``. Modalities that
            the item lacks add nothing and are left out, unless they were filled in.
        lifts: each part less the mean of the same part over all items that have the modality: what sets this
            item apart for this user.
        emphasis: the user's alpha for each modality, exactly as the score used it; empty for models without.
        shares: what part of the spread of all the user's scores each modality of the model makes; they add
            up to 1 for models in which all belongs to a modality
            (:func:`reelmix.recommender.shares.modality_shares`).
        like: for each part, the watched items that are nearest in that modality, by cosine, nearest first.
        filled: the modalities of ``parts`` that the item lacks: the model filled them in.
        rest: what belongs to no modality, such as VBPR's latent vectors and biases.
        sources: the user's own part and that of each co-occurring user, which add up to ``score``: first the
            own, then the others, the largest first.
        history: what each watched item adds to the score, the largest first, for models whose users are what
            they watched (Reelmix); the rest is what the item has whoever asks, its bias.
        rank: the item's place, from 1, among those that the user has not interacted with and itself.
        rank_without: its place if all items were ranked without each modality.
    """

    score: float
    parts: Mapping[str, float]
    lifts: Mapping[str, float]
    emphasis: Mapping[str, float]
    shares: Mapping[str, float]
    like: Mapping[str, tuple[Recommendation, ...]]
    filled: tuple[str, ...] = ()
    rest: float = 0.0
    sources: tuple[Source, ...] = ()
    history: tuple[Recommendation, ...] = ()
    rank: int = 0
    rank_without: Mapping[str, int] = field(default_factory=dict)

    @property
    def strongest(self) -> str | None:
        """The modality that sets the item apart most; None for models without modalities."""
        return max(self.lifts, key=lambda name: self.lifts[name]) if self.lifts else None

    def sentence(self) -> str:
        """The reason in one line: ``acoustic +2.41 (like “Rain on a roof”), visual +0.30 (filled in)``."""
        if self.strongest is None:
            return f"score {self.score:+.2f}"
        said = []
        for name in sorted(self.lifts, key=lambda name: -self.lifts[name]):
            alike = self.like.get(name) if name == self.strongest else None
            notes = ["filled in"] if name in self.filled else []
            notes += [f"like {_named(alike[0])}"] if alike else []
            said.append(f"{name} {self.lifts[name]:+.2f}" + (f" ({', '.join(notes)})" if notes else ""))
        return ", ".join(said)


def _named(item: Recommendation) -> str:
    return f"“{item.title}”" if item.title else str(item.id)


def explain(recommender: Recommender, user: UserOrItemId, item: UserOrItemId) -> Explanation:
    """Splits the score of one user and one item into the parts of modalities, and into whose taste it is.

    The splits are exact: the score is linear in the item's parts, and in the user's own vector and those of
    their neighbours, or those of the items they watched. All in double precision.

    Raises:
        UnknownIdError: there is no such user or item.
    """
    run, vectors = recommender.run, recommender.vectors
    u, i = run.users.row(user), run.items.row(item)
    told = _split(recommender, Taste(vectors.users[u], recommender.seen[[u]].indices), i)
    weights = None if vectors.emphasis is None else vectors.emphasis[u]
    return replace(
        told,
        emphasis=_by_modality(recommender, weights),
        shares=_by_modality(recommender, recommender.shares[u]),
        sources=_sources(recommender, u, i, tuple(told.parts)),
        history=_history(recommender, recommender.training[[u]], i),
    )


def explain_taste(recommender: Recommender, taste: Taste, item: UserOrItemId) -> Explanation:
    """The same for anybody with a history (:meth:`Recommender.taste_of`).

    ``emphasis`` is known of Reelmix alone, and ``sources`` of nobody: neighbours are in the vector already.

    Raises:
        UnknownIdError: there is no such item.
    """
    run, i = recommender.run, recommender.run.items.row(item)
    history = one_history(taste.watched, len(run.items))
    weights = emphasis_of(run, history)
    return replace(
        _split(recommender, taste, i),
        emphasis=_by_modality(recommender, None if weights is None else weights[0]),
        shares=_by_modality(recommender, recommender.shares_of(taste)),
        history=_history(recommender, history, i),
    )


def emphasis_of(run: Run, histories: csr_array) -> Float[np.ndarray, "history modality"] | None:
    """How much people with these histories care about each modality; None where only training can tell."""
    if str(run.manifest["model"]) != "reelmix" or run.vectors.directions is None:
        return None
    return tastes.emphasis(run, histories)


def _by_modality(recommender: Recommender, values: Float[np.ndarray, " modality"] | None) -> dict[str, float]:
    if values is None:
        return {}
    return {name: float(value) for name, value in zip(recommender.vectors.item_parts, values, strict=True)}


def _split(recommender: Recommender, taste: Taste, i: int) -> Explanation:
    """The parts of modalities, and the ranks: what hangs on a person's vector alone."""
    vectors = recommender.vectors
    vector, watched = taste.vector.astype(np.float64), taste.watched
    parts: dict[str, float] = {}
    lifts: dict[str, float] = {}
    like: dict[str, tuple[Recommendation, ...]] = {}
    for place, (name, part) in enumerate(vectors.item_parts.items()):
        present = vectors.present[:, place]
        if not present[i] and not part[i].any():
            continue
        parts[name] = float(part[i] @ vector)
        lifts[name] = parts[name] - float((part[present] @ vector).mean() if present.any() else 0.0)
        alike = _nearest(recommender, part, i, watched[(watched != i) & present[watched]])
        if alike:
            like[name] = alike
    score = float(vectors.items[i] @ vector)
    return Explanation(
        score,
        parts,
        lifts,
        {},
        {},
        like,
        filled=tuple(
            n for place, n in enumerate(vectors.item_parts) if n in parts and not vectors.present[i, place]
        ),
        rest=score - sum(parts.values()),
        # the very product that lists are sorted by: in double precision ties of theirs would fall apart
        rank=_rank((taste.vector[None] @ vectors.items.T)[0], i, watched),
        rank_without={
            name: _rank((vectors.items - vectors.item_parts[name]) @ vector, i, watched) for name in parts
        },
    )


def _nearest(
    recommender: Recommender,
    part: Float[np.ndarray, "item dim"],
    item: int,
    watched: Int[np.ndarray, " watched"],
) -> tuple[Recommendation, ...]:
    """The watched items whose vectors in a modality point most nearly the same way; ties by row."""
    if not len(watched):
        return ()
    cosine = unit(part[watched]) @ unit(part[item : item + 1])[0]
    order = np.lexsort((watched, -cosine))[:ALIKE]
    titles = recommender.run.titles
    return tuple(
        Recommendation(identifier, float(cosine[place]), titles[watched[place]] if titles else None)
        for identifier, place in zip(recommender.run.items.take(watched[order]), order, strict=True)
    )


def _sources(recommender: Recommender, user: int, item: int, names: tuple[str, ...]) -> tuple[Source, ...]:
    """What the user and each neighbour add, the user first."""
    run, vectors = recommender.run, recommender.vectors
    seen = recommender.training
    others, weights = _neighbours(run, user)
    common = np.asarray(seen[others] @ seen[[user]].T.toarray())[:, 0]
    theirs = np.zeros((0, vectors.users.shape[1]))
    if vectors.refinement is not None:
        theirs = weights[:, None] * vectors.refinement[others].astype(np.float64)
    own = vectors.users[user].astype(np.float64) - theirs.sum(axis=0)
    whole = vectors.items[item].astype(np.float64)

    def source(identifier: UserOrItemId | None, weight: float, count: int, taste: np.ndarray) -> Source:
        parts = {name: float(vectors.item_parts[name][item] @ taste) for name in names}
        return Source(identifier, weight, count, float(whole @ taste), parts)

    found = [
        source(identifier, float(weights[place]), int(common[place]), theirs[place])
        for place, identifier in enumerate(run.users.take(others))
    ]
    found.sort(key=lambda one: -abs(one.score))
    return (source(None, 1.0, int(seen[[user]].sum()), own), *found)


def _history(recommender: Recommender, history: csr_array, item: int) -> tuple[Recommendation, ...]:
    """What each watched item adds, the largest first; ties by row."""
    run = recommender.run
    split_up = BY_ITEM.get(str(run.manifest["model"]))
    if split_up is None:
        return ()
    rows, added = split_up(run, history)
    scores = added @ recommender.vectors.items[item].astype(np.float64)
    order, titles = np.lexsort((rows, -scores)), run.titles
    return tuple(
        Recommendation(identifier, float(scores[place]), titles[rows[place]] if titles else None)
        for identifier, place in zip(run.items.take(rows[order]), order, strict=True)
    )


def _neighbours(run: Run, user: int) -> tuple[Int[np.ndarray, " neighbour"], Float[np.ndarray, " neighbour"]]:
    """Rows and weights of the users who refine this one."""
    graph = run.vectors.neighbours
    if graph is None:
        return np.zeros(0, np.int64), np.zeros(0)
    part = slice(graph.indptr[user], graph.indptr[user + 1])
    return graph.indices[part].astype(np.int64), graph.data[part].astype(np.float64)


def _rank(scores: Float[np.ndarray, " item"], item: int, watched: Int[np.ndarray, " watched"]) -> int:
    """The item's place, from 1, among those not watched and itself; equal scores go by row, as in lists."""
    before = (scores > scores[item]) | ((scores == scores[item]) & (np.arange(len(scores)) < item))
    before[watched] = False
    return 1 + int(before.sum())

"""Why an item stands in a user's list: what each modality adds, and the watched item that it is like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reelmix.data.vocabulary import UserOrItemId
from reelmix.recommender.recommender import Recommendation, Recommender, unit


@dataclass(frozen=True)
class Explanation:
    """Why a user's score of an item is what it is.

    Attributes:
        score: user . item.
        parts: what each modality of the item adds; they add up to ``score``. Modalities that the item lacks
            add nothing and are left out.
        lifts: each part less the mean of the same part over all items that have the modality: what sets this
            item apart for this user.
        emphasis: the user's alpha for each modality, exactly as the score used it; empty for models without.
        shares: what part of the spread of all the user's scores each modality of the model makes; they add
            up to 1 (:func:`reelmix.recommender.shares.modality_shares`).
        like: for each part, the watched item that is nearest in that modality, by cosine.
    """

    score: float
    parts: Mapping[str, float]
    lifts: Mapping[str, float]
    emphasis: Mapping[str, float]
    shares: Mapping[str, float]
    like: Mapping[str, Recommendation]

    @property
    def strongest(self) -> str | None:
        """The modality that sets the item apart most; None for models without modalities."""
        return max(self.lifts, key=lambda name: self.lifts[name]) if self.lifts else None

    def sentence(self) -> str:
        """The reason in one line: ``acoustic +2.41 (like “Rain on a roof”), visual +0.30``."""
        if self.strongest is None:
            return f"score {self.score:+.2f}"
        said = []
        for name in sorted(self.lifts, key=lambda name: -self.lifts[name]):
            alike = self.like.get(name) if name == self.strongest else None
            said.append(f"{name} {self.lifts[name]:+.2f}" + (f" (like {_named(alike)})" if alike else ""))
        return ", ".join(said)


def _named(item: Recommendation) -> str:
    return f"“{item.title}”" if item.title else str(item.id)


def explain(recommender: Recommender, user: UserOrItemId, item: UserOrItemId) -> Explanation:
    """Splits the score of one user and one item into the parts of its modalities.

    Raises:
        UnknownIdError: there is no such user or item.
    """
    run, vectors = recommender.run, recommender.vectors
    u, i = run.users.row(user), run.items.row(item)
    watched = run.matrix()[[u]].indices
    watched = watched[watched != i]
    parts, lifts, like = {}, {}, {}
    for place, (name, part) in enumerate(vectors.item_parts.items()):
        present = vectors.present[:, place]
        if not present[i]:
            continue
        scores = part @ vectors.users[u]
        parts[name] = float(scores[i])
        lifts[name] = float(scores[i] - scores[present].mean())
        candidates = watched[present[watched]]
        if len(candidates):
            cosine = unit(part[candidates]) @ unit(part[i : i + 1])[0]
            nearest = int(candidates[np.argmax(cosine)])
            title = run.titles[nearest] if run.titles else None
            like[name] = Recommendation(run.items.take([nearest])[0], float(cosine.max()), title)
    weights = (
        {} if vectors.emphasis is None else dict(zip(vectors.item_parts, vectors.emphasis[u], strict=True))
    )
    return Explanation(
        float(vectors.users[u] @ vectors.items[i]),
        parts,
        lifts,
        {name: float(weight) for name, weight in weights.items()},
        {name: float(share) for name, share in zip(vectors.item_parts, recommender.shares[u], strict=True)},
        like,
    )

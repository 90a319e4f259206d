"""What decides a user's list: how much of the spread of their scores each modality makes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from reelmix.recommender.run import Vectors


class Spread(NamedTuple):
    """How the items' vectors vary, from which every user's shares follow.

    Attributes:
        parts: covariance of each modality's part with the whole, times the number of items.
        whole: that of the whole with itself.
    """

    parts: Float[np.ndarray, "modality dim dim"]
    whole: Float[np.ndarray, "dim dim"]

    @classmethod
    def of(cls, vectors: Vectors) -> Spread:
        """Of a run's items, in double precision."""
        items = vectors.items.astype(np.float64)
        items -= items.mean(axis=0)
        parts = [
            (part - part.mean(axis=0, dtype=np.float64)).T @ items for part in vectors.item_parts.values()
        ]
        return cls(np.array(parts).reshape(-1, items.shape[1], items.shape[1]), items.T @ items)


def modality_shares(
    vectors: Vectors, users: Float[np.ndarray, "user dim"] | None = None, spread: Spread | None = None
) -> Float[np.ndarray, "user modality"]:
    """The part of each modality in the variance of a user's scores over all items.

    A user's parts sum to 1, less what belongs to no modality, such as VBPR's latent vectors.

    ``share[u, m] = Cov_items(u . i_m, u . i) / Var_items(u . i)``: an exact split of the spread by which a
    user's list is ordered. A part can be below 0 where a modality works against the others. On simulated
    users it follows their planted emphasis far better than alpha does; see docs/emphasis.md.

    Args:
        vectors: of a run whose model knows modalities.
        users: vectors of other people; those of the run's users if absent.
        spread: of the items, if it was worked out before.

    Returns:
        float64; NaN for a user whose scores are all equal. No columns for models without modalities.
    """
    users = (vectors.users if users is None else users).astype(np.float64)
    spread = spread or Spread.of(vectors)
    columns = [((users @ shared) * users).sum(axis=1) for shared in spread.parts]
    covariances = np.stack(columns, axis=1) if columns else np.zeros((len(users), 0))
    variance = ((users @ spread.whole) * users).sum(axis=1, keepdims=True)
    return np.divide(covariances, variance, out=np.full_like(covariances, np.nan), where=variance > 0)

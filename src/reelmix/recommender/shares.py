"""What decides a user's list: how much of the spread of their scores each modality makes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from reelmix.recommender.run import Vectors


def modality_shares(
    vectors: Vectors, users: Float[np.ndarray, "user dim"] | None = None
) -> Float[np.ndarray, "user modality"]:
    """The part of each modality in the variance of a user's scores over all items.

    A user's parts sum to 1, less what belongs to no modality, such as VBPR's latent vectors.

    ``share[u, m] = Cov_items(u . i_m, u . i) / Var_items(u . i)``: an exact split of the spread by which a
    user's list is ordered. A part can be below 0 where a modality works against the others. On simulated
    users it follows their planted emphasis far better than alpha does; see docs/emphasis.md.

    Args:
        vectors: of a run whose model knows modalities.
        users: vectors of other people; those of the run's users if absent.

    Returns:
        float64; NaN for a user whose scores are all equal. No columns for models without modalities.
    """
    users = (vectors.users if users is None else users).astype(np.float64)
    items = vectors.items.astype(np.float64)
    items -= items.mean(axis=0)
    columns = []
    for part in vectors.item_parts.values():
        shared = (part - part.mean(axis=0, dtype=np.float64)).T @ items
        columns.append(((users @ shared) * users).sum(axis=1))
    covariances = np.stack(columns, axis=1) if columns else np.zeros((len(users), 0))
    variance = ((users @ (items.T @ items)) * users).sum(axis=1, keepdims=True)
    return np.divide(covariances, variance, out=np.full_like(covariances, np.nan), where=variance > 0)

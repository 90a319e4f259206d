"""A vector for a user who was not in training, from what they watched (DualGNN, section IV: inductive)."""

from __future__ import annotations

from typing import cast

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array, vstack

from reelmix.data.interactions import TRAIN
from reelmix.errors import ConfigError
from reelmix.recommender.run import Run


def fold_in(
    run: Run, histories: csr_array, *, apart_from: Int[np.ndarray, " history"] | None = None
) -> Float[np.ndarray, "history dim"]:
    """Vectors of users who watched these items, by the model's own equations and without training.

    In each modality a history hears from its items what a training user hears (eq. 1), from a layer 0 of
    zero, which only training can know. Emphasis is that of the K training users with most items in common,
    weighed as the user graph weighs them (eq. 6 or 7); the same users refine the vector. A history that
    shares no item with anyone has the mean emphasis, and is not refined.

    Args:
        run: of DualGNN or LightGCN.
        histories: (history, item), a stored cell for each watched item.
        apart_from: for each history a user row that is not taken for its neighbour, because the history is
            theirs; -1 for nobody.

    Raises:
        ConfigError: the model knows only the users of its training.
    """
    vectors, settings = run.vectors, run.settings.get("model", {})
    if vectors.passes is None or vectors.edges is None:
        raise ConfigError(
            expected="a model that can take in a new user: dualgnn or lightgcn",
            found=str(run.manifest["model"]),
            where="history",
            fix="Train one of these, or train again with the new user's interactions.",
        )
    histories = csr_array(histories, dtype=np.float32)
    heard = np.stack(
        [
            _mean_by_root(histories, vectors.edges[:, place], vectors.passes[:, place])
            for place in range(vectors.edges.shape[1])
        ],
        axis=1,
    )
    if vectors.emphasis is None:
        return heard.sum(axis=1)
    others = neighbours_of(
        histories,
        run.matrix(TRAIN),
        int(settings["neighbours"]),
        settings["aggregation"],
        apart_from=apart_from,
    )
    emphasis = np.asarray(others @ vectors.emphasis)
    lonely = np.diff(others.indptr) == 0
    emphasis[lonely] = vectors.emphasis.mean(axis=0)
    fused = _constructed(run, emphasis[:, :, None] * heard)
    return fused if vectors.refinement is None else fused + np.asarray(others @ vectors.refinement)


def neighbours_of(
    histories: csr_array,
    interactions: csr_array,
    neighbours: int,
    aggregation: str,
    *,
    apart_from: Int[np.ndarray, " history"] | None = None,
) -> csr_array:
    """The top-K training users of each history and their weights, by the rules of the user graph.

    Args:
        histories: (history, item).
        interactions: training interactions, (user, item), ones.
        neighbours: K.
        aggregation: "softmax" or "mean".
        apart_from: a user row for each history that is left out; -1 for nobody.

    Returns:
        (history, user), float32; rows sum to 1, or to 0 where nobody shares an item.
    """
    common = csr_array(histories @ interactions.T)
    rows: list[csr_array] = []
    n_users = cast(tuple[int, int], common.shape)[1]
    for row in range(len(common.indptr) - 1):
        part = slice(common.indptr[row], common.indptr[row + 1])
        users, counts = common.indices[part], np.asarray(common.data[part])
        if apart_from is not None:
            users, counts = users[users != apart_from[row]], counts[users != apart_from[row]]
        best = np.lexsort((users, np.negative(counts)))[:neighbours]
        users, counts = users[best], counts[best]
        weights = np.exp(counts - counts.max(initial=0)) if aggregation == "softmax" else np.ones(len(best))
        weights = (weights / max(weights.sum(), 1e-30)).astype(np.float32)
        rows.append(csr_array((weights, users, [0, len(users)]), shape=(1, n_users)))
    return csr_array(vstack(rows, format="csr"))


def _mean_by_root(
    histories: csr_array, takes_part: np.ndarray, passes: Float[np.ndarray, "item dim"]
) -> Float[np.ndarray, "history dim"]:
    """What each history hears in one modality, over the root of how many of its items take part."""
    watched = histories @ takes_part.astype(np.float32)
    heard = histories @ (passes * takes_part[:, None])
    return heard / np.sqrt(np.maximum(watched, 1))[:, None]


def _constructed(
    run: Run, weighted: Float[np.ndarray, "history modality dim"]
) -> Float[np.ndarray, "history dim"]:
    """Eqs. 3 to 5."""
    construction = run.settings["model"]["construction"]
    if construction == "maximum":
        return weighted.max(axis=1)
    if construction == "concatenation":
        flat = weighted.reshape(len(weighted), -1)
        return flat @ run.weights["fusion.weight"].T + run.weights["fusion.bias"]
    return weighted.sum(axis=1)

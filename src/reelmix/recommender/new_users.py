"""A vector for a user who was not in training, from what they watched (DualGNN, section IV: inductive)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from reelmix.errors import ConfigError
from reelmix.recommender.run import Run
from reelmix.recommender.tastes import tastes

Rows = Int[np.ndarray, " history"]
"""Of users, one for each history; -1 for nobody."""


def fold_in(
    run: Run, histories: csr_array, *, apart_from: Rows | None = None
) -> Float[np.ndarray, "history dim"]:
    """Vectors of users who watched these items, by the model's own equations and without training.

    DualGNN and LightGCN: in each modality a history hears from its items what a training user hears (eq. 1),
    from a layer 0 of zero, which only training can know. Emphasis is that of the K training users with most
    items in common, weighed as the user graph weighs them (eq. 6 or 7); the same users refine the vector. A
    history that shares no item with anyone has the mean emphasis, and is not refined. Where nothing is heard
    and nobody refines, the vector is zero. Reelmix: users all are what they watched (:mod:`tastes`).

    Args:
        run: of a model that takes in new users.
        histories: (history, item), a stored cell for each watched item.
        apart_from: for each history a user row that is not taken for its neighbour, because the history is
            theirs; -1 for nobody.

    Raises:
        ConfigError: the model knows only the users of its training.
    """
    model = str(run.manifest["model"])
    if model not in FOLD_IN or run.vectors.passes is None:
        raise ConfigError(
            expected=f"a model that can take in a new user: {', '.join(FOLD_IN)}",
            found=model,
            where="history",
            fix="Train one of these, or train again with the new user's interactions.",
        )
    return FOLD_IN[model](run, _ones(histories), apart_from)


def one_history(rows: Int[np.ndarray, " watched"], n_items: int) -> csr_array:
    """One person's history as a (1, item) matrix of ones."""
    ones = np.ones(len(rows), np.float32)
    return csr_array((ones, rows, [0, len(rows)]), shape=(1, n_items))


def _of_their_taste(
    run: Run, histories: csr_array, apart_from: Rows | None
) -> Float[np.ndarray, "history dim"]:
    """Reelmix: nobody's vector hangs on who they are, so that no neighbour is to be set apart."""
    return tastes(run, histories)


def _propagated(run: Run, histories: csr_array, apart_from: Rows | None) -> Float[np.ndarray, "history dim"]:
    """DualGNN, eqs. 1 to 7, and LightGCN, eqs. 7 and 8, with a layer 0 of zero."""
    vectors, settings = run.vectors, run.settings["model"]
    assert vectors.passes is not None
    assert vectors.edges is not None
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
        run.training,
        int(settings["neighbours"]),
        settings["aggregation"],
        apart_from=apart_from,
    )
    emphasis = np.asarray(others @ vectors.emphasis)
    lonely = np.diff(others.indptr) == 0
    emphasis[lonely] = vectors.emphasis.mean(axis=0)
    fused = _constructed(run, emphasis[:, :, None] * heard)
    unheard = ~heard.any(axis=(1, 2))
    if vectors.refinement is None:
        fused[unheard] = 0  # the bias of eq. 3 is nobody's taste
        return fused
    fused[unheard & lonely] = 0
    return fused + np.asarray(others @ vectors.refinement)


FOLD_IN: dict[str, Callable[[Run, csr_array, Rows | None], np.ndarray]] = {
    "reelmix": _of_their_taste,
    "dualgnn": _propagated,
    "lightgcn": _propagated,
}


def neighbours_of(
    histories: csr_array,
    interactions: csr_array,
    neighbours: int,
    aggregation: str,
    *,
    apart_from: Rows | None = None,
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
    common = csr_array(_ones(histories) @ interactions.T)
    starts: list[int] = [0]
    kept: list[np.ndarray] = [np.zeros(0, np.int64)]
    weights: list[np.ndarray] = [np.zeros(0)]
    for row, (start, end) in enumerate(pairwise(common.indptr)):
        users, counts = common.indices[start:end], common.data[start:end].astype(np.float64)
        if apart_from is not None:
            others = users != apart_from[row]
            users, counts = users[others], counts[others]
        best = np.lexsort((users, -counts))[:neighbours]
        shifted = counts[best] - counts.max(initial=0)
        found = np.exp(shifted) if aggregation == "softmax" else np.ones(len(best))
        kept.append(users[best])
        weights.append(found / found.sum())
        starts.append(starts[-1] + len(best))
    parts = (np.concatenate(weights).astype(np.float32), np.concatenate(kept), np.array(starts))
    return csr_array(parts, shape=common.shape)


def _ones(histories: csr_array) -> csr_array:
    """1 in every stored cell; an item that was stored twice was watched once."""
    histories = csr_array(histories, dtype=np.float32, copy=True)
    histories.sum_duplicates()
    histories.data[:] = 1
    return histories


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

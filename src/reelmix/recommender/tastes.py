"""A user of Reelmix is what they watched: the vector of any history, and what each co-watcher adds to it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from reelmix.data.interactions import TRAIN
from reelmix.recommender.run import Run

PAIRS, LIMIT = 3.0, 3.0
"""As :mod:`reelmix.models.emphasis`, which needs torch, has them."""


def tastes(run: Run, histories: csr_array) -> Float[np.ndarray, "history dim"]:
    """The vectors of histories, the same for new users as for those of training.

    Args:
        run: of Reelmix.
        histories: (history, item), a one for each watched item.

    Returns:
        One vector a history, zero where nothing is known of any of its items.
    """
    summed = _summed(run, histories)
    lengths = np.linalg.norm(summed, axis=1, keepdims=True)
    vectors = np.divide(summed, lengths * _temperature(run), out=np.zeros_like(summed), where=lengths > 0)
    return np.concatenate([vectors, (lengths > 0).astype(vectors.dtype)], axis=1)


def co_watchers(run: Run, user: int) -> tuple[Int[np.ndarray, " neighbour"], Float[np.ndarray, " neighbour"]]:
    """Rows of the users who watched the same, and the weights of their refinement in this one's vector."""
    training = run.matrix(TRAIN)
    watched = training[[user]].astype(np.float64)
    watchers, degree = np.maximum(training.sum(axis=0), 1), np.maximum(training.sum(axis=1), 1)
    watched.data /= np.sqrt(watchers[watched.indices])
    shared = csr_array(watched @ training.T)
    others = shared.indices != user
    rows = shared.indices[others].astype(np.int64)
    length = float(np.linalg.norm(_summed(run, training[[user]]))) * _temperature(run)
    return rows, shared.data[others] / np.sqrt(degree[rows]) / (length or 1.0)


def emphasis(run: Run, histories: csr_array) -> Float[np.ndarray, "history modality"]:
    """How much histories care about each modality (:class:`reelmix.models.emphasis.HistoryEmphasis`)."""
    content = run.vectors.directions
    assert content is not None
    sums = np.asarray(histories @ content.reshape(len(content), -1)).reshape(-1, *content.shape[1:])
    counts = np.asarray(histories @ content.any(axis=2).astype(np.float32))
    others = np.maximum(counts - 1, 0)
    alike = (np.square(sums).sum(axis=2) - counts) / np.maximum(counts * others, 1)
    alike *= others / (others + PAIRS)
    mean, deviation, learned = (run.weights[f"emphasis.{name}"] for name in ("mean", "deviation", "learned"))
    return np.exp(np.abs(learned) * np.clip((alike - mean) / deviation, -LIMIT, LIMIT))


def _summed(run: Run, histories: csr_array) -> Float[np.ndarray, "history dim"]:
    passes = run.vectors.passes
    assert passes is not None
    heard = np.asarray(histories @ passes.reshape(len(passes), -1)).reshape(-1, *passes.shape[1:])
    if run.vectors.directions is None:
        return heard.sum(axis=1)
    return heard[:, 0] + (emphasis(run, histories)[:, :, None] * heard[:, 1:]).sum(axis=1)


def _temperature(run: Run) -> float:
    return float(run.settings["model"]["temperature"])

"""A user of Reelmix is what they watched: the vector of any history."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from reelmix.recommender.run import Run

PAIRS, LIMIT, WARMTH = 3.0, 3.0, 0.1
"""As :mod:`reelmix.models.emphasis` and :mod:`reelmix.models.reelmix`, which need torch, have them."""


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
    return np.concatenate([vectors, (lengths > 0).astype(vectors.dtype), _regressed(run, histories)], axis=1)


def by_item(
    run: Run, history: csr_array
) -> tuple[Int[np.ndarray, " watched"], Float[np.ndarray, "watched dim"]]:
    """Rows of the items of one history, and what each adds to its vector, but for the bias."""
    passes = run.vectors.passes
    assert passes is not None
    rows = history.indices.astype(np.int64)
    weights = np.ones(passes.shape[1])
    if run.vectors.directions is not None:
        weights[1:] = emphasis(run, history)[0]
    added = np.einsum("g,igd->id", weights, passes[rows].astype(np.float64))
    length = float(np.linalg.norm(added.sum(axis=0))) * _temperature(run)
    alone = csr_array((np.ones(len(rows)), rows, np.arange(len(rows) + 1)), shape=(len(rows), len(passes)))
    bias = np.zeros((len(rows), 1))
    return rows, np.concatenate([added / (length or 1.0), bias, _regressed(run, alone)], axis=1)


def emphasis(run: Run, histories: csr_array) -> Float[np.ndarray, "history modality"]:
    """How much histories care about each modality (:class:`reelmix.models.emphasis.HistoryEmphasis`)."""
    content, weights = run.vectors.directions, run.weights
    assert content is not None
    sums = np.asarray(histories @ content.reshape(len(content), -1)).reshape(-1, *content.shape[1:])
    counts = np.asarray(histories @ content.any(axis=2).astype(np.float32))
    others = np.maximum(counts - 1, 0)
    alike = (np.square(sums).sum(axis=2) - counts) / np.maximum(counts * others, 1)
    alike *= others / (others + PAIRS)
    exponent = _bounded(run, "emphasis.own") * _standard(alike, weights["emphasis.own_scale"])
    if "emphasis.graph" in weights:
        of_watchers = weights["emphasis.of_watchers"]
        known = histories[:, : len(of_watchers)]  # nobody watched the items that came after training
        length = known @ run.trained_items[: len(of_watchers)].astype(np.float32)
        heard = np.asarray(known @ of_watchers) / np.maximum(length, 1)[:, None]
        exponent += _bounded(run, "emphasis.graph") * _standard(heard, weights["emphasis.graph_scale"])
    return np.exp(exponent)


def _bounded(run: Run, name: str) -> Float[np.ndarray, " modality"]:
    size = np.abs(run.weights[name])
    strength = run.weights.get("emphasis.strength")  # an earlier version had no bound
    return size if strength is None else strength * np.tanh(size / strength)


def _standard(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.clip((values - scale[0]) / scale[1], -LIMIT, LIMIT)


def _summed(run: Run, histories: csr_array) -> Float[np.ndarray, "history dim"]:
    passes = run.vectors.passes
    assert passes is not None
    heard = np.asarray(histories @ passes.reshape(len(passes), -1)).reshape(-1, *passes.shape[1:])
    if run.vectors.directions is None:
        return heard.sum(axis=1)
    return heard[:, 0] + (emphasis(run, histories)[:, :, None] * heard[:, 1:]).sum(axis=1)


def _regressed(run: Run, histories: csr_array) -> Float[np.ndarray, "history dim"]:
    """What histories hear of the regression, which knows no items that came after training."""
    passes = run.weights.get("regression.passes", np.zeros((0, 0), np.float32))
    return np.asarray(histories[:, : len(passes)] @ passes)


def _temperature(run: Run) -> float:
    warmth = run.weights.get("warmth", 0.0)  # an earlier version held the temperature
    return float(run.settings["model"]["temperature"] * np.exp(WARMTH * warmth))

"""Slow, dense, float64 versions of the models without training, written from their equations.

R is the (user, item) matrix of training interactions, ones and zeros; every function gives all scores,
(user, item).

EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019) is written twice, from the
problem and from its solution:

    minimise |R - R B|^2 + lambda |B|^2 subject to diag(B) = 0                      eqs. 2 to 4
    B = I - P diag(1 / diag P),  P = (R^T R + lambda I)^-1                          eqs. 6 to 8
    scores = R B

GF-CF (Shen et al., "How Powerful is Graph Convolution for Recommendation?", CIKM 2021), with the exponent e
of baselines.md on the first filter; 0 is the paper's:

    R~ = D_u^-1/2 R D_i^-1/2
    W = D_i^-e R~^T R~ D_i^e + a D_i^-1/2 V V^T D_i^1/2
    scores = R W

V are the right singular vectors of R~ for its largest singular values. Those of singular value 0 are left
out: they are arbitrary, and cannot change a score, as R D_i^-1/2 v = D_u^1/2 R~ v = 0. Where a degree is 0,
its powers are 0.
"""

from __future__ import annotations

import numpy as np


def dense_popularity(watched: np.ndarray) -> np.ndarray:
    """Each item's number of training interactions, for every user the same."""
    n_users, n_items = watched.shape
    scores = np.zeros((n_users, n_items))
    for user in range(n_users):
        for item in range(n_items):
            scores[user, item] = sum(watched[other, item] for other in range(n_users))
    return scores


def dense_ease(watched: np.ndarray, reg: float) -> np.ndarray:
    """The closed form; `reg` is lambda."""
    inverse = np.linalg.inv(watched.T @ watched + reg * np.eye(watched.shape[1]))
    weights = np.eye(len(inverse)) - inverse @ np.diag(1 / np.diag(inverse))
    return watched @ weights


def ease_as_regressions(watched: np.ndarray, reg: float) -> np.ndarray:
    """The problem itself: column j of B is a ridge regression of item j on all others."""
    n_items = watched.shape[1]
    weights = np.zeros((n_items, n_items))
    for item in range(n_items):
        others = [other for other in range(n_items) if other != item]
        x, y = watched[:, others], watched[:, item]
        weights[others, item] = np.linalg.solve(x.T @ x + reg * np.eye(n_items - 1), x.T @ y)
    return watched @ weights


def dense_gfcf(watched: np.ndarray, *, weight: float, rank: int, exponent: float) -> np.ndarray:
    """Both filters as matrices of items by items; `weight` is a, `exponent` is e."""
    user_degree, item_degree = watched.sum(axis=1), watched.sum(axis=0)
    normalised = _power(user_degree, -0.5) @ watched @ _power(item_degree, -0.5)
    linear = _power(item_degree, -exponent) @ normalised.T @ normalised @ _power(item_degree, exponent)
    _, values, vectors = np.linalg.svd(normalised)
    kept = min(rank, int((values > 1e-10).sum()))
    v = vectors[:kept].T
    ideal = _power(item_degree, -0.5) @ v @ v.T @ _power(item_degree, 0.5)
    return watched @ (linear + weight * ideal)


def _power(degree: np.ndarray, exponent: float) -> np.ndarray:
    """D^exponent, with 0 where the degree is 0."""
    diagonal = np.zeros((len(degree), len(degree)))
    for place, count in enumerate(degree):
        if count > 0:
            diagonal[place, place] = count**exponent
    return diagonal

"""What the watchers of an item also watched, by ridge regression, in closed form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator, eigsh
from torch import Tensor, nn

from reelmix.graph.cache import cached
from reelmix.models.base import Judged

FEW = 128
"""Eigenvectors that Lanczos finds in seconds, to the last bit; more are found by subspace iteration."""

ROUNDS, BEYOND = 4, 64
"""Of subspace iteration, and how many eigenvectors more than are asked for it follows."""

ROWS = 65_536
"""Users whose products are held at a time."""

RIDGES = (200.0, 60.0, 20.0, 6.0)
"""Each a third of the one before."""

WEIGHTS = (8.0, 16.0, 32.0, 64.0)
"""As far as a climb goes up; down it goes to half of the first."""

SURELY = 3.0
"""Standard errors."""

MOST, NUMBERS = 1024, 2**28
"""Eigenvectors, and numbers that the vectors of users, items and modalities may have by them: a GiB."""


class Spectrum(NamedTuple):
    """Eigenvalues of R^T R, largest first, and their vectors."""

    values: Float[np.ndarray, " dim"]
    vectors: Float[np.ndarray, "item dim"]


class ItemRegression(nn.Module):
    r"""EASE in its strongest directions, as vectors: a score of its own beside that of a model.

    EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019) predicts each item from all
    others by ridge regression. With V the eigenvectors of :math:`R^\top R` and g its eigenvalues, largest
    first, that is

    .. math::
        P = V \, \mathrm{diag}\Big(\frac{g}{g + \lambda}\Big) V^\top, \qquad
        B_{ji} = \frac{P_{ji}}{1 - P_{ii}} \;\; (j \ne i), \qquad
        r(u, i) = \rho \sum_{j \in N_u} B_{ji}

    exactly if all eigenvectors are kept. But the largest are kept, so that the sum is a product of vectors:
    of what u watched, which a new user has as well, and of i. It is little where items have few watchers,
    whom the ridge outweighs. Nothing is trained. No item predicts itself, but for those that u watched, whose
    scores no list needs.

    Args:
        spectrum: eigenvalues and eigenvectors that are kept (:func:`eigenvectors`).
        n_users: of training.
        ridge: lambda.
        weight: rho.
        temperature: of the cosines that it stands beside: the vectors are scaled so that these parts of users
            and of items are in the same proportion to the others, whose lengths are 1 / temperature and 1.

    Attributes:
        passes: (item, dim), what a watched item adds to its watcher; kept with the weights.
        items: (item, dim), the items' own.
    """

    def __init__(
        self, spectrum: Spectrum, n_users: int, *, ridge: float, weight: float, temperature: float
    ) -> None:
        super().__init__()
        values, vectors = spectrum
        kept = values / (values + ridge)
        passes = vectors * np.sqrt(kept)
        items = passes / (1 - (passes**2).sum(axis=1, keepdims=True))
        # the roots of the mean squared lengths; of users, who are sums of passes, g tells them
        of_users, of_items = np.sqrt((values * kept).sum() / n_users), np.sqrt((items**2).sum() / len(items))
        balance = np.sqrt(temperature * weight * of_users / of_items) if of_items > 0 else 1.0
        passes, items = passes * (weight / balance), items * balance
        self.passes: Tensor
        self.items: Tensor
        for name, table in (("passes", passes), ("items", items)):
            made = torch.from_numpy(table).to(torch.get_default_dtype())
            self.register_buffer(name, made, persistent=name == "passes")


def room_for_eigenvectors(n_users: int, n_items: int, n_modalities: int) -> int:
    """How many eigenvectors a stronger regression may keep: 1,024, and fewer of many users and items."""
    tables = n_users + (2 + n_modalities) * n_items  # items and what they pass on, and each modality's part
    return min(MOST, n_items, NUMBERS // max(tables, 1))


class Choice(NamedTuple):
    """A regression that validation prefers.

    Attributes:
        ridge: lambda.
        weight: rho.
        gain: of NDCG, as a share of what the other has.
        sureness: that gain in standard errors of its mean over users.
    """

    ridge: float
    weight: float
    gain: float
    sureness: float


def surely_better(tried: Callable[[float, float], Judged], now: Judged) -> Choice | None:
    """The ridge and the weight by which validation's NDCG is largest, if it is surely larger than now.

    From ridge 200 and weight 8 a climb goes on as long as NDCG rises: first to smaller ridges, then to larger
    weights, or to one of 4 if none is better. What it ends at is taken if over users NDCG rises by three
    standard errors or more, so that a choice among ten is none of chance, and the validation metric does not
    fall.

    Args:
        tried: what lists come to with a ridge and a weight.
        now: what they come to without.
    """
    best = RIDGES[0], WEIGHTS[0]
    found = tried(*best)

    def climb(steps: Sequence[tuple[float, float]]) -> None:
        nonlocal best, found
        for step in steps:
            other = tried(*step)
            if other.ndcg.mean() <= found.ndcg.mean():
                return
            best, found = step, other

    climb([(ridge, WEIGHTS[0]) for ridge in RIDGES[1:]])
    ridge = best[0]
    climb([(ridge, weight) for weight in WEIGHTS[1:]])
    if best == (ridge, WEIGHTS[0]):
        climb([(ridge, WEIGHTS[0] / 2)])
    differences = found.ndcg - now.ndcg
    gain, error = differences.mean(), differences.std(ddof=1) / np.sqrt(len(differences))
    if gain <= SURELY * error or found.metric.mean() < now.metric.mean():
        return None
    return Choice(*best, float(gain / now.ndcg.mean()), float(gain / error))


def eigenvectors(interactions: csr_array, dim: int) -> Spectrum:
    """The largest eigenvalues of R^T R and their vectors, float64; fewer than ``dim`` if there are no more.

    Of many items they take a while, and are kept in reelmix's cache folder under a hash of the interactions.
    """
    matrix = csr_array(interactions, dtype=np.float64)
    key = ("eigenvectors-2", matrix.shape, matrix.indices, matrix.indptr, dim)
    found = cached("eigenvectors", key, lambda: _eigenvectors(matrix, dim))
    return Spectrum(found["values"], found["vectors"])


def _eigenvectors(matrix: csr_array, dim: int) -> dict[str, np.ndarray]:
    n_items = cast(tuple[int, int], matrix.shape)[1]
    if dim + BEYOND * (dim > FEW) >= n_items or not matrix.nnz:
        values, vectors = np.linalg.eigh((matrix.T @ matrix).toarray())
    elif dim > FEW:
        values, vectors = _by_subspace(matrix, dim + BEYOND)
    else:
        product: Any = aslinearoperator(csr_array(matrix.T)) @ aslinearoperator(matrix)
        start = np.random.default_rng(0).normal(size=n_items)  # any will do, the same every time
        values, vectors = eigsh(product, k=dim, v0=start)
    order = np.argsort(-values, kind="stable")[:dim]
    values, vectors = values[order], vectors[:, order]
    # exactly nothing where there is but rounding
    values[values <= 1e-10 * values.max(initial=0.0)] = 0.0
    vectors[matrix.sum(axis=0) == 0] = 0.0
    # an eigenvector's sign is arbitrary: make its largest entry positive, so that runs repeat
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    return {"values": values, "vectors": vectors * np.where(largest < 0, -1.0, 1.0)}


def _by_subspace(matrix: csr_array, dim: int) -> Spectrum:
    """Nearly the largest eigenvalues of R^T R, and vectors that span nearly the same (Halko et al., 2011).

    Those that differ from what they stand for are the last, of which a ridge leaves least.
    """
    shape = cast(tuple[int, int], matrix.shape)
    followed = np.random.default_rng(0).normal(size=(shape[1], dim))  # any will do, the same every time
    for _ in range(ROUNDS):
        followed, _ = np.linalg.qr(_squared(matrix, followed))
    values, within = np.linalg.eigh(followed.T @ _squared(matrix, followed))
    return Spectrum(values, followed @ within)


def _squared(matrix: csr_array, vectors: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item dim"]:
    """R^T R times these vectors."""
    product = np.zeros_like(vectors)
    for start in range(0, cast(tuple[int, int], matrix.shape)[0], ROWS):
        some = matrix[start : start + ROWS]
        product += some.T @ (some @ vectors)
    return product

"""What the watchers of an item also watched, by ridge regression, in closed form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn

from reelmix.data import DenseFeatures
from reelmix.data.features import Features
from reelmix.graph.cache import cached
from reelmix.graph.components import principal_components
from reelmix.graph.lookalikes import centre, directions, token_weights
from reelmix.models.base import Judged

FEW = 128
"""Eigenvectors that Lanczos finds in seconds, to the last bit; more are found by subspace iteration."""

ROUNDS, BEYOND = 4, 64
"""Of subspace iteration, and how many eigenvectors more than are asked for it follows."""

HELD = 2**26
"""Numbers of users that are held at a time."""

RIDGES, WEIGHTS = (6.0, 20.0, 60.0, 200.0), (4.0, 8.0, 16.0, 32.0, 64.0)
"""What a stronger regression is chosen among."""

SURELY = 3.0
"""Standard errors."""

MOST, NUMBERS = 1024, 2**28
"""Eigenvectors, and numbers that the vectors of users, items and modalities may have by them: a GiB."""

Content = Float[np.ndarray, "item _"] | csr_array
"""A row an item."""


class Compared(NamedTuple):
    """What a regression knows of a modality's content.

    Attributes:
        directions: of each item (:func:`reelmix.graph.lookalikes.directions`), as long as they count; zeros
            where it lacks the modality. Of wide features in principal components.
        reference: what dense features are taken less, or what each token weighs.
        axes: the principal components, if there are any.
        length: of directions.
    """

    directions: Content
    reference: Float[np.ndarray, " feature"]
    axes: Float[np.ndarray, "component feature"] | None
    length: float


class Spectrum(NamedTuple):
    r"""What a regression is made of.

    Attributes:
        values: eigenvalues of :math:`R^\top R + \sum_m D_m D_m^\top`, largest first.
        vectors: their vectors.
        heard: of each vector v, :math:`|R v|^2`, how much histories have of it; without content, ``values``.
    """

    values: Float[np.ndarray, " dim"]
    vectors: Float[np.ndarray, "item dim"]
    heard: Float[np.ndarray, " dim"]


class ItemRegression(nn.Module):
    r"""EASE in its strongest directions, as vectors: a score of its own beside that of a model.

    EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019) predicts each item from all
    others by ridge regression. With V the eigenvectors and g the eigenvalues, largest first, of
    :math:`R^\top R`, that is

    .. math::
        P = V \, \mathrm{diag}\Big(\frac{g}{g + \lambda}\Big) V^\top, \qquad
        B_{ji} = \frac{P_{ji}}{1 - P_{ii}} \;\; (j \ne i), \qquad
        r(u, i) = \rho \sum_{j \in N_u} B_{ji}

    exactly if all eigenvectors are kept. But the largest are kept, so that the sum is a product of vectors:
    of what u watched, which a new user has as well, and of i. It is little where items have few watchers,
    whom the ridge outweighs. Nothing is trained. No item predicts itself, but for those that u watched, whose
    scores no list needs.

    With content, they are those of :math:`R^\top R + \sum_m D_m D_m^\top`, D its directions: as if some had
    watched both of two items that are alike (Jeunen et al., "Closed-Form Models for Collaborative Filtering
    with Side-Information", RecSys 2020).

    Args:
        spectrum: eigenvalues and eigenvectors that are kept (:func:`eigenvectors`).
        n_users: of training.
        contents: of each modality, if the spectrum knows content.
        ridge: lambda.
        weight: rho.
        temperature: of the cosines that it stands beside: the vectors are scaled so that these parts of users
            and of items are in the same proportion to the others, whose lengths are 1 / temperature and 1.

    Attributes:
        passes: (item, dim), what a watched item adds to its watcher; kept with the weights.
        items: (item, dim), the items' own.
        of_content0, of_content1, ...: (feature, dim), what the directions of a modality's content add to an
            item that nobody watched; kept with the weights, as is ``reference0``, ..., of :class:`Compared`.
    """

    def __init__(
        self,
        spectrum: Spectrum,
        n_users: int,
        contents: Sequence[Compared] = (),
        *,
        ridge: float,
        weight: float,
        temperature: float,
    ) -> None:
        super().__init__()
        values, vectors, heard = spectrum
        kept = values / (values + ridge)
        passes = vectors * np.sqrt(kept)
        items = passes / (1 - (passes**2).sum(axis=1, keepdims=True))
        # the roots of the mean squared lengths of both
        of_users, of_items = np.sqrt((heard * kept).sum() / n_users), np.sqrt((items**2).sum() / len(items))
        balance = np.sqrt(temperature * weight * of_users / of_items) if of_items > 0 else 1.0
        passes, items = passes * (weight / balance), items * balance
        self.passes: Tensor
        self.items: Tensor
        for name, table in (("passes", passes), ("items", items)):
            made = torch.from_numpy(table).to(torch.get_default_dtype())
            self.register_buffer(name, made, persistent=name == "passes")
        # of an item that nobody watched: V^T D d / g is its row of V, if d are its directions
        weights = np.sqrt(values * (values + ridge))
        weights = np.divide(balance, weights, out=np.zeros_like(weights), where=weights > 0)
        for place, content in enumerate(contents):
            told = content.length * (content.directions.T @ vectors) * weights
            told = told if content.axes is None else content.axes.T @ told
            for name, table in (("of_content", told), ("reference", content.reference)):
                made = torch.from_numpy(np.asarray(table)).to(torch.get_default_dtype())
                self.register_buffer(f"{name}{place}", made)


def room_for_eigenvectors(n_users: int, n_items: int, sizes: Sequence[int]) -> int:
    """How many eigenvectors a stronger regression may keep: 1,024, and fewer of large data.

    Args:
        n_users, n_items: how many there are.
        sizes: features of each modality.
    """
    # items and what they pass on, and each modality's part and what it says of new ones
    tables = n_users + (2 + len(sizes)) * n_items + sum(sizes)
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

    From the middle of :data:`RIDGES` and :data:`WEIGHTS` a climb goes on to the next one of either as long as
    NDCG rises. Where it ends is taken if over users NDCG rises by three standard errors or more, so that a
    choice among a dozen is none of chance, and the validation metric does not fall.

    Args:
        tried: what lists come to with a ridge and a weight.
        now: what they come to without.
    """
    found: dict[tuple[int, int], Judged] = {}

    def asked(place: tuple[int, int]) -> Judged:
        if place not in found:
            found[place] = tried(RIDGES[place[0]], WEIGHTS[place[1]])
        return found[place]

    best, rising = (len(RIDGES) // 2, len(WEIGHTS) // 2), True
    while rising:
        row, column = best
        beside = (row, column + 1), (row, column - 1), (row - 1, column), (row + 1, column)
        steps = [(r, c) for r, c in beside if 0 <= r < len(RIDGES) and 0 <= c < len(WEIGHTS)]
        level = asked(best).ndcg.mean()
        higher = next((step for step in steps if asked(step).ndcg.mean() > level), None)
        best, rising = higher or best, higher is not None
    ridge, weight = RIDGES[best[0]], WEIGHTS[best[1]]
    differences = found[best].ndcg - now.ndcg
    gain, error = differences.mean(), differences.std(ddof=1) / np.sqrt(len(differences))
    if gain <= SURELY * error or found[best].metric.mean() < now.metric.mean():
        return None
    return Choice(ridge, weight, float(gain / now.ndcg.mean()), float(gain / error))


def compared(features: Features, n_items: int, at_most: int, length: float = 1.0) -> Compared:
    """The directions of a modality's content, of features wider than ``at_most`` in so many components."""
    found, axes = directions(features), None
    if isinstance(features, DenseFeatures) and features.size > at_most:
        axes = principal_components(features, at_most)
        found = found @ axes.T
    n_present = len(features.items)
    entries = np.full(n_present, length), (features.items, np.arange(n_present))
    place = csr_array(entries, shape=(n_items, n_present))
    reference = centre(features) if isinstance(features, DenseFeatures) else token_weights(features)
    return Compared(place @ found, reference, axes, length)


def eigenvectors(interactions: csr_array, dim: int, contents: Sequence[Compared] = ()) -> Spectrum:
    """The largest eigenvalues and their vectors, float64; fewer than ``dim`` if there are no more.

    Of many items they take a while, and are kept in reelmix's cache folder under a hash of all that they are
    made from.

    Args:
        interactions: R, (user, item), ones.
        dim: how many.
        contents: of each modality, whose directions are D.
    """
    matrix, known = csr_array(interactions, dtype=np.float64), [content.directions for content in contents]
    parts = [_parts(part) for part in (matrix, *known)]
    key = ("eigenvectors-2", *[array for part in parts for array in part], dim)
    found = cached("eigenvectors", key, lambda: _eigenvectors(matrix, dim, known))
    return Spectrum(found["values"], found["vectors"], found["heard"])


def _parts(matrix: Content) -> tuple[Any, ...]:
    if isinstance(matrix, np.ndarray):
        return (matrix,)
    return matrix.shape, matrix.data, matrix.indices, matrix.indptr


def _eigenvectors(matrix: csr_array, dim: int, contents: Sequence[Content]) -> dict[str, np.ndarray]:
    n_items = cast(tuple[int, int], matrix.shape)[1]

    def squared(vectors: Float[np.ndarray, "item ..."]) -> Float[np.ndarray, "item ..."]:
        product = _watched(matrix, vectors)
        for content in contents:
            product += content @ (content.T @ vectors)
        return product

    if dim + BEYOND * (dim > FEW) >= n_items or not matrix.nnz:
        values, vectors = np.linalg.eigh(squared(np.eye(n_items)))
    elif dim > FEW:
        values, vectors = _by_subspace(squared, n_items, dim + BEYOND)
    else:
        operator = cast(Any, LinearOperator)((n_items, n_items), matvec=squared, dtype=np.float64)
        start = np.random.default_rng(0).normal(size=n_items)  # any will do, the same every time
        values, vectors = eigsh(operator, k=dim, v0=start)
    order = np.argsort(-values, kind="stable")[:dim]
    values, vectors = values[order], vectors[:, order]
    # exactly nothing where there is but rounding
    values[values <= 1e-10 * values.max(initial=0.0)] = 0.0
    known = matrix.sum(axis=0) > 0
    for content in contents:
        known |= np.asarray(abs(content).sum(axis=1)).ravel() > 0
    vectors[~known] = 0.0
    # an eigenvector's sign is arbitrary: make its largest entry positive, so that runs repeat
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    vectors = vectors * np.where(largest < 0, -1.0, 1.0)
    heard = (vectors * _watched(matrix, vectors)).sum(axis=0) if contents else values
    return {"values": values, "vectors": vectors, "heard": heard}


def _by_subspace(
    squared: Callable[[np.ndarray], np.ndarray], n_items: int, dim: int
) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, "item dim"]]:
    """Nearly the largest eigenvalues, and vectors that span nearly the same (Halko et al., 2011).

    Those that differ from what they stand for are the last, of which a ridge leaves least.
    """
    followed = np.random.default_rng(0).normal(size=(n_items, dim))  # any will do, the same every time
    for _ in range(ROUNDS):
        followed, _ = np.linalg.qr(squared(followed))
    values, within = np.linalg.eigh(followed.T @ squared(followed))
    return values, followed @ within


def _watched(matrix: csr_array, vectors: Float[np.ndarray, "item ..."]) -> Float[np.ndarray, "item ..."]:
    """R^T R times these vectors."""
    n_users = cast(tuple[int, int], matrix.shape)[0]
    rows = max(1, HELD // max(vectors[:1].size, 1))
    if n_users <= rows:
        return matrix.T @ (matrix @ vectors)
    product = np.zeros_like(vectors)
    for start in range(0, n_users, rows):
        some = matrix[start : start + rows]
        product += some.T @ (some @ vectors)
    return product

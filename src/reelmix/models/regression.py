"""What the watchers of an item also watched, by ridge regression, in closed form."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator, eigsh
from torch import Tensor, nn

from reelmix.graph.cache import cached


class ItemRegression(nn.Module):
    r"""EASE in its strongest directions, as vectors: a score of its own beside that of a model.

    EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019) predicts each item from all
    others by ridge regression. With V the eigenvectors of :math:`R^\top R` and g its eigenvalues, largest
    first, that is

    .. math::
        P = V \, \mathrm{diag}\Big(\frac{g}{g + \lambda}\Big) V^\top, \qquad
        B_{ji} = \frac{P_{ji}}{1 - P_{ii}} \;\; (j \ne i), \qquad
        r(u, i) = \rho \sum_{j \in N_u} B_{ji}

    exactly if all eigenvectors are kept. As many are kept as there are dimensions, so that the sum is a
    product of vectors: of what u watched, which a new user has as well, and of i. It is little where items
    have few watchers, whom the ridge outweighs. Nothing is trained. No item predicts itself, but for those
    that u watched, whose scores no list needs.

    Args:
        interactions: (user, item), ones, of training.
        dim: eigenvectors that are kept, at most.
        ridge: lambda.
        weight: rho.
        temperature: of the cosines that it stands beside: the vectors are scaled so that these parts of users
            and of items are in the same proportion to the others, whose lengths are 1 / temperature and 1.

    Attributes:
        passes: (item, dim), what a watched item adds to its watcher; kept with the weights.
        items: (item, dim), the items' own.
    """

    def __init__(
        self, interactions: csr_array, dim: int, *, ridge: float, weight: float, temperature: float
    ) -> None:
        super().__init__()
        values, vectors = eigenvectors(interactions, dim)
        kept = values / (values + ridge)
        passes = vectors * np.sqrt(kept)
        items = passes / (1 - (passes**2).sum(axis=1, keepdims=True))
        n_users, n_items = cast(tuple[int, int], interactions.shape)
        # the roots of the mean squared lengths; of users, who are sums of passes, g tells them
        of_users, of_items = np.sqrt((values * kept).sum() / n_users), np.sqrt((items**2).sum() / n_items)
        balance = np.sqrt(temperature * weight * of_users / of_items) if of_items > 0 else 1.0
        passes, items = passes * (weight / balance), items * balance
        self.passes: Tensor
        self.items: Tensor
        for name, table in (("passes", passes), ("items", items)):
            made = torch.from_numpy(table).to(torch.get_default_dtype())
            self.register_buffer(name, made, persistent=name == "passes")


def eigenvectors(
    interactions: csr_array, dim: int
) -> tuple[Float[np.ndarray, " dim"], Float[np.ndarray, "item dim"]]:
    """The largest eigenvalues of R^T R and their vectors, float64; fewer than ``dim`` if there are no more.

    Of many items they take a while, and are kept in reelmix's cache folder under a hash of the interactions.
    """
    matrix = csr_array(interactions, dtype=np.float64)
    key = ("eigenvectors-1", matrix.shape, matrix.indices, matrix.indptr, dim)
    found = cached("eigenvectors", key, lambda: _eigenvectors(matrix, dim))
    return found["values"], found["vectors"]


def _eigenvectors(matrix: csr_array, dim: int) -> dict[str, np.ndarray]:
    n_items = cast(tuple[int, int], matrix.shape)[1]
    if dim >= n_items or not matrix.nnz:
        values, vectors = np.linalg.eigh((matrix.T @ matrix).toarray())
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

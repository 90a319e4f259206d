"""GF-CF: a linear and a low-pass filter on the item graph, without training."""

from __future__ import annotations

from typing import cast

import numpy as np
from jaxtyping import Float
from pydantic import Field
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import svds

from reelmix.graph.cache import cached
from reelmix.models.floor import ItemItemFloor
from reelmix.settings import ModelSettings


class GFCFConfig(ModelSettings):
    """Settings of GF-CF."""

    weight: float = Field(0.3, ge=0)
    """Weight of the low-pass filter beside the linear one; the paper uses 0.3 on two of its sets."""

    rank: int = Field(256, ge=1)
    """Singular vectors that the low-pass filter keeps; the paper uses 256."""

    exponent: float = Field(0.0, ge=0, le=1)
    """Power e of the item degrees around the linear filter: 0 as in the paper, 0.5 as around the low-pass."""


class GFCF(ItemItemFloor):
    r"""GF-CF (Shen et al., "How Powerful is Graph Convolution for Recommendation?", CIKM 2021).

    .. math::
        \tilde R = D_u^{-1/2} R D_i^{-1/2}, \qquad
        W = D_i^{-e} \tilde R^\top \tilde R D_i^{e} + a \, D_i^{-1/2} V V^\top D_i^{1/2}

    with V the top right singular vectors of :math:`\tilde R`; a user's scores are their row of R times W. The
    paper has e = 0.
    """

    name = "gfcf"
    Config = GFCFConfig
    config: GFCFConfig

    def _item_item(self, interactions: csr_array) -> Float[np.ndarray, "item item"]:
        user_degree, item_degree = interactions.sum(axis=1), interactions.sum(axis=0)
        scaled = csr_array(
            diags_array(_power(user_degree, -0.5)) @ interactions @ diags_array(_power(item_degree, -0.5))
        )
        linear = (scaled.T @ scaled).toarray()
        e = self.config.exponent
        linear *= _power(item_degree, -e)[:, None] * _power(item_degree, e)
        key = ("singular-vectors-1", scaled.indices, scaled.indptr, self.config.rank)
        found = cached(
            "singular-vectors", key, lambda: {"v": _right_singular_vectors(scaled, self.config.rank)}
        )
        vectors = found["v"]
        left = _power(item_degree, -0.5)[:, None] * vectors
        right = _power(item_degree, 0.5)[:, None] * vectors
        return linear + self.config.weight * (left @ right.T)


def _power(degree: Float[np.ndarray, " node"], exponent: float) -> Float[np.ndarray, " node"]:
    """Degrees to a power; 0 where the degree is 0."""
    return np.where(degree > 0, np.maximum(degree, 1.0) ** exponent, 0.0)


def _right_singular_vectors(matrix: csr_array, rank: int) -> Float[np.ndarray, "item rank"]:
    smaller = min(cast(tuple[int, int], matrix.shape))
    if rank >= smaller:
        return np.linalg.svd(matrix.toarray(), full_matrices=False)[2][:smaller].T
    start = np.random.default_rng(0).normal(size=smaller)  # any will do, the same every time
    return cast(np.ndarray, svds(matrix, k=rank, v0=start)[2]).T

"""EASE: each item predicted from all others by ridge regression."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from pydantic import Field
from scipy.linalg import get_lapack_funcs
from scipy.sparse import csr_array

from reelmix.models.floor import ItemItemFloor
from reelmix.settings import ModelSettings


class EASEConfig(ModelSettings):
    """Settings of EASE."""

    reg: float = Field(100.0, gt=0)
    """Weight lambda of the ridge term."""


class EASE(ItemItemFloor):
    r"""EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019).

    .. math::
        P = (R^\top R + \lambda I)^{-1}, \qquad B = I - P \, \mathrm{diag}(1 / \mathrm{diag} P)

    A user's scores are their row of R times B, whose diagonal is zero. Time grows with items cubed.
    """

    name = "ease"
    Config = EASEConfig
    config: EASEConfig

    def _item_item(self, interactions: csr_array) -> Float[np.ndarray, "item item"]:
        gram = (interactions.T @ interactions).toarray(order="F")
        np.fill_diagonal(gram, gram.diagonal() + self.config.reg)
        # positive definite: by Cholesky half the work of a general inverse; the lower half is left as it was
        factorise, invert = get_lapack_funcs(("potrf", "potri"), (gram,))
        factor, _ = factorise(gram, overwrite_a=True)
        upper, _ = invert(factor, overwrite_c=True)
        precision = np.triu(upper) + np.triu(upper, 1).T
        precision /= -precision.diagonal()
        np.fill_diagonal(precision, 0.0)
        return precision

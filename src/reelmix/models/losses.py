"""Training objectives, each one function of scores."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def bpr(positive: Float[Tensor, " triple"], negative: Float[Tensor, " triple"]) -> Float[Tensor, ""]:
    """Bayesian personalised ranking (Rendle et al. 2009; DualGNN, eq. 11), averaged over the triples.

    ``-ln sigmoid(positive - negative)`` in its softplus form, which neither overflows nor underflows.
    """
    return functional.softplus(negative - positive).mean()

"""Training objectives, each one function of scores."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from reelmix.models.base import Batch


def bpr(positive: Float[Tensor, " triple"], negative: Float[Tensor, " triple"]) -> Float[Tensor, ""]:
    """Bayesian personalised ranking (Rendle et al. 2009; DualGNN, eq. 11), averaged over the triples.

    ``-ln sigmoid(positive - negative)`` in its softplus form, which neither overflows nor underflows.
    """
    return functional.softplus(negative - positive).mean()


def bpr_of_vectors(
    users: Float[Tensor, "user dim"], items: Float[Tensor, "item dim"], batch: Batch
) -> Float[Tensor, ""]:
    """BPR of a batch where scores are dot products of these vectors."""
    chosen = functional.embedding(batch.users, users)
    positive = (chosen * functional.embedding(batch.positives, items)).sum(dim=1)
    negative = (chosen * functional.embedding(batch.negatives, items)).sum(dim=1)
    return bpr(positive, negative)


def squared_norm_of_rows(
    users: Sequence[Float[Tensor, "user ..."]], items: Sequence[Float[Tensor, "item ..."]], batch: Batch
) -> Float[Tensor, ""]:
    """Squared norm of the rows that a triple uses in these tables, averaged over the batch.

    A triple uses its user's row in each table of users, and its two items' rows in each table of items.
    """
    both = torch.cat([batch.positives, batch.negatives])
    total = batch.users.new_zeros((), dtype=[*users, *items][0].dtype)
    for tables, rows in ((users, batch.users), (items, both)):
        for table in tables:
            total = total + functional.embedding(rows, table.flatten(1)).square().sum()
    return total / len(batch.users)

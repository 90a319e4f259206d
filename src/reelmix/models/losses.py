"""Training objectives, each one function of scores."""

from __future__ import annotations

import math
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


def sampled_softmax(
    positive: Float[Tensor, " triple"], candidates: Float[Tensor, "triple candidate"], n_items: int
) -> Float[Tensor, " triple"]:
    """Cross-entropy of each positive among all items, of which the candidates are a uniform sample.

    ``ln(exp(positive) + (n_items / candidates) sum exp(candidate)) - positive``: the sum over the sample
    stands for the sum over all items (Jean et al., "On Using Very Large Target Vocabulary for Neural Machine
    Translation", ACL 2015, with a uniform proposal). A candidate of -inf takes no part.

    Args:
        positive: score of each triple's observed item.
        candidates: scores of the sampled items for each triple's user.
        n_items: how many items the sample stands for.
    """
    others = torch.logsumexp(candidates, dim=1) + math.log(n_items / candidates.shape[1])
    return torch.logaddexp(positive, others) - positive

"""Training objectives, each one function of scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from reelmix.models.base import Batch

Pairs = tuple[Int[Tensor, " pair"], Int[Tensor, " pair"]]
"""Entries of a table: their rows and their columns."""


def bpr(margin: Float[Tensor, " triple"]) -> Float[Tensor, ""]:
    """Bayesian personalised ranking (Rendle et al. 2009; DualGNN, eq. 11), averaged over the triples.

    ``-ln sigmoid(margin)``, the margin a positive's score less the negative's, in its softplus form, which
    neither overflows nor underflows.
    """
    return functional.softplus(-margin).mean()


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
    users: Float[Tensor, "triple dim"],
    positives: Float[Tensor, "triple dim"],
    candidates: Float[Tensor, "candidate dim"],
    taken: Pairs,
    n_items: int,
    biases: tuple[Float[Tensor, " triple"], Float[Tensor, " candidate"]] | None = None,
) -> Float[Tensor, " triple"]:
    """Cross-entropy of each triple's positive among all items, of which the candidates are a uniform sample.

    ``ln(exp(s_p) + (n_items / candidates) sum_c exp(s_c)) - s_p`` with scores s = user . item + bias: the sum
    over the sample stands for the sum over all items (Jean et al., "On Using Very Large Target Vocabulary for
    Neural Machine Translation", ACL 2015, with a uniform proposal).

    Args:
        users, positives: the vectors of each triple's user and observed item.
        candidates: those of the sampled items, the same for all triples.
        taken: triples, and candidates that take no part in the triple's sum; few.
        n_items: how many items the sample stands for.
        biases: those of the positives and of the candidates; None for none. A candidate with -inf takes part
            in no sum.
    """
    score = (users * positives).sum(dim=1)
    if biases is None:
        biases = score.new_zeros(1), score.new_zeros(len(candidates))
    score = score + biases[0]
    others = cast(Tensor, _LogSumExp.apply(users, candidates, biases[1], taken))
    return torch.logaddexp(score, others + math.log(n_items / len(candidates))) - score


class _LogSumExp(torch.autograd.Function):
    """ln sum_c exp(user . candidate + bias), in few passes over the (triple, candidate) table."""

    @staticmethod
    def forward(ctx: Any, users: Tensor, candidates: Tensor, bias: Tensor, taken: Pairs) -> Tensor:
        table = torch.addmm(bias, users, candidates.T)
        table[taken] = -torch.inf
        # a triple without any candidate has a sum of 0, and its logarithm is -inf, not NaN
        largest = table.amax(dim=1, keepdim=True).clamp(min=torch.finfo(table.dtype).min)
        total = table.sub_(largest).exp_().sum(dim=1, keepdim=True)
        ctx.save_for_backward(users, candidates, table, total)
        return (total.log() + largest).squeeze(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        users, candidates, table, total = ctx.saved_tensors
        # the table is scaled on the narrow side of the products, not entry by entry
        scale = gradients[0].unsqueeze(1) / total.clamp(min=torch.finfo(total.dtype).tiny)
        return (table @ candidates) * scale, table.T @ (users * scale), (table.T @ scale).squeeze(1), None

"""A slow MMGCN to judge the fast one by: dense, float64, one Python loop for each sum of the equations.

Wei et al., "MMGCN: Multi-modal Graph Convolution Network for Personalized Recommendation of Micro-video",
ACM MM 2019. In each modality m, for users and items alike, from layer 0 (a user's preference in m, an item's
content in m) on:

    aggregation    h = act(W1 mean_{j in N} x_j)
    carry          x_hat = act(W2 x) + id
    combination    x <- act(W3 h + x_hat)        "sum"
                   x <- act(W3 [h || x_hat])     "concatenation"

with act the leaky rectifier of slope 0.01 and one id vector for a node in all modalities. W1, W2, W3 belong
to a layer and a modality. A user's vector is the mean over all modalities, an item's the mean over those that
it has; the score is the dot product.

Every vector is one row of length d, every graph a list of sets: nothing here is sparse, batched or broadcast
over users or items, so each line can be held against its equation. Autograd gives the reference gradients.

What the paper leaves open is settled so:

* An item that lacks modality m is no node of that modality's graph: it has no edge, and nothing of it is read
  there. N counts that graph's own edges.
* A node without neighbours aggregates zero, but keeps its own x and its id.
* An item without any modality is the zero vector.
* The losses of a batch are averaged; the L2 term is squared and halved: see `dense_mmgcn_loss`.

Parameter names, all float64 (<m> is a modality's name):

    preference        (user, modality, dim)
    user_id           (user, dim)
    item_id           (item, dim)
    aggregate         (layer, modality, dim, dim)      W1
    carry             (layer, modality, dim, dim)      W2
    combine           (layer, modality, dim, dim)      W3; "concatenation": (layer, modality, dim, 2 dim)
    content.<m>.*     as in dense_dualgnn.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from dense_dualgnn import LEAKY_SLOPE, DenseModality, content_of
from torch import Tensor

Combination = Literal["sum", "concatenation"]


@dataclass
class DenseMMGCN:
    """What the model says about every user and item."""

    user_vectors: Tensor
    """(user, dim)."""
    item_vectors: Tensor
    """(item, dim)."""
    item_parts: dict[str, Tensor]
    """What each modality adds to the items, (item, dim)."""
    scores: Tensor
    """(user, item)."""


def dense_mmgcn(
    parameters: dict[str, Tensor],
    *,
    n_users: int,
    n_items: int,
    interactions: list[tuple[int, int]],
    modalities: list[DenseModality],
    combination: Combination,
    layers: int,
) -> DenseMMGCN:
    """Compute the vectors of every user and item; a pair listed twice in `interactions` counts once."""
    if combination not in ("sum", "concatenation"):
        raise ValueError(f"unknown combination {combination!r}")
    for name, value in parameters.items():
        if value.dtype != torch.float64:
            raise TypeError(f"parameter {name!r}: expected float64, found {value.dtype}")
    dim = parameters["user_id"].shape[1]
    nothing = torch.zeros(dim, dtype=torch.float64)

    user_rows_by_modality = []
    item_rows_by_modality = []
    for place, modality in enumerate(modalities):
        users, items = _one_modality(
            parameters, place, modality, n_users, n_items, interactions, combination, layers
        )
        user_rows_by_modality.append(users)
        item_rows_by_modality.append(items)

    users = []
    for user in range(n_users):
        total = nothing
        for rows in user_rows_by_modality:
            total = total + rows[user]
        users.append(total / len(modalities))

    parts = {modality.name: [nothing] * n_items for modality in modalities}
    items = []
    for item in range(n_items):
        had = [place for place, modality in enumerate(modalities) if modality.present[item]]
        total = nothing
        for place in had:
            part = item_rows_by_modality[place][item] / len(had)
            parts[modalities[place].name][item] = part
            total = total + part
        items.append(total)

    scores = [torch.stack([torch.dot(users[u], items[i]) for i in range(n_items)]) for u in range(n_users)]
    return DenseMMGCN(
        torch.stack(users),
        torch.stack(items),
        {name: torch.stack(rows) for name, rows in parts.items()},
        torch.stack(scores),
    )


def dense_mmgcn_loss(
    parameters: dict[str, Tensor],
    result: DenseMMGCN,
    triples: list[tuple[int, int, int]],
    reg: float,
    *,
    modalities: list[DenseModality],
) -> Tensor:
    """Compute the objective on a batch of triples (user, positive item, negative item).

    mean over triples of -ln sigmoid(y_ui - y_uj)
    + reg / 2 * mean over triples of the squared norms of the rows that the triple uses
    + reg / 2 * the squared norms of the maps that all rows share

    The rows of a triple are its user's preference in every modality, the id rows of its user and two items,
    and of each of its items the mean of its token embeddings in every bag that it has. The shared maps are
    W1, W2, W3 and the weights and biases of dense content. A row counts once for each triple that uses it.
    """
    ranking = _zero()
    rows = _zero()
    for user, positive, negative in triples:
        margin = result.scores[user, positive] - result.scores[user, negative]
        # -ln sigmoid(x) = ln(1 + exp(-x)). torch's softplus drops the 1 + beyond 20, which float64 can see.
        ranking = ranking + torch.logaddexp(_zero(), -margin)
        for place in range(len(modalities)):
            rows = rows + _squared_norm(parameters["preference"][user, place])
        rows = rows + _squared_norm(parameters["user_id"][user])
        for item in (positive, negative):
            rows = rows + _squared_norm(parameters["item_id"][item])
            for modality in modalities:
                if modality.kind == "bag" and modality.present[item]:
                    rows = rows + _squared_norm(content_of(parameters, modality, item))

    bags = [f"content.{modality.name}." for modality in modalities if modality.kind == "bag"]
    shared = _zero()
    for name, value in parameters.items():
        of_dense_content = name.startswith("content.") and not name.startswith(tuple(bags))
        if of_dense_content or name in ("aggregate", "carry", "combine"):
            shared = shared + _squared_norm(value)

    return ranking / len(triples) + reg / 2 * rows / len(triples) + reg / 2 * shared


def _one_modality(
    parameters: dict[str, Tensor],
    place: int,
    modality: DenseModality,
    n_users: int,
    n_items: int,
    interactions: list[tuple[int, int]],
    combination: Combination,
    layers: int,
) -> tuple[list[Tensor], list[Tensor | None]]:
    """Compute the last layer of one modality: a row for each user, and for each item that has it."""
    items_of_user = [set() for _ in range(n_users)]
    users_of_item = [set() for _ in range(n_items)]
    for user, item in interactions:
        if modality.present[item] and item not in modality.cut:
            items_of_user[user].add(item)
            users_of_item[item].add(user)

    user_layer = [parameters["preference"][user, place] for user in range(n_users)]
    item_layer = [
        content_of(parameters, modality, item) if modality.present[item] else None for item in range(n_items)
    ]
    for layer in range(layers):
        w1 = parameters["aggregate"][layer, place]
        w2 = parameters["carry"][layer, place]
        w3 = parameters["combine"][layer, place]
        next_user_layer = []
        for user in range(n_users):
            around = [item_layer[item] for item in sorted(items_of_user[user])]
            own_id = parameters["user_id"][user]
            next_user_layer.append(_next(user_layer[user], own_id, around, w1, w2, w3, combination))
        next_item_layer = []
        for item in range(n_items):
            if not modality.present[item]:
                next_item_layer.append(None)
                continue
            around = [user_layer[user] for user in sorted(users_of_item[item])]
            own_id = parameters["item_id"][item]
            next_item_layer.append(_next(item_layer[item], own_id, around, w1, w2, w3, combination))
        user_layer = next_user_layer
        item_layer = next_item_layer
    return user_layer, item_layer


def _next(
    own: Tensor,
    own_id: Tensor,
    around: list[Tensor],
    w1: Tensor,
    w2: Tensor,
    w3: Tensor,
    combination: Combination,
) -> Tensor:
    """Compute one node's next layer from its own vector, its id and its neighbours' vectors."""
    if around:
        total = around[0]
        for vector in around[1:]:
            total = total + vector
        aggregated = _act(w1 @ (total / len(around)))
    else:
        aggregated = torch.zeros_like(own)
    carried = _act(w2 @ own) + own_id
    if combination == "sum":
        return _act(w3 @ aggregated + carried)
    return _act(w3 @ torch.cat([aggregated, carried]))


def _act(value: Tensor) -> Tensor:
    return torch.where(value > 0, value, LEAKY_SLOPE * value)


def _squared_norm(value: Tensor) -> Tensor:
    return (value * value).sum()


def _zero() -> Tensor:
    return torch.zeros((), dtype=torch.float64)

"""A slow STAR-GCN to judge the fast one by: dense, float64, one Python loop for each sum of the equations.

Zhang et al., "STAR-GCN: Stacked and Reconstructed Graph Convolutional Networks for Recommender Systems",
IJCAI 2019, with one type of link. A node is a user or an item, x its embedding; in block b, from the block's
input (x, zero where masked, in the first; the block before's x_hat in the others):

    encoder    h_v = act(sum_{j in N_v} W x_j / sqrt(|N_v| |N_j|)),   z = W_h h
    decoder    x_hat = W_4 act(W_3 z)

with act the leaky rectifier of slope 0.01 and the same maps for users and items. The vectors for ranking are
x_hat of the last block. The loss has a ranking loss for each block, and for each block the squared distance
between x_hat and x, averaged over the masked nodes: see `dense_star_gcn_loss`.

Every vector is one row of length d, every graph a list of sets: nothing here is sparse, batched or broadcast
over users or items, so each line can be held against its equation. Autograd gives the reference gradients.

A node without neighbours receives zero. Its own x then has no part in its x_hat.

Parameter names, all float64; the axis of blocks has length 1 if they share their maps:

    user          (user, dim)
    item          (item, dim)
    encode        (block, dim, dim)     W
    encode_out    (block, dim, dim)     W_h
    decode        (block, dim, dim)     W_3
    decode_out    (block, dim, dim)     W_4
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

LEAKY_SLOPE = 0.01
MAPS = ("encode", "encode_out", "decode", "decode_out")


@dataclass
class DenseBlock:
    """What one block recovers."""

    users: list[Tensor]
    """x_hat of each user."""
    items: list[Tensor]
    """x_hat of each item."""


def dense_star_gcn(
    parameters: dict[str, Tensor],
    *,
    n_users: int,
    n_items: int,
    interactions: list[tuple[int, int]],
    blocks: int,
    shared_blocks: bool,
    masked: list[bool],
) -> list[DenseBlock]:
    """Compute what each block recovers of every node.

    A pair listed twice in `interactions` counts once. `masked` says of each node, users first, whether the
    first block is given zero for it.
    """
    for name, value in parameters.items():
        if value.dtype != torch.float64:
            raise TypeError(f"parameter {name!r}: expected float64, found {value.dtype}")
    for name in MAPS:
        if len(parameters[name]) != (1 if shared_blocks else blocks):
            raise ValueError(f"parameter {name!r}: found {len(parameters[name])} blocks of maps")
    neighbours = [set() for _ in range(n_users + n_items)]
    for user, item in interactions:
        neighbours[user].add(n_users + item)
        neighbours[n_users + item].add(user)

    nodes = _embeddings(parameters)
    nothing = torch.zeros_like(nodes[0])
    layer = [nothing if masked[node] else nodes[node] for node in range(len(nodes))]
    found = []
    for block in range(blocks):
        w, w_h, w_3, w_4 = (parameters[name][0 if shared_blocks else block] for name in MAPS)
        recovered = []
        for node in range(len(nodes)):
            total = nothing
            for other in sorted(neighbours[node]):
                norm = math.sqrt(len(neighbours[node])) * math.sqrt(len(neighbours[other]))
                total = total + (w @ layer[other]) / norm
            z = w_h @ _act(total)
            recovered.append(w_4 @ _act(w_3 @ z))
        layer = recovered
        found.append(DenseBlock(layer[:n_users], layer[n_users:]))
    return found


def dense_star_gcn_loss(
    parameters: dict[str, Tensor],
    found: list[DenseBlock],
    triples: list[tuple[int, int, int]],
    *,
    masked: list[bool],
    reconstruction: float,
    reg: float,
) -> Tensor:
    """Compute the objective on a batch of triples (user, positive item, negative item).

    sum over blocks of the mean over triples of -ln sigmoid(y_ui - y_uj), y from that block's x_hat
    + reconstruction * sum over blocks of the mean over masked nodes of |x_hat - x|^2
    + reg / 2 * mean over triples of |x_u|^2 + |x_i|^2 + |x_j|^2
    + reg / 2 * the squared norms of all maps

    The x of the second and third terms is the embedding itself, not the zero that a masked node was given,
    and the gradient reaches it. Without a masked node the second term is zero.
    """
    total = _zero()
    for block in found:
        for user, positive, negative in triples:
            margin = torch.dot(block.users[user], block.items[positive])
            margin = margin - torch.dot(block.users[user], block.items[negative])
            # -ln sigmoid(x) = ln(1 + exp(-x)). torch's softplus drops the 1 + beyond 20.
            total = total + torch.logaddexp(_zero(), -margin) / len(triples)

    nodes = _embeddings(parameters)
    n_masked = sum(masked)
    for block in found:
        recovered = block.users + block.items
        for node in range(len(nodes)):
            if masked[node]:
                total = total + reconstruction * _squared_norm(recovered[node] - nodes[node]) / n_masked

    for user, positive, negative in triples:
        rows = (parameters["user"][user], parameters["item"][positive], parameters["item"][negative])
        for row in rows:
            total = total + reg / 2 * _squared_norm(row) / len(triples)
    for name in MAPS:
        total = total + reg / 2 * _squared_norm(parameters[name])
    return total


def _embeddings(parameters: dict[str, Tensor]) -> list[Tensor]:
    """List x of each node, users first."""
    return [*parameters["user"], *parameters["item"]]


def _act(value: Tensor) -> Tensor:
    return torch.where(value > 0, value, LEAKY_SLOPE * value)


def _squared_norm(value: Tensor) -> Tensor:
    return (value * value).sum()


def _zero() -> Tensor:
    return torch.zeros((), dtype=torch.float64)

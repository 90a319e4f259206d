"""A slow LightGCN to judge the fast one by: dense matrices over all nodes, float64, autograd for gradients.

He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation", SIGIR 2020:

    E^(0)   = the users' rows, and below them the items' rows
    E^(k+1) = D^-1/2 A D^-1/2 E^(k)          eqs. 3 and 8
    E       = mean of E^(0) .. E^(K)         eq. 4 with their alpha_k = 1 / (K + 1)
    y_ui    = e_u . e_i                      eq. 5
    loss    = BPR, plus L2 on E^(0) alone    eq. 15

A is the adjacency matrix of the bipartite training graph, D the diagonal matrix of its row sums. A node
without edges receives zero, but keeps its layer 0. `bpr_with_l2` says how the loss of a batch is averaged;
LR-GCCF has the same.

Parameter names, all float64: user (user, dim), item (item, dim).
"""

from __future__ import annotations

import math

import torch
from dense_dualgnn import DenseResult
from torch import Tensor


def dense_lightgcn(
    parameters: dict[str, Tensor], *, interactions: list[tuple[int, int]], layers: int
) -> DenseResult:
    """Vectors and scores of every user and item; `layers` is K."""
    n_users, n_items = len(parameters["user"]), len(parameters["item"])
    step = symmetrically_normalised(adjacency(interactions, n_users, n_items))
    layer = torch.cat([parameters["user"], parameters["item"]])
    total = layer
    for _ in range(layers):
        layer = step @ layer
        total = total + layer
    return scored(total / (layers + 1), n_users)


def bpr_with_l2(
    parameters: dict[str, Tensor], scores: Tensor, triples: list[tuple[int, int, int]], reg: float
) -> Tensor:
    """The loss of a batch of triples (user, positive item, negative item).

    mean over triples of -ln sigmoid(y_ui - y_uj)
    + reg / 2 * mean over triples of |user row|^2 + |positive's row|^2 + |negative's row|^2, all of layer 0
    """
    total = torch.zeros((), dtype=torch.float64)
    for user, positive, negative in triples:
        total = total + bpr(scores, user, positive, negative)
        for row in (parameters["user"][user], parameters["item"][positive], parameters["item"][negative]):
            total = total + reg / 2 * torch.dot(row, row)
    return total / len(triples)


def bpr(scores: Tensor, user: int, positive: int, negative: int) -> Tensor:
    """-ln sigmoid(y_ui - y_uj) = ln(1 + exp(y_uj - y_ui)) of one triple."""
    # torch's softplus drops the 1 + beyond 20, which float64 can see
    return torch.logaddexp(torch.zeros_like(scores[0, 0]), scores[user, negative] - scores[user, positive])


def adjacency(interactions: list[tuple[int, int]], n_users: int, n_items: int) -> Tensor:
    """A: users first, then items; 1 for each pair that interacts, however often it is listed."""
    matrix = torch.zeros(n_users + n_items, n_users + n_items, dtype=torch.float64)
    for user, item in interactions:
        matrix[user, n_users + item] = 1
        matrix[n_users + item, user] = 1
    return matrix


def symmetrically_normalised(matrix: Tensor) -> Tensor:
    """D^-1/2 M D^-1/2 with the row sums of M in D; nothing where a row is empty."""
    degree = [float(row.sum()) for row in matrix]
    result = torch.zeros_like(matrix)
    for a in range(len(matrix)):
        for b in range(len(matrix)):
            if matrix[a, b] != 0:
                result[a, b] = matrix[a, b] / math.sqrt(degree[a] * degree[b])
    return result


def scored(nodes: Tensor, n_users: int) -> DenseResult:
    """The nodes as users and items, and each pair's dot product."""
    users, items = nodes[:n_users], nodes[n_users:]
    return DenseResult(users, items, users @ items.T)

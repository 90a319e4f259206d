"""A slow LR-GCCF to judge the fast one by: dense matrices over all nodes, float64, autograd for gradients.

Chen et al., "Revisiting Graph Based Collaborative Filtering: A Linear Residual Graph Convolutional Network
Approach", AAAI 2020:

    E^(0)   = the users' rows, and below them the items' rows
    E^(k+1) = S E^(k),  S = D~^-1/2 (A + I) D~^-1/2,  D~ = D + I
    y_ui    = sum over k = 0 .. K of e_u^(k) . e_i^(k)

which is the dot product of the layers' concatenation. A is the adjacency matrix of the bipartite training
graph, D the diagonal matrix of its row sums; the row sums of A + I are D~. The linear maps of the paper's
layers fold into E^(0), as baselines.md says. A node without edges has the same vector in every layer. The
loss is that of LightGCN: `dense_lightgcn.bpr_with_l2`.

Parameter names, all float64: user (user, dim), item (item, dim).
"""

from __future__ import annotations

import torch
from dense_dualgnn import DenseResult
from dense_lightgcn import adjacency, scored, symmetrically_normalised
from torch import Tensor


def dense_lr_gccf(
    parameters: dict[str, Tensor], *, interactions: list[tuple[int, int]], layers: int
) -> DenseResult:
    """Vectors and scores of every user and item; `layers` is K."""
    n_users, n_items = len(parameters["user"]), len(parameters["item"])
    with_itself = adjacency(interactions, n_users, n_items) + torch.eye(
        n_users + n_items, dtype=torch.float64
    )
    step = symmetrically_normalised(with_itself)
    every = [torch.cat([parameters["user"], parameters["item"]])]
    for _ in range(layers):
        every.append(step @ every[-1])
    return scored(torch.cat(every, dim=1), n_users)

"""DualGNN as a user of PyTorch Geometric would write it: message passing, a network for each modality.

PyTorch Geometric is a peer to measure against, not a dependency: ``pip install --no-deps torch_geometric
xxhash psutil aiohttp``; the last three are what it imports.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reelmix.data import Split
from reelmix.graph import user_graph
from reelmix.models import Batch, DualGNN

INSTALLED = find_spec("torch_geometric") is not None


def pyg_dualgnn(model: DualGNN, split: Split) -> nn.Module:
    """The loss that ``DualGNN`` computes, from copies of its parameters: sum construction, fixed content.

    One network a modality on the joint graph of users and items; every step gathers the K neighbours of all
    users; alpha is a number a user and modality. The symmetric normalisation is worked out in each call, as
    PyTorch Geometric's own ``LGConv`` and its guide to message passing do.
    """
    from torch_geometric.nn import MessagePassing
    from torch_geometric.utils import degree

    class Propagation(MessagePassing):
        """x_i <- sum over neighbours j of x_j / sqrt(|N_i| |N_j|)."""

        def __init__(self) -> None:
            super().__init__(aggr="add")

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            row, column = edge_index
            inverse_root = degree(column, x.size(0), dtype=x.dtype).pow(-0.5)
            inverse_root[inverse_root == float("inf")] = 0
            return self.propagate(edge_index, x=x, norm=inverse_root[row] * inverse_root[column])

        def message(self, x_j: Tensor, norm: Tensor) -> Tensor:
            return norm.view(-1, 1) * x_j

    class ModalityNetwork(nn.Module):
        """The users' vectors and the content of the items, summed over the layers of their joint graph."""

        def __init__(self, preference: Tensor, content: Tensor, edge_index: Tensor, layers: int) -> None:
            super().__init__()
            self.preference = nn.Parameter(preference.clone())
            self.register_buffer("content", content)
            self.register_buffer("edge_index", edge_index)
            self.layers = nn.ModuleList(Propagation() for _ in range(layers))

        def forward(self) -> Tensor:
            x = torch.cat([self.preference, self.content])
            total = x
            for layer in self.layers:
                x = layer(x, self.edge_index)
                total = total + x
            return total

    class PygDualGNN(nn.Module):
        """The networks of all modalities, their weighing, and the user graph."""

        def __init__(self) -> None:
            super().__init__()
            config, train = model.config, split.matrix("train")
            self.reg, self.n_users = config.reg, split.dataset.n_users
            self.networks = nn.ModuleList(
                ModalityNetwork(
                    model.preference.detach()[:, place],
                    model.content[name]().detach(),
                    _both_ways(train[:, :].tocoo(), split.dataset.has(name), self.n_users),
                    config.layers,
                )
                for place, name in enumerate(model.modalities)
            )
            self.alpha = nn.Parameter(model.alpha.detach().clone())
            weights = user_graph(train, config.neighbours).weights(config.aggregation)
            neighbours, shares = _padded(weights, config.neighbours)
            self.register_buffer("neighbours", neighbours)
            self.register_buffer("shares", shares)

        def forward(self) -> tuple[Tensor, Tensor]:
            found = [network() for network in self.networks]
            apart = torch.stack([x[: self.n_users] for x in found], dim=1)
            users = (self.alpha.unsqueeze(2) * apart).sum(dim=1)
            near = users[self.neighbours]  # (user, neighbour, dim)
            users = users + torch.matmul(self.shares.unsqueeze(1), near).squeeze(1)
            return users, torch.stack([x[self.n_users :] for x in found]).sum(dim=0)

        def loss(self, batch: Batch) -> Tensor:
            """BPR plus the L2 term on the rows of the batch."""
            users, items = self()
            chosen = users[batch.users]
            positive = (chosen * items[batch.positives]).sum(dim=1)
            negative = (chosen * items[batch.negatives]).sum(dim=1)
            squares = self.alpha[batch.users].square().sum() + sum(
                network.preference[batch.users].square().sum() for network in self.networks
            )
            return -functional.logsigmoid(positive - negative).mean() + 0.5 * self.reg * squares / len(
                batch.users
            )

    return PygDualGNN()


def _both_ways(train: Any, has: np.ndarray, n_users: int) -> Tensor:
    """Edges from users to the items that have a modality, and back: (2, edge)."""
    kept = has[train.col]
    users, items = train.row[kept].astype(np.int64), train.col[kept].astype(np.int64) + n_users
    return torch.from_numpy(np.stack([np.concatenate([users, items]), np.concatenate([items, users])]))


def _padded(weights: Any, k: int) -> tuple[Tensor, Tensor]:
    """Each user's neighbours and their weights, K places a user; users with fewer have weights of 0 there."""
    lengths = np.diff(weights.indptr)
    row = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(row)) - weights.indptr[row]
    neighbours, shares = np.zeros((len(lengths), k), np.int64), np.zeros((len(lengths), k), np.float32)
    neighbours[row, place], shares[row, place] = weights.indices, weights.data
    return torch.from_numpy(neighbours), torch.from_numpy(shares)

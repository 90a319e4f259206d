"""Propagation between users and items in every modality's own graph (DualGNN, eqs. 1 and 2)."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.sparse import csr_array
from torch import Tensor, nn

from reelmix.graph import normalised
from reelmix.graph.sparse import SparseMatrix


class ModalityPropagation(nn.Module):
    """Sums of the layers 0..L of users and items, for all modalities at once.

    Modalities in whose graphs the same items have edges share one; they are columns of one product.

    Args:
        interactions: training interactions, (user, item).
        edges: which items have edges in which modality's graph.
        layers: L.
    """

    def __init__(
        self, interactions: csr_array, edges: Bool[np.ndarray, "item modality"], layers: int
    ) -> None:
        super().__init__()
        self.n_users, self.n_items = cast(tuple[int, int], interactions.shape)
        self.layers = layers
        self.groups = _equal_columns(edges)
        self.graphs = nn.ModuleList(
            SparseMatrix(normalised(interactions, edges[:, group[0]])) for group in self.groups
        )
        order = np.argsort(np.concatenate(self.groups))
        self.order: Tensor
        self.register_buffer("order", torch.from_numpy(order), persistent=False)

    def forward(
        self,
        users: Float[Tensor, "user modality dim"],
        items: Float[Tensor, "item modality dim"] | None,
        shown: Bool[Tensor, "item modality"] | None = None,
        layers: int | None = None,
    ) -> tuple[Float[Tensor, "user modality dim"], Float[Tensor, "item modality dim"]]:
        """The layer sums from these layer-0 vectors; items of None are zeros, and cost nothing.

        An item that is not ``shown`` in a modality is zero there after every layer; degrees stay as they are.
        ``layers`` are added up instead of L where given.
        """
        layers = self.layers if layers is None else layers
        if len(self.groups) == 1:
            return self._in_one_graph(self.graphs[0], users, items, shown, layers)
        parts = [[None if x is None else x[:, group] for x in (items, shown)] for group in self.groups]
        sums = [
            self._in_one_graph(graph, users[:, group], part[0], part[1], layers)
            for graph, group, part in zip(self.graphs, self.groups, parts, strict=True)
        ]
        user_sums, item_sums = (torch.cat(side, dim=1) for side in zip(*sums, strict=True))
        return user_sums[:, self.order], item_sums[:, self.order]

    def from_items(
        self, items: Float[Tensor, "item modality dim"]
    ) -> tuple[Float[Tensor, "user modality dim"], Float[Tensor, "item modality dim"]]:
        """The layer sums if every user's layer 0 were zero."""
        return self(items.new_zeros(self.n_users, *items.shape[1:]), items)

    def _in_one_graph(
        self, graph: nn.Module, users: Tensor, items: Tensor | None, shown: Tensor | None, layers: int
    ) -> tuple[Tensor, Tensor]:
        assert isinstance(graph, SparseMatrix)
        size = users.shape[1:]
        visible = None if shown is None else shown.repeat_interleave(size[1], dim=1)
        u, i = users.flatten(1), None if items is None else items.flatten(1)
        user_sum, item_sum = u, i
        for _ in range(layers):
            u, i = None if i is None else graph(i), None if u is None else graph.transposed(u)
            if visible is not None and i is not None:
                i = i * visible
            user_sum = user_sum if u is None else user_sum + u
            item_sum = i if item_sum is None else item_sum if i is None else item_sum + i
        if item_sum is None:
            item_sum = users.new_zeros(self.n_items, user_sum.shape[1])
        return user_sum.unflatten(1, size), item_sum.unflatten(1, size)


def _equal_columns(edges: Bool[np.ndarray, "item modality"]) -> list[list[int]]:
    groups: dict[bytes, list[int]] = {}
    for place, column in enumerate(edges.T):
        groups.setdefault(np.packbits(column).tobytes(), []).append(place)
    return list(groups.values())

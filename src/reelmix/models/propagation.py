"""Propagation between users and items in every modality's own graph (DualGNN, eqs. 1 and 2)."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
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
        for place, group in enumerate(self.groups):  # a list would be sent to the device at each use
            self.register_buffer(f"group{place}", torch.tensor(group), persistent=False)

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
        sums = [
            self._in_one_graph(
                graph,
                users.index_select(1, group),
                None if items is None else items.index_select(1, group),
                None if shown is None else shown.index_select(1, group),
                layers,
            )
            for graph, group in zip(self.graphs, self._groups(), strict=True)
        ]
        user_sums, item_sums = (torch.cat(side, dim=1) for side in zip(*sums, strict=True))
        return user_sums.index_select(1, self.order), item_sums.index_select(1, self.order)

    def weighed(
        self,
        users: Float[Tensor, "user modality dim"],
        items: Float[Tensor, "item modality dim"] | None,
        emphasis: Float[Tensor, "user modality"],
        fixed: Float[Tensor, "user modality dim"],
        chosen: Int[Tensor, " row"],
    ) -> tuple[Float[Tensor, "user dim"], Float[Tensor, "item dim"], Float[Tensor, ""]]:
        """Eqs. 1, 2, 4 and 8 in one: the layer sums, ``fixed`` added to the users', weighed and added up.

        The same as :meth:`forward` and what follows, with fewer passes over the tables, forward and backward;
        and the squared norm of layer 0 of the ``chosen`` users, whose gradient needs no table of its own.
        """
        one = len(self.groups) == 1
        found = []
        for graph, group in zip(self.graphs, self._groups(), strict=True):
            tables = (
                x if one or x is None else x.index_select(1, group) for x in (users, items, emphasis, fixed)
            )
            found.append(
                cast(tuple[Tensor, Tensor, Tensor], _Weighed.apply(graph, self.layers, *tables, chosen))
            )
        if one:
            return found[0]
        fused, total, squares = (torch.stack(parts).sum(dim=0) for parts in zip(*found, strict=True))
        return fused, total, squares

    def from_items(
        self, items: Float[Tensor, "item modality dim"]
    ) -> tuple[Float[Tensor, "user modality dim"], Float[Tensor, "item modality dim"]]:
        """The layer sums if every user's layer 0 were zero."""
        return self(items.new_zeros(self.n_users, *items.shape[1:]), items)

    def _groups(self) -> list[Tensor]:
        """The modalities that share a graph, graph by graph."""
        return [getattr(self, f"group{place}") for place in range(len(self.groups))]

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


class _Weighed(torch.autograd.Function):
    """The layer sums of one graph, the users' weighed and added up over its modalities.

    The gradient of layer sums is the layer sums of the gradient. Both ways, tables are added to in place: on
    the way here nobody else has them, and asking the system for memory costs more than the additions.
    """

    @staticmethod
    def forward(
        ctx: Any,
        graph: SparseMatrix,
        layers: int,
        users: Tensor,
        items: Tensor | None,
        emphasis: Tensor,
        fixed: Tensor,
        chosen: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        size, own = users.shape[1:], users.flatten(1)
        u, i = own, None if items is None else items.flatten(1)
        user_layers, item_layers = [], [] if i is None else [i]
        for _ in range(layers):
            u, i = None if i is None else graph(i), None if u is None else graph.transposed(u)
            user_layers += [] if u is None else [u]
            item_layers += [] if i is None else [i]
        apart = user_layers.pop().add_(own).add_(fixed.flatten(1)) if user_layers else own + fixed.flatten(1)
        for layer in user_layers:
            apart.add_(layer)
        parts = apart.unflatten(1, size).unbind(1)
        item_parts = sum(item_layers[1:], item_layers[0]).unflatten(1, size).unbind(1)
        fused = parts[0] * emphasis[:, :1]
        for place, part in enumerate(parts[1:], start=1):
            fused.addcmul_(part, emphasis[:, place, None])
        rows = own.index_select(0, chosen)
        ctx.save_for_backward(emphasis, chosen, rows)
        ctx.graph, ctx.layers, ctx.apart = graph, layers, apart.unflatten(1, size)
        return fused, sum(item_parts[1:], item_parts[0]), rows.flatten().dot(rows.flatten())

    @staticmethod
    def backward(
        ctx: Any, *gradients: Tensor
    ) -> tuple[None, None, Tensor, Tensor | None, Tensor, None, None]:
        of_fused, of_total, of_squares = gradients
        (emphasis, chosen, own), graph, with_items = ctx.saved_tensors, ctx.graph, ctx.needs_input_grad[3]
        if ctx.apart is None:
            raise RuntimeError("the gradient of this loss was taken already: compute the loss again first")
        apart, size = ctx.apart, ctx.apart.shape[1:]
        of_emphasis = torch.bmm(apart, of_fused.unsqueeze(2)).squeeze(2)
        ctx.apart = None  # gives way to its gradient
        of_users = torch.mul(of_fused.unsqueeze(1), emphasis.unsqueeze(2), out=apart).flatten(1)
        of_items = of_total.unsqueeze(1).expand(-1, *size)

        def to_items(of_layer: Tensor) -> Tensor:
            return graph.transposed(of_layer).unflatten(1, size).add_(of_items).flatten(1)

        # without items only every other layer of either side leads to layer 0 of the users
        u: Any = of_users
        i: Any = of_items.flatten(1) if with_items or ctx.layers % 2 else None
        for layer in range(ctx.layers - 1, 0, -1):
            u, i = (
                graph(i).add_(of_users) if with_items or layer % 2 == 0 else None,
                to_items(u) if with_items or layer % 2 else None,
            )
        of_item_ids = to_items(u).unflatten(1, size) if with_items else None
        of_users.add_(graph(i)).index_add_(0, chosen, own * (2 * of_squares))
        return None, None, of_users.unflatten(1, size), of_item_ids, of_emphasis, None, None


def _equal_columns(edges: Bool[np.ndarray, "item modality"]) -> list[list[int]]:
    groups: dict[bytes, list[int]] = {}
    for place, column in enumerate(edges.T):
        groups.setdefault(np.packbits(column).tobytes(), []).append(place)
    return list(groups.values())

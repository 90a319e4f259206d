"""MMGCN: a graph convolution of its own for each modality, tied together by ids."""

from __future__ import annotations

from typing import Literal, Self, cast

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from reelmix.data import Split
from reelmix.errors import ConfigError
from reelmix.graph import Missing, filled, mean_of_neighbours
from reelmix.graph.sparse import SparseMatrix
from reelmix.models.base import Batch, Embeddings, Model, seeded, xavier, xavier_tables
from reelmix.models.content import ContentMap, Contents
from reelmix.models.dropout import kept, presence
from reelmix.models.losses import squared_norm_of_rows
from reelmix.models.objective import Distinct, ObjectiveSettings, distinct, ranking_loss, scored


class MMGCNConfig(ObjectiveSettings):
    """Settings of MMGCN."""

    embedding_size: int = Field(64, ge=1)
    """Dimensions d of every vector."""

    layers: int = Field(2, ge=0)
    """Layers of graph convolution."""

    combination: Literal["sum", "concatenation"] = "sum"
    """How a node joins what it hears from its neighbours with what it is: sum or concatenation."""

    content: ContentMap = "linear"
    """From features to d: linear or mlp (trained), pca (fixed), identity (sizes agree)."""

    missing: Missing = "mask"
    """What stands in for a modality that an item lacks: mask (nothing, it takes no part), zero, mean, or what
    items with common users have (neighbours, propagation, pagerank). By default nothing is made up."""

    modality_dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the items' modalities hidden at each training step, from 0 to below 1; an item keeps at least
    one. The paper hides none."""

    reg: float = Field(1e-4, ge=0)
    """Weight of the L2 term on the vectors that a triple uses and on all maps."""


class MMGCN(Model):
    r"""MMGCN (Wei et al., "MMGCN: Multi-modal Graph Convolution Network for Personalized Recommendation of
    Micro-video", ACM MM 2019).

    For each modality, on the graph of the interactions with items that have it:

    .. math::
        h = \phi(W_1 \, \mathrm{mean}_{j \in N} x_j), \quad \hat x = \phi(W_2 x) + \mathrm{id}, \quad
        x \leftarrow \phi(W_3 h + \hat x) \text{ or } \phi(W_3 [h \| \hat x])

    with :math:`\phi` the LeakyReLU and one table of ids for all modalities. A user's vector is the mean over
    modalities, an item's the mean over the modalities that it has. The score is the dot product. With
    ``modality_dropout``, items are zero at every layer of the modalities that are hidden on a step, and the
    mean is over the others.

    Parameters: ``preference`` (user, modality, dim), ``user_id`` (user, dim), ``item_id`` (item, dim),
    ``content.<modality>``; ``aggregate``, ``carry`` and ``combine`` are :math:`W_1, W_2, W_3`, each
    (layer, modality, dim, dim), the last twice as wide for the concatenation.
    """

    name = "mmgcn"
    Config = MMGCNConfig
    config: MMGCNConfig

    def build(self, split: Split, *, rng: int = 0) -> Self:
        """Makes graphs and parameters; see :meth:`Model.build`.

        Raises:
            ConfigError: the dataset has no modality, or one that does not fit ``content``.
        """
        split = filled(split, self.config.missing)
        generator, dataset, config = seeded(rng), split.dataset, self.config
        if not dataset.modalities:
            raise ConfigError(
                expected="at least one modality",
                found="none",
                where="mmgcn",
                fix="Import the dataset with features, or use a model that needs none.",
            )
        self.modalities = dataset.modalities
        train = split.matrix("train")
        self.present: Tensor
        self.register_buffer("present", presence(dataset), persistent=False)
        graphs = [mean_of_neighbours(train, split.edges(name)) for name in self.modalities]
        self.to_users = nn.ModuleList(SparseMatrix(of_items) for of_items, _ in graphs)
        self.to_items = nn.ModuleList(SparseMatrix(of_users) for _, of_users in graphs)
        self.shares: Tensor
        self.register_buffer("shares", _shares(self.present, torch.get_default_dtype()), persistent=False)
        m, d, layers = len(self.modalities), config.embedding_size, config.layers
        self.content = Contents(dataset, embedding_size=d, content=config.content, rng=generator)
        self.preference = xavier_tables(m, dataset.n_users, d, generator=generator)
        self.user_id = xavier(dataset.n_users, d, generator=generator)
        self.item_id = xavier(dataset.n_items, d, generator=generator)
        self.aggregate = xavier(layers, m, d, d, generator=generator)
        self.carry = xavier(layers, m, d, d, generator=generator)
        width = d if config.combination == "sum" else 2 * d
        self.combine = xavier(layers, m, d, width, generator=generator)
        return self

    def embed(self) -> Embeddings:
        """User and item vectors at the present parameters; see :meth:`Model.embed`."""
        users, parts = self._single_modal()
        named = dict(zip(self.modalities, parts.unbind(dim=1), strict=True))
        return scored(self.config, Embeddings(users.mean(dim=1), parts.sum(dim=1), named))

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """BPR, or softmax, plus the L2 term; see :meth:`Model.loss`.

        The L2 term is ``reg / 2`` times the squared norm of what a triple uses, averaged over the triples:
        its user's and its two items' rows, and all maps.
        """
        shown = kept(self.present, self.config.modality_dropout, batch.rng)
        nodes = distinct(self.config, batch)
        users, parts = self._single_modal(shown, nodes)
        chosen = functional.embedding(nodes.places.users, users.mean(dim=1))
        objective = ranking_loss(self.config, chosen, parts.sum(dim=1), nodes.places, len(self.item_id))
        penalty = squared_norm_of_rows([self.preference, self.user_id], [self.item_id], batch)
        penalty = penalty + self.content.squared_norm(batch, shown)
        for weights in (self.aggregate, self.carry, self.combine):
            penalty = penalty + weights.square().sum()
        return objective + 0.5 * self.config.reg * penalty

    def _single_modal(
        self, shown: Bool[Tensor, "item modality"] | None = None, nodes: Distinct | None = None
    ) -> tuple[Float[Tensor, "user modality dim"], Float[Tensor, "item modality dim"]]:
        """Users in each modality, and items with their share in the mean over the modalities they have.

        Items that are not ``shown`` in a modality are zero there at every layer. With ``nodes``, these users
        and items alone.
        """
        pairs: list[tuple[Tensor, Tensor]] = []
        for place, content in enumerate(self.content.each()):
            hidden = None if shown is None else ~shown[:, place : place + 1]
            user, item = self.preference[:, place], _without(content(), hidden)
            for layer in range(self.config.layers - (nodes is not None)):
                user, item = self._convolved(layer, place, user, item)
                item = _without(item, hidden)
            pairs.append((user, item) if nodes is None else self._convolved_last(place, user, item, nodes))
        users, items = (torch.stack(side, dim=1) for side in zip(*pairs, strict=True))
        shares = self.shares if shown is None else _shares(shown, items.dtype)
        return users, items * (shares if nodes is None else shares[nodes.items.there]).unsqueeze(2)

    def _convolved(
        self, layer: int, place: int, user: Float[Tensor, "user dim"], item: Float[Tensor, "item dim"]
    ) -> tuple[Float[Tensor, "user dim"], Float[Tensor, "item dim"]]:
        """One layer of one modality."""
        heard_by_users, heard_by_items = self.to_users[place](item), self.to_items[place](user)
        return (
            self._layer(layer, place, user, heard_by_users, self.user_id),
            self._layer(layer, place, item, heard_by_items, self.item_id),
        )

    def _convolved_last(
        self, place: int, user: Float[Tensor, "user dim"], item: Float[Tensor, "item dim"], nodes: Distinct
    ) -> tuple[Float[Tensor, "chosen_user dim"], Float[Tensor, "chosen_item dim"]]:
        """The last layer of one modality, if there is one, at the cost of these nodes alone."""
        chosen_user, user_id = (functional.embedding(nodes.users.there, x) for x in (user, self.user_id))
        chosen_item, item_id = (functional.embedding(nodes.items.there, x) for x in (item, self.item_id))
        if self.config.layers == 0:
            return chosen_user, chosen_item
        to_users, to_items = (cast(SparseMatrix, side[place]) for side in (self.to_users, self.to_items))
        return (
            self._layer(-1, place, chosen_user, to_users.rows(nodes.users, item), user_id),
            self._layer(-1, place, chosen_item, to_items.rows(nodes.items, user), item_id),
        )

    def _layer(
        self, layer: int, place: int, x: Tensor, neighbours: Tensor, ids: Tensor
    ) -> Float[Tensor, "node dim"]:
        aggregate, carry, combine = (w[layer, place] for w in (self.aggregate, self.carry, self.combine))
        heard = functional.leaky_relu(neighbours @ aggregate.T)
        kept = functional.leaky_relu(x @ carry.T) + ids
        if self.config.combination == "concatenation":
            return functional.leaky_relu(torch.cat([heard, kept], dim=1) @ combine.T)
        return functional.leaky_relu(heard @ combine.T + kept)


def _without(
    items: Float[Tensor, "item dim"], hidden: Bool[Tensor, "item 1"] | None
) -> Float[Tensor, "item dim"]:
    """The vectors with zeros for hidden items."""
    return items if hidden is None else items.masked_fill(hidden, 0.0)


def _shares(present: Bool[Tensor, "item modality"], dtype: torch.dtype) -> Float[Tensor, "item modality"]:
    """Of each modality in the mean over those that an item has."""
    return present.to(dtype) / present.sum(dim=1, keepdim=True).clamp(min=1)

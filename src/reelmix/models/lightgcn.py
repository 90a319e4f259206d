"""LightGCN: ids propagated over who watched what, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from reelmix.data import Split
from reelmix.graph import normalised
from reelmix.graph.sparse import SparseMatrix
from reelmix.models.base import Batch, Embeddings, Induction, Model, seeded, xavier
from reelmix.models.losses import squared_norm_of_rows
from reelmix.models.objective import ObjectiveSettings, ranking_loss, require_bpr, scored


class LightGCNConfig(ObjectiveSettings):
    """Settings of LightGCN; the defaults are its paper's."""

    embedding_size: int = Field(64, ge=1)
    """Dimensions d of every vector."""

    layers: int = Field(3, ge=0)
    """Layers K of propagation; 0 is matrix factorisation, trained by BPR."""

    reg: float = Field(1e-4, ge=0)
    """Weight of the L2 term on the layer-0 vectors that a triple uses."""


class LightGCN(Model):
    r"""LightGCN (He et al., "LightGCN: Simplifying and Powering Graph Convolution Network", SIGIR 2020).

    .. math::
        E^{(k+1)} = D^{-1/2} A D^{-1/2} E^{(k)} \qquad (7) \qquad
        E = \frac{1}{K+1} \sum_{k=0}^{K} E^{(k)} \qquad (8)

    A is the bipartite graph of the training interactions. The score is the dot product; no modality is used.

    Parameters: ``user`` (user, dim) and ``item`` (item, dim) are :math:`E^{(0)}`.
    """

    name = "lightgcn"
    Config = LightGCNConfig
    config: LightGCNConfig

    def build(self, split: Split, *, rng: int = 0) -> Self:
        """Makes the graph and the parameters; see :meth:`Model.build`."""
        generator, dataset = seeded(rng), split.dataset
        train = split.matrix("train")
        self.graph = SparseMatrix(normalised(train))
        self.degrees: Tensor
        degrees = torch.from_numpy(train.sum(axis=0)).to(torch.get_default_dtype())
        self.register_buffer("degrees", degrees, persistent=False)
        self.user = xavier(dataset.n_users, self.config.embedding_size, generator=generator)
        self.item = xavier(dataset.n_items, self.config.embedding_size, generator=generator)
        return self

    def embed(self) -> Embeddings:
        """User and item vectors at the present parameters; see :meth:`Model.embed`."""
        return scored(self.config, Embeddings(*self._vectors()))

    def induction(self) -> Induction:
        """What new users need, eqs. 7 and 8 with a layer 0 of zero; see :meth:`Model.induction`.

        An item that nobody watched has no edges: its id is as it was drawn, and says nothing.
        """
        item_sum = self.user.new_zeros(self.item.shape)
        user, item = self.user, self.item
        for _ in range(self.config.layers):
            item_sum = item_sum + item
            user, item = self.graph(item), self.graph.transposed(user)
        degrees = self.degrees.clamp(min=1).sqrt().unsqueeze(1) * (self.config.layers + 1)
        return Induction((item_sum / degrees).unsqueeze(1), (self.degrees > 0).cpu().numpy()[:, None])

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """BPR, or softmax, plus ``reg / 2`` times the squared norm of a triple's layer-0 vectors (mean)."""
        penalty = self.columns.summed(squared_norm_of_rows([self.user], [self.item], batch))
        users, items = self._vectors()
        chosen = functional.embedding(batch.users, users)
        objective = ranking_loss(self.config, chosen, items, batch, columns=self.columns)
        return objective + 0.5 * self.config.reg * penalty

    def column_axes(self) -> Mapping[str, int]:
        """See :meth:`Model.column_axes`; propagation keeps columns apart."""
        require_bpr(self.config)
        return {"user": 1, "item": 1}

    def _vectors(self) -> tuple[Float[Tensor, "user dim"], Float[Tensor, "item dim"]]:
        user, item = self.user, self.item
        user_sum, item_sum = user, item
        for _ in range(self.config.layers):
            user, item = self.graph(item), self.graph.transposed(user)
            user_sum, item_sum = user_sum + user, item_sum + item
        n_layers = self.config.layers + 1
        return user_sum / n_layers, item_sum / n_layers

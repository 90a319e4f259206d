"""LR-GCCF: linear residual graph convolution, in which every node keeps a part of itself."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from scipy.sparse import csr_array, diags_array
from torch import Tensor
from torch.nn import functional

from reelmix.data import Split
from reelmix.graph.sparse import SparseMatrix
from reelmix.models.base import Batch, Embeddings, Model, seeded, xavier
from reelmix.models.losses import squared_norm_of_rows
from reelmix.models.objective import ObjectiveSettings, ranking_loss, scored


class LRGCCFConfig(ObjectiveSettings):
    """Settings of LR-GCCF."""

    embedding_size: int = Field(64, ge=1)
    """Dimensions d of a layer's vectors; those that score have (layers + 1) x d."""

    layers: int = Field(3, ge=0)
    """Layers K of propagation."""

    reg: float = Field(1e-4, ge=0)
    """Weight of the L2 term on the layer-0 vectors that a triple uses."""


class LRGCCF(Model):
    r"""LR-GCCF (Chen et al., "Revisiting Graph based Collaborative Filtering: A Linear Residual Graph
    Convolutional Network Approach", AAAI 2020).

    .. math::
        E^{(k+1)} = \tilde D^{-1/2} (A + I) \tilde D^{-1/2} E^{(k)}, \qquad \tilde D = D + I

    without nonlinearity; the linear maps of the paper fold into the embeddings. The residual prediction, the
    sum of the layers' dot products, is the dot product of the concatenated layers.

    Parameters: ``user`` (user, dim) and ``item`` (item, dim) are :math:`E^{(0)}`.
    """

    name = "lr_gccf"
    Config = LRGCCFConfig
    config: LRGCCFConfig

    def build(self, split: Split, *, rng: int = 0) -> Self:
        """Makes the graph and the parameters; see :meth:`Model.build`."""
        generator, dataset = seeded(rng), split.dataset
        edges = csr_array(split.matrix("train"), dtype=np.float64)
        user_degree, item_degree = edges.sum(axis=1) + 1, edges.sum(axis=0) + 1
        scaled = diags_array(user_degree**-0.5) @ edges @ diags_array(item_degree**-0.5)
        self.graph = SparseMatrix(csr_array(scaled))
        self.user_share: Tensor
        self.item_share: Tensor
        self.register_buffer("user_share", _column(1 / user_degree), persistent=False)
        self.register_buffer("item_share", _column(1 / item_degree), persistent=False)
        self.user = xavier(dataset.n_users, self.config.embedding_size, generator=generator)
        self.item = xavier(dataset.n_items, self.config.embedding_size, generator=generator)
        return self

    def embed(self) -> Embeddings:
        """User and item vectors at the present parameters; see :meth:`Model.embed`."""
        return scored(self.config, Embeddings(*self._vectors()))

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """BPR, or softmax, plus ``reg / 2`` times the squared norm of a triple's layer-0 vectors (mean)."""
        penalty = squared_norm_of_rows([self.user], [self.item], batch)
        users, items = self._vectors()
        objective = ranking_loss(self.config, functional.embedding(batch.users, users), items, batch)
        return objective + 0.5 * self.config.reg * penalty

    def _vectors(self) -> tuple[Float[Tensor, "user _"], Float[Tensor, "item _"]]:
        users: list[Tensor] = [self.user]
        items: list[Tensor] = [self.item]
        for _ in range(self.config.layers):
            user, item = users[-1], items[-1]
            users.append(self.graph(item) + self.user_share * user)
            items.append(self.graph.transposed(user) + self.item_share * item)
        return torch.cat(users, dim=1), torch.cat(items, dim=1)


def _column(values: Float[np.ndarray, " node"]) -> Float[Tensor, "node 1"]:
    return torch.from_numpy(values).to(torch.get_default_dtype()).unsqueeze(1)

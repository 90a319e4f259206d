"""STAR-GCN: stacked encoders and decoders that recover the embeddings they were given, some hidden."""

from __future__ import annotations

from typing import Self

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from reelmix.data import Split
from reelmix.graph import normalised
from reelmix.graph.sparse import SparseMatrix
from reelmix.models.base import Batch, Embeddings, Model, chances, seeded, xavier
from reelmix.models.losses import squared_norm_of_rows
from reelmix.models.objective import ObjectiveSettings, ranking_loss, scored


class STARGCNConfig(ObjectiveSettings):
    """Settings of STAR-GCN."""

    embedding_size: int = Field(64, ge=1)
    """Dimensions d of every vector."""

    blocks: int = Field(2, ge=1)
    """Blocks, each an encoder and a decoder."""

    shared_blocks: bool = False
    """Whether all blocks have the same maps."""

    masked: float = Field(0.1, ge=0, lt=1)
    """Share of the nodes whose embedding is hidden from the first block at each training step."""

    reconstruction: float = Field(0.1, ge=0)
    """Weight of the distance between the recovered and the true embeddings of the hidden nodes."""

    reg: float = Field(1e-4, ge=0)
    """Weight of the L2 term on the embeddings that a triple uses and on all maps."""


class STARGCN(Model):
    r"""STAR-GCN (Zhang et al., "STAR-GCN: Stacked and Reconstructed Graph Convolutional Networks for
    Recommender Systems", IJCAI 2019), with its ranking loss by BPR and one type of link.

    .. math::
        h_v = \phi\Big(\sum_{j \in N_v} \frac{W x_j}{\sqrt{|N_v| |N_j|}}\Big), \quad z = W_h h, \quad
        \hat x = W_4 \phi(W_3 z)

    with :math:`\phi` the LeakyReLU; :math:`\hat x` is the next block's input. The recovered embeddings of the
    last block score by their dot product.

    Parameters: ``user`` and ``item`` (., dim) are x; ``encode``, ``encode_out``, ``decode`` and
    ``decode_out`` are :math:`W, W_h, W_3, W_4`, each (block, dim, dim).
    """

    name = "star_gcn"
    Config = STARGCNConfig
    config: STARGCNConfig

    def build(self, split: Split, *, rng: int = 0) -> Self:
        """Makes the graph and the parameters; see :meth:`Model.build`."""
        generator, dataset, d = seeded(rng), split.dataset, self.config.embedding_size
        self.graph = SparseMatrix(normalised(split.matrix("train")))
        self.user = xavier(dataset.n_users, d, generator=generator)
        self.item = xavier(dataset.n_items, d, generator=generator)
        blocks = 1 if self.config.shared_blocks else self.config.blocks
        self.encode = xavier(blocks, d, d, generator=generator)
        self.encode_out = xavier(blocks, d, d, generator=generator)
        self.decode = xavier(blocks, d, d, generator=generator)
        self.decode_out = xavier(blocks, d, d, generator=generator)
        return self

    def embed(self) -> Embeddings:
        """User and item vectors at the present parameters; see :meth:`Model.embed`."""
        return scored(self.config, Embeddings(*self._recovered(self.user, self.item)[-1]))

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Each block's BPR or softmax, the reconstruction of hidden nodes, and the L2 term.

        The L2 term is ``reg / 2`` times the squared norm of a triple's embeddings, averaged over the triples,
        and of all maps.
        """
        hidden = self._hidden(batch.rng)
        n_users = len(self.user)
        true = torch.cat([self.user, self.item])
        seen = true * ~hidden.unsqueeze(1)
        objective = true.new_zeros(())
        for users, items in self._recovered(seen[:n_users], seen[n_users:]):
            chosen = functional.embedding(batch.users, users)
            objective = objective + ranking_loss(self.config, chosen, items, batch)
            distance = (torch.cat([users, items]) - true).square().sum(dim=1)
            away = (distance * hidden).sum() / hidden.sum().clamp(min=1)
            objective = objective + self.config.reconstruction * away
        penalty = squared_norm_of_rows([self.user], [self.item], batch)
        for weights in (self.encode, self.encode_out, self.decode, self.decode_out):
            penalty = penalty + weights.square().sum()
        return objective + 0.5 * self.config.reg * penalty

    def _hidden(self, rng: int) -> Bool[Tensor, " node"]:
        """Which nodes, users first, are hidden on this batch."""
        n_nodes = len(self.user) + len(self.item)
        return chances(n_nodes, rng=rng, device=self.user.device) < self.config.masked

    def _recovered(
        self, users: Float[Tensor, "user dim"], items: Float[Tensor, "item dim"]
    ) -> list[tuple[Float[Tensor, "user dim"], Float[Tensor, "item dim"]]]:
        """Each block's recovered embeddings."""
        found = []
        for block in range(self.config.blocks):
            place = 0 if self.config.shared_blocks else block
            heard = self.graph(items), self.graph.transposed(users)
            users, items = (self._decoded(side, place) for side in heard)
            found.append((users, items))
        return found

    def _decoded(self, heard: Float[Tensor, "node dim"], place: int) -> Float[Tensor, "node dim"]:
        # the sum over neighbours is linear: W is applied once to the sum, not to each neighbour
        encoded = functional.leaky_relu(heard @ self.encode[place].T) @ self.encode_out[place].T
        return functional.leaky_relu(encoded @ self.decode[place].T) @ self.decode_out[place].T

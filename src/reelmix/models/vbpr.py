"""VBPR: matrix factorisation, plus a second one whose item side is made from the content."""

from __future__ import annotations

from typing import Self

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from reelmix.data import Split
from reelmix.graph import Missing, filled
from reelmix.graph.sparse import Chosen
from reelmix.models.base import Batch, Embeddings, Model, seeded, xavier
from reelmix.models.content import Contents
from reelmix.models.dropout import kept, presence
from reelmix.models.losses import squared_norm_of_rows
from reelmix.models.objective import ObjectiveSettings, distinct, ranking_loss, scored


class VBPRConfig(ObjectiveSettings):
    """Settings of VBPR."""

    embedding_size: int = Field(64, ge=1)
    """Dimensions d of the latent vectors, and as many of the content vectors."""

    missing: Missing = "mask"
    """What stands in for a modality that an item lacks: mask (nothing, it takes no part), zero, mean, or what
    items with common users have (neighbours, propagation, pagerank). By default nothing is made up."""

    modality_dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the items' modalities hidden at each training step, from 0 to below 1; an item keeps at least
    one. The paper hides none."""

    reg: float = Field(1e-4, ge=0)
    """Weight of the L2 term on the vectors that a triple uses and on the content maps."""


class VBPR(Model):
    r"""VBPR (He & McAuley, "VBPR: Visual Bayesian Personalized Ranking from Implicit Feedback", AAAI 2016).

    .. math::
        y_{ui} = b_i + g_u \cdot g_i + t_u \cdot (E f_i) + c \cdot f_i

    where :math:`f_i` is the concatenation of all modalities' features; one that an item lacks, or that
    ``modality_dropout`` hides on a step, adds nothing. Terms that are equal for all items of a user are left
    out: no list depends on them. As vectors: user :math:`[g_u, t_u, 1]`, item
    :math:`[g_i, E f_i, b_i + c \cdot f_i]`.

    Parameters: ``user_latent`` (user, dim), ``user_content`` (user, dim), ``item_latent`` (item, dim),
    ``item_bias`` (item), and ``content.<modality>``, whose last of d + 1 rows is c.
    """

    name = "vbpr"
    Config = VBPRConfig
    config: VBPRConfig

    def build(self, split: Split, *, rng: int = 0) -> Self:
        """Makes the parameters; see :meth:`Model.build`."""
        split = filled(split, self.config.missing)
        generator, dataset, d = seeded(rng), split.dataset, self.config.embedding_size
        self.modalities = dataset.modalities
        self.present: Tensor
        self.register_buffer("present", presence(dataset), persistent=False)
        self.user_latent = xavier(dataset.n_users, d, generator=generator)
        self.user_content = xavier(dataset.n_users, d, generator=generator)
        self.item_latent = xavier(dataset.n_items, d, generator=generator)
        self.item_bias = nn.Parameter(torch.zeros(dataset.n_items))
        self.content = Contents(dataset, embedding_size=d + 1, content="linear", rng=generator, bias=False)
        return self

    def embed(self) -> Embeddings:
        """User and item vectors at the present parameters; see :meth:`Model.embed`."""
        width = self.config.embedding_size
        parts: dict[str, Tensor] = {}
        for name, content in zip(self.modalities, self.content.each(), strict=True):
            mapped = content()
            parts[name] = torch.cat([mapped.new_zeros(len(mapped), width), mapped], dim=1)
        content = self._content()
        ones = torch.ones_like(self.user_latent[:, :1])
        bias = self.item_bias.unsqueeze(1) + content[:, -1:]
        users = torch.cat([self.user_latent, self.user_content, ones], dim=1)
        items = torch.cat([self.item_latent, content[:, :-1], bias], dim=1)
        return scored(self.config, Embeddings(users, items, parts))

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """BPR, or softmax, plus the L2 term; see :meth:`Model.loss`.

        The L2 term is ``reg / 2`` times the squared norm of what a triple uses, averaged over the triples:
        its user's and its two items' rows, and all content maps.
        """
        shown = kept(self.present, self.config.modality_dropout, batch.rng)
        # a step costs what its own items cost, however many there are: only these are mapped
        nodes, bias = distinct(self.config, batch), self.item_bias.unsqueeze(1)
        latent, liking = (
            functional.embedding(batch.users, table) for table in (self.user_latent, self.user_content)
        )
        own_latent, own_bias = (
            functional.embedding(nodes.items.there, table) for table in (self.item_latent, bias)
        )
        content = self._content(nodes.items, shown)
        users = torch.cat([latent, liking, torch.ones_like(latent[:, :1])], dim=1)
        items = torch.cat([own_latent, content[:, :-1], own_bias + content[:, -1:]], dim=1)
        objective = ranking_loss(self.config, users, items, nodes.places, len(self.item_latent))
        of_users = (latent.square().sum() + liking.square().sum()) / len(batch.users)
        penalty = of_users + squared_norm_of_rows([], [self.item_latent, bias], batch)
        penalty = penalty + self.content.squared_norm(batch, shown)
        return objective + 0.5 * self.config.reg * penalty

    def _content(
        self, items: Chosen | None = None, shown: Bool[Tensor, "item modality"] | None = None
    ) -> Float[Tensor, "_ dim"]:
        """E f and c . f of these items, or of every item, without what is hidden."""
        content = self.content.zeros if items is None else self.content.zeros[items.there]
        for place, part in enumerate(self.content.each()):
            own = part(items)
            content = content + (
                own if shown is None or items is None else own * shown[items.there, place, None]
            )
        return content

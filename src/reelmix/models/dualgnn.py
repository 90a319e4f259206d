"""DualGNN: per-modality propagation, a per-user emphasis on each modality, refined over like-minded users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self, cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field
from scipy.sparse import csr_array, eye_array
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import skip_init

from reelmix.data import Split
from reelmix.errors import ConfigError
from reelmix.graph import Missing, filled, user_graph
from reelmix.graph.cooccurrence import Aggregation
from reelmix.graph.sparse import SparseMatrix
from reelmix.models.base import (
    Batch,
    Embeddings,
    Induction,
    Model,
    seeded,
    xavier,
    xavier_tables,
)
from reelmix.models.columns import columns_mix
from reelmix.models.content import ContentMap, Contents
from reelmix.models.dropout import kept, presence
from reelmix.models.losses import squared_norm_of_rows
from reelmix.models.objective import ObjectiveSettings, ranking_loss, require_bpr, scored
from reelmix.models.propagation import ModalityPropagation
from reelmix.settings import Preset

Construction = Literal["sum", "concatenation", "maximum"]
Emphasis = Literal["learned", "mean"]


PRESETS = {
    "paper": Preset(
        "comparisons with the paper: what it says of its TikTok (section V-D)",
        {
            "learning_rate": (1e-3, "of the paper's grid, 0.1 to 0.00001; it does not say which it took"),
            "batch_size": (1024, "the paper's"),
            "reg": (0.1, "of the paper's grid; the strongest validated best on TikTok"),
            "embedding_size": (128, "the paper's for TikTok; for MovieLens 64"),
            "layers": (2, "the paper's L"),
            "user_layers": (1, "the paper's L'"),
            "neighbours": (50, "the paper's K for TikTok; for MovieLens 40"),
            "missing": ("mask", "the paper leaves out what is missing"),
        },
    ),
    "short_histories": Preset(
        "people of whom half or more have at most four interactions: the best of 32 trials on TikTok, where "
        "Recall@20 on validation is 0.112 with these, and 0.080 to 0.092 with what the paper reports",
        {
            "loss": ("softmax", "the five best trials have it"),
            "temperature": (0.22, "of the best trial; the five best have 0.18 to 0.24"),
            "learning_rate": (3.1e-3, "of the best trial; the five best have 0.003 to 0.026"),
            "averaging": (0.0, "the five best trials have it"),
            "reg": (7.8e-5, "of the best trial; the five best have 0.0001 or less"),
            "embedding_size": (128, "the five best trials have it"),
            "layers": (2, "the five best trials have it, as the paper"),
            "neighbours": (40, "the five best trials have it"),
            "aggregation": ("softmax", "the five best trials have it, as the paper"),
            "content": ("pca", "the five best trials have it"),
            "unit_content": (True, "the three best trials have it"),
            "item_ids": (True, "the five best trials have it"),
        },
        up_to=4,
    ),
    "long_histories": Preset(
        "people of whom more than half have more than four interactions: the best of 32 trials on "
        "MovieLens-100k, where Recall@20 on validation is 0.350 with these, and 0.295 with the defaults",
        {
            "loss": ("softmax", "the eight best trials have it"),
            "temperature": (0.19, "of the best trial; the eight best have 0.14 to 0.19"),
            "learning_rate": (5.5e-3, "of the best trial; the eight best have 0.005 to 0.029"),
            "averaging": (0.99, "the eight best trials have it"),
            "reg": (1.5e-4, "of the best trial; seven of the eight best have 0.00015 or less"),
            "embedding_size": (64, "seven of the eight best trials have it"),
            "layers": (3, "five of the eight best trials have it"),
            "neighbours": (20, "the two best trials have it, and five of the eight best"),
            "aggregation": ("mean", "the two best trials have it, and five of the eight best"),
            "content": ("mlp", "the two best trials have it, and three of the eight best"),
            "unit_content": (True, "seven of the eight best trials have it"),
            "item_ids": (False, "six of the eight best trials have it"),
        },
        up_to=1e9,
    ),
}


class DualGNNConfig(ObjectiveSettings):
    """Settings of DualGNN. The defaults are the paper's where it names one."""

    presets: ClassVar[Mapping[str, Preset]] = PRESETS

    embedding_size: int = Field(64, ge=1)
    """Dimensions d of every vector. 64 is the paper's for MovieLens; 128 for TikTok."""

    layers: int = Field(2, ge=0)
    """Layers L of propagation between users and items, eq. 1. The paper uses 2; 0 leaves propagation out."""

    user_layers: int = Field(1, ge=0)
    """Layers L' over the user graph, eqs. 6 and 7. The paper uses 1; 0 leaves the user graph out."""

    neighbours: int = Field(40, ge=1)
    """Users K that each user keeps in the user graph. The paper uses 40 on MovieLens and 50 on TikTok."""

    construction: Construction = "sum"
    """How a user's modalities become one vector: sum (eq. 4), concatenation (eq. 3) or maximum (eq. 5)."""

    aggregation: Aggregation = "softmax"
    """How neighbours are weighed: softmax over common items (eq. 7) or mean (eq. 6)."""

    emphasis: Emphasis = "learned"
    """learned: a number for each user and modality, from 1 on; mean: every modality weighs 1/m (Dual-A)."""

    content: ContentMap = "pca"
    """From features to d: pca (fixed), identity (sizes agree), linear or mlp (trained)."""

    unit_content: bool = False
    """Scales the content of every item and modality to length 1."""

    item_ids: bool = False
    """Adds a trained vector for each item and modality to its content. The paper has none; on TikTok the best
    trials with BPR have none, and those with softmax have them."""

    missing: Missing = "pagerank"
    """What stands in for a modality that an item lacks: mask (nothing, it takes no part), zero, mean, or what
    items with common users have (neighbours, propagation, pagerank). Where items lost modalities,
    pagerank validated better than mask on average, on TikTok and on the simulated sample, beyond its spread
    over seeds; what is filled in is flagged."""

    modality_dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the items' modalities hidden at each training step, from 0 to below 1; an item keeps at least
    one. The paper hides none."""

    reg: float = Field(0.1, ge=0)
    """Weight lambda of the L2 term of eq. 11, on the parameters that a triple uses. The paper searches
    0.00001 to 0.1; the strongest of these validated best with BPR, on TikTok and on the simulated sample;
    softmax wants 0.0001 or less."""


class DualGNN(Model):
    r"""DualGNN (Wang et al., "DualGNN: Dual Graph Neural Network for Multimedia Recommendation", TMM 2023).

    For each modality m, on the graph of the interactions with items that have m:

    .. math::
        u_m^{(l+1)} = \sum_{i \in N_u} i_m^{(l)} / \sqrt{|N_u| |N_i|} \qquad (1) \qquad
        u_m = \sum_{l=0}^{L} u_m^{(l)} \qquad (2)

    and the same for items. A user's modalities become one vector with the emphasis :math:`\alpha_{u,m}`:
    :math:`W [\alpha_{u,m} u_m]_m + b` (3), :math:`\sum_m \alpha_{u,m} u_m` (4) or
    :math:`\max_m \alpha_{u,m} u_m` (5). Like-minded users refine it, L' times:
    :math:`u \leftarrow u + \sum_{u'} w_{u,u'} u'`, :math:`w` the mean (6) or the softmax of common items (7).
    Items are :math:`i^* = \sum_m i_m` (8), the score is :math:`u^* \cdot i^*` (9).

    What an item lacks is filled in from the items near to it in what people watch, and then takes part like
    any other, unless ``missing`` says otherwise: with ``mask`` the item has no edges in that modality's
    graph and adds nothing to its sums. Where ``split`` says that an item has only lost its edges, its
    content and id stay at layer 0. With ``modality_dropout``, items are zero at every layer of the
    modalities that are hidden on a step, and degrees stay as they are.

    Parameters: ``preference`` (user, modality, dim) is :math:`u_m^{(0)}`; ``alpha`` (user, modality);
    ``item_id`` (item, modality, dim), added to the content in :math:`i_m^{(0)}`; ``content.<modality>``;
    ``fusion`` for eq. 3.
    """

    name = "dualgnn"
    Config = DualGNNConfig
    config: DualGNNConfig

    def build(self, split: Split, *, rng: int = 0) -> Self:
        """Makes graphs, content and parameters; see :meth:`Model.build`.

        Raises:
            ConfigError: the dataset has no modality, or one that does not fit ``content``.
        """
        split = filled(split, self.config.missing)
        config, dataset, generator = self.config, split.dataset, seeded(rng)
        if not dataset.modalities:
            raise ConfigError(
                expected="at least one modality",
                found="none",
                where="dualgnn",
                fix="Import the dataset with features, or use a model that needs none.",
            )
        self.modalities = dataset.modalities
        train = split.matrix("train")
        self.present: Tensor
        self.register_buffer("present", presence(dataset), persistent=False)
        self.complete = bool(self.present.all())
        self.edges = np.stack([split.edges(name) for name in self.modalities], axis=1)
        self.degrees = train.sum(axis=0)[:, None] * self.edges
        self.propagation = ModalityPropagation(train, self.edges, config.layers)
        if config.user_layers:
            weights = user_graph(train, config.neighbours).weights(config.aggregation)
            self.refinement = SparseMatrix(csr_array(weights + eye_array(dataset.n_users, format="csr")))
        self.content = Contents(
            dataset,
            embedding_size=config.embedding_size,
            content=config.content,
            rng=generator,
            unit=config.unit_content,
        )
        self._make_parameters(dataset.n_users, dataset.n_items, generator)
        with torch.no_grad():
            users, items = self.propagation.from_items(self.content.vectors(trained=False))
        self.fixed_users: Tensor
        self.fixed_items: Tensor
        self.register_buffer("fixed_users", users, persistent=False)
        self.register_buffer("fixed_items", items, persistent=False)
        self.fixed_total: Tensor
        self.register_buffer("fixed_total", items.sum(dim=1), persistent=False)
        return self

    def _make_parameters(self, n_users: int, n_items: int, generator: torch.Generator) -> None:
        config, m, d = self.config, len(self.modalities), self.config.embedding_size
        self.preference = xavier_tables(m, n_users, d, generator=generator)
        if config.item_ids:
            self.item_id = xavier_tables(m, n_items, d, generator=generator)
        if config.emphasis == "learned":
            self.alpha = nn.Parameter(torch.ones(n_users, m))
        if config.construction == "concatenation":
            # made empty: nn.Linear would draw from torch's global generator
            self.fusion = cast(nn.Linear, skip_init(nn.Linear, m * d, d))
            self.fusion.weight = xavier(d, m * d, generator=generator)
            nn.init.zeros_(self.fusion.bias)

    def embed(self) -> Embeddings:
        """User and item vectors at the present parameters; see :meth:`Model.embed`."""
        users, items = self._single_modal()
        fused = self._construct(users)
        for _ in range(self.config.user_layers):
            fused = self.refinement(fused)
        parts = {name: items[:, place] for place, name in enumerate(self.modalities)}
        emphasis = self._emphasis().expand(len(fused), -1)
        return scored(self.config, Embeddings(fused, items.sum(dim=1), parts, emphasis))

    def induction(self) -> Induction:
        """What new users need; see :meth:`Model.induction`.

        A new user's layers are eq. 1 with a layer 0 of zero; their emphasis and their refinement come from
        the training users who watched the same (section IV-B).
        """
        layers = self.config.layers
        content = self.content.vectors()
        layer0 = content + self._item_id(None) if self.config.item_ids else content
        _, items = self.propagation(self.preference, layer0, layers=max(layers - 1, 0))
        degrees = torch.from_numpy(np.maximum(self.degrees, 1)).to(items)
        passes = items / degrees.sqrt().unsqueeze(2) if layers else torch.zeros_like(items)
        if not self.config.user_layers:
            return Induction(passes, self.edges)
        fused = self._construct(self._single_modal()[0])
        refinement = fused
        for _ in range(self.config.user_layers - 1):
            fused = self.refinement(fused)
            refinement = refinement + fused
        neighbours = self.refinement.scipy()
        neighbours.setdiag(0)
        neighbours.eliminate_zeros()
        return Induction(passes, self.edges, refinement, neighbours)

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """BPR, eq. 11, or softmax, plus the L2 term; see :meth:`Model.loss`.

        The L2 term is ``reg / 2`` times the squared norm of the parameters that a triple uses, averaged over
        the triples: its user's preferences and alpha, its two items' trained rows, and all shared maps.
        """
        shown = kept(self.present, self.config.modality_dropout, batch.rng)
        fused, items, squares = self._fused(batch, shown)
        for _ in range(self.config.user_layers - 1):
            fused = self.refinement(fused)
        if self.config.user_layers:  # the last layer is needed for the users of the batch alone
            chosen = self.refinement.rows(batch.chosen_users, fused)
        else:
            chosen = functional.embedding(batch.users, fused)
        objective = ranking_loss(self.config, chosen, items, batch, columns=self.columns)
        return (
            objective + 0.5 * self.config.reg * self._squared_norm(batch, shown, squares)
            if self.config.reg
            else objective
        )

    def _fused(
        self, batch: Batch, shown: Bool[Tensor, "item modality"] | None
    ) -> tuple[Float[Tensor, "user dim"], Float[Tensor, "item dim"], Float[Tensor, ""]]:
        """Users before they are refined, eq. 8, and the squared norm of layer 0 of the batch's users."""
        if shown is not None or self.config.construction != "sum" or not self.config.layers:
            users, items = self._single_modal(shown)
            own = functional.embedding(batch.users, self.preference.flatten(1))
            return self._construct(users), items.sum(dim=1), own.square().sum()
        emphasis = self._emphasis().expand(len(self.preference), -1)
        fused, items, squares = self.propagation.weighed(
            self.preference, self._trained(), emphasis, self.fixed_users, batch.users
        )
        return fused, items + self.fixed_total, squares

    def _single_modal(
        self, shown: Bool[Tensor, "item modality"] | None = None
    ) -> tuple[Float[Tensor, "user modality dim"], Float[Tensor, "item modality dim"]]:
        """Eqs. 1 and 2. Propagation is linear: what no parameter changes was propagated once, in build.

        Where modalities are hidden, each step has a graph of its own, and everything is propagated in it.
        """
        users, items = self.propagation(self.preference, self._trained(shown), shown)
        return (users, items) if shown is not None else (users + self.fixed_users, items + self.fixed_items)

    def _trained(
        self, shown: Bool[Tensor, "item modality"] | None = None
    ) -> Float[Tensor, "item modality dim"] | None:
        """Layer 0 of the items, without what build propagated already; None where nothing else is."""
        trained = None
        if shown is not None:
            trained = self.content.vectors() * shown.unsqueeze(2)
        elif any(content.trained for content in self.content.each()):
            trained = self.content.vectors(trained=True)
        if self.config.item_ids:
            item_id = self._item_id(shown)
            trained = item_id if trained is None else trained + item_id
        return trained

    def _item_id(self, shown: Bool[Tensor, "item modality"] | None) -> Float[Tensor, "item modality dim"]:
        if shown is None and self.complete:
            return self.item_id
        return self.item_id * (self.present if shown is None else shown).unsqueeze(2)

    def _construct(self, users: Float[Tensor, "user modality dim"]) -> Float[Tensor, "user dim"]:
        """Eqs. 3 to 5."""
        weighted = self._emphasis().unsqueeze(2) * users
        if self.config.construction == "sum":
            return weighted.sum(dim=1)
        if self.config.construction == "maximum":
            return weighted.amax(dim=1)
        return self.fusion(weighted.flatten(1))

    def _emphasis(self) -> Float[Tensor, "_ modality"]:
        if self.config.emphasis == "learned":
            return self.columns.shared(self.alpha)
        m = len(self.modalities)
        return self.preference.new_full((1, m), 1 / m)

    def _squared_norm(
        self, batch: Batch, shown: Bool[Tensor, "item modality"] | None, squares: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """Squared norm of the parameters that a triple uses, averaged over the batch."""
        total = squares / len(batch.users)
        if self.config.item_ids:
            total = total + squared_norm_of_rows([], [self._item_id(shown)], batch)
        total = self.columns.summed(total + self.content.squared_norm(batch, shown))
        if self.config.emphasis == "learned":
            total = total + squared_norm_of_rows([self.alpha], [], batch)
        if self.config.construction == "concatenation":
            total = total + self.fusion.weight.square().sum() + self.fusion.bias.square().sum()
        return total

    def column_axes(self) -> Mapping[str, int]:
        """See :meth:`Model.column_axes`; alpha is one for all columns, and is held whole.

        Raises:
            ConfigError: softmax, concatenation, content by an mlp or at length 1: columns mix.
        """
        require_bpr(self.config)
        if self.config.construction == "concatenation":
            raise columns_mix("construction 'concatenation'", "Set construction = sum")
        axes = {"preference": 2, "fixed_users": 2, "fixed_items": 2, "fixed_total": 1}
        if self.config.item_ids:
            axes["item_id"] = 2
        return axes | {f"content.{name}": axis for name, axis in self.content.column_axes().items()}

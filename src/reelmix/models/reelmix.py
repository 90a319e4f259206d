"""Reelmix: taste as what one watched, learned by leaving each interaction out of its own evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from reelmix.data import Split
from reelmix.graph import Missing, filled
from reelmix.graph.lookalikes import by_degree, lift, similar_items
from reelmix.graph.sparse import SparseMatrix
from reelmix.models.base import Batch, Embeddings, Induction, Judged, Model, Settled, chances, seeded
from reelmix.models.content import Contents
from reelmix.models.emphasis import HistoryEmphasis
from reelmix.models.losses import sampled_softmax
from reelmix.models.objective import own_item
from reelmix.models.regression import (
    Compared,
    ItemRegression,
    Spectrum,
    compared,
    eigenvectors,
    room_for_eigenvectors,
    surely_better,
)
from reelmix.settings import ModelSettings, Preset

LayerZeroContent = Literal["linear", "mlp", "pca", "identity", "none"]
EmphasisFrom = Literal["user_graph", "history", "none"]
WARMTH = 0.1
"""Logarithm of the temperature by which one of ``warmth`` changes it."""

LIKENESS = 3.0
"""People whom likeness stands for in a regression that is chosen; 1 and 10 are worth a little less where
content tells of taste, and where it does not none of them is worth anything (docs/reelmix-measured.md)."""

PRESETS = {
    "short_histories": Preset(
        "people of whom half or more have at most six interactions, as on TikTok",
        {
            "learning_rate": (0.03, "the best of 32 trials on TikTok from 0.003 to 0.1"),
            "batch_size": (
                4096,
                "a step of 4096 costs little more than one of 2048; halved until an epoch has 16 steps, and "
                "doubled until it has no more than 256",
            ),
            "averaging": (
                0.99,
                "with the regression 1.4 % more of Recall@20 on validation of *suggests* (docs/reelmix.md, 2 "
                "seeds), and on TikTok as much",
            ),
            "embedding_size": (64, "128 was no better in 32 trials on TikTok"),
            "lookalikes": (10, "20 validated alike; the best of 32 trials"),
            "dropout": (0.3, "without it 3.3 % of Recall@20 are lost on validation of TikTok (10 seeds)"),
            "regression": (
                4.0,
                "as for long histories; without it TikTok, whose items have few watchers, has as much",
            ),
        },
        up_to=6,
    ),
    "long_histories": Preset(
        "people of whom more than half have more than six interactions. Figures are Recall@20 on validation "
        "of MovieLens-100k, one training each: with the settings for short histories and averaged weights "
        "0.346, with all of these 0.357. Single changes are to an earlier form, which had 0.340",
        {
            "learning_rate": (0.03, "as for short histories"),
            "batch_size": (
                1024,
                "four times the steps: 0.351 in place of 0.340; halved and doubled as for short histories",
            ),
            "averaging": (0.99, "without it 0.330 in place of 0.340"),
            "embedding_size": (128, "more to tell people apart by: 0.349 in place of 0.340"),
            "lookalikes": (10, "as for short histories"),
            "dropout": (0.1, "0.347 in place of 0.340; with 0.5 it is 0.329"),
            "regression": (
                4.0,
                "on validation of six sets 0.1 to 0.9 % more of Recall@20 and 0.1 to 2.9 % of NDCG@20; "
                "with 8, MovieLens-100k has 1.4 % less",
            ),
        },
        up_to=1e9,
    ),
}


class ReelmixConfig(ModelSettings):
    """Settings of Reelmix; docs/reelmix.md measures what each is worth."""

    presets: ClassVar[Mapping[str, Preset]] = PRESETS
    default_preset: ClassVar[str | None] = "auto"

    # few steps, since one of 4096 costs little more than one of 2048, and large
    training_defaults: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 0.03,
        "batch_size": 4096,
        "averaging": 0.99,
    }

    embedding_size: int = Field(64, ge=1)
    """Dimensions d of every vector."""

    lookalikes: int = Field(10, ge=0)
    """Items that each item chooses in every modality's graph of items with similar content; 0 leaves these
    graphs out. 10 and 20 validate alike."""

    credit: bool = True
    """Whether a modality's lookalikes count for less where people watch them together little more often than
    chance would have it: fully if 1.5 times as often or more, and not at all if as often."""

    content: LayerZeroContent = "linear"
    """From features to the d dimensions of layer 0: linear or mlp (trained), pca or identity (fixed); none
    leaves it to the graphs of lookalikes."""

    components: int = Field(128, ge=1)
    """Principal components that stand for wider features, in layer 0 and in emphasis: of 4,096 numbers each
    step would pay for all."""

    emphasis_from: EmphasisFrom = "user_graph"
    """What a user's emphasis on each modality follows from: history (how alike the things are that they
    watched), user_graph (that, and how alike those are that the watchers of the same watched) or none (all
    modalities weigh alike for everybody)."""

    leave_out: bool = True
    """Whether an interaction is left out of its own score in training."""

    bias: bool = True
    """Whether items have a trained number of their own, whoever asks: their popularity, learned."""

    temperature: float = Field(0.15, gt=0)
    """What cosines are divided by before the softmax: the smaller, the more the nearest items matter."""

    learn_temperature: bool = True
    """Whether the temperature is trained from there on: people's taste is sharper in some data than in
    others. On TikTok it ends at 0.11 to 0.15, on three other sets at 0.08 to 0.11."""

    regression: float = Field(4.0, ge=0)
    """Weight of what watchers of the same also watched, by ridge regression (EASE), beside the cosine; 0
    leaves it out."""

    ridge: float = Field(200.0, gt=0)
    """What that regression adds to the diagonal; with 400 much is alike, and with 60 MovieLens-100k has 2 %
    less of Recall@20."""

    eigenvectors: int | None = Field(None, ge=1)
    """Eigenvectors that the regression keeps; as many as ``embedding_size`` if none are given."""

    regression_content: float = Field(0.0, ge=0)
    """How much content counts in the regression: two items that are quite alike in a modality are watched
    together as if so many more people had watched both."""

    choose_regression: bool = True
    """Whether validation may choose a stronger regression after training: of up to 1,024 eigenvectors, with
    content, and with a ridge and a weight of its own. It is taken where it surely is better."""

    candidates: int = Field(512, ge=1)
    """Items that the softmax of a step compares each observed one with, the same for the whole batch, at
    most. With 1,024 an epoch costs a third more, and validates alike."""

    dropout: float = Field(0.3, ge=0, lt=1)
    """Share of the numbers of layer 0 that are zero at a training step."""

    missing: Missing = "mask"
    """What stands in for a modality that an item lacks: mask (nothing, it takes no part), zero, mean, or what
    items with common users have (neighbours, propagation, pagerank); what is filled in is flagged."""


class Layers(NamedTuple):
    """What items pass on, before a user's emphasis weighs it.

    Attributes:
        zero: layer 0, from which everything else comes.
        alike: for each modality, the layer 0 of the items with similar content, as far as it counts.
    """

    zero: Float[Tensor, "item dim"]
    alike: list[Float[Tensor, "item dim"]]

    @property
    def items(self) -> Float[Tensor, "item dim"]:
        """The item vectors before they are scaled."""
        return self.zero + sum(self.alike)

    @property
    def passes(self) -> Float[Tensor, "item graph dim"]:
        """What each item passes on to its watchers: layer 0, and what each modality's graph brings."""
        return torch.stack([self.zero, *self.alike], dim=1)


class Reelmix(Model):
    r"""Reelmix: DualGNN's two ideas, a vector of nobody's own for users, and each interaction left out.

    Layer 0 of an item is a trained vector and its mapped content; an item is that, and layer 0 of the items
    with similar content (S_m: :func:`reelmix.graph.lookalike_graph`), as far as people watch them together
    (c_m, 0 to 1, by their :func:`reelmix.graph.lookalikes.lift`):

    .. math::
        z_i = e_i + \sum_m W_m f_{i,m} \qquad
        p_{i,m} = c_m \sum_j S_m[i,j] z_j \qquad
        c_m = \min\big(1, 3 - 3 / \max(1, \mathrm{lift}_m)\big) \qquad
        x_i = z_i + \sum_m p_{i,m}

    A user is what they watched, with their emphasis on each modality, which the user graph helps to find
    (:class:`reelmix.models.emphasis.HistoryEmphasis`):

    .. math::
        x_u = \sum_{i \in N_u} \Big( z_i + \sum_m \alpha_{u,m} p_{i,m} \Big) \qquad
        s(u, i) = \cos(x_u, x_i) / \tau + b_i + r(u, i)

    The loss is the cross-entropy of each observed item among all items, and the interaction (u, i) is left
    out of all that its own score is made of: i is no part of u's history, of u's emphasis, or of what u's
    co-watchers make of it. Without that, training asks to find an item in a sum that contains it, which no
    test ever asks: that is most of the overfitting.

    r(u, i) is what the watchers of the same also watched, in closed form
    (:class:`reelmix.models.regression.ItemRegression`); it is added to the trained model's scores, and takes
    no part in the loss. After training a stronger one may take its place (:meth:`settle`).

    Parameters: ``item`` (item, dim) is e; ``content.<modality>`` is W_m; ``bias`` (item). Kept with them are
    ``degrees`` (item, modality), by which a new item's lookalikes are scaled, ``credit`` (modality), c, and
    ``regression.passes`` (item, dim), by which r knows new users.
    ``warmth`` is w in :math:`\tau = \tau_0 e^{0.1 w}`, from 0: so Adam moves the temperature at a tenth of
    its learning rate. At the whole rate it falls too far before the vectors have settled.
    """

    name = "reelmix"
    Config = ReelmixConfig
    config: ReelmixConfig

    def build(self, split: Split, *, rng: int = 0) -> Self:
        """Makes graphs, content and parameters; see :meth:`Model.build`."""
        split = filled(split, self.config.missing)
        config, dataset, generator = self.config, split.dataset, seeded(rng)
        train = split.matrix("train")
        self.modalities = dataset.modalities
        self.history = SparseMatrix(train)
        self.watchers: Tensor
        self.watched: Tensor
        self._keep("watchers", train.sum(axis=0))
        self._keep("watched", train.sum(axis=1))
        self.n_watched = int((train.sum(axis=0) > 0).sum())
        self.alike, degrees = nn.ModuleList(), np.zeros((dataset.n_items, len(dataset.modalities)))
        credit = np.ones(len(dataset.modalities))
        for place, name in enumerate(dataset.modalities if config.lookalikes else ()):
            features = dataset.features[name]
            linked = features.only(split.edges(name)[features.items])
            similar = similar_items(linked, dataset.n_items, config.lookalikes)
            degrees[:, place] = similar.sum(axis=1)
            if config.credit:
                credit[place] = min(1.0, 3 - 3 / max(1.0, lift(train, similar)))
            self.alike.append(SparseMatrix(by_degree(similar) * credit[place]))
        self._keep("degrees", degrees, saved=True)
        self.credit: Tensor
        self._keep("credit", credit, saved=True)
        self.personal = len(self.alike) > 0 and config.emphasis_from != "none"
        if self.personal:
            self.emphasis = HistoryEmphasis(
                dataset,
                self.history,
                config.embedding_size,
                user_graph=config.emphasis_from == "user_graph",
                at_most=config.components,
            )
        mapped = dataset.only([]) if config.content == "none" else dataset
        content = "linear" if config.content == "none" else config.content
        self.content = Contents(
            mapped,
            embedding_size=config.embedding_size,
            content=content,
            rng=generator,
            bias=False,
            at_most=config.components,
        )
        self.regression = None
        if config.regression:
            contents = self._compared(split, config.regression_content)
            spectrum = eigenvectors(train, config.eigenvectors or config.embedding_size, contents)
            self.regression = self._regressed(spectrum, contents, config.ridge, config.regression)
        scale = config.embedding_size**-0.5
        self.item = nn.Parameter(
            torch.randn(dataset.n_items, config.embedding_size, generator=generator) * scale
        )
        self.warmth: Tensor
        if config.learn_temperature:
            self.warmth = nn.Parameter(self.item.new_zeros(()))
        else:
            self.register_buffer("warmth", self.item.new_zeros(()))
        self.bias: Tensor
        if config.bias:
            self.bias = nn.Parameter(torch.zeros(dataset.n_items))
        else:
            self.register_buffer("bias", torch.zeros(dataset.n_items))
        return self

    def embed(self) -> Embeddings:
        """User and item vectors at the present parameters; see :meth:`Model.embed`.

        Vectors have one number more than d, of items the bias and of users 1, and after it those of the
        regression.
        """
        layers = self._layers(self._layer0())
        tastes = functional.normalize(self._tastes(layers)) / self._temperature()
        length = layers.items.norm(dim=1, keepdim=True).clamp(min=1e-12)
        users = [tastes, tastes.new_ones(len(tastes), 1)]
        items = [layers.items / length, self._bias().unsqueeze(1)]
        if self.regression is not None:
            users.append(self.history(self.regression.passes))
            items.append(self.regression.items)
        parts = {name: torch.zeros_like(layers.zero) for name in self.modalities}
        for found in (self._content(), layers.alike):  # either may be left out
            for name, part in zip(self.modalities, found, strict=False):
                parts[name] = parts[name] + part
        beside = sum(part.shape[1] for part in items[1:])
        return Embeddings(
            torch.cat(users, dim=1),
            torch.cat(items, dim=1),
            {name: functional.pad(part / length, (0, beside)) for name, part in parts.items()},
            self._emphasis(),
        )

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Cross-entropy among sampled items, each interaction left out of its own score.

        The triples' negatives, the first ``candidates`` of them, are the sample for the whole batch. Users
        who watched nothing else have no evidence left, and do not count.
        """
        layers = self._layers(self._dropped(self._layer0(), batch.rng))
        positives, chosen = batch.positives, batch.sample(self.config.candidates)
        tastes = functional.normalize(self._tastes_of(batch, layers)) / self._temperature()
        items, bias = layers.items, self._bias()
        nobody = self.watchers[chosen] == 0
        found = functional.normalize(functional.embedding(positives, items))
        others = functional.normalize(functional.embedding(chosen, items))
        losses = sampled_softmax(
            tastes,
            found,
            others,
            own_item(batch, self.config.candidates),
            self.n_watched,
            biases=(bias[positives], bias[chosen].masked_fill(nobody, -torch.inf)),
        )
        counted = self._counted(batch)
        mean = (losses * counted).sum() / counted.sum().clamp(min=1)
        if batch.whole is None:
            return mean
        # the whole's mean is over those that count, which are not spread evenly over the shares
        share = counted.sum() / self._counted(batch.whole).sum().clamp(min=1)
        return mean * share * len(batch.whole.users) / len(batch.users)

    def settle(self, split: Split, judge: Callable[[], Judged]) -> Settled | None:
        """Takes a stronger regression if validation is sure of it; see :meth:`Model.settle`."""
        split = filled(split, self.config.missing)
        dataset, own = split.dataset, self.regression
        sizes = [features.size for features in dataset.features.values()]
        room = room_for_eigenvectors(dataset.n_users, dataset.n_items, sizes)
        if own is None or not self.config.choose_regression or room <= own.passes.shape[1]:
            return None
        contents = self._compared(split, LIKENESS)
        spectrum, now = eigenvectors(split.matrix("train"), room, contents), judge()

        def tried(ridge: float, weight: float) -> Judged:
            self.regression = self._regressed(spectrum, contents, ridge, weight)
            return judge()

        try:
            choice = surely_better(tried, now)
        finally:
            self.regression = own
        if choice is None:
            return None
        self.regression = self._regressed(spectrum, contents, choice.ridge, choice.weight)
        chosen = {"eigenvectors": room, "ridge": choice.ridge, "regression": choice.weight}
        chosen["regression_content"] = LIKENESS
        self.config = type(self.config).read({**self.config.model_dump(), **chosen}, where=self.name)
        return Settled(chosen, choice.gain, choice.sureness)

    def _compared(self, split: Split, likeness: float) -> list[Compared]:
        """What the regression knows of content, each modality as far as it counts."""
        if not likeness:
            return []
        counts, contents = self.credit.numpy(force=True).astype(np.float64), list[Compared]()
        for name, count in zip(self.modalities, counts, strict=True):
            features = split.dataset.features[name]
            linked = features.only(split.edges(name)[features.items])
            length = float(np.sqrt(likeness * count))
            contents.append(compared(linked, split.dataset.n_items, self.config.components, length))
        return contents

    def _regressed(
        self, spectrum: Spectrum, contents: list[Compared], ridge: float, weight: float
    ) -> ItemRegression:
        made = ItemRegression(
            spectrum,
            self.history.n_rows,
            contents,
            ridge=ridge,
            weight=weight,
            temperature=self.config.temperature,
        )
        return made.to(self.watchers.device)

    def _tastes_of(self, batch: Batch, layers: Layers) -> Float[Tensor, "triple dim"]:
        """What the triples' users watched, each without the triple's own item."""
        passes, without = layers.passes, batch.chosen_positives if self.config.leave_out else None
        heard = self.history.rows(batch.chosen_users, passes.flatten(1), less=without)
        return self._weighed(heard.unflatten(1, passes.shape[1:]), batch.users, without and without.there)

    def _counted(self, batch: Batch) -> Bool[Tensor, " triple"]:
        """Whose user has evidence left without the triple's own item."""
        return self.watched[batch.users] > int(self.config.leave_out)

    def induction(self) -> Induction:
        """What vectors of users are made of, new ones and those of training; see :meth:`Model.induction`."""
        passes = self._layers(self._layer0()).passes
        directions = self.emphasis.content if self.personal else None
        return Induction(passes, np.ones(passes.shape[:2], bool), directions=directions)

    def _layer0(self) -> Float[Tensor, "item dim"]:
        """What is known of each item by itself. Of one that nobody watched, that is its content alone."""
        layer0 = self.item * (self.watchers > 0).unsqueeze(1)
        for part in self._content():
            layer0 = layer0 + part
        return layer0

    def _content(self) -> list[Float[Tensor, "item dim"]]:
        return [content() for content in self.content.each()]

    def _dropped(self, layer0: Float[Tensor, "item dim"], rng: int) -> Float[Tensor, "item dim"]:
        share = self.config.dropout
        if not share:
            return layer0
        return layer0 * (chances(*layer0.shape, rng=rng, device=layer0.device) >= share) / (1 - share)

    def _layers(self, layer0: Float[Tensor, "item dim"]) -> Layers:
        return Layers(layer0, [graph(layer0) for graph in self.alike])

    def _tastes(self, layers: Layers) -> Float[Tensor, "user dim"]:
        """What each user watched, before it is scaled."""
        passes = layers.passes
        return self._weighed(self.history(passes.flatten(1)).unflatten(1, passes.shape[1:]))

    def _weighed(
        self,
        heard: Float[Tensor, "row graph dim"],
        users: Int[Tensor, " row"] | None = None,
        without: Int[Tensor, " row"] | None = None,
    ) -> Float[Tensor, "row dim"]:
        """The sum of what users hear, each modality with their emphasis."""
        if not self.personal:
            return heard.sum(dim=1)
        return heard[:, 0] + (self.emphasis(users, without).unsqueeze(2) * heard[:, 1:]).sum(dim=1)

    def _emphasis(self) -> Float[Tensor, "user modality"] | None:
        if self.personal:
            return self.emphasis()
        return self.item.new_ones(self.history.n_rows, len(self.modalities)) if self.modalities else None

    def _temperature(self) -> Float[Tensor, ""]:
        return self.config.temperature * (WARMTH * self.warmth).exp()

    def _bias(self) -> Float[Tensor, " item"]:
        """Of an item that nobody watched, that of the average item that the fewest people watched."""
        known = self.watchers > 0
        fewest = self.watchers == torch.where(known, self.watchers, torch.inf).min()
        return torch.where(known, self.bias, (self.bias * fewest).sum() / fewest.sum())

    def _keep(self, name: str, values: np.ndarray, *, saved: bool = False) -> None:
        tensor = torch.from_numpy(np.asarray(values)).to(torch.get_default_dtype())
        self.register_buffer(name, tensor, persistent=saved)

"""What a model is to the rest of the house: interactions and content in, user and item vectors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from scipy.sparse import csr_array
from torch import Tensor, nn

from reelmix.data import Split
from reelmix.graph.sparse import Chosen, sent
from reelmix.models.columns import Columns, columns_mix
from reelmix.settings import DataSize, ModelSettings, Settings, preset_values


class Batch(NamedTuple):
    """Triples of eq. 10: a user, an item of theirs, and an item that they have not interacted with."""

    users: Int[Tensor, " triple"]
    positives: Int[Tensor, " triple"]
    negatives: Int[Tensor, " triple"]
    rng: int = 0
    """Seed of whatever else a model leaves to chance on this batch."""
    whole: Batch | None = None
    """The batch that this one is a share of; None where it is whole."""
    here: Batch | None = None
    """The same on the CPU, to be counted without waiting; None where it is there."""

    @property
    def chosen_users(self) -> Chosen:
        """The rows of the triples' users."""
        return Chosen(self.users, (self.here or self).users)

    @property
    def chosen_positives(self) -> Chosen:
        """The rows of the triples' items."""
        return Chosen(self.positives, (self.here or self).positives)

    def share(self, rows: slice) -> Batch:
        """Some of its triples."""
        users, positives, negatives = (column[rows] for column in self[:3])
        here = self.here and self.here.share(rows)
        return Batch(users, positives, negatives, self.rng, self, here)

    def sample(self, n: int) -> Int[Tensor, " candidate"]:
        """The first ``n`` negatives of the whole batch: one sample of items for all of its shares."""
        return (self.whole or self).negatives[:n]


@dataclass(frozen=True)
class Embeddings:
    """What a trained model knows, as vectors: score = user . item.

    Attributes:
        users: one vector a user.
        items: one vector an item.
        item_parts: what each modality adds to the item vectors; the parts add up to ``items``, less what
            belongs to no modality, such as VBPR's latent vectors. Empty for models that know no modalities.
        emphasis: how much each user cares about each modality, in the order of ``item_parts``, exactly as the
            score used it; None for models without.
    """

    users: Float[Tensor, "user dim"]
    items: Float[Tensor, "item dim"]
    item_parts: Mapping[str, Float[Tensor, "item dim"]] = field(default_factory=dict)
    emphasis: Float[Tensor, "user modality"] | None = None


@dataclass(frozen=True)
class Induction:
    """What it takes to give a vector to a user who was not in training, and to tell neighbours apart.

    A user who watched the items H, of which H_m have edges in modality m's graph, hears in that modality
    ``sum_{i in H_m} passes[i, m] / sqrt(|H_m|)``; a model without modalities has one graph. The refined
    vector of a user is their own plus ``neighbours[user] @ refinement``.

    Attributes:
        passes: what each item passes on, its own degree already divided out.
        edges: which items have edges in which graph.
        refinement: what each user adds to those whose neighbour they are; None without a user graph.
        neighbours: the weights (user, user) of the user graph; None without one.
        directions: of each item's content, from which a user's emphasis follows; None where it does not.
    """

    passes: Float[Tensor, "item graph heard"]
    edges: Bool[np.ndarray, "item graph"]
    refinement: Float[Tensor, "user dim"] | None = None
    neighbours: csr_array | None = None
    directions: Float[Tensor, "item modality content"] | None = None


class Judged(NamedTuple):
    """How good lists are for each validation user, larger is better.

    Attributes:
        metric: by the validation metric.
        ndcg: by NDCG of the same length, which tells more of one list.
    """

    metric: Float64[np.ndarray, " user"]
    ndcg: Float64[np.ndarray, " user"]


class Settled(NamedTuple):
    """What a model chose by validation after training.

    Attributes:
        settings: that became others, by name.
        gain: of NDCG on validation, as a share of what it was.
        sureness: that gain in standard errors of its mean over users.
    """

    settings: Mapping[str, Any]
    gain: float
    sureness: float


class Configured:
    """Has a name on the command line and settings: an object, by name, or both (names go first).

    Subclasses name their settings class in ``Config``.
    """

    name: ClassVar[str]
    Config: ClassVar[type[ModelSettings]]

    def __init__(self, config: Settings | None = None, **settings: Any) -> None:
        super().__init__()
        given = config.model_dump(exclude_unset=True) if config else {}
        self.config = self.Config.read({**given, **settings}, where=type(self).name)

    def take_preset(self, preset: str, size: DataSize) -> dict[str, Any]:
        """Takes a preset's settings where nobody gave others, and returns those of the training loop.

        Args:
            preset: its name, ``auto`` or ``none``.
            size: of the data, by which ``auto`` chooses.

        Raises:
            ConfigError: the model has no such preset.
        """
        if preset == "none":
            return {}
        values = preset_values(self.name, self.Config, preset, size)
        own = {key: value for key, value in values.items() if key in self.Config.model_fields}
        given = self.config.model_dump(exclude_unset=True)
        self.config = self.Config.read({**own, **given}, where=self.name)
        return {key: value for key, value in values.items() if key not in own}


class Model(Configured, nn.Module, ABC):
    """A recommender that learns vectors.

    A model is made in two steps: the constructor takes its settings, :meth:`build` takes the data and makes
    the parameters.
    """

    @abstractmethod
    def build(self, split: Split, *, rng: int = 0) -> Self:
        """Makes the parameters for this data, drawn with the seed ``rng``, and returns the model itself."""

    @abstractmethod
    def embed(self) -> Embeddings:
        """User and item vectors at the present parameters."""

    columns = Columns()
    """How this model's columns meet those that others hold; by default it holds all."""

    @abstractmethod
    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """The objective on a batch, to be minimised.

        Of a share of a batch: such that the shares' losses, each times its part of the whole's triples, add
        up to the loss of the whole.
        """

    def column_axes(self) -> Mapping[str, int]:
        """The axis of the columns of every parameter and buffer that has them, once the model is built.

        Raises:
            ConfigError: columns mix before the scores, so that none can be held apart.
        """
        raise columns_mix(f"model {self.name!r}, whose columns mix", "Train dualgnn or lightgcn")

    def settle(self, split: Split, judge: Callable[[], Judged]) -> Settled | None:
        """Chooses by validation what training does not, once that is over.

        A model that is built with the config that this one has then, and takes its weights, is the same.

        Args:
            split: that it was built on.
            judge: how good the lists of the model as it stands are.

        Returns:
            What was chosen; None if all stays as it is, as for most models.
        """
        return None

    def induction(self) -> Induction | None:
        """What new users need; None for a model that knows only the users of its training."""
        return None


def xavier(*shape: int, generator: torch.Generator) -> nn.Parameter:
    """A parameter drawn by Xavier's uniform rule; the last two axes count, the ones before are copies."""
    *_, fan_out, fan_in = shape
    bound = (6.0 / (fan_in + fan_out)) ** 0.5
    return nn.Parameter((torch.rand(shape, generator=generator) * 2 - 1) * bound)


def xavier_tables(tables: int, rows: int, dim: int, *, generator: torch.Generator) -> nn.Parameter:
    """Tables of vectors drawn each by Xavier's rule, side by side: (row, table, dim)."""
    # side by side, modalities with one graph are the columns of one product
    drawn = xavier(tables, rows, dim, generator=generator).data
    return nn.Parameter(drawn.transpose(0, 1).contiguous())


def seeded(rng: int) -> torch.Generator:
    """A torch generator of its own for one purpose."""
    return torch.Generator().manual_seed(rng)


def chances(*shape: int, rng: int, device: torch.device) -> Float[Tensor, ...]:
    """Uniform numbers from 0 to below 1: alike on every device, and in every precision.

    They are drawn on the CPU in single precision, and sent.
    """
    return sent(torch.rand(shape, generator=seeded(rng), dtype=torch.float32), device)

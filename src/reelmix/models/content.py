"""From an item's features to d dimensions: the layer-0 content of each modality (DualGNN, section III)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch.nn import functional

from reelmix.data import BagFeatures, Dataset, DenseFeatures
from reelmix.errors import ConfigError
from reelmix.graph.components import centred, observed, principal_components
from reelmix.graph.sparse import Chosen, SparseMatrix, sent
from reelmix.models.base import Batch, xavier
from reelmix.models.columns import columns_mix
from reelmix.models.losses import squared_norm_of_rows

ContentMap = Literal["pca", "identity", "linear", "mlp"]
LEAKY_SLOPE = 0.01


class Content(nn.Module, ABC):
    """The content vectors of one modality. Rows of items that lack it are zero, and no model reads them."""

    trained = True
    column_axes: ClassVar[Mapping[str, int]] = {}
    """The axis over d of each table that has one."""
    unit = False
    """Whether every vector is scaled to length 1."""

    def __init__(self, rows: np.ndarray, n_items: int) -> None:
        super().__init__()
        self.n_items = n_items
        row_of = np.full(n_items, -1)
        row_of[rows] = np.arange(len(rows))
        self._row_of_here = torch.from_numpy(row_of)
        self.rows: Tensor
        self.register_buffer("rows", torch.from_numpy(rows.astype(np.int64)), persistent=False)

    @abstractmethod
    def present_rows(self, chosen: Chosen | None = None) -> Float[Tensor, "present dim"]:
        """The content vectors of the items that have the modality, before they are scaled.

        Args:
            chosen: which of them, at the cost of these alone; None for all.
        """

    def forward(self, items: Chosen | None = None) -> Float[Tensor, "item dim"]:
        """The content vector of these items, at the cost of these alone, or of every item."""
        if items is None:
            return self.placed(self._scaled(self.present_rows()))
        here = self._row_of_here[items.here]
        having = torch.nonzero(here >= 0).squeeze(1)
        vectors = self._scaled(self.present_rows(Chosen.sent(here[having], self.rows.device)))
        if len(having) == len(here):
            return vectors
        everywhere = vectors.new_zeros(len(here), vectors.shape[1])
        return everywhere.index_copy(0, sent(having, self.rows.device), vectors)

    def _scaled(self, vectors: Float[Tensor, "present dim"]) -> Float[Tensor, "present dim"]:
        return functional.normalize(vectors) if self.unit else vectors

    def placed(self, vectors: Float[Tensor, "present dim"]) -> Float[Tensor, "item dim"]:
        """These vectors in the rows of the items that have the modality, and zeros in the others."""
        if len(vectors) == self.n_items:
            return vectors
        everywhere = vectors.new_zeros(self.n_items, vectors.shape[1])
        return everywhere.index_copy(0, self.rows, vectors)


class FixedContent(Content):
    """Vectors that stay as they are during training."""

    trained = False
    column_axes = {"vectors": 1}  # noqa: RUF012

    def __init__(self, vectors: Float[np.ndarray, "present dim"], rows: np.ndarray, n_items: int) -> None:
        super().__init__(rows, n_items)
        self.vectors: Tensor
        self.register_buffer("vectors", _working(vectors), persistent=False)

    def present_rows(self, chosen: Chosen | None = None) -> Float[Tensor, "present dim"]:
        """The vectors as given."""
        return self.vectors if chosen is None else self.vectors[chosen.there]


class PrincipalContent(FixedContent):
    """Principal components of the observed features, centred, in one common scale: their mean norm is 1.

    A modality with fewer features than d fills the remaining dimensions with zeros. What a new item, or one
    that was filled in, needs to be brought to the same space is kept with the weights.
    """

    column_axes = {"vectors": 1, "components": 0}  # noqa: RUF012

    def __init__(self, features: DenseFeatures, n_items: int, embedding_size: int) -> None:
        rest, mean = centred(features)
        components = principal_components(features, embedding_size)
        projected = rest @ components.T
        norm = _mean_norm(projected, features)
        super().__init__(projected / norm, features.items, n_items)
        self.register_buffer("mean", _working(mean))
        self.register_buffer("components", _working(components / norm))


class TrainedMap(Content):
    """A trained map of the features, kept beside it: the observed ones are centred, and of mean norm 1.

    A map of raw features would compute the same; Adam finds it sooner from features of a common scale. What a
    new item, or one that was filled in, needs to be brought to that scale is kept with the weights.

    Args:
        features: of the modality.
        n_items: of the dataset.
        at_most: wider features are replaced by so many principal components; None for none.

    Attributes:
        size: how many numbers the map reads.
    """

    def __init__(self, features: DenseFeatures, n_items: int, at_most: int | None = None) -> None:
        super().__init__(features.items, n_items)
        rest, mean = centred(features)
        if at_most is not None and features.size > at_most:
            components = principal_components(features, at_most)
            rest = rest @ components.T
            self.register_buffer("components", _working(components))
        self.size, norm = rest.shape[1], _mean_norm(rest, features)
        self.features: Tensor
        self.register_buffer("features", _working(rest / norm), persistent=False)
        self.register_buffer("mean", _working(mean))
        self.register_buffer("norm", _working(np.array(norm)))

    def _of(self, chosen: Chosen | None) -> Float[Tensor, "present feature"]:
        return self.features if chosen is None else self.features[chosen.there]


class LinearContent(TrainedMap):
    """``W f + b``, trained; or ``W f`` alone."""

    column_axes = {"weight": 0, "bias": 0}  # noqa: RUF012

    def __init__(
        self,
        features: DenseFeatures,
        n_items: int,
        embedding_size: int,
        rng: torch.Generator,
        *,
        bias: bool = True,
        at_most: int | None = None,
    ) -> None:
        super().__init__(features, n_items, at_most)
        self.weight = xavier(embedding_size, self.size, generator=rng)
        self.bias = nn.Parameter(torch.zeros(embedding_size)) if bias else None

    def present_rows(self, chosen: Chosen | None = None) -> Float[Tensor, "present dim"]:
        """The mapped features."""
        return functional.linear(self._of(chosen), self.weight, self.bias)


class MlpContent(TrainedMap):
    """Feature -> 4d -> LeakyReLU -> d, trained."""

    def __init__(
        self,
        features: DenseFeatures,
        n_items: int,
        embedding_size: int,
        rng: torch.Generator,
        *,
        at_most: int | None = None,
    ) -> None:
        super().__init__(features, n_items, at_most)
        hidden = 4 * embedding_size
        self.weight1 = xavier(hidden, self.size, generator=rng)
        self.bias1 = nn.Parameter(torch.zeros(hidden))
        self.weight2 = xavier(embedding_size, hidden, generator=rng)
        self.bias2 = nn.Parameter(torch.zeros(embedding_size))

    def present_rows(self, chosen: Chosen | None = None) -> Float[Tensor, "present dim"]:
        """The mapped features."""
        hidden = functional.linear(self._of(chosen), self.weight1, self.bias1)
        return functional.linear(functional.leaky_relu(hidden, LEAKY_SLOPE), self.weight2, self.bias2)


class BagContent(Content):
    """The mean of an item's trained token embeddings (TikTok's published text)."""

    column_axes = {"tokens": 1}  # noqa: RUF012

    def __init__(
        self, features: BagFeatures, n_items: int, embedding_size: int, rng: torch.Generator
    ) -> None:
        super().__init__(features.items, n_items)
        shape = (len(features.items), features.n_tokens)
        entries = features.shares, features.tokens, features.starts
        self.average = SparseMatrix(csr_array(entries, shape=shape, copy=True))
        self.tokens = xavier(features.n_tokens, embedding_size, generator=rng)

    def present_rows(self, chosen: Chosen | None = None) -> Float[Tensor, "present dim"]:
        """The averaged embeddings."""
        return self.average(self.tokens) if chosen is None else self.average.rows(chosen, self.tokens)


class Contents(nn.ModuleDict):
    """The content of every modality of a dataset, by name.

    Args:
        dataset: whose features.
        embedding_size: d.
        content: the way from features to d; bags are always trained and averaged.
        rng: draws the first parameters.
        bias: whether a linear map has one.
        unit: scale every vector to length 1.
        at_most: principal components that a trained map reads in place of wider features; None for all.

    Attributes:
        key_of: the name of each modality's part among the weights.

    Raises:
        ConfigError: ``identity`` with features of another size than d.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        embedding_size: int,
        content: ContentMap,
        rng: torch.Generator,
        bias: bool = True,
        unit: bool = False,
        at_most: int | None = None,
    ) -> None:
        super().__init__()
        self.key_of: dict[str, str] = {}
        self.zeros: Tensor
        self.register_buffer("zeros", torch.zeros(1, 1).expand(dataset.n_items, embedding_size), False)
        for name, features in dataset.features.items():
            key = name
            # a module cannot hold another under the name of one of its own attributes: items, type, keys ...
            while hasattr(self, key) or (key != name and key in dataset.features):
                key += "_"
            made = make_content(
                name,
                features,
                n_items=dataset.n_items,
                embedding_size=embedding_size,
                content=content,
                rng=rng,
                bias=bias,
                at_most=at_most,
            )
            made.unit = unit
            self[key] = made
            self.key_of[name] = key

    def each(self) -> list[Content]:
        """The modalities' contents, in the dataset's order."""
        return [cast(Content, content) for content in self.values()]

    def column_axes(self) -> Mapping[str, int]:
        """The axis over d of every table; see :meth:`Model.column_axes`.

        Raises:
            ConfigError: an mlp, or vectors that are scaled to length 1: columns mix.
        """
        axes = {"zeros": 1}
        for key, content in self.items():
            assert isinstance(content, Content)
            if isinstance(content, MlpContent):
                raise columns_mix("content 'mlp'", "Set content = pca")
            if content.unit:
                raise columns_mix("content at length 1", "Set unit_content = false")
            own = {name: axis for name, axis in content.column_axes.items() if hasattr(content, name)}
            axes |= {f"{key}.{name}": axis for name, axis in own.items()}
        return axes

    def vectors(self, *, trained: bool | None = None) -> Float[Tensor, "item modality dim"]:
        """The content vectors, with zeros for the modalities whose content is not (or is) trained."""
        chosen = [trained is None or c.trained == trained for c in self.each()]
        return torch.stack(
            [c() if yes else self.zeros for c, yes in zip(self.each(), chosen, strict=True)], 1
        )

    def squared_norm(
        self, batch: Batch, shown: Bool[Tensor, "item modality"] | None = None
    ) -> Float[Tensor, ""]:
        """Of all trained maps, and of the averaged tokens of a triple's two items, if shown (batch mean)."""
        maps = self.zeros.new_zeros(())
        tokens: list[Tensor] = []
        for place, content in enumerate(self.each()):
            if isinstance(content, BagContent):
                rows = content.placed(content.present_rows())  # of length 1 they say nothing
                tokens.append(rows if shown is None else rows * shown[:, place, None])
            else:
                maps = maps + sum(parameter.square().sum() for parameter in content.parameters())
        return maps + squared_norm_of_rows([], tokens, batch) if tokens else maps


def make_content(
    modality: str,
    features: DenseFeatures | BagFeatures,
    *,
    n_items: int,
    embedding_size: int,
    content: ContentMap,
    rng: torch.Generator,
    bias: bool = True,
    at_most: int | None = None,
) -> Content:
    """The content of one modality; see :class:`Contents`."""
    if isinstance(features, BagFeatures):
        return BagContent(features, n_items, embedding_size, rng)
    if content == "pca":
        return PrincipalContent(features, n_items, embedding_size)
    if content == "linear":
        return LinearContent(features, n_items, embedding_size, rng, bias=bias, at_most=at_most)
    if content == "mlp":
        return MlpContent(features, n_items, embedding_size, rng, at_most=at_most)
    if features.size != embedding_size:
        raise ConfigError(
            expected=f"features of size {embedding_size} for content 'identity'",
            found=f"{features.size} in modality {modality!r}",
            where="content",
            fix=f"Set embedding_size = {features.size}, or content = 'pca'.",
        )
    return FixedContent(features.values, features.items, n_items)


def _mean_norm(rows: Float[np.ndarray, "present _"], features: DenseFeatures) -> float:
    """Of those that were observed; 1 if that is 0."""
    seen = observed(rows, features)
    return float(np.linalg.norm(seen, axis=1).sum() / max(len(seen), 1)) or 1.0


def _working(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(torch.get_default_dtype())

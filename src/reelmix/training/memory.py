"""How much memory a training will take, from the sizes of data and settings alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch

from reelmix.data import BagFeatures, Dataset, DenseFeatures, Split
from reelmix.data.features import Features
from reelmix.data.interactions import Interactions
from reelmix.graph.components import WIDE
from reelmix.models.base import Model
from reelmix.models.content import ContentMap
from reelmix.models.dualgnn import DualGNN, DualGNNConfig
from reelmix.models.lightgcn import LightGCN
from reelmix.models.reelmix import Reelmix, ReelmixConfig
from reelmix.models.regression import room_for_eigenvectors
from reelmix.training.config import TrainingConfig

ENTRY_WHILE_NORMALISED = 44
"""Bytes an edge while its graph is made: indices, and a handful of columns in double precision."""

NEIGHBOUR_WHILE_FOUND = 62
"""Bytes a neighbour while the user graph is made: counts, places and rows of 8 bytes each."""

EDGE_WHILE_SAMPLED = 60
"""Bytes a training edge in an epoch: pairs, sampler, excluded items, and the shuffled triples."""

FEATURE_WHILE_CENTRED = 24
"""Bytes a feature while it is centred: three tables in double precision."""

SLACK = 1.1
"""For what the allocator keeps of what was freed."""

PRODUCT_WHILE_DECOMPOSED = 24
"""Bytes an entry of the square of products whose strongest eigenvectors are found."""

ON_HOST = ("data", "interactions")
"""Parts that stay in main memory wherever the model is."""

SETTLING = ("embeddings", "a regression", "validation scores")
"""What choosing a regression takes beside what there is."""

WITHOUT_COLUMNS = ("data", "interactions", "graphs")
"""What every worker holds whole when columns are divided."""


@dataclass(frozen=True)
class Modality:
    """The size of a modality's features.

    Attributes:
        items: that have it.
        size: numbers an item, or distinct tokens.
        tokens: entries of all lists of tokens; 0 for vectors.
    """

    items: int
    size: int
    tokens: int = 0


@dataclass(frozen=True)
class Shape:
    """What the memory of a training depends on, as far as it is the data's.

    Attributes:
        users, items: how many there are.
        train: training interactions.
        modalities: their sizes.
        coverages: in how many ways modalities cover the items: as many graphs must be kept.
        data: bytes of the data in memory.
    """

    users: int
    items: int
    train: int
    modalities: tuple[Modality, ...] = ()
    coverages: int = 1
    data: int = 0

    @classmethod
    def of(cls, split: Split) -> Shape:
        """The shape of a split."""
        dataset = split.dataset
        coverages = {split.edges(name).tobytes() for name in dataset.modalities}
        modalities = tuple(_modality(features) for features in dataset.features.values())
        n_train, data = len(split.train), _bytes_of_data(dataset)
        data += sum(_bytes_of(part) for part in (split.train, split.validation, split.test))
        return cls(dataset.n_users, dataset.n_items, n_train, modalities, max(len(coverages), 1), data)


@dataclass(frozen=True)
class Needs:
    """What a model takes, in bytes.

    Attributes:
        parameters: what is trained.
        graphs: sparse matrices and their transposes.
        content: vectors of items and users that stay as they are.
        building: the most at one time while all of these are made, themselves included.
        step: activations and gradients of a step, at most.
        embedding: what it takes to embed all users and items.
        settling: what it takes beside that to choose what is not trained.
    """

    parameters: int
    graphs: int
    content: int
    building: int
    step: int
    embedding: int
    settling: int = 0


@dataclass(frozen=True)
class Footprint:
    """The memory of a training at its peak, in bytes, without what Python and torch take by themselves.

    Attributes:
        when: the stage that takes most.
        parts: what is held then, by name.
    """

    when: str
    parts: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All parts."""
        return round(SLACK * sum(self.parts.values()))

    def without(self, *names: str) -> Footprint:
        """The same less these parts."""
        return replace(self, parts={name: size for name, size in self.parts.items() if name not in names})

    def times(self, workers: int, columns_divided: bool = False) -> Footprint:
        """Of so many processes together, each with all of it; or with its share of what has columns."""
        parts = {
            name: size if columns_divided and name not in WITHOUT_COLUMNS else size * workers
            for name, size in self.parts.items()
        }
        return replace(self, parts=parts)

    def largest(self, n: int = 3) -> dict[str, int]:
        """The ``n`` largest parts, by falling size."""
        return dict(sorted(self.parts.items(), key=lambda part: -part[1])[:n])


def stages(
    model: Model, shape: Shape, training: TrainingConfig, block_bytes: int
) -> tuple[Footprint, Footprint, Footprint, Footprint]:
    """Building, a step, the end of an epoch, and validation.

    Args:
        model: with its settings; it need not be built.
        shape: of the data.
        training: how it is trained.
        block_bytes: bound of the scores that are ranked at one time.
    """
    needs, edges = needs_of(model, shape, training.batch_size), shape.train
    data, sampled = {"data": shape.data}, {"interactions": EDGE_WHILE_SAMPLED * edges}
    halves = {"numbers of 16 bits": needs.parameters} if training.precision == "mixed" else {}
    weights, average = needs.parameters, needs.parameters if training.averaging else 0
    kept = _kept(needs, training)
    held = _held(needs, shape, training)
    ended = {"gradients": weights, "the copies that replace them": kept}
    scores = min(block_bytes, 20 * shape.users * shape.items)
    validation = {"gradients": weights, "embeddings": needs.embedding + average, "validation scores": scores}
    return (
        Footprint("building", data | {"graphs, content and parameters": needs.building}),
        Footprint("a step of training", held | sampled | halves | {"activations and gradients": needs.step}),
        Footprint("the end of an epoch", held | {"interactions": 20 * edges} | ended),
        Footprint("validation", held | {"interactions": 20 * edges} | validation),
    )


def settling(model: Model, shape: Shape, training: TrainingConfig, block_bytes: int) -> Footprint:
    """Choosing what is not trained, which is left out where it does not fit; see :func:`stages`."""
    needs = needs_of(model, shape, training.batch_size)
    scores = min(block_bytes, 20 * shape.users * shape.items)
    taken = dict(zip(SETTLING, (needs.embedding, needs.settling, scores), strict=True))
    return Footprint("choosing a regression", _held(needs, shape, training) | taken)


def peak(model: Model, shape: Shape, training: TrainingConfig, block_bytes: int = 256 << 20) -> Footprint:
    """The stage that takes most; see :func:`stages` and :func:`settling`."""
    each = *stages(model, shape, training, block_bytes), settling(model, shape, training, block_bytes)
    return max(each, key=lambda stage: stage.total)


def _kept(needs: Needs, training: TrainingConfig) -> int:
    """Last and best weights, the optimiser's two moments, and the average."""
    return (4 + bool(training.averaging)) * needs.parameters


def _held(needs: Needs, shape: Shape, training: TrainingConfig) -> dict[str, int]:
    """What there is from the first step on."""
    weights = needs.parameters
    return {
        "data": shape.data,
        "parameters": weights,
        "graphs": needs.graphs,
        "fixed content": needs.content,
        "Adam's moments and averages": (2 + bool(training.averaging)) * weights,
        "kept copies of the weights": _kept(needs, training) if training.epochs > 1 else weights,
    }


def needs_of(model: Model, shape: Shape, batch_size: int) -> Needs:
    """What this model takes on data of this shape; of a model that is not known, rather too much."""
    batch = min(batch_size, shape.train)
    if isinstance(model, DualGNN):
        return _dualgnn(model.config, shape, batch)
    if isinstance(model, Reelmix):
        return _reelmix(model.config, shape, batch)
    config = model.config
    size, layers = int(getattr(config, "embedding_size", 64)), int(getattr(config, "layers", 1))
    candidates = int(getattr(config, "candidates", 0)) if getattr(config, "loss", "bpr") == "softmax" else 0
    if isinstance(model, LightGCN):
        return _lightgcn(size, candidates, shape, batch)
    return _unknown(size, layers, candidates, shape, batch)


def _lightgcn(size: int, candidates: int, shape: Shape, batch: int) -> Needs:
    tables = _width() * (shape.users + shape.items) * size
    graph = _sparse(shape.users, shape.items, shape.train)
    building = max(ENTRY_WHILE_NORMALISED * shape.train, graph + 2 * tables)
    step = 5 * tables + _width() * batch * (16 * size + 3 * candidates)
    return Needs(tables, graph, 0, building, step, 4 * tables)


def _dualgnn(config: DualGNNConfig, shape: Shape, batch: int) -> Needs:
    width, d, m = _width(), config.embedding_size, len(shape.modalities)
    users, items = width * m * d * shape.users, width * m * d * shape.items
    fused, triple = width * d * shape.users, width * batch * d
    maps, content, making = _content(shape, d, config.content)
    trained = config.item_ids or bool(maps)
    parameters = users + (items if config.item_ids else 0) + width * m * shape.users + maps
    n_graphs = shape.coverages if config.missing == "mask" else 1
    graphs = n_graphs * _sparse(shape.users, shape.items, shape.train)
    neighbours = shape.users * min(config.neighbours, shape.users - 1) if config.user_layers else 0
    alike = _sparse(shape.users, shape.users, neighbours) if neighbours else 0
    building = max(
        graphs + ENTRY_WHILE_NORMALISED * shape.train,
        graphs + NEIGHBOUR_WHILE_FOUND * neighbours,
        graphs + alike + content + making,
        graphs + alike + content + parameters + 4 * users + 4 * items,
    )
    # else the gradient of a table of users arrives from the propagation and from the L2 term, both whole
    in_place = config.construction == "sum" and not config.modality_dropout
    flows = (2 if in_place else 3) + trained + bool(config.modality_dropout) + 2 * (n_graphs > 1)
    softmax = config.candidates if config.loss == "softmax" else 0
    rows = (
        triple * (2 * m + 6 if in_place else 3 * m + 10)
        + 24 * batch * config.neighbours
        + 3 * width * batch * softmax
    )
    step = flows * users + (1 + 3 * trained) * items + 3 * fused + rows
    embedding = (2 + trained + 2 * (n_graphs > 1)) * users + 3 * items + 2 * fused
    return Needs(parameters, graphs + alike, content + users + items, building, step, embedding)


def _reelmix(config: ReelmixConfig, shape: Shape, batch: int) -> Needs:
    width, d, m = _width(), config.embedding_size, len(shape.modalities)
    regressed = min(config.eigenvectors or d, shape.items) if config.regression else 0
    lookalikes = m if config.lookalikes else 0
    mapped = replace(shape, modalities=()) if config.content == "none" else shape
    map_, at_most = "linear" if config.content == "none" else config.content, config.components
    maps, content, making = _content(mapped, d, map_, at_most)
    items = width * d * shape.items
    parameters = items + maps + width * shape.items
    history = _sparse(shape.users, shape.items, shape.train)
    alike = lookalikes * _sparse(shape.items, shape.items, 2 * config.lookalikes * shape.items)
    personal = lookalikes > 0 and config.emphasis_from != "none"
    evidence = width * m * d * (shape.users + shape.items) + 8 * width * m * shape.users if personal else 0
    heard = width * (1 + lookalikes) * d
    passes = (1 + lookalikes) * items
    directions = max(
        (FEATURE_WHILE_CENTRED * x.items * x.size + _decomposing(x, at_most) for x in shape.modalities),
        default=0,
    )
    building = max(
        history + ENTRY_WHILE_NORMALISED * shape.train,
        history + alike + directions + (2 * evidence if personal else 0),
        history + alike + evidence + content + making,
        history + alike + evidence + content + 2 * parameters,
        # interactions and eigenvectors in double precision, with as many more while they are found
        history + alike + evidence + bool(regressed) * 24 * shape.train + 32 * regressed * shape.items,
    )
    triple = width * batch * d * (2 * (1 + lookalikes) + 2)
    step = 2 * heard * min(batch, shape.users) + 5 * passes + triple + 2 * width * batch * config.candidates
    embedding = 2 * heard * shape.users + 3 * passes + 3 * width * d * shape.users
    embedding += width * regressed * (3 * shape.users + 2 * shape.items)
    held = content + evidence + 2 * width * regressed * shape.items
    room = room_for_eigenvectors(shape.users, shape.items, [x.size for x in shape.modalities])
    settled = room * bool(regressed and config.choose_regression and room > regressed)
    # of users the product and all vectors; of items double precision, tables, vectors and parts
    settling = settled * (2 * width * shape.users + (40 + width * (4 + m)) * shape.items)
    settling += 8 * shape.items * sum(min(x.size, at_most) for x in shape.modalities) * bool(settled)
    settling += 12 * settled * sum(x.size for x in shape.modalities)
    return Needs(parameters, history + alike, held, building, step, embedding, settling)


def _unknown(size: int, layers: int, candidates: int, shape: Shape, batch: int) -> Needs:
    """As if every modality had vectors of users and items of its own in every layer, and all were kept."""
    width, m = _width(), max(len(shape.modalities), 1)
    maps, content, making = _content(shape, size, "linear")
    tables = width * (m + 1) * size * (shape.users + shape.items)
    graphs = m * _sparse(shape.users, shape.items, shape.train)
    building = max(graphs + ENTRY_WHILE_NORMALISED * shape.train, graphs + content + making + 2 * tables)
    step = (4 * layers + 3) * tables + width * batch * (8 * size + 3 * candidates)
    return Needs(tables + maps, graphs, content, building, step, (layers + 3) * tables)


def _content(
    shape: Shape, size: int, content: ContentMap, at_most: int | None = None
) -> tuple[int, int, int]:
    """Trained maps, what is fixed, and the most that making it takes, in bytes."""
    width = _width()
    maps = fixed = making = 0
    for modality in shape.modalities:
        fixed += 8 * (modality.items + shape.items)
        if modality.tokens:
            maps += width * modality.size * size
            fixed += _sparse(modality.items, modality.size, modality.tokens)
            continue
        read = min(modality.size, at_most or modality.size)
        if content == "linear":
            maps += width * read * size
        elif content == "mlp":
            maps += width * 4 * size * (read + size)
        trained = content in ("linear", "mlp")
        fixed += width * modality.items * (read if trained else size)
        centred = FEATURE_WHILE_CENTRED * modality.items * modality.size
        making = max(making, centred + _decomposing(modality, at_most if trained else size))
    return maps, fixed, making


def _decomposing(modality: Modality, at_most: int | None) -> int:
    """The products of which the principal components of wide features are made."""
    if at_most is None or modality.tokens or modality.size <= max(at_most, WIDE):
        return 0
    return PRODUCT_WHILE_DECOMPOSED * min(modality.items, modality.size) ** 2


def _sparse(rows: int, columns: int, entries: int) -> int:
    """A :class:`reelmix.graph.SparseMatrix`: two halves of indices and values."""
    return 2 * (4 + _width()) * entries + 4 * (rows + columns)


def _width() -> int:
    return torch.get_default_dtype().itemsize


def _modality(features: Features) -> Modality:
    tokens = len(features.tokens) if isinstance(features, BagFeatures) else 0
    return Modality(len(features.items), features.size, tokens)


def _bytes_of_data(dataset: Dataset) -> int:
    ids = dataset.users.ids.estimated_size() + dataset.items.ids.estimated_size()
    arrays = sum(_bytes_of(features) for features in dataset.features.values())
    return int(ids + dataset.item_table.estimated_size() + arrays + _bytes_of(dataset.interactions))


def _bytes_of(arrays: Interactions | DenseFeatures | BagFeatures) -> int:
    """Of arrays in memory; of files that are looked into, nothing is held."""
    held = (getattr(arrays, each.name) for each in fields(arrays))
    return sum(x.nbytes for x in held if isinstance(x, np.ndarray) and not isinstance(x, np.memmap))

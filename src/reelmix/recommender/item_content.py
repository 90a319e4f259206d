"""From the features of new items to their vectors, in NumPy, as the models do in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from reelmix.data.features import BagFeatures, DenseFeatures, Features
from reelmix.errors import RunError
from reelmix.graph.lookalikes import occurrences
from reelmix.graph.nearest import BLOCK_BYTES, largest
from reelmix.recommender.run import Run

LEAKY_SLOPE = 0.01
"""Of the models' LeakyReLU."""

Parts = dict[str, Float32[np.ndarray, "new _"]]
Given = Mapping[str, Features]
"""The features of new items, in the modalities that any of them has."""


@dataclass(frozen=True)
class ItemVectors:
    """What a model makes of new items.

    Attributes:
        items: their vectors.
        parts: what each modality adds to them.
        passes, edges: what they pass on to somebody who watched them, and in which graphs; None for models
            that take in no new users.
        directions: of their content; None for models where emphasis does not follow from it.
    """

    items: Float32[np.ndarray, "new dim"]
    parts: Parts
    passes: Float32[np.ndarray, "new graph heard"] | None = None
    edges: Bool[np.ndarray, "new graph"] | None = None
    directions: Float32[np.ndarray, "new modality content"] | None = None


def _reelmix(run: Run, contents: Parts, takes_part: np.ndarray, features: Given) -> ItemVectors:
    """The equations of training, and the mean bias of all items that somebody watched.

    An item of training that nobody watched has that of the least watched. A new one had no chance yet.
    """
    known = run.vectors
    assert known.passes is not None
    if known.directions is not None and not {"degrees", "credit"} <= run.weights.keys():
        raise RunError(
            expected="a run that can tell what a new item looks like",
            found="one of an earlier version",
            where="add_items",
            fix="Train again with this version of reelmix.",
        )
    layer0 = np.sum(list(contents.values()), axis=0)
    passes = np.zeros((len(layer0), *known.passes.shape[1:]), np.float32)
    passes[:, 0] = layer0
    directions = None
    if known.directions is not None:
        directions = np.zeros((len(layer0), *known.directions.shape[1:]), np.float32)
        for place, name in enumerate(contents):
            if name in features:
                directions[features[name].items, place] = _directions(run, place, features[name])
            passes[:, 1 + place] = _of_lookalikes(run, place, directions[:, place])
    summed = passes.sum(axis=1)
    lengths = np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)
    biases = run.weights["bias"]
    watched = run.trained_items[: len(biases)]  # not those that were added before
    bias = np.full((len(layer0), 1), biases[watched].mean(), np.float32)
    parts = dict(contents)
    for name, alike in zip(contents, passes[:, 1:].swapaxes(0, 1), strict=False):  # there may be no graphs
        parts[name] = parts[name] + alike
    beside = known.items.shape[1] - summed.shape[1]
    parts = {name: np.pad(part / lengths, ((0, 0), (0, beside))) for name, part in parts.items()}
    items = np.pad(np.concatenate([summed / lengths, bias], axis=1), ((0, 0), (0, beside - 1)))
    return ItemVectors(items, parts, passes, np.ones(passes.shape[:2], bool), directions)


def _directions(run: Run, place: int, features: Features) -> Float32[np.ndarray, "present content"]:
    """Of new content, as :func:`reelmix.models.emphasis.reduced` has those of training."""
    axes, centre = run.weights[f"emphasis.axes{place}"], run.weights[f"emphasis.centre{place}"]
    if isinstance(features, BagFeatures):
        projected = occurrences(features) @ axes
    else:
        projected = _unit(features.values - centre) @ axes
    return _unit(projected, least=1e-12)


def _unit(vectors: np.ndarray, least: float = 0.0) -> Float32[np.ndarray, "new _"]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > least).astype(np.float32)


def _of_lookalikes(
    run: Run, place: int, directions: Float32[np.ndarray, "new content"]
) -> Float32[np.ndarray, "new dim"]:
    """Layer 0 of the items of training that new ones look like in a modality, as if these were among them.

    A new item chooses as those of training did (:func:`reelmix.graph.lookalike_graph`), by directions in
    their strongest dimensions; it is chosen by none, and the others' degrees grow by its edge alone.
    """
    assert run.vectors.directions is not None
    assert run.vectors.passes is not None
    degrees = run.weights["degrees"][:, place]
    known, layer0 = run.vectors.directions[: len(degrees), place], run.vectors.passes[: len(degrees), 0]
    heard = np.zeros((len(directions), layer0.shape[1]), np.float32)
    block = max(1, BLOCK_BYTES // (4 * len(degrees)))
    for start in range(0, len(directions), block):
        cosines = directions[start : start + block] @ known.T
        cosines[:, degrees == 0] = 0.0
        # what differs by rounding alone is equal
        first = len(run.items) + np.arange(start, start + len(cosines))
        best = largest(cosines.round(5), run.settings["model"]["lookalikes"], first)
        chosen = np.take_along_axis(cosines, best, axis=1).clip(min=0.0)
        product = chosen.sum(axis=1, keepdims=True) * (degrees[best] + chosen)
        weights = np.divide(chosen, np.sqrt(product), out=np.zeros_like(chosen), where=chosen > 0)
        heard[start : start + block] = np.einsum("nk,nkd->nd", weights, layer0[best])
    return heard * run.weights["credit"][place]


def _dualgnn(run: Run, contents: Parts, takes_part: np.ndarray, features: Given) -> ItemVectors:
    """Layer 0 is all there is (eqs. 1 and 2 without neighbours).

    To somebody who watched it, who is then its only neighbour, a new item passes its layer 0 on.
    """
    passes, items, parts = np.stack(list(contents.values()), axis=1), _summed(contents), contents
    if run.settings["model"].get("loss") == "softmax":  # by cosines
        lengths = np.maximum(np.linalg.norm(items, axis=1, keepdims=True), 1e-12)
        items, parts = items / lengths, {name: part / lengths for name, part in contents.items()}
    heard = run.vectors.passes is not None and run.vectors.passes.any()
    return ItemVectors(items, parts, passes * bool(heard), takes_part)


def _vbpr(run: Run, contents: Parts, takes_part: np.ndarray, features: Given) -> ItemVectors:
    """[0, E f, c . f]."""
    width = run.settings["model"]["embedding_size"]
    parts = {
        name: np.concatenate([np.zeros((len(mapped), width), np.float32), mapped], axis=1)
        for name, mapped in contents.items()
    }
    return ItemVectors(_summed(parts), parts)


def _mmgcn(run: Run, contents: Parts, takes_part: np.ndarray, features: Given) -> ItemVectors:
    """The layers with nothing heard, and the share in the mean over the modalities that it has."""
    settings, weights = run.settings["model"], run.weights
    shares = takes_part / np.maximum(takes_part.sum(axis=1, keepdims=True), 1)
    parts: Parts = {}
    for place, (name, x) in enumerate(contents.items()):
        for layer in range(settings["layers"]):
            x = _leaky(x @ weights["carry"][layer, place].T)
            if settings["combination"] == "concatenation":
                x = x @ weights["combine"][layer, place][:, x.shape[1] :].T
            x = _leaky(x)
        parts[name] = (x * shares[:, place, None]).astype(np.float32)
    return ItemVectors(_summed(parts), parts)


def _summed(parts: Parts) -> Float32[np.ndarray, "new dim"]:
    return np.sum(list(parts.values()), axis=0)


VECTORS: dict[str, Callable[[Run, Parts, np.ndarray, Given], ItemVectors]] = {
    "reelmix": _reelmix,
    "dualgnn": _dualgnn,
    "mmgcn": _mmgcn,
    "vbpr": _vbpr,
}


# From features to d dimensions, as reelmix.models.content does in training


def content_vectors(
    run: Run, name: str, features: Features | None, n_items: int
) -> tuple[Float32[np.ndarray, "new dim"], np.ndarray]:
    """The content vectors of a modality, zero where there is none, and which items were filled in."""
    settings = run.settings["model"]
    if name not in run.manifest["content"]:  # of Reelmix, which can leave it to the graphs of lookalikes
        return np.zeros((n_items, settings["embedding_size"]), np.float32), np.zeros(n_items, bool)
    weights = _weights(run, name)
    rows = np.zeros(0, np.int32) if features is None else features.items
    if "tokens" in weights:
        vectors = _averaged(weights["tokens"], features if isinstance(features, BagFeatures) else None)
    else:
        size = run.manifest["dataset"]["features"][name]["size"]
        values = features.values if isinstance(features, DenseFeatures) else np.zeros((0, size))
        vectors = _mapped(weights, values.astype(np.float32))
    placed, filled = np.zeros((n_items, vectors.shape[1]), np.float32), np.zeros(n_items, bool)
    placed[rows] = vectors
    if settings.get("missing") in ("zero", "mean") and "mean" in weights:
        filled[np.setdiff1d(np.arange(n_items), rows)] = True
        fill = weights["mean"] * np.float32(settings["missing"] == "mean")
        placed[filled] = _mapped(weights, fill[None])
    if settings.get("unit_content"):
        lengths = np.linalg.norm(placed, axis=1, keepdims=True)
        placed /= np.maximum(lengths, 1e-12)  # as torch's normalize
    return placed, filled


def _mapped(
    weights: Mapping[str, np.ndarray], values: Float32[np.ndarray, "new feature"]
) -> Float32[np.ndarray, "new dim"]:
    """Principal components, a map of them or of the features, or the features as they are."""
    if "mean" not in weights:
        return values
    values = values - weights["mean"]
    if "components" in weights:
        values = values @ weights["components"].T
    if "norm" in weights:
        values = values / weights["norm"]
    if "weight" in weights:
        return values @ weights["weight"].T + weights.get("bias", np.float32(0))
    if "weight1" in weights:
        hidden = _leaky(values @ weights["weight1"].T + weights["bias1"])
        return hidden @ weights["weight2"].T + weights["bias2"]
    return values


def _averaged(
    tokens: Float32[np.ndarray, "token dim"], features: BagFeatures | None
) -> Float32[np.ndarray, "new dim"]:
    """The mean of each item's token vectors."""
    if features is None or not len(features.items):
        return np.zeros((0, tokens.shape[1]), np.float32)
    sums = np.add.reduceat(tokens[features.tokens], features.starts[:-1], axis=0)
    return (sums / np.diff(features.starts)[:, None]).astype(np.float32)


def _weights(run: Run, name: str) -> dict[str, np.ndarray]:
    start = f"content.{run.manifest['content'][name]}."
    return {key.removeprefix(start): value for key, value in run.weights.items() if key.startswith(start)}


def _leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, LEAKY_SLOPE * x)

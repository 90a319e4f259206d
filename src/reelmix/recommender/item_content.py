"""From the features of new items to their vectors, in NumPy, as the models do in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int
from scipy.sparse import csr_array

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
    """The equations of training, the mean bias of all items that somebody watched, and the mean regression of
    those that it looks like, or of all if of none, with what its content says in one that knows content.

    An item of training that nobody watched has the bias of the least watched, and of a regression what its
    content says alone. A new one had no chance yet.
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
    trained = run.trained_items[: len(run.weights["bias"])]  # not those that were added before
    theirs = known.items[: len(trained), layer0.shape[1] :]  # the bias, and what comes after it
    beside = np.tile(theirs[trained].mean(axis=0), (len(layer0), 1))
    directions = None
    if known.directions is not None:
        directions = np.zeros((len(layer0), *known.directions.shape[1:]), np.float32)
        regressed, counted = np.zeros_like(beside[:, 1:]), np.zeros((len(layer0), 1), np.float32)
        for place, name in enumerate(contents):
            if name in features:
                directions[features[name].items, place] = _directions(run, place, features[name])
            chosen, cosines = _lookalikes(run, place, directions[:, place])
            passes[:, 1 + place] = _heard(run, place, chosen, cosines)
            shares = cosines * run.weights["credit"][place]
            starts = np.arange(len(chosen) + 1) * chosen.shape[1]
            mean_of = csr_array((shares.ravel(), chosen.ravel(), starts), shape=(len(chosen), len(theirs)))
            regressed += mean_of @ theirs[:, 1:]
            counted += shares.sum(axis=1, keepdims=True)
        np.divide(regressed, counted, out=beside[:, 1:], where=counted > 0)
    for place, name in enumerate(contents):
        if name in features and f"regression.of_content{place}" in run.weights:
            beside[features[name].items, 1:] += said_in_regression(run.weights, place, features[name])
    summed = passes.sum(axis=1)
    lengths = np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)
    parts = dict(contents)
    for name, alike in zip(contents, passes[:, 1:].swapaxes(0, 1), strict=False):  # there may be no graphs
        parts[name] = parts[name] + alike
    parts = {name: np.concatenate([part / lengths, 0 * beside], axis=1) for name, part in parts.items()}
    items = np.concatenate([summed / lengths, beside], axis=1)
    return ItemVectors(items, parts, passes, np.ones(passes.shape[:2], bool), directions)


def _directions(run: Run, place: int, features: Features) -> Float32[np.ndarray, "present content"]:
    """Of new content, as :func:`reelmix.models.emphasis.reduced` has those of training."""
    axes, centre = run.weights[f"emphasis.axes{place}"], run.weights[f"emphasis.centre{place}"]
    if isinstance(features, BagFeatures):
        projected = occurrences(features) @ axes
    else:
        projected = _unit(features.values - centre) @ axes
    return _unit(projected, least=1e-12)


def said_in_regression(
    weights: Mapping[str, np.ndarray], place: int, features: Features
) -> Float32[np.ndarray, "present dim"]:
    """What new content says in a regression that knows it
    (:class:`reelmix.models.regression.ItemRegression`)."""
    told, reference = (weights[f"regression.{name}{place}"] for name in ("of_content", "reference"))
    if isinstance(features, BagFeatures):
        lists = occurrences(features)
        lengths = np.sqrt(np.asarray(lists @ np.square(reference)))[:, None]
        summed = np.asarray(lists @ (reference[:, None] * told))
        return np.divide(summed, lengths, out=np.zeros_like(summed), where=lengths > 0).astype(np.float32)
    return _unit(features.values - reference) @ told


def _unit(vectors: np.ndarray, least: float = 0.0) -> Float32[np.ndarray, "new _"]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > least).astype(np.float32)


def _lookalikes(
    run: Run, place: int, directions: Float32[np.ndarray, "new content"]
) -> tuple[Int[np.ndarray, "new neighbour"], Float32[np.ndarray, "new neighbour"]]:
    """The items of training that new ones look like in a modality, and the cosines, 0 where there are fewer.

    A new item chooses as those of training did (:func:`reelmix.graph.lookalike_graph`), by directions in
    their strongest dimensions.
    """
    assert run.vectors.directions is not None
    degrees, neighbours = run.weights["degrees"][:, place], run.settings["model"]["lookalikes"]
    known = run.vectors.directions[: len(degrees), place]
    found = np.zeros((len(directions), min(neighbours, len(known))), np.int64)
    kept = np.zeros(found.shape, np.float32)
    block = max(1, BLOCK_BYTES // (4 * len(degrees)))
    for start in range(0, len(directions), block):
        cosines = directions[start : start + block] @ known.T
        cosines[:, degrees == 0] = 0.0
        # what differs by rounding alone is equal
        first = len(run.items) + np.arange(start, start + len(cosines))
        best = largest(cosines.round(5), neighbours, first)
        found[start : start + block] = best
        kept[start : start + block] = np.take_along_axis(cosines, best, axis=1).clip(min=0.0)
    return found, kept


def _heard(
    run: Run,
    place: int,
    lookalikes: Int[np.ndarray, "new neighbour"],
    cosines: Float32[np.ndarray, "new neighbour"],
) -> Float32[np.ndarray, "new dim"]:
    """Layer 0 of a modality's lookalikes, as if new items were among those of training.

    They are chosen by none, and the others' degrees grow by their edge alone.
    """
    assert run.vectors.passes is not None
    degrees = run.weights["degrees"][:, place]
    product = cosines.sum(axis=1, keepdims=True) * (degrees[lookalikes] + cosines)
    weights = np.divide(cosines, np.sqrt(product), out=np.zeros_like(cosines), where=cosines > 0)
    heard = np.einsum("nk,nkd->nd", weights, run.vectors.passes[lookalikes, 0])
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

"""The paper's study of missing modalities (section V-H, Fig. 9), in its two protocols."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Int

from reelmix.data import BagFeatures, DenseFeatures, Split
from reelmix.errors import DataError

Protocol = Literal["edges", "features", "shuffle"]
"""What an item that loses a modality loses.

``edges``: its edges leave the modality's graph, its content stays at layer 0, as in the paper. ``features``:
the content is unknown too, as in life. ``shuffle``: only that it is its own: the items that have a modality
exchange their content, a control of whether content matters at all.
"""

Pattern = Literal["random", "unpopular", "newest", "serving"]
"""Which items lose one modality, content and edges.

``random``: any. ``unpopular``: an item with p training interactions has the weight 1 / (1 + p).
``newest``: those first watched last, as new uploads lack what takes time to make. ``serving``: all, but only
after training: the model was trained with the modality.
"""


def lose_modalities(split: Split, ratio: float, protocol: Protocol, *, rng: int) -> Split:
    """The same split, in which a share of the items lost one modality each.

    ``ratio`` of all items are drawn and divided into as many equal groups as there are modalities; an item of
    group m loses modality m. At ratio 1 every item lacks one. With one seed, what is lost at a smaller ratio
    is lost at a larger one too.

    Args:
        split: whose dataset has the modalities.
        ratio: share of the items, 0 to 1.
        protocol: what is lost. ``shuffle`` takes ``ratio`` of the items of every modality.
        rng: seed of the draw.
    """
    dataset = split.dataset
    if protocol == "shuffle":
        return _shuffled(split, ratio, rng)
    order = np.random.default_rng(rng).permutation(dataset.n_items)[: round(ratio * dataset.n_items)]
    lost = {name: order[place :: len(dataset.modalities)] for place, name in enumerate(dataset.modalities)}
    if protocol == "edges":
        return replace(split, cut=lost)
    features = {name: kept.only(~np.isin(kept.items, lost[name])) for name, kept in dataset.features.items()}
    return replace(split, dataset=replace(dataset, features=features))


def lose_one_modality(split: Split, modality: str, rate: float, pattern: Pattern, *, rng: int) -> Split:
    """The same split, in which ``rate`` of the items that have a modality have lost it.

    With one seed, what is lost at a smaller rate is lost at a larger one too.

    Args:
        split: whose dataset has the modality.
        modality: which.
        rate: share of the items that have it, 0 to 1.
        pattern: which items lose it first.
        rng: seed of the draw.

    Raises:
        DataError: ``newest`` without timestamps.
    """
    dataset = split.dataset
    features = dataset.features[modality]
    order = _order_of_losing(split, features.items, pattern, rng)
    lost = np.zeros(len(features.items), bool)
    lost[order[: round(rate * len(order))]] = True
    return replace(
        split, dataset=replace(dataset, features={**dataset.features, modality: features.only(~lost)})
    )


def _order_of_losing(
    split: Split, items: Int[np.ndarray, " present"], pattern: Pattern, rng: int
) -> Int[np.ndarray, " present"]:
    """Places in ``items``, those that lose the modality first in front."""
    draws = np.random.default_rng(rng)
    if pattern == "unpopular":
        popularity = np.bincount(split.train.items, minlength=split.dataset.n_items)[items]
        # drawn one after the other by weight: the largest u ** (1 / w) first (Efraimidis & Spirakis 2006)
        return np.argsort(-np.log(draws.random(len(items))) * (1 + popularity), kind="stable")
    if pattern == "newest":
        pairs = split.dataset.interactions
        if pairs.timestamps is None:
            raise DataError(
                expected="a timestamp on every interaction",
                found="none",
                where="pattern 'newest'",
                fix="Leave that pattern out.",
            )
        first = np.full(split.dataset.n_items, np.inf)  # nobody has watched it yet: the newest of all
        np.minimum.at(first, pairs.items, pairs.timestamps.astype(np.float64))
        return np.argsort(-first[items], kind="stable")
    return draws.permutation(len(items))


def _shuffled(split: Split, ratio: float, rng: int) -> Split:
    draws = np.random.default_rng(rng)
    features: dict[str, DenseFeatures | BagFeatures] = {}
    for name, own in split.dataset.features.items():
        chosen = np.sort(draws.permutation(len(own.items))[: round(ratio * len(own.items))])
        source = np.arange(len(own.items))
        source[chosen] = draws.permutation(chosen)
        features[name] = own.rearranged(source)
    return replace(split, dataset=replace(split.dataset, features=features))

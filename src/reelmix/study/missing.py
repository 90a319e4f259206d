"""The paper's study of missing modalities (section V-H, Fig. 9), in its two protocols."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from reelmix.data import BagFeatures, DenseFeatures, Split

Protocol = Literal["edges", "features", "shuffle"]
"""What an item that loses a modality loses.

``edges``: its edges leave the modality's graph, its content stays at layer 0, as in the paper. ``features``:
the content is unknown too, as in life. ``shuffle``: only that it is its own: the items that have a modality
exchange their content, a control of whether content matters at all.
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


def _shuffled(split: Split, ratio: float, rng: int) -> Split:
    draws = np.random.default_rng(rng)
    features: dict[str, DenseFeatures | BagFeatures] = {}
    for name, own in split.dataset.features.items():
        chosen = np.sort(draws.permutation(len(own.items))[: round(ratio * len(own.items))])
        source = np.arange(len(own.items))
        source[chosen] = draws.permutation(chosen)
        features[name] = own.rearranged(source)
    return replace(split, dataset=replace(split.dataset, features=features))

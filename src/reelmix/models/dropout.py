"""Modality dropout: at each training step some modalities of some items are hidden."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from reelmix.data import Dataset
from reelmix.models.base import chances


def presence(dataset: Dataset) -> Bool[Tensor, "item modality"]:
    """Which items take part in which modality, observed or filled in, in the dataset's order."""
    present = np.zeros((dataset.n_items, len(dataset.modalities)), bool)
    for place, name in enumerate(dataset.modalities):
        present[:, place] = dataset.has(name)
    return torch.from_numpy(present)


def kept(
    present: Bool[Tensor, "item modality"], share: float, rng: int
) -> Bool[Tensor, "item modality"] | None:
    """What is not hidden on a step: each modality of each item stays with chance 1 - ``share``.

    An item never loses its last one: if all of its modalities were drawn, one of them, chosen at random,
    stays. Items with a single modality therefore keep it.

    Args:
        present: which items have which modality.
        share: chance to be hidden, 0 to 1.
        rng: seed of the draw, a batch's own.

    Returns:
        The modalities that take part; None if nothing is ever hidden.
    """
    if share == 0.0 or present.shape[1] < 2:
        return None
    chance = chances(*present.shape, rng=rng, device=present.device).masked_fill(~present, -1.0)
    # Of an item whose modalities are all drawn, each is the largest with equal chance. Of any other item the
    # largest was not drawn, and stays anyway.
    largest = torch.zeros_like(present).scatter(1, chance.argmax(dim=1, keepdim=True), True)
    return present & ((chance >= share) | largest)

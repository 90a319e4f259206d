"""The simulated sample with what encoders found in its clips, and how much of the plan is in that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from reelmix.data.dataset import Dataset
from reelmix.data.feature_files import read_features
from reelmix.data.features import DenseFeatures, Features
from reelmix.data.sample import Sample

NEAREST = 5
"""Neighbours of an item that are looked at."""


def filmed(world: Sample, extracted: Path) -> Dataset:
    """The sample's dataset with features that were extracted from its clips, in place of those drawn.

    Args:
        world: the sample.
        extracted: folder that :func:`reelmix.media.extract.extract` wrote for it.

    Raises:
        StorageError, DataError: the features cannot be read, or are another sample's.
    """
    dataset = world.dataset
    features: dict[str, Features] = {}
    for name in dataset.modalities:
        table = read_features(extracted / "features" / f"{name}.safetensors")
        rows = np.array([dataset.items.row(identifier) for identifier in table.ids.to_list()], np.int32)
        features[name] = DenseFeatures(rows, table.values, encoder=table.encoder)
    media = pl.read_parquet(extracted / "items.parquet", columns=["item_id", "media"])
    return replace(
        dataset,
        features=features,
        item_table=dataset.item_table.join(media, on="item_id", how="left", maintain_order="left"),
        card=replace(
            dataset.card, provenance=f"{dataset.card.provenance}; features extracted from its clips"
        ),
    )


@dataclass(frozen=True)
class Planted:
    """How much of what was planted is in the features of a modality.

    Attributes:
        share: of the nearest neighbours of an item (cosine), those of the same look, sound or topic.
        chance: what any other item would be, drawn at random.
    """

    share: float
    chance: float


def planted_structure(world: Sample, dataset: Dataset) -> dict[str, Planted]:
    """By modality, how often the nearest neighbours in its features share the planted cluster."""
    found = {}
    for clusters, name in zip(world.clusters, dataset.modalities, strict=True):
        features = dataset.features[name]
        assert isinstance(features, DenseFeatures)
        vectors = features.values / np.linalg.norm(features.values, axis=1, keepdims=True)
        alike = vectors @ vectors.T
        np.fill_diagonal(alike, -np.inf)
        nearest = np.argpartition(-alike, NEAREST, axis=1)[:, :NEAREST]
        theirs = clusters[features.items]
        counts = np.unique(theirs, return_counts=True)[1]
        pairs = len(theirs) * (len(theirs) - 1)
        share = (theirs[nearest] == theirs[:, None]).mean()
        found[name] = Planted(float(share), float((counts * (counts - 1)).sum() / pairs))
    return found

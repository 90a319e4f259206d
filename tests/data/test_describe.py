from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
from builders import build

from reelmix.data import Card
from reelmix.data.describe import CombinationDescription, ModalityDescription, describe
from reelmix.data.feature_files import FeatureTable

PAIRS = [("a", 1), ("a", 2), ("b", 1), ("b", 3), ("c", 1)]
ITEMS = pl.DataFrame({"item_id": [1, 2, 3, 4]})
FEATURES = {
    "visual": FeatureTable(pl.Series([1, 4]), np.array([[1.0, 0, 0], [0, 0, 0]]), "v", encoder="clip"),
    "textual": FeatureTable(pl.Series([3, 1, 3]), np.array([5, 6, 7]), "t", "bag", 9),
}


def test_counts_by_hand():
    dataset = build(PAIRS, ITEMS, FEATURES, split=["train", "train", "validation", "test", "train"])
    found = describe(replace(dataset, card=Card("tiny", "made here", True, ("a note",))))
    assert (found.interactions, found.items, found.users) == (5, 4, 3)
    assert found.sparsity == 100 * (1 - 5 / 12)
    assert found.items_without_interactions == 1
    assert found.modalities == (
        ModalityDescription("visual", "dense", 3, "clip", 2, 0.5, 3, 0.6, 1),
        ModalityDescription("textual", "bag", 9, "unknown", 2, 0.5, 4, 0.8, 0),
    )
    assert found.combinations == (
        CombinationDescription(("visual", "textual"), 1, 0.25, 3, 0.6),
        CombinationDescription(("textual",), 1, 0.25, 1, 0.2),
        CombinationDescription(("visual",), 1, 0.25, 0, 0.0),
        CombinationDescription((), 1, 0.25, 1, 0.2),
    )
    assert found.split == {"train": 3, "validation": 1, "test": 1}
    assert (found.name, found.provenance, found.simulated, found.notes) == (
        "tiny",
        "made here",
        True,
        ("a note",),
    )


def test_combinations_count_every_item_and_interaction_once():
    found = describe(build(PAIRS, ITEMS, FEATURES))
    assert sum(one.items for one in found.combinations) == found.items
    assert sum(one.interactions for one in found.combinations) == found.interactions
    assert found.split is None


def test_without_any_modality():
    found = describe(build(PAIRS))
    assert found.modalities == ()
    assert found.combinations == (CombinationDescription((), 3, 1.0, 5, 1.0),)


def test_goes_to_json():
    found = json.loads(json.dumps(describe(build(PAIRS, ITEMS, FEATURES)).as_dict()))
    assert found["modalities"][0]["item_share"] == 0.5
    assert found["combinations"][0] == {
        "modalities": ["visual", "textual"],
        "items": 1,
        "item_share": 0.25,
        "interactions": 3,
        "interaction_share": 0.6,
    }

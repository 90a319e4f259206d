"""Features that say which of them were filled in."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from builders import build

from reelmix.data import BagFeatures, Dataset, DenseFeatures
from reelmix.data.feature_files import FeatureTable
from reelmix.errors import DataError

ITEMS = np.array([0, 2, 3], np.int32)
FILLED = np.array([False, True, False])
DENSE = DenseFeatures(ITEMS, np.array([[1.0], [2.0], [3.0]]), "clip", FILLED)
BAG = BagFeatures(
    ITEMS,
    np.array([0, 2, 2, 5]),
    np.array([4, 1, 0, 1, 2], np.int32),
    5,
    "bert",
    FILLED,
    np.array([0.5, 0.5, 0.2, 0.3, 0.5]),
)


def plain(features):
    """Item to what is known of it, whether it was filled in."""
    found = {}
    for place, item in enumerate(features.items.tolist()):
        if isinstance(features, DenseFeatures):
            content = features.values[place].tolist()
        else:
            mine = slice(features.starts[place], features.starts[place + 1])
            content = list(zip(features.tokens[mine].tolist(), features.weights[mine].tolist(), strict=True))
        found[item] = (content, bool(features.filled[place]))
    return found


DENSE_PLAIN = {0: ([1.0], False), 2: ([2.0], True), 3: ([3.0], False)}
BAG_PLAIN = {
    0: ([(4, 0.5), (1, 0.5)], False),
    2: ([], True),
    3: ([(0, 0.2), (1, 0.3), (2, 0.5)], False),
}


@pytest.mark.parametrize(("features", "whole"), [(DENSE, DENSE_PLAIN), (BAG, BAG_PLAIN)])
def test_flags_and_weights_go_where_their_items_go(features, whole):
    assert plain(features) == whole
    assert plain(features.only(np.array([False, True, True]))) == {2: whole[2], 3: whole[3]}
    kept = features.take(np.array([False, True, True, True]))
    assert plain(kept) == {1: whole[2], 2: whole[3]}
    turned = features.rearranged(np.array([2, 0, 1]))
    assert plain(turned) == {0: whole[3], 2: whole[0], 3: whole[2]}
    assert turned.encoder == features.encoder
    assert features.observed.tolist() == [True, False, True]
    assert replace(features, filled=None).observed.tolist() == [True, True, True]


def test_tokens_weigh_alike_without_weights():
    alike = replace(BAG, weights=None)
    assert alike.shares.tolist() == [1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3]
    assert BAG.shares is BAG.weights


FEATURES = {
    "visual": FeatureTable(pl.Series(["a", "b"]), np.array([[1.0], [2.0]]), "v"),
    "words": FeatureTable(pl.Series(["a", "c"]), np.array([0, 1]), "w", "bag", 6),
}


@pytest.fixture
def dataset() -> Dataset:
    return build([("ana", "a"), ("bo", "b"), ("ana", "c")], None, FEATURES)


def changed(dataset, name, **changes):
    features = {**dataset.features, name: replace(dataset.features[name], **changes)}
    return replace(dataset, features=features)


def test_taking_part_is_not_being_observed(dataset):
    some = changed(dataset, "visual", filled=np.array([False, True]))
    assert some.has("visual").tolist() == [True, True, False]
    assert some.observed("visual").tolist() == [True, False, False]
    assert dataset.observed("words").tolist() == dataset.has("words").tolist() == [True, False, True]


def test_hash_knows_flags_and_weights(dataset):
    flags, weights = np.array([False, True]), np.array([0.5, 1.0])
    hashes = {
        part.content_hash
        for part in (
            dataset,
            changed(dataset, "visual", filled=flags),
            changed(dataset, "words", filled=flags),
            changed(dataset, "words", weights=weights),
        )
    }
    assert len(hashes) == 4


@pytest.mark.parametrize("name", ["visual", "words"])
def test_filled_features_are_not_written(dataset, name, tmp_path, refusal):
    some = changed(dataset, name, filled=np.array([False, True]))
    assert refusal(DataError, some.write, tmp_path / "data") == (
        f"modality '{name}': expected features that were observed, found 1 items whose features were filled "
        "in. Write the dataset as it was before: a model fills it by its own setting missing."
    )
    assert not list(tmp_path.iterdir())
    changed(dataset, name, filled=np.array([False, False])).write(tmp_path / "observed")
    assert Dataset.read(tmp_path / "observed").content_hash


def test_weights_are_not_written(dataset, tmp_path, refusal):
    some = changed(dataset, "words", weights=np.array([1.0, 1.0]))
    assert refusal(DataError, some.write, tmp_path / "data") == (
        "modality 'words': expected tokens that weigh alike, found weights of tokens. "
        "Leave the weights out: a dataset folder holds none."
    )
    assert not list(tmp_path.iterdir())

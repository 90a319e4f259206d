"""Items that lose modalities: how many, which, and what a model is left with."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reelmix.data import BagFeatures, Card, DenseFeatures
from reelmix.data.assemble import assemble
from reelmix.data.feature_files import FeatureTable
from reelmix.models import MODELS, DualGNN
from reelmix.study.missing import lose_modalities

N_USERS, N_ITEMS = 9, 23
TOKENS = np.array([[item, token % 5] for item in range(N_ITEMS) for token in (item, 2 * item)])
NAMES = ("visual", "acoustic", "words")
PROTOCOLS = ("edges", "features")


def rows_of(modality, items):
    """The features of these items, as an importer would hand them in; `words` are tokens."""
    items = [int(item) for item in items]
    if modality == "words":
        kept = TOKENS[np.isin(TOKENS[:, 0], items)]
        return FeatureTable(pl.Series(kept[:, 0]), kept[:, 1], "words", kind="bag", n_tokens=5)
    size = {"visual": 4, "acoustic": 3}[modality]
    values = np.random.default_rng(size).normal(size=(N_ITEMS, size))
    return pl.Series(items, dtype=pl.Int64), values[items]


def split_of(have):
    """A split in which these items have these modalities."""
    rng = np.random.default_rng(1)
    labels = rng.choice(["train", "validation", "test"], p=[0.7, 0.15, 0.15], size=(N_USERS, N_ITEMS))
    watched = np.argwhere(rng.random((N_USERS, N_ITEMS)) < 0.4)
    rows = [(int(user), int(item), str(labels[user, item])) for user, item in watched]
    pairs = pl.DataFrame(rows, schema=["user_id", "item_id", "split"], orient="row")
    features = {name: rows_of(name, items) for name, items in have.items()}
    items = pl.DataFrame({"item_id": range(N_ITEMS)})
    return assemble(pairs, items, features, card=Card("small"), where=Path()).split("given")


WHOLE = split_of(dict.fromkeys(NAMES, range(N_ITEMS)))
HOLED = split_of({"visual": range(0, N_ITEMS, 2), "acoustic": range(15), "words": [1, 2, 8, 9, 20]})


def lost_in(split, protocol):
    """The items that lost each modality, of a split that was whole."""
    edges, has = split.edges, split.dataset.has
    lost = {name: np.flatnonzero(~(edges if protocol == "edges" else has)(name)) for name in NAMES}
    return {name: set(items.tolist()) for name, items in lost.items()}


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(PROTOCOLS), st.floats(0, 1), st.integers(0, 2**32), st.integers(1, 3))
def test_equal_groups_of_items_that_lose_one_modality_each(protocol, ratio, rng, n_modalities):
    names = NAMES[:n_modalities]
    split = replace(WHOLE, dataset=WHOLE.dataset.only(names))
    found = lose_modalities(split, ratio, protocol, rng=rng)
    has = found.edges if protocol == "edges" else found.dataset.has
    lost = np.stack([~has(name) for name in names])
    assert lost.sum() == round(ratio * N_ITEMS)
    assert lost.sum(axis=0).max(initial=0) <= 1
    assert np.ptp(lost.sum(axis=1)) <= 1


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(PROTOCOLS), st.lists(st.floats(0, 1), min_size=2, max_size=2), st.integers(0, 2**32))
def test_what_is_lost_at_a_smaller_ratio_is_lost_at_a_larger_one(protocol, ratios, rng):
    fewer, more = (lost_in(lose_modalities(WHOLE, r, protocol, rng=rng), protocol) for r in sorted(ratios))
    assert all(fewer[name] <= more[name] for name in NAMES)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_and_everything(protocol):
    nothing = lose_modalities(WHOLE, 0.0, protocol, rng=3)
    assert not any(lost_in(nothing, protocol).values())
    assert nothing.dataset.content_hash == WHOLE.dataset.content_hash
    everything = lost_in(lose_modalities(WHOLE, 1.0, protocol, rng=3), protocol)
    assert sorted(len(items) for items in everything.values()) == [7, 8, 8]
    assert set.union(*everything.values()) == set(range(N_ITEMS))


def test_both_protocols_draw_the_same_items_and_each_seed_others():
    edges, again, features = (
        lost_in(lose_modalities(WHOLE, 0.5, name, rng=3), name) for name in ("edges", "edges", "features")
    )
    assert edges == again == features
    drawn = [lost_in(lose_modalities(WHOLE, 0.5, "edges", rng=rng), "edges") for rng in range(200)]
    times = np.zeros((3, N_ITEMS))
    for lost in drawn:
        for row, name in enumerate(NAMES):
            times[row, list(lost[name])] += 1
    # 12 of 23 items, 4 a modality: expected 35 times of 200, deviation 5.4
    assert times.min() > 35 - 5 * 5.4
    assert times.max() < 35 + 5 * 5.4


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_split_that_was_given_stays_as_it_was(protocol):
    before = HOLED.dataset.content_hash
    found = lose_modalities(HOLED, 0.7, protocol, rng=0)
    assert (found.train, found.validation, found.test) == (HOLED.train, HOLED.validation, HOLED.test)
    assert found.dataset.interactions is HOLED.dataset.interactions
    assert found.dataset.modalities == NAMES
    assert not HOLED.cut
    assert HOLED.dataset.content_hash == before


# What models are left with


def new(name, split, **settings):
    known = {"embedding_size": 4, "neighbours": 3, **settings}
    fields = MODELS[name].Config.model_fields
    return MODELS[name](**{key: value for key, value in known.items() if key in fields}).build(split)


def vectors(name, split, **settings):
    with torch.no_grad():
        found = new(name, split, **settings).embed()
    return torch.cat([found.users, found.items]).numpy()


@pytest.mark.parametrize("split", [WHOLE, HOLED], ids=["whole", "holed"])
@pytest.mark.parametrize("content", ["pca", "linear"])
def test_edges_keep_the_content_and_cut_the_graph(split, content):
    found = lose_modalities(split, 0.6, "edges", rng=1)
    assert found.dataset is split.dataset
    settings = {"content": content, "item_ids": False}
    without_layers = vectors("dualgnn", split, layers=0, **settings)
    np.testing.assert_array_equal(vectors("dualgnn", found, layers=0, **settings), without_layers)
    model = new("dualgnn", found, **settings)
    with torch.no_grad():
        parts = model.embed().item_parts
    changed = 0
    for name in NAMES:
        cut = found.cut[name]
        layer_0 = model.content[name]().detach()
        np.testing.assert_array_equal(parts[name][cut], layer_0[cut])
        changed += int((parts[name] != layer_0).any(dim=1).sum())
        watched = split.matrix("train").toarray().any(axis=0)
        still = np.flatnonzero(found.edges(name) & watched)
        assert (parts[name][still] != layer_0[still]).any(dim=1).all()
    assert changed


@pytest.mark.parametrize("name", ["dualgnn", "mmgcn"])
def test_the_graph_of_cut_edges_is_that_without_those_interactions(name):
    """Of one modality, what the items that keep their edges hear is as if nobody had watched the others."""
    one = replace(WHOLE, dataset=WHOLE.dataset.only(["visual"]))
    found = lose_modalities(one, 0.5, "edges", rng=2)
    cut = found.cut["visual"]
    assert len(cut) == 12
    unwatched = replace(one, train=one.train.take(~np.isin(one.train.items, cut)))
    settings = {"user_layers": 0}  # the user graph counts all interactions
    np.testing.assert_allclose(
        vectors(name, found, **settings), vectors(name, unwatched, **settings), rtol=1e-5, atol=1e-6
    )
    assert not np.allclose(vectors(name, found, **settings), vectors(name, one, **settings))


@pytest.mark.parametrize("split", [WHOLE, HOLED], ids=["whole", "holed"])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_features_lost_are_features_that_never_were(split, name):
    found = lose_modalities(split, 0.8, "features", rng=4)
    lost = lost_in(lose_modalities(WHOLE, 0.8, "edges", rng=4), "edges")
    have = {key: set(features.items.tolist()) - lost[key] for key, features in split.dataset.features.items()}
    never = split_of({key: sorted(items) for key, items in have.items()})
    assert found.dataset.content_hash == never.dataset.content_hash
    assert not found.cut
    np.testing.assert_array_equal(vectors(name, found), vectors(name, never))


def test_kinds_of_features_are_kept():
    features = lose_modalities(WHOLE, 0.5, "features", rng=0).dataset.features
    assert isinstance(features["visual"], DenseFeatures)
    assert isinstance(features["words"], BagFeatures)
    assert features["words"].n_tokens == 5


@pytest.mark.parametrize("name", ["vbpr", "lightgcn", "lr_gccf", "star_gcn"])
def test_who_reads_no_modality_along_edges_loses_nothing_with_them(name):
    found = lose_modalities(HOLED, 1.0, "edges", rng=0)
    np.testing.assert_array_equal(vectors(name, found), vectors(name, HOLED))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", ["dualgnn", "mmgcn", "vbpr"])
def test_the_only_modality_may_be_lost_everywhere(name, protocol):
    one = replace(WHOLE, dataset=WHOLE.dataset.only(["acoustic"]))
    found = lose_modalities(one, 1.0, protocol, rng=0)
    assert np.isfinite(vectors(name, found)).all()
    if protocol == "features" and name != "vbpr":
        assert (vectors(name, found)[N_USERS:] == 0).all()


def test_dualgnn_of_both_protocols_differ_by_layer_0_alone():
    """With the content of lost items at zero, keeping it is the same as not knowing it."""
    edges = lose_modalities(WHOLE, 0.5, "edges", rng=6)
    features = lose_modalities(WHOLE, 0.5, "features", rng=6)
    settings = {
        "embedding_size": 4,
        "neighbours": 3,
        "content": "linear",
        "item_ids": True,
        "missing": "mask",
    }
    models = [DualGNN(**settings).build(split, rng=0) for split in (edges, features)]
    with torch.no_grad():
        for model in models:
            for content in model.content.values():
                for parameter in content.parameters():
                    parameter.zero_()
            for row, name in enumerate(NAMES):
                model.item_id[edges.cut[name], row] = 0
        kept, unknown = (model.embed() for model in models)
    torch.testing.assert_close(kept.users, unknown.users)
    torch.testing.assert_close(kept.items, unknown.items)


# The control: content of other items


def content_of(split):
    """By modality and item, what is known of it."""
    known = {}
    for name, features in split.dataset.features.items():
        for row, item in enumerate(features.items.tolist()):
            if isinstance(features, BagFeatures):
                one = features.tokens[features.starts[row] : features.starts[row + 1]]
            else:
                one = features.values[row]
            known[name, item] = tuple(one.tolist())
    return known


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([WHOLE, HOLED]), st.floats(0, 1), st.integers(0, 2**32))
def test_shuffled_items_have_the_content_of_others(split, ratio, rng):
    before, found = content_of(split), lose_modalities(split, ratio, "shuffle", rng=rng)
    after = content_of(found)
    assert after.keys() == before.keys(), "who has a modality has it still"
    for name in NAMES:
        own, new = ([known[key] for key in before if key[0] == name] for known in (before, after))
        assert sorted(new) == sorted(own)
        assert sum(a != b for a, b in zip(own, new, strict=True)) <= round(ratio * len(own))
        np.testing.assert_array_equal(found.edges(name), split.edges(name))
    assert found.train is split.train


def test_all_content_is_exchanged_and_each_modality_by_itself():
    found = content_of(lose_modalities(WHOLE, 1.0, "shuffle", rng=0))
    before = content_of(WHOLE)
    givers = {}
    for name in ("visual", "acoustic"):
        owner = {value: item for (modality, item), value in before.items() if modality == name}
        givers[name] = [owner[found[name, item]] for item in range(N_ITEMS)]
        assert sorted(givers[name]) == list(range(N_ITEMS))
        assert sum(giver == item for item, giver in enumerate(givers[name])) <= 4  # 1 is expected
    assert sum(a == b for a, b in zip(givers["visual"], givers["acoustic"], strict=True)) <= 4
    again, other = (content_of(lose_modalities(WHOLE, 1.0, "shuffle", rng=rng)) for rng in (0, 1))
    assert again == found != other


def test_a_shuffle_of_nothing_changes_nothing():
    found = lose_modalities(HOLED, 0.0, "shuffle", rng=0)
    assert found.dataset.content_hash == HOLED.dataset.content_hash


@pytest.mark.parametrize("name", ["lightgcn", "lr_gccf", "star_gcn"])
def test_a_shuffle_is_nothing_to_who_knows_no_content(name):
    found = lose_modalities(HOLED, 1.0, "shuffle", rng=0)
    np.testing.assert_array_equal(vectors(name, found), vectors(name, HOLED))

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from builders import WHERE, build, follow, recipes
from hypothesis import given, settings
from hypothesis import strategies as st

from reelmix.data import Card, Dataset
from reelmix.data.assemble import assemble
from reelmix.data.feature_files import FeatureTable
from reelmix.errors import DataError
from reelmix.settings import DataSize

SMALL = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=60)


def core_by_hand(pairs, k):
    """Removes one user or item after another until all have enough."""
    kept = set(pairs)
    while True:
        for side in (0, 1):
            for node in {pair[side] for pair in kept}:
                mine = {pair for pair in kept if pair[side] == node}
                if len(mine) < k:
                    kept -= mine
                    break
            else:
                continue
            break
        else:
            return kept


def pairs_of(dataset):
    users = dataset.users.take(dataset.interactions.users)
    return set(zip(users, dataset.items.take(dataset.interactions.items), strict=True))


def test_its_size_is_that_of_the_user_in_the_middle():
    watched = {0: 1, 1: 2, 2: 3, 3: 3, 4: 40}
    dataset = build([(user, item) for user, many in watched.items() for item in range(many)], None, {})
    assert dataset.size == DataSize(interactions=49, per_user=3.0)


@settings(deadline=None, max_examples=80)
@given(pairs=SMALL, k=st.integers(1, 4))
def test_k_core_is_what_a_slow_loop_finds(pairs, k):
    features = {
        "visual": (pl.Series([0, 3, 5, 9]), np.array([[0.0], [3.0], [5.0], [9.0]])),
        "words": FeatureTable(pl.Series([1, 1, 5, 7]), np.array([1, 2, 5, 7]), "w", "bag"),
    }
    dataset = build(pairs, None, features)
    expected = core_by_hand(pairs, k)
    if not expected:
        with pytest.raises(DataError):
            dataset.k_core(k)
        return
    core = dataset.k_core(k)
    assert pairs_of(core) == expected
    assert min(np.bincount(core.interactions.users)) >= k
    assert min(np.bincount(core.interactions.items)) >= k
    assert core.n_users == len({user for user, _ in expected})
    assert core.item_table["item_id"].to_list() == core.items.ids.to_list()
    assert pairs_of(core.k_core(k)) == expected
    seen = core.features["visual"]
    assert core.items.take(seen.items) == [int(value) for value in seen.values[:, 0]]
    words = core.features["words"]
    owners = core.items.take(np.repeat(words.items, np.diff(words.starts)))
    assert set(zip(owners, words.tokens.tolist(), strict=True)) <= {(1, 1), (1, 2), (5, 5), (7, 7)}
    assert core.card.notes[-1] == f"{k}-core of {dataset.n_users:,} users and {dataset.n_items:,} items"


def test_no_core(refusal):
    assert refusal(DataError, build([(1, 1), (1, 2)]).k_core, 2) == (
        "k_core: expected a 2-core, found none among 2 interactions. Use a smaller k."
    )


@settings(deadline=None, max_examples=50)
@given(recipe=recipes(), data=st.data())
def test_the_hash_is_of_content_not_of_order(recipe, data):
    dataset = follow(recipe)
    pairs = dataset.interactions
    order = data.draw(st.permutations(range(len(pairs))))
    again = list(order) + data.draw(st.lists(st.sampled_from(order), max_size=3))
    table = {
        "user_id": dataset.users.ids.gather(pairs.users),
        "item_id": dataset.items.ids.gather(pairs.items),
    }
    names = {"timestamp": pairs.timestamps, "weight": pairs.weights}
    table |= {name: pl.Series(values) for name, values in names.items() if values is not None}
    if pairs.labels is not None:
        table["split"] = pl.Series(["train", "validation", "test"]).gather(pairs.labels)
    items = dataset.item_table.sample(fraction=1, shuffle=True, seed=1)
    other = assemble(
        pl.DataFrame(table)[again],
        items,
        dict(reversed([(name, table_of(dataset, name)) for name in dataset.modalities])),
        card=Card("another name"),
        where=WHERE,
    )
    assert other.content_hash == dataset.content_hash


def table_of(dataset, name):
    features = dataset.features[name]
    ids = dataset.items.ids.gather(features.items)
    if hasattr(features, "values"):
        return FeatureTable(ids.reverse(), features.values[::-1], "v")
    tokens = ids.gather(np.repeat(np.arange(len(ids)), np.diff(features.starts)))
    return FeatureTable(tokens, features.tokens, "t", "bag", features.n_tokens)


@pytest.mark.parametrize(
    "change",
    [
        lambda: build([(1, 5), (2, 8)], **FULL),
        lambda: build([(1, 5), (3, 7)], **FULL),
        lambda: build([("1", 5), ("2", 7)], **FULL),
        lambda: build([(1, 5), (2, 7)], **FULL | {"timestamp": [1, 3]}),
        lambda: build([(1, 5), (2, 7)], **FULL | {"timestamp": [1.0, 2.0]}),
        lambda: build([(1, 5), (2, 7)], **FULL | {"weight": [1.0, 3.0]}),
        lambda: build([(1, 5), (2, 7)], **FULL | {"split": ["train", "validation"]}),
        lambda: build([(1, 5), (2, 7)], features={"v": (pl.Series([5]), np.ones((1, 1)))}, **FULL),
        lambda: build(
            [(1, 5), (2, 7)], features={"w": FeatureTable(pl.Series([5]), np.ones(1, int), "", "bag")}
        ),
    ],
)
def test_the_hash_changes_with_content(change):
    assert change().content_hash != build([(1, 5), (2, 7)], **FULL).content_hash


FULL = {"timestamp": [1, 2], "weight": [1.0, 2.0], "split": ["train", "test"]}


def test_texts_that_run_together_do_not_hash_alike():
    assert build([("ab", "x"), ("c", "x")]).content_hash != build([("a", "x"), ("bc", "x")]).content_hash


def test_only(refusal):
    one = pl.Series([5]), np.ones((1, 1))
    dataset = build([(1, 5)], None, {"visual": one, "acoustic": one, "textual": one})
    assert dataset.only(["textual", "visual"]).modalities == ("textual", "visual")
    assert dataset.only([]).modalities == ()
    assert refusal(DataError, dataset.only, ["visuals"]) == (
        "modalities: expected a modality of this dataset, found 'visuals'. Did you mean 'visual'?"
    )
    assert refusal(DataError, dataset.only([]).only, ["visual"]) == (
        "modalities: expected a modality of this dataset, found 'visual'. This dataset has none."
    )


def test_a_dataset_is_frozen():
    with pytest.raises(AttributeError):
        build([(1, 5)]).card = Card("x")  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(build([(1, 5)]), Dataset)

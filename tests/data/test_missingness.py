"""Tendencies counted by hand, pair by pair; holes of a known kind; what must not matter."""

from __future__ import annotations

import json
from dataclasses import astuple, replace

import numpy as np
import polars as pl
import pytest
from builders import build
from scipy import stats

from reelmix.data import Dataset, DenseFeatures, Interactions
from reelmix.data.describe import describe
from reelmix.data.feature_files import FeatureTable
from reelmix.data.missingness import Missingness, Tendency, missingness
from reelmix.data.sample import sample


def watched(counts, first=None, having=(), **features) -> Dataset:
    """Items 1, 2, ... watched by so many users, first at these times and ever later; and who has ``v``."""
    pairs = [(user, item) for item, count in enumerate(counts, 1) for user in range(count)]
    times = {} if first is None else {"timestamp": [first[item - 1] + 1000 * user for user, item in pairs]}
    items = pl.DataFrame({"item_id": range(1, len(counts) + 1)})
    features = {"v": having, **features}
    tables = {
        name: FeatureTable(pl.Series(list(rows), dtype=pl.Int64), np.ones((len(rows), 2)), name)
        for name, rows in features.items()
        if rows is not None
    }
    return build(pairs, items, tables, **times)


def chance_by_hand(high, low) -> float:
    """Pair by pair."""
    return sum((a > b) + (a == b) / 2 for a in high for b in low) / (len(high) * len(low))


def test_by_hand():
    """With v: 1, 3, 3 and 5 interactions; without: 1, 2 and 3."""
    found = missingness(watched([1, 3, 3, 5, 1, 2, 3], [50, 10, 20, 30, 40, 15, 60], having=[1, 2, 3, 4]))
    popularity, age = found.tendencies
    # 1 ties with 1; each 3 beats 1 and 2 and ties with 3; 5 beats all: 0.5 + 2.5 + 2.5 + 3 of 12
    # the times 50, 10, 20 and 30 are later than 2, 0, 1 and 1 of 40, 15 and 60
    raw = (
        stats.mannwhitneyu([1, 3, 3, 5], [1, 2, 3]).pvalue,
        stats.mannwhitneyu([50, 10, 20, 30], [40, 15, 60]).pvalue,
    )
    least, most = min(raw), max(raw)
    holm = {least: min(1, 2 * least), most: min(1, max(2 * least, most))}
    assert popularity == Tendency("v", "popularity", 4, 3, 8.5 / 12, 3.0, 2.0, raw[0], holm[raw[0]])
    assert age == Tendency("v", "age", 4, 3, 4 / 12, 25.0, 40.0, raw[1], holm[raw[1]])


def test_items_without_interactions_have_a_popularity_and_no_age():
    found = missingness(watched([2, 0, 1, 0], [5, 0, 9, 0], having=[1, 2]))
    popularity, age = found.tendencies
    assert (popularity.items_with, popularity.items_without, popularity.chance) == (2, 2, 0.625)
    assert (age.items_with, age.items_without, age.chance) == (1, 1, 0.0)
    assert [tenths.items for tenths in found.tenths] == [
        (1, 0, 1, 0, 0, 1, 0, 1, 0, 0),
        (1, 0, 0, 0, 0, 1, 0, 0, 0, 0),
    ]


def test_nothing_to_compare():
    without = missingness(watched([1, 2, 3], [3, 2, 1], having=None))
    assert without.tendencies == ()
    assert [tenths.shares for tenths in without.tenths] == [{}, {}]
    complete = missingness(watched([1, 2, 3], [3, 2, 1], having=[1, 2, 3]))
    assert complete.tendencies == ()
    assert complete.tenths[0].shares == {"v": (1, None, None, 1, None, None, 1, None, None, None)}
    lacking = missingness(watched([1, 2, 3], [3, 2, 1], having=[]))
    assert lacking.tendencies == ()
    assert lacking.tenths[0].shares == {"v": (0, None, None, 0, None, None, 0, None, None, None)}
    only_unwatched_lack = missingness(watched([1, 2, 0], [3, 2, 1], having=[1, 2]))
    assert [one.quantity for one in only_unwatched_lack.tendencies] == ["popularity"]


def test_one_item():
    found = missingness(watched([3], [7], having=[1]))
    assert found.tendencies == ()
    for tenths in found.tenths:
        assert (tenths.items, tenths.shares) == ((1,) + 9 * (0,), {"v": (1.0,) + 9 * (None,)})


def test_without_timestamps():
    found = missingness(watched([1, 2, 3], having=[1]))
    assert [one.quantity for one in found.tendencies] == ["popularity"]
    assert [one.quantity for one in found.tenths] == ["popularity"]


def test_equal_popularity_and_age_tell_nothing():
    found = missingness(watched(6 * [2], 6 * [9], having=[1, 4]))
    for one in found.tendencies:
        assert (one.chance, one.uncorrected_p_value, one.p_value) == (0.5, 1.0, 1.0)


def test_all_who_have_it_are_more_popular():
    low, high = [1, 2, 3, 4], [5, 6, 7, 8]
    (found,) = missingness(watched(low + high, having=[5, 6, 7, 8])).tendencies
    # the exact chance of the most extreme of 8 choose 4 = 70 orders, at either side
    assert (found.chance, found.p_value) == (1.0, pytest.approx(2 / 70))
    (mirrored,) = missingness(watched(low + high, having=[1, 2, 3, 4])).tendencies
    assert (mirrored.chance, mirrored.p_value) == (0.0, pytest.approx(2 / 70))


def test_times_that_no_float_can_hold():
    """Nanoseconds since 1970, one apart: as floats they would tie."""
    base = 1_700_000_000_000_000_001
    dataset = watched([1, 1, 1], [base, base + 1, base + 2], having=[3])
    age = missingness(dataset).tendencies[1]
    assert age.chance == 1.0


def test_holm_over_all_that_is_shown():
    dataset = watched(
        [*range(1, 13)], [*range(12)], having=[*range(4, 13)], w=[1, 5, 9], x=[*range(1, 13)], y=[2, 3, 4]
    )
    found = missingness(dataset).tendencies
    assert [(one.quantity, one.modality) for one in found] == [
        (quantity, name) for quantity in ("popularity", "age") for name in "vwy"
    ]
    least = min(found, key=lambda one: one.uncorrected_p_value)
    assert least.p_value == pytest.approx(6 * least.uncorrected_p_value)


def test_tenths_by_hand():
    """Twenty items; the least popular are the last rows; among equals the order is that of the rows."""
    counts = [10, 10, *range(9, 0, -1), 1, 2, 3, 4, 5, 6, 7, 8, 9]
    (tenths,) = missingness(watched(counts, having=[1, 11, 12, 13])).tenths
    assert tenths.items == 10 * (2,)
    # items 11 and 12 were watched once; 10 and 13 twice; 1 and 2 ten times
    assert tenths.shares == {"v": (1.0, 0.5, 0, 0, 0, 0, 0, 0, 0, 0.5)}
    tied = missingness(watched(20 * [1], having=[1, 2, 3])).tenths[0]
    assert tied.shares == {"v": (1.0, 0.5, 0, 0, 0, 0, 0, 0, 0, 0)}


def test_tenths_differ_by_one_item_at_most():
    for n in range(1, 45):
        items = missingness(watched(n * [1], having=[1])).tenths[0].items
        assert sum(items) == n
        assert max(items) - min(items) <= 1


def test_what_was_filled_in_is_missing():
    dataset = watched([1, 2, 3], having=[1, 2, 3])
    features = dataset.features["v"]
    assert isinstance(features, DenseFeatures)
    filled = replace(dataset, features={"v": replace(features, filled=np.array([True, False, False]))})
    found = describe(filled)
    assert found.missingness == missingness(watched([1, 2, 3], having=[2, 3]))
    assert (found.modalities[0].items, found.modalities[0].interactions) == (2, 5)
    assert [one.items for one in found.combinations] == [2, 1]


def renamed(dataset: Dataset, rng: int) -> Dataset:
    """The same items and users in another order of rows."""
    generator = np.random.default_rng(rng)
    items, users = generator.permutation(dataset.n_items), generator.permutation(dataset.n_users)
    pairs = dataset.interactions
    features = {}
    for name, one in dataset.features.items():
        assert isinstance(one, DenseFeatures)
        order = np.argsort(items[one.items])
        features[name] = replace(
            one, items=items[one.items][order].astype(np.int32), values=one.values[order]
        )
    moved = Interactions.of(users[pairs.users], items[pairs.items], pairs.timestamps)
    return replace(dataset, interactions=moved, features=features)


def test_the_order_of_rows_does_not_matter():
    dataset = sample(3, n_users=60, n_items=50).dataset
    assert missingness(renamed(dataset, 1)).tendencies == missingness(dataset).tendencies
    counts, first = [4, 7, 1, 9, 2, 8, 3, 6, 5, 10, 11], [3, 1, 8, 2, 9, 4, 7, 5, 6, 0, 11]
    dataset = watched(counts, first, having=[2, 4, 5, 11])
    assert missingness(renamed(dataset, 2)) == missingness(dataset)


@pytest.fixture(scope="module")
def simulated() -> Dataset:
    return sample().dataset


def test_the_holes_of_the_sample_are_found(simulated):
    """Uploaders of unpopular items are the careless ones."""
    found = [one for one in missingness(simulated).tendencies if one.quantity == "popularity"]
    popularity = np.bincount(simulated.interactions.items, minlength=simulated.n_items)
    assert [one.modality for one in found] == ["visual", "acoustic", "textual"]
    for one in found:
        has = simulated.has(one.modality)
        assert one.chance == pytest.approx(chance_by_hand(popularity[has], popularity[~has]))
        assert one.chance > 0.55
        assert one.p_value < 0.05
        assert one.median_with > one.median_without
        assert one.sentence().startswith(f"items without {one.modality} are less popular: ")


def test_random_holes_go_with_nothing(simulated):
    generator = np.random.default_rng(0)
    features = {}
    for name, one in simulated.features.items():
        assert isinstance(one, DenseFeatures)
        rows = np.sort(generator.choice(simulated.n_items, len(one.items), replace=False)).astype(np.int32)
        features[name] = replace(one, items=rows)
    for one in missingness(replace(simulated, features=features)).tendencies:
        assert 0.44 < one.chance < 0.56
        assert one.p_value > 0.05
        assert one.sentence().startswith(f"no sign that missing {one.modality} goes with {one.quantity}: ")


@pytest.mark.parametrize(
    ("quantity", "chance", "p_value", "sentence"),
    [
        (
            "popularity",
            0.634,
            0.0002,
            "items without text are less popular: an item with it beats one without in 63.4 % of pairs "
            "(p < 0.001; median 31.5 and 2,400 interactions)",
        ),
        (
            "popularity",
            0.3,
            0.04,
            "items without text are more popular: an item without it beats one with it in 70.0 % of pairs "
            "(p = 0.040; median 31.5 and 2,400 interactions)",
        ),
        (
            "popularity",
            0.52,
            0.31,
            "no sign that missing text goes with popularity: an item with it is more popular than one "
            "without in 52.0 % of pairs (p = 0.31; median 31.5 and 2,400 interactions)",
        ),
        (
            "age",
            0.6,
            0.001,
            "items without text are older: an item with it is newer than one without in 60.0 % of pairs "
            "(p = 0.001)",
        ),
        (
            "age",
            0.4,
            0.01,
            "items without text are newer: an item without it is newer than one with it in 60.0 % of pairs "
            "(p = 0.010)",
        ),
        (
            "age",
            0.5,
            1.0,
            "no sign that missing text goes with age: an item with it is newer than one without in 50.0 % of "
            "pairs (p = 1.00)",
        ),
    ],
)
def test_sentences(quantity, chance, p_value, sentence):
    assert Tendency("text", quantity, 5, 7, chance, 31.5, 2400.0, 0.0001, p_value).sentence() == sentence


def test_goes_to_json_with_the_description():
    dataset = watched([1, 2, 3], [3, 2, 1], having=[1])
    found = json.loads(json.dumps(describe(dataset).as_dict()))["missingness"]
    expected: Missingness = missingness(dataset)
    assert [tuple(one.values()) for one in found["tendencies"]] == [astuple(x) for x in expected.tendencies]
    assert found["tenths"][0]["shares"] == {"v": [1, None, None, 0, None, None, 0, None, None, None]}


def test_ties_are_in_the_order_of_the_items_in_each_tenth():
    """200 items watched once and 200 twice, in turn; the first 200 have v: of either kind the first half."""
    data = watched([1 + item % 2 for item in range(400)], having=range(1, 201))
    (popularity,) = missingness(data).tenths
    assert popularity.items == (40,) * 10
    assert popularity.shares["v"] == (1, 1, 0.5, 0, 0) * 2


def test_an_unwatched_first_item_does_not_shift_the_ages():
    data = watched([0, 1, 1, 1], [0, 10, 20, 30], having=[2])
    age = missingness(data).tenths[1]
    assert [share for share in age.shares["v"] if share is not None] == [1, 0, 0]


@pytest.mark.parametrize(("n_items", "method"), [(1000, "exact"), (1001, "asymptotic")])
def test_exact_p_values_for_few_items_alone(n_items, method):
    values = np.arange(n_items)
    data = watched([1] * n_items, values.tolist(), having=[1, 2, 400])
    age = missingness(data).tendencies[1]
    has = np.isin(values, [0, 1, 399])
    expected = stats.mannwhitneyu(values[has], values[~has], method=method).pvalue
    assert age.uncorrected_p_value == pytest.approx(expected, rel=1e-12)

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from builders import build
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reelmix.data.split import split
from reelmix.errors import ConfigError, DataError

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40)), min_size=12, max_size=120, unique=True)
METHODS = st.sampled_from(["random", "leave_one_out", "time"])
PARTS = ("train", "validation", "test")


def counts(part, n_users):
    return np.bincount(part.users, minlength=n_users)


def divide(dataset, method=None, rng=0):
    try:
        return split(dataset, method, rng=rng)
    except DataError as error:  # too few for three parts: drawn again
        assert "found none in" in str(error)
        return assume(False)


@settings(deadline=None, max_examples=80)
@given(pairs=PAIRS, method=METHODS, rng=st.integers(0, 2**32), data=st.data())
def test_parts_are_disjoint_and_cover_everything_and_a_seed_repeats(pairs, method, rng, data):
    times = data.draw(st.lists(st.integers(0, 9), min_size=len(pairs), max_size=len(pairs)))
    dataset = build(pairs, timestamp=times, weight=[float(time) for time in times])
    parts = divide(dataset, method, rng)
    found = [
        (user, item, time, weight)
        for name in PARTS
        for part in [getattr(parts, name)]
        for user, item, time, weight in zip(
            part.users, part.items, part.timestamps, part.weights, strict=True
        )
    ]
    pairs = dataset.interactions
    assert sorted(found) == list(zip(pairs.users, pairs.items, pairs.timestamps, pairs.weights, strict=True))
    assert (parts.method, parts.rng, parts.dataset) == (method, rng, dataset)
    again = split(dataset, method, rng=rng)
    for name in PARTS:
        np.testing.assert_array_equal(getattr(parts, name).items, getattr(again, name).items)
        matrix = parts.matrix(name)
        assert matrix.shape == (dataset.n_users, dataset.n_items)
        assert matrix.sum() == len(getattr(parts, name))


@settings(deadline=None)
@given(pairs=PAIRS, rng=st.integers(0, 99))
def test_random_takes_a_tenth_of_each_user_rounded_half_up(pairs, rng):
    dataset = build(pairs)
    parts = divide(dataset, "random", rng)
    total = np.bincount(dataset.interactions.users)
    tenth = (total + 5) // 10
    np.testing.assert_array_equal(counts(parts.validation, len(total)), tenth)
    np.testing.assert_array_equal(counts(parts.test, len(total)), tenth)
    assert counts(parts.train, len(total)).min() >= 1
    assert len(parts.untrained_users) == 0


@settings(deadline=None)
@given(pairs=PAIRS, data=st.data())
def test_leave_one_out_takes_the_last_and_the_one_before(pairs, data):
    times = data.draw(st.permutations(range(len(pairs))))
    dataset = build(pairs, timestamp=list(times))
    parts = divide(dataset, "leave_one_out")
    all_of = {}
    for user, time in zip(dataset.interactions.users, dataset.interactions.timestamps, strict=True):
        all_of.setdefault(user, []).append(time)
    for user, mine in all_of.items():
        mine.sort()
        held = {name: times_of(getattr(parts, name), user) for name in ("validation", "test")}
        expected = {"validation": mine[-2:-1], "test": mine[-1:]} if len(mine) >= 3 else {}
        assert held == {"validation": [], "test": []} | expected


def times_of(part, user):
    return part.timestamps[part.users == user].tolist()


def test_leave_one_out_without_times_depends_on_the_seed():
    dataset = build([(user, item) for user in range(20) for item in range(10)])
    one, other = (split(dataset, "leave_one_out", rng=seed).test.items for seed in (0, 1))
    assert (one != other).any()
    np.testing.assert_array_equal(counts(split(dataset, "leave_one_out").test, 20), np.ones(20))


@settings(deadline=None)
@given(pairs=PAIRS, data=st.data())
def test_time_trains_on_what_came_first(pairs, data):
    times = data.draw(st.lists(st.integers(0, 9), min_size=len(pairs), max_size=len(pairs)))
    parts = divide(build(pairs, timestamp=times), "time")
    assert parts.train.timestamps.max() <= parts.validation.timestamps.min()
    assert parts.validation.timestamps.max() <= parts.test.timestamps.min()
    n = len(pairs)
    assert [len(getattr(parts, name)) for name in PARTS] == [
        round_half_up(0.8 * n),
        round_half_up(0.9 * n) - round_half_up(0.8 * n),
        n - round_half_up(0.9 * n),
    ]


def round_half_up(number):
    return int(round(number, 9) + 0.5)


LABELS = ["train", "validation", "test", "train"]


def test_given_labels_are_the_default_and_users_may_lack_training():
    dataset = build([(1, 1), (1, 2), (2, 1), (3, 3)], split=LABELS)
    parts = dataset.split()
    assert parts.method == "given"
    assert [len(getattr(parts, name)) for name in PARTS] == [2, 1, 1]
    assert parts.untrained_users.tolist() == [1]
    assert parts.test.users.tolist() == [1]


def test_a_method_may_be_chosen_over_the_labels():
    dataset = build([(user, item) for user in range(3) for item in range(5)], split=["train"] * 15)
    assert dataset.split("random").method == "random"


@pytest.mark.parametrize(
    ("method", "columns", "text"),
    [
        (
            "given",
            {},
            "interactions: expected labels train, validation and test in the column split, found none. "
            "Split with method 'random', 'leave_one_out' or 'time'.",
        ),
        (
            "time",
            {},
            "interactions: expected a timestamp on every interaction, found none. "
            "Split with method 'random' or 'leave_one_out'.",
        ),
        (
            "random",
            {},
            "split 'random' of 4 interactions: expected interactions in every part of the split, "
            "found none in validation. Use another way to split, or more data.",
        ),
        (
            None,
            {"split": ["train", "train", "validation", "train"]},
            "split 'given' of 4 interactions: expected interactions in every part of the split, "
            "found none in test. Use another way to split, or more data.",
        ),
    ],
)
def test_what_cannot_be_split(method, columns, text, refusal):
    dataset = build([(1, 1), (1, 2), (2, 1), (2, 2)], **columns)
    assert refusal(DataError, split, dataset, method) == text


def test_a_negative_seed(refusal):
    assert refusal(ConfigError, split, build([(1, 1)]), rng=-1) == (
        "rng: expected a seed of 0 or more, found -1. Seeds are whole numbers from 0."
    )


def test_an_unknown_method(refusal):
    # past the run-time check of types, as a command line would come
    unchecked = getattr(split, "__wrapped__", split)
    assert refusal(ConfigError, unchecked, build([(1, 1)]), "randm") == (
        "split: expected a way to split, found 'randm'. Did you mean 'random'?"
    )


# Edges that were cut


def four_items():
    """Items 1 to 4 in rows 0 to 3; all but the second have a look, the first two a sound."""
    features = {
        "visual": (pl.Series([1, 3, 4]), np.eye(3)),
        "acoustic": (pl.Series([1, 2]), np.eye(2)),
    }
    pairs = [(1, 1), (1, 2), (2, 1), (3, 3), (3, 4)]
    labels = ["train", "train", "validation", "test", "train"]
    return build(pairs, features=features, split=labels).split()


def test_who_has_a_modality_has_edges_in_its_graph():
    parts = four_items()
    assert not parts.cut
    assert parts.edges("visual").tolist() == [True, False, True, True]
    assert parts.edges("acoustic").tolist() == [True, True, False, False]


def test_who_was_cut_has_the_modality_but_no_edges():
    parts = replace(four_items(), cut={"visual": np.array([0, 1])})
    assert parts.edges("visual").tolist() == [False, False, True, True]
    assert parts.edges("acoustic").tolist() == [True, True, False, False]
    assert parts.dataset.has("visual").tolist() == [True, False, True, True]
    assert parts.matrix("train").sum() == 3, "interactions stay"


def test_edges_are_the_callers_own():
    parts = replace(four_items(), cut={"visual": np.array([], int)})
    parts.edges("visual")[:] = False
    assert parts.edges("visual").tolist() == [True, False, True, True]

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelmix.data.features import bag_features, dense_features
from reelmix.errors import DataError


def vectors(n, size=2, dtype=np.float32):
    return np.arange(n * size, dtype=dtype).reshape(n, size)


def test_rows_are_sorted_by_item():
    features = dense_features(np.array([7, 2]), vectors(2, dtype=">f4"), where="a.npy", encoder="clip")
    np.testing.assert_array_equal(features.items, [2, 7])
    np.testing.assert_array_equal(features.values, [[2, 3], [0, 1]])
    assert features.values.dtype == np.dtype("float32")
    assert (features.size, features.encoder, features.items.dtype) == (2, "clip", np.int32)


def test_rows_in_order_are_not_copied():
    values = vectors(3)
    assert np.shares_memory(dense_features(np.array([0, 4, 5]), values, where="a").values, values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            np.zeros(2),
            "a.npy: expected a table of one vector an item (2 axes), found an array of shape (2,). "
            "Save the features as an array of shape (item, feature).",
        ),
        (
            np.zeros((2, 0)),
            "a.npy: expected a table of one vector an item (2 axes), found an array of shape (2, 0). "
            "Save the features as an array of shape (item, feature).",
        ),
        (
            np.zeros((2, 3), int),
            "a.npy: expected float16, float32 or float64, found int64. "
            "Convert the features with .astype('float32') and save them again.",
        ),
        (
            np.zeros((2, 3), np.longdouble),
            "a.npy: expected float16, float32 or float64, found float128. "
            "Convert the features with .astype('float32') and save them again.",
        ),
        (
            np.zeros((5, 3)),
            "a.npy: expected 2 rows, one for each item, found 5. "
            "Export the features again, or name the item of each row.",
        ),
        (
            np.array([[0, 1], [2, np.nan]]),
            "a.npy, row 1, column 1: expected finite numbers, found nan. "
            "If the item lacks the modality, leave its row out and name the item of each row.",
        ),
        (
            np.array([[0, 1], [-np.inf, 3]]),
            "a.npy, row 1, column 0: expected finite numbers, found -inf. "
            "If the item lacks the modality, leave its row out and name the item of each row.",
        ),
    ],
)
def test_bad_vectors(values, text, refusal):
    assert refusal(DataError, dense_features, np.array([0, 1]), values, where="a.npy") == text


def test_bad_value_far_down(refusal):
    values = np.zeros((70_000, 1), np.float16)
    values[69_999] = np.inf
    text = refusal(DataError, dense_features, np.arange(70_000), values, where="a")
    assert text.startswith("a, row 69999, column 0: expected finite numbers, found inf.")


def test_an_item_twice(refusal):
    assert refusal(DataError, dense_features, np.array([4, 1, 4]), vectors(3), where="a.npy") == (
        "a.npy: expected each item once, found one item in rows 0 and 2. Keep one row for each item."
    )


def test_no_item_at_all():
    features = dense_features(np.array([], int), np.zeros((0, 4)), where="a")
    assert (len(features.items), features.size) == (0, 4)


EDGES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), max_size=20)


@settings(deadline=None)
@given(edges=EDGES, keep=st.lists(st.booleans(), min_size=7, max_size=7))
def test_bags_hold_every_edge_and_take_keeps_those_of_the_kept(edges, keep):
    items, tokens = np.array(edges, np.int64).reshape(-1, 2).T
    bag = bag_features(items, tokens, where="t", n_tokens=5)
    assert edges_of(bag) == sorted(edges)
    new = np.cumsum(keep) - 1
    assert edges_of(bag.take(np.array(keep))) == sorted((new[i], t) for i, t in edges if keep[i])
    assert bag.size == 5


@settings(deadline=None)
@given(
    present=st.lists(st.booleans(), min_size=7, max_size=7),
    keep=st.lists(st.booleans(), min_size=7, max_size=7),
)
def test_take_of_vectors(present, keep):
    items = np.flatnonzero(present)
    taken = dense_features(items, vectors(len(items)), where="v").take(np.array(keep))
    new = np.cumsum(keep) - 1
    expected = {int(new[item]): 2.0 * row for row, item in enumerate(items) if keep[item]}
    assert dict(zip(taken.items.tolist(), taken.values[:, 0].tolist(), strict=True)) == expected


def edges_of(bag):
    items = np.repeat(bag.items, np.diff(bag.starts))
    return sorted(zip(items.tolist(), bag.tokens.tolist(), strict=True))


def test_number_of_tokens_from_the_highest():
    assert bag_features(np.array([3, 0]), np.array([1, 7]), where="t").n_tokens == 8
    assert bag_features(np.array([], int), np.array([], int), where="t").n_tokens == 0


@pytest.mark.parametrize(
    ("tokens", "n_tokens", "text"),
    [
        (
            [1],
            None,
            "t.npy: expected as many items as tokens, found (2,) and (1,). "
            "Give an array of shape (2, edge): items above, tokens below.",
        ),
        (
            [1.0, 2.0],
            None,
            "t.npy: expected whole numbers as tokens, found float64. Number the tokens from 0.",
        ),
        ([1, -2], 5, "t.npy: expected token numbers from 0 to 4, found -2 to 1. Number the tokens from 0."),
        ([1, 5], 5, "t.npy: expected token numbers from 0 to 4, found 1 to 5. Number the tokens from 0."),
        (
            [1, 2**31],
            None,
            "t.npy: expected token numbers from 0 to 2147483646, found 1 to 2147483648. "
            "Number the tokens from 0.",
        ),
    ],
)
def test_bad_tokens(tokens, n_tokens, text, refusal):
    items = np.array([0, 1])
    assert refusal(DataError, bag_features, items, np.array(tokens), where="t.npy", n_tokens=n_tokens) == text


# A part of the items that have the modality


@settings(deadline=None)
@given(edges=EDGES, here=st.lists(st.booleans(), min_size=7, max_size=7))
def test_a_part_of_a_bag_keeps_its_rows_and_its_tokens(edges, here):
    items, tokens = np.array(edges, np.int64).reshape(-1, 2).T
    bag = bag_features(items, tokens, where="t", n_tokens=5, encoder="words")
    part = bag.only(np.array(here)[bag.items])
    assert edges_of(part) == sorted((i, t) for i, t in edges if here[i])
    assert part.items.tolist() == sorted({i for i, _ in edges if here[i]})
    assert part.starts.tolist() == np.searchsorted([i for i, _ in edges_of(part)], [*part.items, 7]).tolist()
    assert (part.starts.dtype, part.items.dtype, part.tokens.dtype) == (np.int64, np.int32, np.int32)
    assert (part.n_tokens, part.encoder) == (5, "words")
    assert edges_of(bag) == sorted(edges), "the whole is as it was"


@settings(deadline=None)
@given(
    present=st.lists(st.booleans(), min_size=7, max_size=7),
    here=st.lists(st.booleans(), min_size=7, max_size=7),
)
def test_a_part_of_vectors_keeps_its_rows(present, here):
    items = np.flatnonzero(present)
    whole = dense_features(items, vectors(len(items)), where="v", encoder="clip")
    part = whole.only(np.array(here, bool)[items])
    expected = {int(item): 2.0 * row for row, item in enumerate(items) if here[item]}
    assert dict(zip(part.items.tolist(), part.values[:, 0].tolist(), strict=True)) == expected
    assert (part.size, part.encoder, part.items.dtype) == (2, "clip", np.int32)


@settings(deadline=None)
@given(edges=EDGES.filter(bool), data=st.data())
def test_a_bag_may_get_the_tokens_of_others(edges, data):
    items, tokens = np.array(edges, np.int64).T
    bag = bag_features(items, tokens, where="t", n_tokens=5, encoder="words")
    source = data.draw(st.permutations(range(len(bag.items))))
    other = bag.rearranged(np.array(source))
    owners = dict(zip(bag.items.tolist(), bag.items[source].tolist(), strict=True))
    assert edges_of(other) == sorted((i, t) for i in owners for o, t in edges if o == owners[i])
    assert (other.items.tolist(), other.n_tokens, other.encoder) == (bag.items.tolist(), 5, "words")
    assert (other.starts.dtype, other.tokens.dtype) == (np.int64, np.int32)


def test_items_may_get_the_vectors_of_others():
    features = dense_features(np.array([1, 4, 6]), vectors(3), where="v", encoder="clip")
    other = features.rearranged(np.array([2, 0, 1]))
    assert other.values.tolist() == [[4, 5], [0, 1], [2, 3]]
    assert (other.items.tolist(), other.encoder) == ([1, 4, 6], "clip")
    assert features.values.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_no_item_has_no_vector_to_give():
    none = np.array([], int)
    bag = bag_features(none, none, where="t", n_tokens=3).rearranged(none)
    assert (bag.starts.tolist(), bag.tokens.tolist(), bag.n_tokens) == ([0], [], 3)
    assert dense_features(none, np.zeros((0, 4)), where="v").rearranged(none).values.shape == (0, 4)

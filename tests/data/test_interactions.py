from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reelmix.data import Interactions

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 4), st.integers(-2, 2), st.integers(0, 2)),
    max_size=30,
)


def columns(rows):
    users, items, timestamps, weights, labels = np.array(rows, np.int64).reshape(-1, 5).T
    return users, items, timestamps, weights.astype(np.float32), labels


@settings(deadline=None)
@given(rows=ROWS)
def test_keeps_the_training_then_the_earliest_then_the_heaviest_of_a_repeated_pair(rows):
    expected = {}
    for user, item, time, weight, label in rows:
        candidate = (label, time, -weight)
        expected[user, item] = min(expected.get((user, item), candidate), candidate)
    pairs = Interactions.of(*columns(rows))
    found = {
        (user, item): (label, time, -weight)
        for user, item, time, weight, label in zip(
            pairs.users, pairs.items, pairs.timestamps, pairs.weights, pairs.labels, strict=True
        )
    }
    assert found == expected
    assert list(found) == sorted(found)
    assert pairs.users.dtype == pairs.items.dtype == np.int32
    assert (pairs.weights.dtype, pairs.labels.dtype) == (np.float32, np.int8)


def test_without_anything_but_pairs():
    pairs = Interactions.of(np.array([1, 0, 1]), np.array([0, 5, 0]))
    np.testing.assert_array_equal(pairs.users, [0, 1])
    np.testing.assert_array_equal(pairs.items, [5, 0])
    assert pairs.timestamps is pairs.weights is pairs.labels is None
    assert len(pairs) == 2


def test_take_and_matrix():
    pairs = Interactions.of(*columns([(0, 2, 5, 1, 0), (1, 0, 6, 2, 1), (1, 1, 7, 2, 2)]))
    late = pairs.take(np.array([False, True, True]))
    np.testing.assert_array_equal(late.timestamps, [6, 7])
    np.testing.assert_array_equal(late.labels, [1, 2])
    np.testing.assert_array_equal(pairs.take(np.array([0])).items, [2])
    matrix = late.matrix(3, 4)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix.toarray(), [[0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])

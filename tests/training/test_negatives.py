"""Negative samples against a slow count with sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array
from scipy.stats import chi2

from reelmix.training.negatives import NegativeSampler


class Given(np.random.Generator):
    """Says the numbers that it was given, and remembers what it was asked."""

    def __init__(self, numbers):
        super().__init__(np.random.PCG64(0))
        self.numbers = np.asarray(numbers)

    def integers(self, low, high):
        self.low, self.high = low, high
        return self.numbers


def sampler_of(seen):
    return NegativeSampler(csr_array(np.asarray(seen, np.float32)))


def unobserved_items(seen, user):
    return sorted(set(range(len(seen[user]))) - set(np.flatnonzero(seen[user]).tolist()))


SEEN = st.tuples(st.integers(1, 8), st.integers(1, 10)).flatmap(lambda shape: arrays(bool, shape))


@settings(max_examples=100, deadline=None)
@given(SEEN)
def test_number_r_is_the_rth_item_that_the_user_has_not_seen(seen):
    expected = {user: unobserved_items(seen, user) for user in range(len(seen))}
    users = np.array([user for user, items in expected.items() for _ in items], np.int64)
    numbers = np.array([r for items in expected.values() for r in range(len(items))], np.int64)
    rng = Given(numbers)
    found = sampler_of(seen).draw(users, rng)
    assert found.tolist() == [item for items in expected.values() for item in items]
    # and the numbers come with equal chance from 0 to the number of such items, without it
    assert rng.low == 0
    assert np.asarray(rng.high).tolist() == [len(expected[user]) for user in users]


@settings(max_examples=60, deadline=None)
@given(SEEN, st.integers(0, 2**32))
def test_never_an_item_that_the_user_has_seen(seen, seed):
    usable = np.flatnonzero(~seen.all(axis=1))
    users = np.repeat(usable, 20).astype(np.int64)
    drawn = sampler_of(seen).draw(users, np.random.default_rng(seed))
    assert drawn.shape == users.shape
    assert ((drawn >= 0) & (drawn < seen.shape[1])).all()
    assert not seen[users, drawn].any()


@pytest.mark.parametrize("left", [0, 5, 11])
def test_user_who_has_seen_all_but_one_gets_that_one(left):
    seen = np.ones((3, 12), bool)
    seen[1, left] = False
    drawn = sampler_of(seen).draw(np.ones(500, np.int64), np.random.default_rng(0))
    assert set(drawn.tolist()) == {left}


def test_every_unseen_item_is_equally_likely():
    # user 0 misses the ends, user 1 the middle, user 2 has seen nothing
    seen = np.zeros((3, 9), bool)
    seen[0, 1:8:2] = True
    seen[1, [0, 1, 7, 8]] = True
    for user in range(3):
        n = 30_000
        drawn = sampler_of(seen).draw(np.full(n, user), np.random.default_rng(user))
        possible = unobserved_items(seen, user)
        counts = np.bincount(drawn, minlength=9)[possible]
        assert counts.sum() == n
        expected = n / len(possible)
        distance = ((counts - expected) ** 2 / expected).sum()
        assert distance < chi2.ppf(0.999, len(possible) - 1)


def test_same_seed_same_draws():
    seen = np.random.default_rng(1).random((6, 20)) < 0.5
    users = np.random.default_rng(2).integers(0, 6, 100)
    first, same, other = (sampler_of(seen).draw(users, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first.tolist() == same.tolist()
    assert first.tolist() != other.tolist()


def test_columns_in_any_order():
    matrix = csr_array((np.ones(3), np.array([4, 0, 2]), np.array([0, 3])), shape=(1, 6))
    assert not matrix.has_sorted_indices
    assert NegativeSampler(matrix).draw(np.zeros(3, np.int64), Given([0, 1, 2])).tolist() == [1, 3, 5]


def test_counts_of_what_is_left():
    sampler = sampler_of([[1, 1, 1], [0, 1, 0], [0, 0, 0]])
    assert sampler.unobserved.tolist() == [0, 2, 3]


def test_more_users_times_items_than_32_bits_hold():
    n_items = 3_000_000
    seen = csr_array(
        (np.ones(2), np.array([0, n_items - 1]), np.r_[np.zeros(1999, int), 1, 2]), (2000, n_items)
    )
    users = np.array([1998, 1999, 0], np.int64)
    found = NegativeSampler(seen).draw(users, Given([n_items - 2, n_items - 2, n_items - 1]))
    assert found.tolist() == [n_items - 1, n_items - 2, n_items - 1]
    assert NegativeSampler(seen).draw(users, Given([0, 0, 0])).tolist() == [1, 0, 0]

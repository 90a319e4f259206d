import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelmix.errors import ConfigError, DataError
from reelmix.evaluation import ranking
from reelmix.evaluation.ranking import row_bytes, tie_bytes, top_n

from .references import sorted_list


def assert_exact(scores, n):
    lists = top_n(scores, n)
    assert lists.items.shape == (len(scores), n)
    assert lists.items.dtype == np.int32
    for row, items, count in zip(scores, lists.items, lists.counts, strict=True):
        wanted = sorted_list(row.tolist(), n)
        assert items.tolist() == wanted + [-1] * (n - len(wanted))
        assert count == len(wanted)


def test_by_falling_score_then_by_item():
    scores = np.array([[0.5, 2.0, 2.0, -1.0], [-3.0, -1.0, -2.0, -1.0]], np.float32)
    lists = top_n(scores, 3)
    assert lists.items.tolist() == [[1, 2, 0], [1, 3, 2]]
    assert lists.counts.tolist() == [3, 3]


def test_minus_infinity_is_never_listed():
    scores = np.array([[-np.inf, 1.0, -np.inf], [-np.inf] * 3, [3.0, 4.0, 5.0]], np.float32)
    lists = top_n(scores, 2)
    assert lists.items.tolist() == [[1, -1], [-1, -1], [2, 1]]
    assert lists.counts.tolist() == [1, 0, 2]


def test_lists_longer_than_the_items_end_in_minus_one():
    lists = top_n(np.array([[1.0, 2.0]]), 4)
    assert lists.items.tolist() == [[1, 0, -1, -1]]
    assert lists.counts.tolist() == [2]


def test_infinity_lowest_finite_and_both_zeros():
    lowest = np.finfo(np.float32).min
    scores = np.array([[lowest, 0.0, -0.0, np.inf, -np.inf, np.inf]], np.float32)
    assert top_n(scores, 6).items.tolist() == [[3, 5, 1, 2, 0, -1]]


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
def test_nothing_to_rank(shape):
    lists = top_n(np.zeros(shape, np.float32), 2)
    assert lists.items.tolist() == [[-1, -1]] * shape[0]
    assert lists.counts.tolist() == [0] * shape[0]


SCORES = st.sampled_from([-np.inf, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, np.inf])


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_equals_a_full_sort_with_many_ties(data):
    n_users, n_items = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 60))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    row = st.lists(SCORES, min_size=n_items, max_size=n_items)
    scores = np.array(data.draw(st.lists(row, min_size=n_users, max_size=n_users)), dtype)
    assert_exact(scores, data.draw(st.integers(1, n_items + 5)))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_users=st.integers(1, 40),
    n_items=st.integers(1, 900),
    n=st.integers(1, 50),
    levels=st.sampled_from([1, 2, 7, 100, 10**6]),
    seen=st.sampled_from([0.0, 0.3, 0.95, 1.0]),
)
def test_equals_a_full_sort_where_items_form_groups(seed, n_users, n_items, n, levels, seen):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-levels, levels + 1, (n_users, n_items)).astype(np.float32)
    scores[rng.random(scores.shape) < seen] = -np.inf
    assert_exact(scores, n)


@pytest.mark.parametrize("n_items", [15, 16, 17, 31, 33, 255, 256, 257, 271, 289, 1000, 1023])
def test_each_place_among_the_items_can_be_the_best(n_items):
    scores = np.eye(n_items, dtype=np.float32)
    assert top_n(scores, 1).items[:, 0].tolist() == list(range(n_items))


def test_many_slabs_with_ties_in_some(monkeypatch):
    monkeypatch.setattr(ranking, "_SLAB_BYTES", 3 * row_bytes(300, 4, 4))
    scores = np.random.default_rng(0).standard_normal((20, 300)).astype(np.float32)
    scores[[1, 4, 19]] = 0.25
    assert_exact(scores, 4)


def test_a_user_is_ranked_alike_alone_and_among_others():
    scores = np.random.default_rng(1).integers(0, 9, (30, 200)).astype(np.float32)
    together = top_n(scores, 10)
    for user in range(30):
        alone = top_n(scores[user : user + 1], 10)
        assert alone.items[0].tolist() == together.items[user].tolist()


@pytest.mark.parametrize("view", ["transposed", "strided", "broadcast", "read-only"])
def test_any_memory_layout(view):
    base = np.random.default_rng(2).integers(0, 5, (120, 120)).astype(np.float32)
    scores = {
        "transposed": base.T,
        "strided": base[::2, ::3],
        "broadcast": np.broadcast_to(base[0], (7, 120)),
        "read-only": base.copy(),
    }[view]
    if view == "read-only":
        scores.flags.writeable = False
    assert_exact(scores, 6)


def test_scores_are_not_changed():
    scores = np.random.default_rng(3).standard_normal((9, 70))
    before = scores.copy()
    top_n(scores, 5)
    assert (scores == before).all()


def test_permuting_items_permutes_the_lists():
    rng = np.random.default_rng(4)
    scores = rng.permuted(np.tile(np.arange(500.0), (8, 1)), axis=1)  # no ties
    order = rng.permutation(500)
    assert (order[top_n(scores[:, order], 20).items] == top_n(scores, 20).items).all()


@pytest.mark.parametrize(("user_rows", "name"), [(None, 2), (np.array([7, 8, 9]), 9)])
@pytest.mark.parametrize("n_items", [5, 700])
def test_nan_is_refused_by_place(user_rows, name, n_items):
    scores = np.zeros((3, n_items), np.float32)
    scores[2, n_items - 1] = np.nan
    with pytest.raises(DataError) as error:
        top_n(scores, 2, user_rows=user_rows)
    assert str(error.value) == (
        f"scores: user row {name}, item row {n_items - 1}: expected a number or -inf, found NaN. "
        "Look at the model's vectors or at its training loss: training may have diverged."
    )


def test_nan_is_found_wherever_it_is():
    for item in range(290):
        scores = np.zeros((1, 290))
        scores[0, item] = np.nan
        with pytest.raises(DataError, match=f"item row {item}:"):
            top_n(scores, 1)


@pytest.mark.parametrize("n", [0, -1])
def test_a_list_without_places_is_refused(n):
    with pytest.raises(ConfigError) as error:
        top_n(np.zeros((1, 2)), n)
    assert (
        str(error.value) == f"n: expected a list length of at least 1, found {n}. Ask for one item or more."
    )


@pytest.mark.parametrize("ties", ["none", "all", "half"])
@pytest.mark.parametrize(
    ("n_users", "n_items", "n"), [(400, 3000, 20), (2000, 60, 20), (300, 400, 400), (2, 10**5, 5)]
)
def test_temporary_memory_stays_inside_what_is_promised(ties, n_users, n_items, n):
    scores = np.random.default_rng(5).standard_normal((n_users, n_items))
    scores[{"none": slice(0), "all": slice(None), "half": slice(None, None, 2)}[ties]] = 1.0
    top_n(scores[:1], n)
    tracemalloc.start()
    lists = top_n(scores, n)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    result = lists.items.nbytes + lists.counts.nbytes
    everyone = n_users * row_bytes(n_items, n) + tie_bytes(n_items)
    one_slab = max(ranking._SLAB_BYTES, row_bytes(n_items, n)) + tie_bytes(n_items)
    slack = 10_000 + n_users * (n + 8)  # Python's own objects; the mask that counts the filled places
    assert peak <= result + min(everyone, one_slab) + slack

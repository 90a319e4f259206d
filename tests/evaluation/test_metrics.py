from math import log2

import numpy as np
import pytest

from reelmix.errors import ConfigError, DataError
from reelmix.evaluation.metrics import METRICS, Hits, coverage, find_hits

from .references import pairs


def hits(*rows, relevant):
    return Hits(np.array([[mark == "x" for mark in row] for row in rows]), np.array(relevant))


# Ranks 1 and 4 of five places are hits, of 3 relevant items; no hit; only hits, of 6 relevant items.
THREE_USERS = hits("x..x.", ".....", "xxxxx", relevant=[3, 2, 6])

D = [1.0, 1 / log2(3), 1 / 2, 1 / log2(5), 1 / log2(6)]  # the discounts of ranks 1 to 5

BY_HAND = {
    ("recall", 1): [1 / 3, 0, 1 / 6],
    ("recall", 3): [1 / 3, 0, 3 / 6],
    ("recall", 5): [2 / 3, 0, 5 / 6],
    ("precision", 1): [1, 0, 1],
    ("precision", 3): [1 / 3, 0, 1],
    ("precision", 5): [2 / 5, 0, 1],
    ("hit_rate", 1): [1, 0, 1],
    ("hit_rate", 5): [1, 0, 1],
    ("mrr", 1): [1, 0, 1],
    ("mrr", 5): [1, 0, 1],
    ("ndcg", 1): [1, 0, 1],
    ("ndcg", 3): [1 / sum(D[:3]), 0, 1],
    ("ndcg", 5): [(1 + D[3]) / sum(D[:3]), 0, 1],
    ("ndcg_hits", 1): [1, 0, 1],
    ("ndcg_hits", 3): [1, 0, 1],
    ("ndcg_hits", 5): [(1 + D[3]) / (1 + D[1]), 0, 1],
}


@pytest.mark.parametrize(("name", "at"), BY_HAND)
def test_by_hand(name, at):
    values = METRICS[name](THREE_USERS, at)
    assert values.dtype == np.float64
    assert values == pytest.approx(BY_HAND[name, at], abs=1e-15)


@pytest.mark.parametrize(
    ("row", "at", "value"), [("..x..x", 6, 1 / 3), ("..x..x", 2, 0.0), ("..x..x", 3, 1 / 3)]
)
def test_mrr_is_one_over_the_rank_of_the_first_hit_within_the_cut(row, at, value):
    assert METRICS["mrr"](hits(row, relevant=[2]), at).tolist() == [value]
    assert METRICS["hit_rate"](hits(row, relevant=[2]), at).tolist() == [float(value > 0)]


@pytest.mark.parametrize("at", [5, 6, 20])
def test_one_hit_at_rank_one_of_five_relevant(at):
    one = hits("x" + "." * 19, relevant=[5])
    assert METRICS["ndcg"](one, at)[0] == pytest.approx(0.339, abs=5e-4)  # 1 / 2.948459
    assert METRICS["ndcg_hits"](one, at)[0] == 1.0


def test_ndcg_of_a_late_hit():
    assert METRICS["ndcg"](hits("..x", relevant=[1]), 3).tolist() == [0.5]  # 1 / log2(4)
    assert METRICS["ndcg_hits"](hits("..x", relevant=[1]), 3).tolist() == [0.5]


def test_the_names():
    assert set(METRICS) == {"recall", "ndcg", "precision", "hit_rate", "mrr", "ndcg_hits"}


@pytest.mark.parametrize("name", METRICS)
def test_between_zero_and_one_and_alike_alone_and_among_others(name):
    rng = np.random.default_rng(0)
    marks = rng.random((50, 12)) < rng.random((50, 1))
    relevant = np.maximum(marks.sum(axis=1) + rng.integers(0, 4, 50), 1)
    together = METRICS[name](Hits(marks, relevant), 12)
    assert (together >= 0).all()
    assert (together <= 1 + 1e-15).all()
    alone = [METRICS[name](Hits(marks[[user]], relevant[[user]]), 12)[0] for user in range(50)]
    assert together.tolist() == alone


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("at", [0, 6])
def test_a_cut_outside_the_lists_is_refused(name, at):
    with pytest.raises(ConfigError) as error:
        METRICS[name](THREE_USERS, at)
    assert str(error.value) == (
        f"at: expected a cut between 1 and the length of the lists, 5, found {at}. "
        "Rank longer lists or cut earlier."
    )


def test_a_user_without_relevant_items_is_refused():
    with pytest.raises(DataError) as error:
        hits("x.", "..", relevant=[1, 0])
    assert str(error.value) == (
        "relevant, row 1: expected at least one relevant item for every user, found none. "
        "Leave users without a relevant item out."
    )


def test_find_hits():
    relevant = pairs((3, 4), [(0, 0), (0, 3), (1, 3), (2, 0)])
    items = np.array([[3, 1, 0], [0, -1, -1], [1, 0, -1]], np.int32)
    assert find_hits(items, relevant).tolist() == [[True, False, True], [False] * 3, [False, True, False]]


def test_an_empty_place_is_never_a_hit_whatever_comes_before_it():
    # Cell (1, -1) would be cell (0, 3) if rows were only laid end to end.
    relevant = pairs((2, 4), [(0, 3), (1, 3)])
    assert find_hits(np.array([[-1], [-1]], np.int32), relevant).tolist() == [[False], [False]]


def test_find_hits_without_any_relevant_item():
    assert find_hits(np.array([[0, 1]], np.int32), pairs((1, 4), [])).tolist() == [[False, False]]


def test_coverage():
    assert coverage(np.array([True, False, True, False, False])) == 0.4

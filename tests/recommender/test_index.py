"""The approximate index finds what it says it finds; what it finds is scored and ordered exactly."""

import sys

import numpy as np
import pytest
from hand_made import hand_made, watched_rows

from reelmix.errors import ConfigError
from reelmix.recommender import Recommender
from reelmix.recommender.index import RECALL, Index


@pytest.fixture(scope="module")
def run():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(20, 8))
    items = centres[rng.integers(0, 20, 3000)] + 0.5 * rng.normal(size=(3000, 8))
    users = items[rng.integers(0, 3000, (200, 3))].sum(axis=1)
    watched = {(u, i) for u in range(200) for i in rng.integers(0, 3000, 5)}
    return hand_made(users, items, watched=[(u, int(i), 0) for u, i in watched])


@pytest.fixture(scope="module")
def index(run):
    return Index(run.vectors.items, run.vectors.users)


def assert_alike(near, exact):
    """A product over some rows may be rounded otherwise than one over all, on some processors."""
    assert [line.id for line in near] == [line.id for line in exact]
    assert [line.score for line in near] == pytest.approx([line.score for line in exact], rel=1e-5)


def test_it_finds_what_it_says(run, index):
    exact, near = Recommender(run), Recommender(run, index)
    found = []
    for user in run.users.ids:
        truth = [line.id for line in exact.recommend(user, 10, include_seen=True)]
        lines = near.recommend_for_taste(near.taste(user), 10, include_seen=True)
        found.append(np.isin(truth, [line.id for line in lines]).mean())
    assert index.found >= RECALL
    assert np.mean(found) == pytest.approx(index.found, abs=1e-9)  # all 200 were tried
    assert 1 <= index.looked_at < 219


def test_scores_and_order_are_exact_and_the_seen_left_out(run, index):
    near = Recommender(run, index)
    for row, user in enumerate(run.users.ids):
        lines = near.recommend_for_taste(near.taste(user), 20, without=[run.items.ids[3]])
        rows = [run.items.row(line.id) for line in lines]
        assert len(rows) == 20
        assert not {*rows} & {*watched_rows(run, row), 3}
        scores = run.vectors.items[rows] @ run.vectors.users[row]
        assert [line.score for line in lines] == pytest.approx(scores, rel=1e-5)
        assert rows == [rows[place] for place in np.lexsort((rows, -scores))]


def test_with_all_lists_looked_at_it_is_the_full_product(run):
    index = Index(run.vectors.items, run.vectors.users, recall=1.1)
    near, exact = Recommender(run, index), Recommender(run)
    assert index.found == 1
    for user in run.users.ids[:50]:
        taste = near.taste(user)
        assert_alike(near.recommend_for_taste(taste, 10), exact.recommend_for_taste(taste, 10))


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**40])
def test_the_size_of_the_numbers_makes_no_difference(run, index, factor):
    items, users = (np.float32(factor) * vectors for vectors in (run.vectors.items, run.vectors.users))
    scaled = Index(items, users)
    assert (scaled.looked_at, scaled.found) == (index.looked_at, index.found)
    for ours, theirs in zip(users[:50], run.vectors.users[:50], strict=True):
        assert {*scaled.candidates(ours, 10)} == {*index.candidates(theirs, 10)}


def test_long_items_are_met_before_those_of_a_closer_direction():
    rng = np.random.default_rng(0)
    long, short = np.eye(2, 8)[:, None] * [[[10.0]], [[1.0]]] + 0.1 * rng.normal(size=(2, 400, 8))
    users = np.tile([0.8, 1.0, 0, 0, 0, 0, 0, 0], (5, 1))
    index = Index(np.concatenate([short, long]), users, recall=1.0)
    assert index.found == 1
    assert index.looked_at < 40  # of 113, about half of which are of the short ones
    assert index.candidates(users[0], 10).min() >= 400


def test_where_one_item_is_far_longer_than_all_others_more_bits_are_kept(run):
    items = run.vectors.items.copy()
    items[7] *= 1000  # eight bits from end to end leave the others all alike
    index = Index(items, run.vectors.users)
    assert index.found >= RECALL
    assert index.looked_at < 219


def test_items_that_came_later_are_found(run):
    first = Index(run.vectors.items[:2000], run.vectors.users, recall=1.1)
    near, exact = Recommender(run, first), Recommender(run)
    for user in run.users.ids[:50]:
        taste = near.taste(user)
        assert_alike(near.recommend_for_taste(taste, 10), exact.recommend_for_taste(taste, 10))


def test_a_question_that_names_items_is_exact(run, index):
    near, exact = Recommender(run, index), Recommender(run)
    taste, among = near.taste("u00"), run.items.ids[5:500].to_list()
    assert near.recommend_for_taste(taste, 10, among=among) == exact.recommend_for_taste(
        taste, 10, among=among
    )


def test_without_faiss(monkeypatch, refusal, run):
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert refusal(ConfigError, Index, run.vectors.items, run.vectors.users) == (
        "expected faiss, which the server and the map need, found none installed. "
        "Run: pip install 'reelmix[serve]'"
    )

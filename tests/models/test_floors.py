"""Popularity, EASE and GF-CF against dense references and against what is known without them."""

import math
from functools import partial

import numpy as np
import pytest
from dense_floors import dense_ease, dense_gfcf, dense_popularity, ease_as_regressions
from small_worlds import N_ITEMS, N_USERS, checkerboard, labelled_pairs, moved_world, split_of, world

from reelmix.errors import ConfigError
from reelmix.evaluation import EvaluationConfig, Scorer, evaluate
from reelmix.models.ease import EASE
from reelmix.models.gfcf import GFCF
from reelmix.models.popularity import Popularity

S = 1 / math.sqrt(2)
ALL_USERS = np.arange(N_USERS)
MAKERS = {
    "popularity": Popularity,
    "ease": partial(EASE, reg=2.0),
    "gfcf": partial(GFCF, weight=0.5, rank=3, exponent=0.25),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


def watched_in(split):
    return split.matrix("train").toarray().astype(np.float64)


def scores_of(floor, split):
    return floor.build(split).score(np.arange(split.dataset.n_users))


def assert_close(found, expected):
    """To the rounding of float32 numbers, in which scores are handed out."""
    assert found.dtype == np.float32
    assert found.shape == np.shape(expected)
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()


def random_split(seed, n_users, n_items, share=0.3):
    """The first user and the last item have no training interaction, the second and third user the same."""
    rng = np.random.default_rng(seed)
    watched = rng.random((n_users, n_items)) < share
    watched[2] = watched[1]
    watched[:, 0] = True
    watched[0] = watched[:, -1] = False
    rows = [(int(user), int(item), "train") for user, item in np.argwhere(watched)]
    return split_of([*rows, (0, 1, "validation"), (0, 2, "test")], {}, n_items=n_items)


def chain():
    """User u watches items 0 to u: nobody is isolated, and all five singular values are above zero."""
    rows = [(user, item, "train") for user in range(5) for item in range(user + 1)]
    return split_of([*rows, (0, 3, "validation"), (1, 3, "test")], {}, n_items=5)


SPLITS = {
    "of full rank": chain,
    "small": partial(split_of, labelled_pairs(), {}),
    "more items than users": partial(random_split, 1, 7, 19),
    "more users than items": partial(random_split, 2, 23, 6),
    "larger": partial(random_split, 3, 60, 40),
}


@pytest.fixture(params=SPLITS)
def split(request):
    return SPLITS[request.param]()


# Against the equations


def test_popularity_equals_the_reference(split):
    found = scores_of(Popularity(), split)
    assert (found == dense_popularity(watched_in(split))).all()


@pytest.mark.parametrize("reg", [1e-4, 0.5, 300.0])
def test_ease_equals_the_reference_and_the_regressions_that_it_solves(split, reg):
    watched = watched_in(split)
    found = scores_of(EASE(reg=reg), split)
    assert_close(found, dense_ease(watched, reg))
    assert_close(found, ease_as_regressions(watched, reg))


@pytest.mark.parametrize("weight", [0.0, 0.3, 5.0])
@pytest.mark.parametrize("rank", [1, 2, 5])
@pytest.mark.parametrize("exponent", [0.0, 0.5, 0.8])
def test_gfcf_equals_the_reference(split, weight, rank, exponent):
    expected = dense_gfcf(watched_in(split), weight=weight, rank=rank, exponent=exponent)
    assert_close(scores_of(GFCF(weight=weight, rank=rank, exponent=exponent), split), expected)


def test_gfcf_takes_all_there_is_where_the_rank_is_larger(split):
    # all there is are the singular values above zero, fewer than the smaller size where users are equal
    watched = watched_in(split)
    expected = dense_gfcf(watched, weight=2.0, rank=10**6, exponent=0.0)
    for rank in (int(np.linalg.matrix_rank(watched)), min(watched.shape), max(watched.shape), 10**6):
        assert_close(scores_of(GFCF(weight=2.0, rank=rank, exponent=0.0), split), expected)


# u0 - {i0, i1}, u1 - {i1}; u2 and i2 know nobody.

THREE = [(0, 0, "train"), (0, 1, "train"), (1, 1, "train"), (2, 2, "validation"), (2, 0, "test")]


@pytest.fixture
def three_by_three():
    return split_of(THREE, {}, n_items=3)


def test_popularity_by_hand(three_by_three):
    assert scores_of(Popularity(), three_by_three).tolist() == [[1, 2, 0]] * 3


def test_ease_by_hand(three_by_three):
    # R^T R + I = [[2, 1], [1, 3]], its inverse [[3, -1], [-1, 2]] / 5: B_01 = 1/2, B_10 = 1/3; item 2 alone
    expected = [[1 / 3, 1 / 2, 0], [1 / 3, 0, 0], [0, 0, 0]]
    assert_close(scores_of(EASE(reg=1.0), three_by_three), np.array(expected))


def test_gfcf_by_hand(three_by_three):
    # R~ = [[s, 1/2], [0, s]], R~^T R~ = [[1/2, s/2], [s/2, 3/4]]
    linear = np.array([[1 / 2 + S / 2, S / 2 + 3 / 4, 0], [S / 2, 3 / 4, 0], [0, 0, 0]])
    assert_close(scores_of(GFCF(weight=0.0, exponent=0.0), three_by_three), linear)
    # between D_i^-1/2 and D_i^1/2, D_i = (1, 2): [[1/2, 1/2], [1/4, 3/4]]
    walk = np.array([[3 / 4, 5 / 4, 0], [1 / 4, 3 / 4, 0], [0, 0, 0]])
    assert_close(scores_of(GFCF(weight=0.0, exponent=0.5), three_by_three), walk)
    # first singular vector (1, sqrt 2) / sqrt 3, so the low-pass filter is [[1, 2], [1, 2]] / 3
    low_pass = np.array([[2 / 3, 4 / 3, 0], [1 / 3, 2 / 3, 0], [0, 0, 0]])
    found = scores_of(GFCF(weight=3.0, rank=1, exponent=0.0), three_by_three)
    assert_close(found, linear + 3 * low_pass)
    # both singular vectors are all there is: the low-pass filter lets everything through
    everything = np.array([[1.0, 1, 0], [0, 1, 0], [0, 0, 0]])
    found = scores_of(GFCF(weight=3.0, rank=2, exponent=0.0), three_by_three)
    assert_close(found, linear + 3 * everything)


# What must hold whatever the numbers


def test_ease_never_predicts_an_item_from_itself():
    rows = [(0, 0, "train"), (1, 1, "train"), (0, 2, "validation"), (1, 2, "test")]
    scores = scores_of(EASE(reg=0.1), split_of(rows, {}, n_items=3))
    assert (scores == 0).all(), "no two items were watched together"


def test_gfcf_with_exponent_one_half_is_a_walk_from_item_to_user_to_item(split):
    watched = watched_in(split)
    scores = scores_of(GFCF(weight=0.0, exponent=0.5), split)
    np.testing.assert_allclose(scores.sum(axis=1), watched.sum(axis=1), rtol=1e-5)
    assert (scores >= 0).all()


def test_the_lowest_pass_of_gfcf_is_popularity(split):
    """The first singular vector is that of the degrees, where all users and items hang together."""
    watched = watched_in(split)
    without = scores_of(GFCF(weight=0.0, rank=1), split)
    found = scores_of(GFCF(weight=1.0, rank=1), split) - without
    expected = np.outer(watched.sum(axis=1), watched.sum(axis=0)) / watched.sum()
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


def test_a_user_without_training_interactions():
    assert (scores_of(EASE(), world())[3] == 0).all()
    assert (scores_of(GFCF(), world())[3] == 0).all()
    popular = scores_of(Popularity(), world())
    assert (popular[3] == popular[0]).all()
    assert popular[3].any()


def test_an_item_without_training_interactions_scores_zero_for_everybody(make):
    assert (scores_of(make(), world())[:, 7] == 0).all()


def test_held_out_interactions_have_no_influence(make):
    train = [row for row in labelled_pairs() if row[2] == "train"]
    other = [*train, (3, 1, "validation"), (4, 7, "validation"), (3, 7, "test"), (3, 0, "test")]
    assert (scores_of(make(), split_of(other, {})) == scores_of(make(), world())).all()


def test_training_interactions_have_influence(make):
    fewer = [row for row in labelled_pairs() if row[:2] != (0, 0)]
    assert (scores_of(make(), split_of(fewer, {})) != scores_of(make(), world())).any()


def test_scores_follow_their_user_and_item_to_other_ids(make):
    rng = np.random.default_rng(9)
    user_to, item_to = rng.permutation(N_USERS), rng.permutation(N_ITEMS)
    plain, moved = scores_of(make(), world()), scores_of(make(), moved_world(user_to, item_to))
    assert_close(moved[user_to][:, item_to], plain)


def test_a_block_of_users_equals_one_by_one(make):
    floor = make().build(world())
    every = floor.score(ALL_USERS)
    for user in ALL_USERS:
        assert (floor.score(np.array([user])) == every[user]).all()
    block = np.array([12, 3, 3, 0])
    assert (floor.score(block) == every[block]).all()
    assert floor.score(np.array([], np.int64)).shape == (0, N_ITEMS)


def test_rows_of_users_in_any_integer_type(make):
    floor = make().build(world())
    for dtype in (np.int32, np.int64):
        assert (floor.score(np.array([5, 2], dtype)) == floor.score(ALL_USERS)[[5, 2]]).all()


def test_sizes_and_type(make):
    floor = make().build(world())
    assert isinstance(floor, Scorer)
    assert (floor.n_users, floor.n_items) == (N_USERS, N_ITEMS)
    scores = floor.score(ALL_USERS)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


def test_name(make):
    assert MAKERS[make().name] is make


def test_the_seed_changes_nothing_and_global_randomness_is_left_alone(make):
    before = repr(np.random.get_state())  # noqa: NPY002
    first, again, other = (make().build(world(), rng=rng).score(ALL_USERS) for rng in (0, 0, 5))
    assert (first == again).all()
    assert (first == other).all()
    assert repr(np.random.get_state()) == before  # noqa: NPY002


def test_scores_are_not_spoilt_by_who_reads_them(make):
    """Evaluation writes -inf into what it ranks: it must not reach the floor's own numbers."""
    split = world()
    floor = make().build(split)
    before = floor.score(ALL_USERS).copy()
    evaluate(floor, relevant=split.matrix("validation"), exclude=split.matrix("train"))
    assert (floor.score(ALL_USERS) == before).all()


# In the evaluation


def test_popularity_evaluated_by_hand():
    # user 3 has watched nothing in training and holds out item 7, the only one that nobody has watched
    split = world()
    result = evaluate(
        Popularity().build(split),
        relevant=split.matrix("validation"),
        exclude=split.matrix("train"),
        config=EvaluationConfig(at=(10, 11), metrics=("recall", "mrr")),
    )
    assert result.users.tolist() == [3]
    assert result.metrics["recall@10"] == 0
    assert result.metrics["recall@11"] == 1
    assert result.metrics["mrr@11"] == pytest.approx(1 / 11)


@pytest.mark.parametrize(
    "floor", [EASE(), EASE(reg=0.1), GFCF(), GFCF(rank=2, weight=0.0), GFCF(exponent=0.5)]
)
def test_finds_every_held_out_item_of_the_checkerboard(floor):
    split = checkerboard()
    result = evaluate(
        floor.build(split),
        relevant=split.matrix("test"),
        exclude=split.matrix("train") + split.matrix("validation"),
        config=EvaluationConfig(at=(1,)),
    )
    assert len(result.users) == 16
    assert result.metrics["recall@1"] == 1


# Settings that cannot be


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        (Popularity, {"reg": 1}, "popularity: expected a known setting, found 'reg'. There are none."),
        (EASE, {"regs": 1}, "ease: expected a known setting, found 'regs'. Did you mean 'reg'?"),
        (EASE, {"rank": 1}, "ease: expected a known setting, found 'rank'. Valid names: reg."),
        (
            EASE,
            {"reg": 0},
            "ease: reg: expected greater than 0, found 0. "
            "See the description of reg in the configuration reference.",
        ),
        (
            EASE,
            {"reg": math.inf},
            "ease: reg: expected a finite number, found inf. "
            "See the description of reg in the configuration reference.",
        ),
        (GFCF, {"ranks": 1}, "gfcf: expected a known setting, found 'ranks'. Did you mean 'rank'?"),
        (
            GFCF,
            {"rank": 0},
            "gfcf: rank: expected greater than or equal to 1, found 0. "
            "See the description of rank in the configuration reference.",
        ),
        (
            GFCF,
            {"weight": -1},
            "gfcf: weight: expected greater than or equal to 0, found -1. "
            "See the description of weight in the configuration reference.",
        ),
        (
            GFCF,
            {"exponent": 1.5},
            "gfcf: exponent: expected less than or equal to 1, found 1.5. "
            "See the description of exponent in the configuration reference.",
        ),
    ],
)
def test_settings_that_cannot_be(kind, settings, expected, refusal):
    assert refusal(ConfigError, kind, **settings) == expected

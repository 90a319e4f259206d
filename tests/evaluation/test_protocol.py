import tracemalloc
from math import log2

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from reelmix.evaluation import METRICS, EvaluationConfig, VectorScorer, evaluate, protocol

from .references import CASES, RELEVANT, SCORES, SEEN, GivenScores, SameForAll, pairs, random_case

ALL_METRICS = tuple(METRICS)


def test_by_hand():
    """User 0's list is 1, 2, 3, 0, its relevant ones at ranks 2 and 4; user 1's is 0, 1 ..., its one at 2."""
    result = evaluate(
        GivenScores(SCORES),
        relevant=RELEVANT,
        exclude=SEEN,
        config=EvaluationConfig(at=(1, 2), metrics=ALL_METRICS),
    )
    second = 1 / log2(3)
    by_hand = {
        "recall@1": [0, 0],
        "recall@2": [1 / 2, 1],
        "ndcg@1": [0, 0],
        "ndcg@2": [second / (1 + second), second],
        "precision@1": [0, 0],
        "precision@2": [1 / 2, 1 / 2],
        "hit_rate@1": [0, 0],
        "hit_rate@2": [1, 1],
        "mrr@1": [0, 0],
        "mrr@2": [1 / 2, 1 / 2],
        "ndcg_hits@1": [0, 0],
        "ndcg_hits@2": [second, second],
    }
    assert result.users.tolist() == [0, 1]
    assert result.n_items == 5
    assert set(result.per_user) == set(by_hand)
    for key, values in by_hand.items():
        assert result.per_user[key] == pytest.approx(values, abs=1e-15)
        assert result.metrics[key] == pytest.approx(sum(values) / 2, abs=1e-15)
    assert result.distinct_items == {1: 2, 2: 3}  # items 1 and 0; items 1, 2 and 0, 1
    assert (result.metrics["coverage@1"], result.metrics["coverage@2"]) == (2 / 5, 3 / 5)
    assert set(result.metrics) == {*by_hand, "coverage@1", "coverage@2"}


def test_a_negative_score_still_ranks_above_a_seen_item():
    scores = np.array([[-5.0, -1.0, -9.0, 3.0]])
    result = evaluate(
        GivenScores(scores),
        relevant=pairs((1, 4), [(0, 2)]),
        exclude=pairs((1, 4), [(0, 3)]),
        config=EvaluationConfig(at=(2, 3), metrics=("mrr",)),
    )
    assert result.metrics["mrr@2"] == 0
    assert result.metrics["mrr@3"] == 1 / 3


def assert_same(one, other):
    assert one.metrics == other.metrics
    assert one.distinct_items == other.distinct_items
    assert (one.users == other.users).all()
    for key, values in one.per_user.items():
        assert values.tolist() == other.per_user[key].tolist()


@pytest.mark.parametrize("users_a_block", [1, 2, 7, 39, 40])
@pytest.mark.parametrize("case", ["ties", "users without relevant items", "fewer candidates than the cut"])
def test_the_size_of_a_block_changes_nothing(case, users_a_block, monkeypatch):
    scores, relevant, exclude = random_case(3, **CASES[case])
    config = EvaluationConfig(metrics=ALL_METRICS)
    whole = evaluate(GivenScores(scores), relevant=relevant, exclude=exclude, config=config)
    monkeypatch.setattr(protocol, "_users_a_block", lambda *_: users_a_block)
    assert_same(evaluate(GivenScores(scores), relevant=relevant, exclude=exclude, config=config), whole)


@pytest.mark.parametrize(("block_bytes", "calls"), [(2000, 40), (20_000, 2), (1 << 20, 1)])
def test_the_bound_decides_how_many_users_are_scored_at_once(block_bytes, calls):
    class Counting(GivenScores):
        blocks = 0

        def score(self, users):
            self.blocks += 1
            return super().score(users)

    scorer = Counting(np.tile(np.arange(6.0), (40, 1)))
    relevant = csr_array(np.tile([1, 0, 0, 0, 0, 0], (40, 1)))
    evaluate(
        scorer,
        relevant=relevant,
        exclude=csr_array((40, 6)),
        config=EvaluationConfig(at=(3,), block_bytes=block_bytes),
    )
    assert scorer.blocks == calls


def test_a_user_is_measured_alike_alone_and_among_others():
    rng = np.random.default_rng(4)
    _, relevant, exclude = random_case(4, **CASES["no ties"])
    users, items = rng.integers(-9, 9, (40, 8)).astype(float), rng.integers(-9, 9, (120, 8)).astype(float)
    together = evaluate(
        VectorScorer(users, items), relevant=relevant, exclude=exclude
    )  # whole numbers: exact
    for place, user in enumerate(together.users):
        alone = evaluate(
            VectorScorer(users[[user]], items), relevant=relevant[[user]], exclude=exclude[[user]]
        )
        assert {key: value[0] for key, value in alone.per_user.items()} == {
            key: value[place] for key, value in together.per_user.items()
        }


def test_permuting_items_or_users_changes_no_mean_without_ties():
    rng = np.random.default_rng(5)
    _, relevant, exclude = random_case(5, **CASES["no ties"])
    scores = rng.permuted(np.tile(np.arange(120.0), (40, 1)), axis=1)
    items, users = rng.permutation(120), rng.permutation(40)
    plain = evaluate(GivenScores(scores), relevant=relevant, exclude=exclude)
    by_item = evaluate(GivenScores(scores[:, items]), relevant=relevant[:, items], exclude=exclude[:, items])
    assert_same(plain, by_item)
    by_user = evaluate(GivenScores(scores[users]), relevant=relevant[users], exclude=exclude[users])
    assert by_user.metrics == pytest.approx(plain.metrics, abs=1e-15)
    assert by_user.distinct_items == plain.distinct_items


def test_the_scorers_own_array_is_not_changed():
    scores = SCORES.copy()
    evaluate(GivenScores(scores), relevant=pairs((3, 5), [(0, 0), (1, 0), (2, 0)]), exclude=SEEN)
    assert (scores == SCORES).all()


def test_a_read_only_view_can_be_evaluated():
    popularity = SameForAll(np.array([3.0, 9.0, 1.0, 2.0, 0.0]), n_users=3)
    result = evaluate(popularity, relevant=RELEVANT, exclude=SEEN, config=EvaluationConfig(at=(1,)))
    assert result.per_user["recall@1"].tolist() == [0.0, 1.0]
    assert result.distinct_items == {1: 1}


def test_what_the_scorer_never_recommends_is_not_listed():
    scores = np.array([[-np.inf, 1.0, -np.inf, -np.inf]])
    result = evaluate(
        GivenScores(scores),
        relevant=pairs((1, 4), [(0, 0)]),
        exclude=csr_array((1, 4)),
        config=EvaluationConfig(at=(4,)),
    )
    assert result.metrics["recall@4"] == 0
    assert result.distinct_items == {4: 1}


def test_repeated_unsorted_and_zero_cells_count_as_what_they_say():
    rows, items = np.array([0, 0, 0, 0, 1]), np.array([2, 0, 2, 1, 1])
    relevant = csr_array((np.array([1.0, 1.0, 1.0, 0.0, 1.0]), (rows, items)), shape=(3, 5))
    unsorted = csr_array(
        (np.array([1, 1, 1, 0, 1]), np.array([2, 0, 2, 1, 1]), np.array([0, 4, 5, 5])), shape=(3, 5)
    )
    seen = csr_array((np.array([0, 1, 1]), np.array([1, 4, 4]), np.array([0, 3, 3, 3])), shape=(3, 5))
    before = unsorted.copy(), seen.copy()
    plain = evaluate(GivenScores(SCORES), relevant=RELEVANT, exclude=SEEN)
    assert_same(evaluate(GivenScores(SCORES), relevant=relevant, exclude=seen), plain)
    assert_same(evaluate(GivenScores(SCORES), relevant=unsorted, exclude=seen), plain)
    for matrix, was in zip((unsorted, seen), before, strict=True):
        assert matrix.indices.tolist() == was.indices.tolist()
        assert matrix.data.tolist() == was.data.tolist()


MEMORY = {
    "plain": {"n_users": 800, "n_items": 2000, "seen": 0.01, "kind": np.float32},
    "float64": {"n_users": 800, "n_items": 2000, "seen": 0.01, "kind": np.float64},
    "everything seen": {"n_users": 600, "n_items": 1000, "seen": 1.0, "kind": np.float64},
    "all scores equal": {"n_users": 800, "n_items": 2000, "seen": 0.01, "kind": "equal"},
    "few items": {"n_users": 6000, "n_items": 30, "seen": 0.1, "kind": np.float64},
}


@pytest.mark.parametrize("case", MEMORY)
@pytest.mark.parametrize("block_bytes", [1 << 20, 8 << 20, 64 << 20])
def test_temporary_memory_stays_under_the_bound(case, block_bytes):
    n_users, n_items, seen, kind = MEMORY[case].values()
    rng = np.random.default_rng(6)
    if kind == "equal":
        scorer = SameForAll(np.zeros(n_items), n_users)
    elif kind == np.float32:
        scorer = VectorScorer(rng.standard_normal((n_users, 32)), rng.standard_normal((n_items, 32)))
    else:
        scorer = GivenScores(np.tile(rng.standard_normal(n_items), (n_users, 1)))
    relevant = random_array((n_users, n_items), density=2 / n_items, format="csr", rng=rng)
    exclude = random_array((n_users, n_items), density=seen, format="csr", rng=rng)
    config = EvaluationConfig(block_bytes=block_bytes, metrics=ALL_METRICS)
    evaluate(scorer, relevant=relevant, exclude=exclude, config=config)  # what is imported or cached once
    tracemalloc.start()
    result = evaluate(scorer, relevant=relevant, exclude=exclude, config=config)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    held = result.users.nbytes + sum(values.nbytes for values in result.per_user.values())
    counts = 2 * 8 * n_users  # of the relevant, and for a moment of the excluded, items of each user
    assert peak <= block_bytes + held + counts + 30_000  # and Python's own objects

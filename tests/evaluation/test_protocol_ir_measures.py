"""The whole path against trec_eval and the MS MARCO tool, which share nothing with it but the definitions."""

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import RR, P, R, Success, nDCG
from scipy.sparse import csr_array

from reelmix.evaluation import EvaluationConfig, evaluate

from .references import CASES, GivenScores, pairs, random_case


def oracle(scores, relevant, exclude, at):
    """What trec_eval, through ir_measures, makes of a list that Python's sort has ranked."""
    qrels, run = [], []
    for user in range(len(scores)):
        wanted, seen = relevant[[user]].indices, set(exclude[[user]].indices.tolist())
        qrels += [ir_measures.Qrel(str(user), str(item), 1) for item in wanted]
        kept = [item for item in range(scores.shape[1]) if item not in seen and scores[user, item] != -np.inf]
        kept.sort(key=lambda item: (-scores[user, item], item))
        run += [ir_measures.ScoredDoc(str(user), str(item), float(-place)) for place, item in enumerate(kept)]
    values = {}
    for name, measure, provider in [
        ("recall", R, "pytrec_eval"),
        ("ndcg", nDCG, "pytrec_eval"),
        ("precision", P, "pytrec_eval"),
        ("hit_rate", Success, "pytrec_eval"),
        ("mrr", RR, "msmarco"),  # trec_eval has no cut for it
    ]:
        tool = ir_measures.providers.registry[provider]
        for cut in at:
            values |= {
                (name, cut, int(m.query_id)): m.value for m in tool.iter_calc([measure @ cut], qrels, run)
            }
    return values


def assert_as_ir_measures(scores, relevant, exclude, at=(1, 2, 5, 10, 20)):
    result = evaluate(GivenScores(scores), relevant=relevant, exclude=exclude, config=EvaluationConfig(at=at))
    expected = oracle(scores, relevant, exclude, at)
    users = result.users.tolist()
    assert users == sorted({user for _, _, user in expected})
    assert len(expected) == 5 * len(at) * len(users)
    for (name, cut, user), value in expected.items():
        assert result.per_user[f"{name}@{cut}"][users.index(user)] == pytest.approx(value, abs=1e-12)
    for name in ("recall", "ndcg", "precision", "hit_rate", "mrr"):
        for cut in at:
            mean = np.mean([expected[name, cut, user] for user in users])
            assert result.metrics[f"{name}@{cut}"] == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_ir_measures(case, seed):
    assert_as_ir_measures(*random_case(seed, **CASES[case]))


def test_equals_ir_measures_where_the_relevant_item_lies_beyond_the_cut():
    scores = -np.arange(30.0)[None]
    assert_as_ir_measures(scores, pairs((1, 30), [(0, 19), (0, 20), (0, 29)]), csr_array((1, 30)))


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.integers(1, 40),
    st.sampled_from([0, 1, 3, 10**6]),
    st.floats(0, 1),
    st.floats(0, 1.1),
)
def test_equals_ir_measures_on_whatever_hypothesis_finds(seed, n_users, n_items, levels, relevant, seen):
    assert_as_ir_measures(*random_case(seed, n_users, n_items, levels, relevant, seen), at=(1, 3, 7))

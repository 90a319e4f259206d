import numpy as np
import pytest

from reelmix.errors import DataError
from reelmix.evaluation.scorer import Scorer, VectorScorer

from .references import GivenScores, SameForAll

USERS = np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]])
ITEMS = np.array([[1.0, 0.0], [2.0, 2.0], [-1.0, 4.0], [0.0, 0.0]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dot_products_in_float32(dtype):
    scorer = VectorScorer(USERS.astype(dtype), ITEMS.astype(dtype))
    scores = scorer.score(np.array([2, 0]))
    assert scores.dtype == np.float32
    assert scores.tolist() == [[3.0, 7.0, -1.0, 0.0], [1.0, 6.0, 7.0, 0.0]]
    assert (scorer.n_users, scorer.n_items) == (3, 4)


def test_equals_float64_to_rounding():
    rng = np.random.default_rng(0)
    users, items = rng.standard_normal((40, 16)), rng.standard_normal((30, 16))
    scores = VectorScorer(users, items).score(np.arange(40))
    assert np.abs(scores - users @ items.T).max() < 1e-5


def test_any_memory_layout():
    scorer = VectorScorer(np.asfortranarray(USERS), ITEMS[::2])
    assert scorer.score(np.array([0])).tolist() == [[1.0, 7.0]]


def test_an_empty_block():
    assert VectorScorer(USERS, ITEMS).score(np.array([], np.int64)).shape == (0, 4)


@pytest.mark.parametrize(
    "scorer", [VectorScorer(USERS, ITEMS), GivenScores(USERS), SameForAll(np.ones(3), n_users=2)]
)
def test_all_of_these_are_scorers(scorer):
    assert isinstance(scorer, Scorer)


def test_vectors_of_two_lengths_are_refused():
    with pytest.raises(DataError) as error:
        VectorScorer(USERS, np.ones((4, 3)))
    assert str(error.value) == (
        "item_vectors: expected item vectors of the users' length 2, found length 3. "
        "Take both from the same model."
    )


@pytest.mark.parametrize(
    ("bad", "found"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (1e300, "inf")]
)
@pytest.mark.parametrize("which", ["user_vectors", "item_vectors"])
def test_what_is_not_finite_is_refused_by_place(which, bad, found):
    vectors = {"user_vectors": USERS.copy(), "item_vectors": ITEMS.copy()}
    vectors[which][2, 1] = bad
    with pytest.raises(DataError) as error:
        VectorScorer(**vectors)
    assert str(error.value) == (
        f"{which}, row 2: expected finite float32 numbers, found {found}. "
        "Look at the training loss: training may have diverged."
    )

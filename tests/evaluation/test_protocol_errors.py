import numpy as np
import pytest
from pydantic import ValidationError
from scipy.sparse import csr_array

from reelmix.errors import ConfigError, DataError
from reelmix.evaluation import EvaluationConfig, evaluate

from .references import RELEVANT, SCORES, SEEN, GivenScores, pairs


def test_the_default_configuration():
    config = EvaluationConfig()
    assert config.at == (1, 5, 10, 20)
    assert config.metrics == ("recall", "ndcg", "precision", "hit_rate", "mrr")
    assert config.block_bytes == 268435456
    assert all(field.description for field in EvaluationConfig.model_fields.values())


@pytest.mark.parametrize("at", [(), (0,), (10, -5)])
def test_a_list_length_below_one_is_refused(at):
    with pytest.raises(ConfigError) as error:
        EvaluationConfig(at=at)
    assert str(error.value) == (
        f"at: expected one or more list lengths of at least 1, found {list(at)}. "
        "Write for example at = [1, 5, 10, 20]."
    )


@pytest.mark.parametrize(
    "make", [lambda **k: EvaluationConfig(**k), lambda **k: EvaluationConfig.read(k, where="f")]
)
@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("recal", "Did you mean 'recall'?"),
        ("NDCG", "Valid names: hit_rate, mrr, ndcg, ndcg_hits, precision, recall."),
    ],
)
def test_an_unknown_metric_is_refused_with_the_nearest_one(make, name, advice):
    with pytest.raises(ConfigError) as error:
        make(metrics=("ndcg", name))
    assert str(error.value) == f"metrics: expected the name of a metric, found {name!r}. {advice}"


def test_a_bound_of_no_bytes_is_refused():
    with pytest.raises(ValidationError):
        EvaluationConfig(block_bytes=0)


def test_a_bound_too_small_for_one_user_is_refused_with_what_would_do():
    def run(block_bytes):
        config = EvaluationConfig(at=(2,), block_bytes=block_bytes)
        return evaluate(GivenScores(SCORES), relevant=RELEVANT, exclude=SEEN, config=config)

    with pytest.raises(ConfigError) as error:
        run(100)
    needed = int(str(error.value).split()[4])
    assert str(error.value) == (
        f"block_bytes: expected at least {needed} bytes, for one user and 5 items, found 100. "
        "Raise it, or ask for shorter lists."
    )
    assert run(needed).metrics
    with pytest.raises(ConfigError):
        run(needed - 1)


@pytest.mark.parametrize("name", ["relevant", "exclude"])
def test_a_matrix_of_another_shape_is_refused(name):
    matrices = {"relevant": RELEVANT, "exclude": SEEN} | {name: csr_array((5, 3))}
    with pytest.raises(DataError) as error:
        evaluate(GivenScores(SCORES), **matrices)
    assert str(error.value) == (
        f"{name}: expected (users, items) = (3, 5) as in the scorer, found (5, 3). "
        "Build it from the dataset that the model was trained on."
    )


@pytest.mark.parametrize("stored", [0, 1])
def test_no_user_with_a_relevant_item_is_refused(stored):
    empty = csr_array(
        (np.zeros(stored), np.zeros(stored, int), np.array([0, stored, stored, stored])), shape=(3, 5)
    )
    with pytest.raises(DataError) as error:
        evaluate(GivenScores(SCORES), relevant=empty, exclude=SEEN)
    assert str(error.value) == (
        "relevant: expected at least one user with a relevant item, found none. "
        "Give a validation or test part that holds interactions."
    )


def test_nan_is_refused_by_user_and_item():
    scores = SCORES.copy()
    scores[1, 3] = np.nan
    only_user_one = pairs((3, 5), [(1, 0)])
    with pytest.raises(DataError) as error:
        evaluate(GivenScores(scores), relevant=only_user_one, exclude=SEEN)
    assert str(error.value) == (
        "scores: user row 1, item row 3: expected a number or -inf, found NaN. "
        "Look at the model's vectors or at its training loss: training may have diverged."
    )


@pytest.mark.parametrize("scores", [SCORES[:, :4], SCORES[0]])
def test_scores_of_another_shape_are_refused(scores):
    class Wrong(GivenScores):
        def score(self, users):
            return scores[:2] if scores.ndim == 2 else scores

    with pytest.raises(DataError) as error:
        evaluate(Wrong(SCORES), relevant=RELEVANT, exclude=SEEN)
    shape = (2, 4) if scores.ndim == 2 else (5,)
    assert str(error.value) == (
        f"Wrong.score: expected floating-point scores of shape (2, 5), found float64 of shape {shape}. "
        "Return one row for each user asked for and one column for each item."
    )

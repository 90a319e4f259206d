"""Settings of training: what may not be, and what is said to it."""

import math

import pytest
from pydantic import ValidationError

from reelmix.errors import ConfigError
from reelmix.training.config import TrainingConfig


@pytest.mark.parametrize(
    ("settings", "where", "expected", "found"),
    [
        ({"epochs": 0}, "epochs", "greater than or equal to 1", "0"),
        ({"epochs": 2.5}, "epochs", "a valid integer, got a number with a fractional part", "2.5"),
        ({"learning_rate": 0}, "learning_rate", "greater than 0", "0"),
        ({"learning_rate": -0.1}, "learning_rate", "greater than 0", "-0.1"),
        ({"learning_rate": math.inf}, "learning_rate", "a finite number", "inf"),
        ({"learning_rate": math.nan}, "learning_rate", "a finite number", "nan"),
        (
            {"learning_rate": "fast"},
            "learning_rate",
            "a valid number, unable to parse string as a number",
            "'fast'",
        ),
        ({"batch_size": 0}, "batch_size", "greater than or equal to 1", "0"),
        ({"patience": 0}, "patience", "greater than or equal to 1", "0"),
        *(
            (
                {"validation_metric": value},
                "validation_metric",
                "a metric and a depth such as recall@20",
                repr(value),
            )
            for value in ("recall", "recall@", "@20", "recall@0", "recall@-1", "recall@ten", "")
        ),
    ],
)
def test_values_out_of_range(settings, where, expected, found):
    with pytest.raises(ConfigError) as caught:
        TrainingConfig.read(settings, where="training")
    assert str(caught.value) == (
        f"training: {where}: expected {expected}, found {found}. "
        f"See the description of {where} in the configuration reference."
    )


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("epoch", "Did you mean 'epochs'?"),
        ("lerning_rate", "Did you mean 'learning_rate'?"),
        ("batchsize", "Did you mean 'batch_size'?"),
        (
            "xyz",
            "Valid names: averaging, batch_size, deterministic, epochs, learning_rate, patience, precision, "
            "validation_metric.",
        ),
    ],
)
def test_misspelt_settings(key, advice):
    with pytest.raises(ConfigError) as caught:
        TrainingConfig.read({"patience": 3, key: 1}, where="training")
    assert str(caught.value) == f"training: expected a known setting, found '{key}'. {advice}"


def test_smallest_values_that_may_be():
    smallest = {"epochs": 1, "batch_size": 1, "averaging": 0.0, "patience": 1, "validation_metric": "ndcg@1"}
    smallest |= {"learning_rate": 1e-12, "precision": "mixed", "deterministic": True}
    assert TrainingConfig.read(smallest, where="training").model_dump() == smallest


def test_settings_cannot_be_changed_afterwards():
    config = TrainingConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.epochs = 3

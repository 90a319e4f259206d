from __future__ import annotations

import pytest

from reelmix.errors import DataError, ReelmixError, nearest


def test_message_says_where_expected_found_and_what_next():
    error = DataError(expected="a vector", found="a matrix", where="a.npy, row 3", fix="Flatten it.")
    assert str(error) == "a.npy, row 3: expected a vector, found a matrix. Flatten it."
    assert (error.expected, error.found, error.where, error.fix) == (
        "a vector",
        "a matrix",
        "a.npy, row 3",
        "Flatten it.",
    )
    assert isinstance(error, ReelmixError)


def test_message_without_place_and_advice():
    assert str(DataError(expected="a", found="b")) == "expected a, found b."


@pytest.mark.parametrize(
    ("name", "valid", "text"),
    [
        ("epoch", ["epochs", "rng"], "Did you mean 'epochs'?"),
        ("zzz", ["rng", "epochs"], "Valid names: epochs, rng."),
        ("zzz", [], "There are none."),
    ],
)
def test_nearest(name, valid, text):
    assert nearest(name, valid) == text

"""SIF against its formula, worked out by hand."""

import numpy as np
import pytest

from reelmix.errors import DataError
from reelmix.media.sif import read_word_vectors, smooth_inverse_frequency, words

VECTORS = {"a": np.array([1, 0], np.float32), "b": np.array([0, 1], np.float32)}


def test_it_is_the_formula_by_hand():
    # p(a) = 2/3 and p(b) = 1/3: with a = 1/4 the weights are 3/11 and 3/7. The means are (3/11, 0), (0, 3/7)
    # and (3/11, 0): the square matrix is diag(18/121, 9/49), and what all share is (0, 1).
    found, has = smooth_inverse_frequency([["a"], ["b"], ["a"]], VECTORS, a=1 / 4)
    assert has.tolist() == [True, False, True]  # nothing is left of the second
    np.testing.assert_allclose(found, [[3 / 11, 0]] * 2, rtol=1e-6)


def test_a_text_of_two_words_loses_the_shared_direction():
    texts = [["a", "b"], ["a"], ["b", "b"]]  # p(a) = 2/5, p(b) = 3/5
    a, b = 0.5 / (0.5 + 0.4), 0.5 / (0.5 + 0.6)
    means = np.array([[a / 2, b / 2], [a, 0], [0, b]])
    shared = np.linalg.svd(means)[2][0]
    found, has = smooth_inverse_frequency(texts, VECTORS, a=0.5)
    assert has.all()
    np.testing.assert_allclose(found, means - np.outer(means @ shared, shared), atol=1e-6)


def test_a_text_without_a_known_word_has_no_vector():
    found, has = smooth_inverse_frequency([[], ["c"]], VECTORS)
    assert found.shape == (0, 2)
    assert not has.any()


def test_words_are_in_lower_case():
    assert words("Don't stop: ÉTÉ 2024!") == ["don't", "stop", "été", "2024"]


def test_word_vectors_of_the_wanted_words(tmp_path):
    (tmp_path / "v.txt").write_text("3 2\na 1 0\nb 0 1\na 5 5\n", encoding="utf-8")
    found = read_word_vectors(tmp_path / "v.txt", ["a", "z"])
    assert {word: vector.tolist() for word, vector in found.items()} == {"a": [1, 0]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b 1", "expected a word and 2 numbers, found 1 numbers."),
        ("b x y", "expected numbers after the word, found something else."),
        ("b nan 1", "expected finite numbers, found others."),
    ],
)
def test_a_bad_line_is_named(tmp_path, refusal, line, message):
    path = tmp_path / "v.txt"
    path.write_text(f"a 1 0\n{line}\n", encoding="utf-8")
    text = refusal(DataError, read_word_vectors, path, ["a", "b"])
    assert text == (
        f"{path}, line 2: {message} Give word vectors as text, as GloVe, word2vec and fastText do, "
        "separated by single spaces."
    )

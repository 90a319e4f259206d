"""SIF: a text as the mean of its words' vectors, rare words counting more, less what all texts share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from reelmix.errors import DataError
from reelmix.files import require_file

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, in lower case."""
    return _WORD.findall(text.lower())


def smooth_inverse_frequency(
    texts: Sequence[Sequence[str]], vectors: Mapping[str, np.ndarray], *, a: float = 1e-3
) -> tuple[Float[np.ndarray, "known size"], Bool[np.ndarray, " text"]]:
    """Vectors of texts by Arora, Liang and Ma, A Simple but Tough-to-Beat Baseline for Sentence Embeddings.

    ``v_s = 1/|s| sum_{w in s} a / (a + p(w)) v_w``, then ``v_s - u u^T v_s``, where u is the first singular
    vector of the matrix of all v_s (not centred). p(w) is the share of w among all words of ``texts``. Words
    without a vector do not count, in |s| either.

    Args:
        texts: the words of each.
        vectors: word to its vector, float32.
        a: the paper's parameter; 1e-3 is its choice.

    Returns:
        The vectors, float32, of the texts that have one, and which these are. A text has none if no word
        of it has a vector, or if nothing is left of it beside what all texts share.
    """
    counts = Counter(word for text in texts for word in text)
    total = counts.total()
    size = len(next(iter(vectors.values()))) if vectors else 0
    known = [[word for word in text if word in vectors] for text in texts]
    has = np.array([bool(text) for text in known], bool)
    if not has.any():
        return np.empty((0, size), np.float32), has
    means = np.stack(
        [
            np.mean(
                [a / (a + counts[word] / total) * vectors[word].astype(np.float64) for word in text], axis=0
            )
            for text in known
            if text
        ]
    )
    shared = np.linalg.eigh(means.T @ means)[1][:, -1]
    rest = means - np.outer(means @ shared, shared)
    # what is left of a text that is the shared direction itself is the error of rounding
    left = np.linalg.norm(rest, axis=1) > 1e-6 * np.linalg.norm(means, axis=1)
    has[has] = left
    return rest[left].astype(np.float32), has


def read_word_vectors(path: Path, wanted: Iterable[str]) -> dict[str, Float[np.ndarray, " size"]]:
    """The vectors of the wanted words, float32, from a text file: a word and its numbers on each line.

    The first line may be the numbers of words and of dimensions, as word2vec and fastText write it. Of a word
    that stands there twice the first counts.

    Raises:
        StorageError: the file is missing or may not be read.
        DataError: a line is not a word and as many finite numbers as the line before.
    """
    require_file(path, "a file of word vectors")
    words, found, size = set(wanted), dict[str, np.ndarray](), 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            word, *numbers = line.rstrip().split(" ")
            if number == 1 and len(numbers) == 1:
                continue
            size = size or len(numbers)
            if len(numbers) != size or not size:
                raise _bad_line(
                    path, number, f"a word and {size or 'its'} numbers", f"{len(numbers)} numbers"
                )
            if word in words and word not in found:
                try:
                    vector = np.array(numbers, np.float32)
                except ValueError:
                    raise _bad_line(path, number, "numbers after the word", "something else") from None
                if not np.isfinite(vector).all():
                    raise _bad_line(path, number, "finite numbers", "others")
                found[word] = vector
    return found


def _bad_line(path: Path, number: int, expected: str, found: str) -> DataError:
    return DataError(
        expected=expected,
        found=found,
        where=f"{path}, line {number}",
        fix="Give word vectors as text, as GloVe, word2vec and fastText do, separated by single spaces.",
    )

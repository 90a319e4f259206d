"""SIF, the paper's encoder of texts, with any word vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from reelmix.errors import ConfigError
from reelmix.media.encoder import Provenance, hash_of
from reelmix.media.limits import Absent
from reelmix.media.sif import read_word_vectors, smooth_inverse_frequency, words


class SIF:
    """Texts as means of their words' vectors; see :func:`reelmix.media.sif.smooth_inverse_frequency`.

    Word frequencies, and what all texts share, are those of the texts that are encoded together.

    Args:
        weights: file of word vectors, as GloVe, word2vec and fastText write them as text.

    Raises:
        ConfigError: there is none.
        StorageError: it cannot be read.
    """

    modality: Literal["textual"] = "textual"
    picture = None
    whole = True

    def __init__(self, weights: Path | None = None) -> None:
        if weights is None:
            raise ConfigError(
                expected="a file of word vectors",
                found="none",
                where="textual",
                fix="Give one with --textual-weights, such as GloVe's; or choose --textual minilm, which "
                "brings its own.",
            )
        self.path, self._hash = weights, hash_of(weights)

    @property
    def provenance(self) -> Provenance:
        """What its vectors come from."""
        return Provenance("sif", self._hash, "lower-case words, weighted by 0.001 / (0.001 + p(word))")

    def encode(self, inputs: Sequence[str]) -> list[Float[np.ndarray, " size"] | Absent]:
        """A vector for each text."""
        texts = [words(text) for text in inputs]
        vectors = read_word_vectors(self.path, {word for text in texts for word in text})
        found, has = smooth_inverse_frequency(texts, vectors)
        rows = iter(found)
        reasons = ("no word of it has a vector", "nothing beside what all texts share")
        return [
            next(rows) if here else Absent(reasons[any(word in vectors for word in text)])
            for text, here in zip(texts, has, strict=True)
        ]

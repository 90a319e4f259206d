"""VGGish's log-mel front end, in NumPy."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

SAMPLE_RATE = 16_000
WINDOW, HOP, FFT = 400, 160, 512
"""Samples of a window (25 ms), between windows (10 ms), and of the transform: the next power of two."""
BANDS, LOWEST, HIGHEST = 64, 125.0, 7500.0
"""Mel bands and the range that they span, Hz."""
OFFSET = 0.01
"""Added before the logarithm: silence is finite."""
PATCH = 96
"""Frames of a patch, 0.96 s; patches do not overlap."""

_BLOCK = 4096  # frames at a time: ten minutes of sound would otherwise take 200 MB


def log_mel(sound: Float[np.ndarray, " sample"]) -> Float[np.ndarray, "frame 64"]:
    """The logarithm of the mel bands of sound at 16 kHz, float32.

    For each window w, ``log(|rfft(hann * w)| M + 0.01)`` with a periodic Hann window, magnitudes (not
    power), and triangles M that are linear in mel, ``1127 ln(1 + f / 700)``. Only whole windows count. From
    Hershey et al., CNN Architectures for Large-Scale Audio Classification, 2017, and the code published with
    its weights.
    """
    if len(sound) < WINDOW:
        return np.empty((0, BANDS), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi / WINDOW * np.arange(WINDOW))
    triangles = mel_matrix()
    blocks = [
        np.log(np.abs(np.fft.rfft(windows[start : start + _BLOCK] * hann, FFT)) @ triangles + OFFSET)
        for start in range(0, len(windows), _BLOCK)
    ]
    return np.concatenate(blocks).astype(np.float32)


def patches(frames: Float[np.ndarray, "frame 64"]) -> Float[np.ndarray, "patch 96 64"]:
    """Frames cut into patches of 0.96 s; what is left at the end is dropped, as VGGish does."""
    n = len(frames) // PATCH
    return frames[: n * PATCH].reshape(n, PATCH, BANDS)


def mel_matrix() -> Float[np.ndarray, "bin 64"]:
    """How much each frequency of the transform adds to each band, float64; the constant part adds nothing."""
    mel = _mel(np.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1))[:, None]
    lowest, highest = _mel(np.array([LOWEST, HIGHEST]))
    edges = np.linspace(lowest, highest, BANDS + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0, np.minimum((mel - lower) / (centre - lower), (upper - mel) / (upper - centre)))
    weights[0] = 0
    return weights


def _mel(frequency: np.ndarray) -> np.ndarray:
    return 1127 * np.log1p(frequency / 700)

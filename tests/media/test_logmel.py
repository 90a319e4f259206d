"""VGGish's front end against its published parameters, written out a second time in loops."""

import math

import numpy as np
import pytest

from reelmix.media.logmel import log_mel, patches


def reference(sound):
    """One window and one band at a time, in float64, with a plain Fourier sum."""
    mel = lambda hertz: 1127 * math.log(1 + hertz / 700)  # noqa: E731
    edges = [mel(125) + k * (mel(7500) - mel(125)) / 65 for k in range(66)]
    hann = [0.5 * (1 - math.cos(2 * math.pi * k / 400)) for k in range(400)]
    frames = []
    for start in range(0, len(sound) - 400 + 1, 160):
        window = np.array([hann[k] * float(sound[start + k]) for k in range(400)])
        bands = [0.0] * 64
        for n in range(1, 257):
            size = abs(np.sum(window * np.exp(-2j * np.pi * n * np.arange(400) / 512)))
            for b in range(64):
                rise = (mel(n * 31.25) - edges[b]) / (edges[b + 1] - edges[b])
                fall = (edges[b + 2] - mel(n * 31.25)) / (edges[b + 2] - edges[b + 1])
                bands[b] += size * max(0.0, min(rise, fall))
        frames.append([math.log(band + 0.01) for band in bands])
    return np.array(frames)


def test_it_is_the_published_front_end():
    sound = np.random.default_rng(0).normal(0, 0.1, 400 + 2 * 160 + 159).astype(np.float32)
    found = log_mel(sound)
    assert found.dtype == np.float32
    assert found.shape == (3, 64)
    np.testing.assert_allclose(found, reference(sound), atol=1e-5)


def test_a_tone_is_loudest_in_the_band_around_it():
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    centres = 700 * np.expm1(
        np.linspace(1127 * np.log1p(125 / 700), 1127 * np.log1p(7500 / 700), 66)[1:-1] / 1127
    )
    assert (log_mel(tone).argmax(axis=1) == np.abs(centres - 1000).argmin()).all()


def test_silence_is_the_logarithm_of_the_offset():
    np.testing.assert_allclose(log_mel(np.zeros(1000, np.float32)), math.log(0.01), rtol=1e-6)


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2)])
def test_only_whole_windows_count(samples, frames):
    assert log_mel(np.zeros(samples, np.float32)).shape == (frames, 64)


def test_long_sound_is_the_same_in_parts():
    sound = np.random.default_rng(1).normal(0, 0.1, 160 * 5000).astype(np.float32)
    np.testing.assert_array_equal(log_mel(sound)[4090:4100], log_mel(sound[160 * 4090 : 160 * 4099 + 400]))


def test_patches_do_not_overlap_and_the_rest_is_dropped():
    frames = np.arange(200 * 64, dtype=np.float32).reshape(200, 64)
    found = patches(frames)
    assert found.shape == (2, 96, 64)
    np.testing.assert_array_equal(found[1, 0], frames[96])

"""Each sound of the simulated sample, made of sines, noise and plucked strings."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float, Float32
from scipy.signal import butter, lfilter, sosfilt

from reelmix.data.sample_words import SOUNDS

Wave = Float[np.ndarray, " sample"]
RATE = 16_000
"""Samples a second: what the encoders hear."""

LOUDNESS = 0.12
"""Root mean square of a clip, 1 being full scale."""

PENTATONIC = (0, 3, 5, 7, 10, 12)
"""Half tones above the key that go together in any order."""


def sound(kind: int, rng: np.random.Generator, *, seconds: float) -> Float32[np.ndarray, " sample"]:
    """The sound of a clip.

    Args:
        kind: which, in the order of :data:`reelmix.data.sample_words.SOUNDS`.
        rng: draws key, tempo and what else differs from clip to clip.
        seconds: how long.
    """
    wave = _HEARD[kind](rng, round(seconds * RATE))
    wave = wave * LOUDNESS / max(float(np.sqrt(np.mean(wave**2))), 1e-9)
    return np.tanh(wave).astype(np.float32)


# Fourteen sounds


def _piano(rng: np.random.Generator, n: int) -> Wave:
    return _melody(
        rng, n, key=_key(rng, 48, 60), gap=0.45, note=lambda f, m: _bell(f, m, (1, 0.5, 0.25, 0.1), 3)
    )


def _synth_bass(rng: np.random.Generator, n: int) -> Wave:
    def note(pitch: float, m: int) -> Wave:
        saw = 2 * (pitch * _time(m) % 1) - 1
        return _low(saw, 700) * _fade(m, 0.01, 0.05)

    return _melody(rng, n, key=_key(rng, 28, 36), gap=0.22, note=note)


def _guitar(rng: np.random.Generator, n: int) -> Wave:
    return _melody(rng, n, key=_key(rng, 45, 57), gap=0.25, note=lambda f, m: _plucked(rng, f, m))


def _rain(rng: np.random.Generator, n: int) -> Wave:
    drops = _impacts(rng, n, 60, lambda m: _band(rng.standard_normal(m), 900, 2500) * _decay(m, 90))
    thunder = _low(rng.standard_normal(n), 90) * (1 + np.sin(2 * np.pi * 0.3 * _time(n) + rng.uniform(0, 6)))
    return 0.35 * _high(rng.standard_normal(n), 2000) + drops + thunder


def _birds(rng: np.random.Generator, n: int) -> Wave:
    def chirp(m: int) -> Wave:
        pitch = rng.uniform(2500, 5200) + rng.uniform(-900, 900) * np.sin(2 * np.pi * 22 * _time(m))
        return np.sin(2 * np.pi * np.cumsum(pitch) / RATE) * _fade(m, 0.02, 0.04)

    return _impacts(rng, n, 6, chirp, length=0.16) + 0.01 * rng.standard_normal(n)


def _fire(rng: np.random.Generator, n: int) -> Wave:
    cracks = _impacts(rng, n, 14, lambda m: rng.standard_normal(m) * _decay(m, 400) * rng.exponential(1.5))
    return cracks + 0.8 * _low(rng.standard_normal(n), 180)


def _strings(rng: np.random.Generator, n: int) -> Wave:
    root, t = _key(rng, 48, 60), _time(n)
    wave = np.zeros(n)
    for step in rng.choice([0, 3, 7, 12, 15], 3, replace=False).tolist():
        for detune in (-0.4, 0, 0.4):
            vibrato = 0.006 * np.sin(2 * np.pi * 5.5 * t + rng.uniform(0, 6))
            phase = np.cumsum((_pitch(root + step) + detune) * (1 + vibrato)) / RATE
            wave += 2 * (phase % 1) - 1
    return _low(wave, 2200) * (0.6 + 0.4 * np.sin(2 * np.pi * 0.4 * t))


def _brass(rng: np.random.Generator, n: int) -> Wave:
    def note(pitch: float, m: int) -> Wave:
        t = _time(m)
        bright = np.minimum(1, 8 * t)[:, None] ** np.arange(1, 9)
        tones = np.sin(2 * np.pi * pitch * t[:, None] * np.arange(1, 9))
        return (bright * tones).sum(axis=1) * _fade(m, 0.05, 0.06)

    return _melody(rng, n, key=_key(rng, 55, 65), gap=0.36, note=note)


def _whisper(rng: np.random.Generator, n: int) -> Wave:
    def syllable(m: int) -> Wave:
        centre = rng.uniform(1500, 4500)
        return _band(rng.standard_normal(m), 0.7 * centre, 1.3 * centre) * np.hanning(m)

    return _impacts(rng, n, 7, syllable, length=0.2)


def _drums(rng: np.random.Generator, n: int) -> Wave:
    beat = round(RATE * 60 / rng.uniform(165, 178) / 2)
    wave = np.zeros(n)
    for place, start in enumerate(range(0, n, beat)):
        m = min(beat, n - start)
        t, hit = _time(m), 0.3 * _high(rng.standard_normal(m), 6000) * _decay(m, 120)
        if place % 8 in (0, 5):
            hit = hit + 2 * np.sin(2 * np.pi * (45 * t + 6 * (1 - np.exp(-30 * t)))) * _decay(m, 14)
        if place % 8 in (2, 6):
            hit = hit + _band(rng.standard_normal(m), 300, 5000) * _decay(m, 25)
        wave[start : start + m] += hit
    return wave


def _crowd(rng: np.random.Generator, n: int) -> Wave:
    claps = _impacts(rng, n, 70, lambda m: _band(rng.standard_normal(m), 900, 3000) * _decay(m, 150))
    cheer = _band(rng.standard_normal(n), 500, 1500) * (1 + 0.3 * np.sin(2 * np.pi * 0.7 * _time(n)))
    return claps + 0.8 * cheer


def _voice(rng: np.random.Generator, n: int) -> Wave:
    pitch = rng.uniform(85, 190)
    vowels = ((700, 1100), (350, 2100), (450, 850), (500, 1700), (300, 900))

    def syllable(m: int) -> Wave:
        glide = pitch * (1 + 0.12 * np.sin(np.pi * _time(m) * RATE / m + rng.uniform(0, 3)))
        pulses = np.diff(np.floor(np.cumsum(glide) / RATE), prepend=0)
        first, second = vowels[rng.integers(len(vowels))]
        throat = _band(pulses, first - 90, first + 90) + 0.7 * _band(pulses, second - 120, second + 120)
        return throat * _fade(m, 0.02, 0.05)

    wave, start = np.zeros(n), 0
    while start < n:
        m = min(round(RATE * rng.uniform(0.12, 0.26)), n - start)
        wave[start : start + m] += syllable(m)
        start += m + round(RATE * rng.uniform(0.01, 0.08))
    return wave


def _bossa_nova(rng: np.random.Generator, n: int) -> Wave:
    beat = round(RATE * 60 / rng.uniform(125, 145) / 2)
    root = _key(rng, 45, 52)
    wave = np.zeros(n)
    for place, start in enumerate(range(0, n, beat)):
        m = min(2 * beat, n - start)
        if place % 4 == 0:
            wave[start : start + m] += 1.2 * _plucked(rng, _pitch(root - 12 + 7 * (place // 4 % 2)), m)
        if place % 8 in (0, 3, 6):
            for step in (4, 7, 11):
                wave[start : start + m] += 0.5 * _plucked(rng, _pitch(root + step), m)
        shaker = min(beat, n - start)
        wave[start : start + shaker] += 0.12 * _high(rng.standard_normal(shaker), 5000) * _decay(shaker, 40)
    return wave


def _ocean(rng: np.random.Generator, n: int) -> Wave:
    swell = (0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.25, 0.4) * _time(n) + rng.uniform(0, 6))) ** 2
    return swell * _band(rng.standard_normal(n), 150, 2500) + 0.5 * _low(rng.standard_normal(n), 250)


_HEARD: tuple[Callable[[np.random.Generator, int], Wave], ...] = (
    _piano,
    _synth_bass,
    _guitar,
    _rain,
    _birds,
    _fire,
    _strings,
    _brass,
    _whisper,
    _drums,
    _crowd,
    _voice,
    _bossa_nova,
    _ocean,
)
assert len(_HEARD) == len(SOUNDS)


# What they are made of


def _time(n: int) -> Wave:
    return np.arange(n) / RATE


def _pitch(half_tones: float) -> float:
    """Of a key of the piano (69 is 440 Hz), in Hz."""
    return 440.0 * 2 ** ((half_tones - 69) / 12)


def _key(rng: np.random.Generator, lowest: int, highest: int) -> int:
    return int(rng.integers(lowest, highest))


def _melody(
    rng: np.random.Generator, n: int, *, key: int, gap: float, note: Callable[[float, int], Wave]
) -> Wave:
    """Notes of the key one after the other, each sounding into the next."""
    wave = np.zeros(n)
    step = round(RATE * gap * rng.uniform(0.85, 1.15))
    for start in range(0, n, step):
        m = min(round(1.6 * step), n - start)
        wave[start : start + m] += note(_pitch(key + int(rng.choice(PENTATONIC))), m)
    return wave


def _impacts(
    rng: np.random.Generator, n: int, a_second: float, one: Callable[[int], Wave], length: float = 0.06
) -> Wave:
    """Short sounds at times of chance."""
    wave, m = np.zeros(n), min(round(length * RATE), n)
    for start in rng.integers(0, max(1, n - m), max(2, rng.poisson(a_second * n / RATE))):
        wave[start : start + m] += one(m)
    return wave


def _bell(pitch: float, m: int, parts: Iterable[float], fall: float) -> Wave:
    t = _time(m)
    tones = (
        size * np.sin(2 * np.pi * k * pitch * t) * np.exp(-fall * k * t) for k, size in enumerate(parts, 1)
    )
    return sum(tones, np.zeros(m)) * _fade(m, 0.005, 0.05)


def _plucked(rng: np.random.Generator, pitch: float, m: int) -> Wave:
    """A string, as Karplus and Strong: noise that goes round and grows duller each time."""
    period = max(2, round(RATE / pitch))
    pluck = np.zeros(m)
    pluck[:period] = rng.uniform(-1, 1, min(period, m))
    loop = np.zeros(period + 2)
    loop[0], loop[period], loop[period + 1] = 1, -0.498, -0.498
    return np.asarray(lfilter([1.0], loop, pluck))


def _decay(m: int, rate: float) -> Wave:
    return np.exp(-rate * _time(m))


def _fade(m: int, up: float, down: float) -> Wave:
    t = _time(m)
    return np.clip(t / up, 0, 1) * np.clip((m / RATE - t) / down, 0, 1)


def _low(wave: Wave, border: float) -> Wave:
    return _filtered(wave, border, "low")


def _high(wave: Wave, border: float) -> Wave:
    return _filtered(wave, border, "high")


def _band(wave: Wave, lowest: float, highest: float) -> Wave:
    return _filtered(wave, (lowest, min(highest, 0.49 * RATE)), "band")


def _filtered(wave: Wave, border: float | tuple[float, float], kind: str) -> Wave:
    return np.asarray(sosfilt(butter(2, border, kind, fs=RATE, output="sos"), wave))

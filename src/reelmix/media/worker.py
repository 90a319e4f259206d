"""What is done to one file, in a process of its own that may be killed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from reelmix.media.encoder import Encoder, Modality, make_encoder
from reelmix.media.folder import opened, subtitle_files
from reelmix.media.ledger import Found
from reelmix.media.limits import Absent, Limits
from reelmix.media.subtitles import words_of_subtitles
from reelmix.media.video import key_frames, waveform, words


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder to be made: see :func:`reelmix.media.encoder.make_encoder`."""

    name: str
    modality: Modality
    weights: Path | None = None


@cache
def encoder_of(choice: EncoderChoice) -> Encoder:
    """The encoder in this process, made once."""
    return make_encoder(choice.name, choice.modality, choice.weights)


def prepare(choices: Sequence[EncoderChoice], memory: int) -> None:
    """Makes the encoders, uses one thread, and bounds the memory that files may take from now on.

    Args:
        choices: of encoders.
        memory: bytes of address space beyond what the process has now.
    """
    os.environ |= {
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "JOBLIB_MULTIPROCESSING": "0",  # a library of a library would leave semaphores behind
    }
    for choice in choices:
        encoder_of(choice)
    with suppress(ImportError, OSError, ValueError):  # not every system has such a bound
        import resource

        bound = _address_space() + memory
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (bound if hard < 0 else min(bound, hard), hard))


def _address_space() -> int:
    """Bytes of it that this process has."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def look(choice: EncoderChoice, folder: Path, name: str, limits: Limits) -> Found:
    """What the pictures, or the sound, of a file look or sound like."""
    encoder = encoder_of(choice)
    return _found(encoder, lambda: _decoded(encoder, folder, name, limits))


def read(folder: Path, name: str, limits: Limits) -> Found:
    """What a file says in words, and the subtitles beside it."""
    started = time.perf_counter()
    parts, reason = [], "no title, description or subtitles"
    try:
        with opened(folder, name) as file:
            parts.append(words(file, limits))
    except Absent as absent:
        reason = str(absent)
    for other in subtitle_files(folder, name):
        with suppress(Absent), opened(folder, other) as file:
            content = file.read(8 * limits.letters).decode("utf-8", "replace")
            parts.append(words_of_subtitles(content)[: limits.letters])
    text = "\n".join(part for part in parts if part)
    seconds = time.perf_counter() - started
    return Found(text=text, decoding=seconds) if text else Found(reason=reason, decoding=seconds)


def write_out(choice: EncoderChoice, texts: Sequence[str]) -> list[Found]:
    """What texts mean."""
    started = time.perf_counter()
    encoded = encoder_of(choice).encode(texts)
    seconds = (time.perf_counter() - started) / max(1, len(texts))
    return [_kept(one, encoding=seconds) for one in encoded]


def _decoded(encoder: Encoder, folder: Path, name: str, limits: Limits) -> np.ndarray:
    with opened(folder, name) as file:
        if encoder.picture is None:
            return waveform(file, limits)
        side, shorter = encoder.picture
        return key_frames(file, limits, side=side, shorter=shorter)


def _found(encoder: Encoder, decode: Callable[[], np.ndarray]) -> Found:
    started = time.perf_counter()
    decoding = 0.0
    try:
        inputs = decode()
        decoding = time.perf_counter() - started
        (one,) = encoder.encode([inputs])
    except Absent as absent:
        one = absent
    except MemoryError:
        one = Absent("needs more memory than a file may take")
    seconds = time.perf_counter() - started
    return _kept(one, decoding or seconds, seconds - decoding if decoding else 0.0)


def _kept(one: np.ndarray | Absent, decoding: float = 0.0, encoding: float = 0.0) -> Found:
    if isinstance(one, Absent):
        return Found(reason=str(one), decoding=decoding, encoding=encoding)
    vector = np.asarray(one, np.float32)
    if not np.isfinite(vector).all() or not vector.any():
        return Found(reason="the encoder made nothing of it", decoding=decoding, encoding=encoding)
    return Found(vector, decoding=decoding, encoding=encoding)

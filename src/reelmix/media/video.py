"""Pictures and sound of a video file. Whatever is wrong with the file is a reason, never a crash."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float, UInt8

from reelmix.extras import optional
from reelmix.media.limits import Absent, Limits
from reelmix.media.subtitles import words_of_event

SAMPLE_RATE = 16_000
"""Samples of sound a second, as VGGish expects."""

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,wav,mp3,flac,aac,gif"
"""Formats that are opened, by demuxer. None of them names another file or an address, as playlists do."""

COVER = 0x400
"""Mark of a track that is no film but the cover of a piece of music."""

TAGS = ("title", "description", "comment", "synopsis")
"""What a file may say of itself in words."""


@contextmanager
def container_of(file: BinaryIO) -> Generator[Any]:
    """What is in a file. The demuxer gets its bytes and no path, and so can reach no other.

    Raises:
        Absent: it is not a video or sound file, or is damaged where it must be read.
    """
    av = optional("av", "media")
    try:
        with av.open(file, options={"format_whitelist": FORMATS}, metadata_errors="replace") as container:
            yield container
    except MemoryError:
        raise Absent("needs more memory than a file may take") from None
    except (av.FFmpegError, ValueError, OSError) as error:
        raise Absent(f"cannot be read: {_said(error)}") from None


@dataclass(frozen=True)
class Track:
    """The times of a track's packets, as they are in the file; nothing is decoded for it.

    Attributes:
        times: when each picture is shown, ascending, in units of the track.
        keys: of those that can be decoded without the ones before, ascending.
    """

    times: list[int]
    keys: list[int]


def key_frames(
    file: BinaryIO, limits: Limits, *, side: int, shorter: int
) -> UInt8[np.ndarray, "frame side side 3"]:
    """Pictures at the middles of ``limits.frames`` equal parts of a video, as RGB.

    Each is scaled so that its shorter side is ``shorter`` (bicubic), and the square in its middle is cut out.

    Raises:
        Absent: the file has no pictures, or they cannot be decoded, or it is beyond the limits or untrue.
    """
    with container_of(file) as container:
        stream = _video_stream(container)
        _require_size(stream.codec_context.width, stream.codec_context.height, limits)
        stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
        track = _track(container, stream, limits)
        held = float((track.times[-1] - track.times[0]) * stream.time_base)  # but for the last picture
        _require_duration(container, stream, held, "pictures", limits)
        wanted = evenly_spaced(track.times, limits.frames)
        pictures = [
            _square(frame, side, shorter, limits) for frame in _decoded(container, stream, track, wanted)
        ]
    if len(pictures) < len(wanted):
        raise Absent(f"damaged: {len(pictures)} of {len(wanted)} pictures can be decoded")
    return np.stack(pictures)


def evenly_spaced(times: list[int], n: int) -> list[int]:
    """Of ``times``, those in the middles of ``n`` parts of equal count; all of them if they are no more."""
    if len(times) <= n:
        return times
    return [times[(2 * part + 1) * len(times) // (2 * n)] for part in range(n)]


def _video_stream(container: Any) -> Any:
    for stream in container.streams.video:
        if int(stream.disposition) & COVER:
            continue
        if stream.codec_context is None:
            raise Absent("its pictures are of a kind that is not known")
        stream.codec_context.thread_count = 1  # files are read side by side
        return stream
    raise Absent("no pictures in the file")


def _require_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        raise Absent(f"pictures of {width} x {height}, more than {limits.max_pixels} pixels")


def _track(container: Any, stream: Any, limits: Limits) -> Track:
    times: list[int] = []
    keys: list[int] = []
    for packet in container.demux(stream):
        if not packet.size:
            continue  # the mark of the end
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None:
            raise Absent("damaged: pictures without a time")
        times.append(time)
        if packet.is_keyframe:
            keys.append(time)
        if len(times) > limits.max_pictures:
            raise Absent(f"more than {limits.max_pictures} pictures")
    if not times or not keys:
        raise Absent("its track of pictures is empty")
    return Track(sorted(times), sorted(keys))


def _require_duration(
    container: Any, stream: Any, held: float, what: str, limits: Limits, slack: float = 1.0
) -> None:
    """Refuses a track that is too long, or far from what the file says of itself: it may be cut off."""
    stated = float(stream.duration * stream.time_base) if stream.duration else (container.duration or 0) / 1e6
    if max(held, stated) > limits.max_seconds:
        raise Absent(f"{max(held, stated):.1f} s long, more than {limits.max_seconds:g} s")
    if stated and abs(stated - held) > slack + 0.1 * stated:
        raise Absent(f"says that it is {stated:.1f} s long, and holds {held:.1f} s of {what}")


def _decoded(container: Any, stream: Any, track: Track, wanted: list[int]) -> Iterator[Any]:
    """The frames shown at the wanted times; whole stretches up to a later key frame are jumped over."""
    frames: Iterator[Any] = iter(())
    at = track.times[0] - 1
    for time in wanted:
        key = max((key for key in track.keys if key <= time), default=track.keys[0])
        if key > at:
            container.seek(key, stream=stream, backward=True)
            frames = _frames(container, stream)
        for frame in frames:
            at = at if frame.pts is None else frame.pts
            if at >= time:
                yield frame
                break


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """What a track holds from here on; packets that are damaged are left out, as players do."""
    av = optional("av", "media")
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue


def _square(frame: Any, side: int, shorter: int, limits: Limits) -> UInt8[np.ndarray, "side side 3"]:
    _require_size(frame.width, frame.height, limits)  # it can change on the way
    scale = shorter / min(frame.width, frame.height)
    width, height = (max(shorter, round(length * scale)) for length in (frame.width, frame.height))
    if width * height > limits.max_pixels:
        raise Absent(f"pictures of {frame.width} x {frame.height}, a strip")
    scaled = frame.reformat(width=width, height=height, format="rgb24", interpolation="BICUBIC").to_ndarray()
    top, left = (height - side) // 2, (width - side) // 2
    return scaled[top : top + side, left : left + side]


def waveform(file: BinaryIO, limits: Limits) -> Float[np.ndarray, " sample"]:
    """The first sound track at 16 kHz, the mean of its channels, float32, 1.0 being full scale.

    Raises:
        Absent: the file has no sound, or it cannot be decoded, or it is beyond the limits.
    """
    av = optional("av", "media")
    with container_of(file) as container:
        if not container.streams.audio:
            raise Absent("no sound track in the file")
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise Absent("its sound is of a kind that is not known")
        # The channels are averaged here: the resampler would add them with weights of 0.7 each.
        resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE)
        parts: list[np.ndarray] = []
        n_samples, most = 0, int(limits.max_seconds * SAMPLE_RATE)
        for frame in _with_end(_frames(container, stream)):
            for piece in resampler.resample(frame):
                parts.append(piece.to_ndarray().mean(axis=0, dtype=np.float32))
                n_samples += len(parts[-1])
                if n_samples > most:
                    raise Absent(f"sound of more than {limits.max_seconds:g} s")
        if not n_samples:
            raise Absent("its sound track is empty")
        _require_duration(container, stream, n_samples / SAMPLE_RATE, "sound", limits, slack=0.25)
    sound = np.concatenate(parts)
    if not np.isfinite(sound).all():
        raise Absent("damaged: sound that is not finite")
    return sound


def _with_end(frames: Iterator[Any]) -> Iterator[Any]:
    """The frames, and then None: the resampler gives what it still holds."""
    yield from frames
    yield None


def words(file: BinaryIO, limits: Limits) -> str:
    """What a file says in words: its title and description, and the lines of its first track of subtitles.

    Raises:
        Absent: it cannot be read, or says nothing.
    """
    with container_of(file) as container:
        parts = [text for tag in TAGS if (text := str(container.metadata.get(tag, "")).strip())]
        for stream in container.streams.subtitles[:1]:
            parts += _subtitles(container, stream, limits)
    if not parts:
        raise Absent("no title, description or subtitles")
    return "\n".join(dict.fromkeys(parts))[: limits.letters]


def _subtitles(container: Any, stream: Any, limits: Limits) -> Iterator[str]:
    length = 0
    for packet in container.demux(stream):
        for line in packet.decode():
            text = words_of_event(_text_of(line))
            length += len(text)
            if text:
                yield text
            if length > limits.letters:
                return


def _text_of(line: Any) -> str:
    for name in ("dialogue", "ass", "text"):
        found = getattr(line, name, b"")
        if found:
            return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
    return ""


def _said(error: Exception) -> str:
    """What the library or the operating system says, without the path."""
    return str(getattr(error, "strerror", None) or error).splitlines()[0][:200]

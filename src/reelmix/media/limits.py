"""How much of a file is read, and how much of the machine it may take."""

from __future__ import annotations

from pydantic import Field

from reelmix.settings import Settings


class Limits(Settings):
    """Bounds on one file: it comes from strangers, and may be made to harm."""

    frames: int = Field(default=8, ge=1, le=256)
    """Pictures taken of a video, at the middles of as many parts of equal length. A video with fewer
    pictures gives all that it has."""

    max_seconds: float = Field(default=600.0, gt=0)
    """Longest video or sound, seconds: a micro-video is shorter, and the mean of a film says little."""

    max_pixels: int = Field(default=8_912_896, ge=1)
    """Most pixels of a picture: 4096 x 2176, the largest that common phones record."""

    max_pictures: int = Field(default=72_000, ge=1)
    """Most pictures in a file: ten minutes at 120 a second."""

    letters: int = Field(default=20_000, ge=1)
    """Letters of a text that are read: of a longer one, the first."""

    seconds_per_file: float = Field(default=120.0, gt=0)
    """Wall-clock time for one modality of one file; after it the process is killed."""

    memory_per_file: int = Field(default=2 * 2**30, ge=2**28)
    """Bytes of address space that a process may take beyond what it has with its encoder loaded; its own
    threads need some of it."""


class Absent(Exception):  # noqa: N818  no error: what an item lacks, and why
    """An item lacks a modality; the message is the reason, as it stands in the log."""

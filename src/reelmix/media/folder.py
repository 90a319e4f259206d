"""The folder of videos: which files belong to it, and how one is opened without leaving it."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from reelmix.media.limits import Absent

VIDEOS = (
    ".mp4",
    ".m4v",
    ".mov",
    ".webm",
    ".mkv",
    ".avi",
    ".mpg",
    ".mpeg",
    ".ts",
    ".flv",
    ".3gp",
    ".wmv",
    ".gif",
)
SOUNDS = (".m4a", ".aac", ".mp3", ".ogg", ".opus", ".wav", ".flac")
SUBTITLES = (".srt", ".vtt")

NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe in place of a file would be waited for


def media_files(folder: Path) -> list[str]:
    """Videos and sounds within a folder, by their paths from it, sorted; no link is followed."""
    found: list[str] = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            (Path(where) / name).relative_to(folder).as_posix()
            for name in names
            if not name.startswith(".") and name.lower().endswith(VIDEOS + SOUNDS)
        ]
    return sorted(found)


@contextmanager
def opened(folder: Path, name: str) -> Generator[BinaryIO]:
    """A file of the folder, to read. Every step of the way is opened by itself, so that no link can lead out.

    Args:
        folder: in which it must be.
        name: its path from there.

    Raises:
        Absent: it leaves the folder, is or passes through a symbolic link, is no regular file, or is empty.
    """
    steps = _steps(name)
    descriptors: list[int] = []
    try:
        descriptors.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        for step in steps[:-1]:
            descriptors.append(_open(step, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, descriptors[-1]))
        file = _open(steps[-1], os.O_RDONLY | NO_FOLLOW | NO_WAIT, descriptors[-1])
        descriptors.append(file)
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise Absent("not a file")
        if status.st_size == 0:
            raise Absent("the file is empty")
        with os.fdopen(os.dup(file), "rb") as stream:
            yield stream
    finally:
        for descriptor in reversed(descriptors):
            os.close(descriptor)


def fingerprint(folder: Path, name: str) -> str:
    """What changes when a file does: its size and the time of its last change; empty where there is none."""
    try:
        steps = _steps(name)
        status = os.lstat(folder.joinpath(*steps))
    except (Absent, OSError):
        return ""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


def subtitle_files(folder: Path, name: str) -> Iterator[str]:
    """Files beside a video that hold its subtitles: ``clip.srt``, and ``clip.en.srt`` too."""
    path = PurePosixPath(name)
    try:
        names = sorted(other.name for other in (folder / path.parent).iterdir())
    except OSError:
        return
    for other in names:
        if other.lower().endswith(SUBTITLES) and other.startswith(f"{path.stem}."):
            yield (path.parent / other).as_posix()


def _steps(name: str) -> tuple[str, ...]:
    path = PurePosixPath(name.replace(os.sep, "/"))
    steps = path.parts
    if path.is_absolute() or ".." in steps or not steps or "\0" in name:
        raise Absent("outside the folder")
    return steps


def _open(name: str, flags: int, within: int) -> int:
    try:
        return os.open(name, flags, dir_fd=within)
    except OSError as error:
        try:
            is_link = stat.S_ISLNK(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode)
        except OSError:
            is_link = False
        raise Absent(
            "a symbolic link" if is_link else (error.strerror or "cannot be opened").lower()
        ) from None

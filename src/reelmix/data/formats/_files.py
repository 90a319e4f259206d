"""Finding files in the folders that people have."""

from __future__ import annotations

from pathlib import Path

from reelmix.errors import DataError, StorageError
from reelmix.files import require_file, require_folder


def only_file(path: Path, pattern: str, what: str) -> Path:
    """The one file in a folder that matches a pattern, or ``path`` itself if it is a file.

    Raises:
        StorageError: the folder does not exist, or no file matches.
        DataError: several do.
    """
    if path.is_file():
        return require_file(path, what)
    found = sorted(require_folder(path, what).glob(pattern))
    if not found:
        raise StorageError(
            expected=f"a file {pattern}",
            found="none",
            where=str(path),
            fix="Check the path and the format.",
        )
    if len(found) > 1:
        raise DataError(
            expected=f"one file {pattern}",
            found=", ".join(file.name for file in found),
            where=str(path),
            fix="Name the file itself instead of the folder.",
        )
    return found[0]


def card_name(path: Path) -> str:
    """A dataset's name from the file or folder that it came from."""
    whole = path.resolve()
    return (whole.name if whole.is_dir() else whole.stem) or "unnamed"

"""Files on disk: a write leaves the old file or the new one, never half; a read says what is wrong."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from reelmix.errors import StorageError


def require_file(path: Path, what: str) -> Path:
    """``path`` itself, if it is a file that can be read.

    Raises:
        StorageError: it does not exist, is a folder, or may not be read.
    """
    return _require(path, what, path.is_file, "a folder", os.R_OK)


def require_folder(path: Path, what: str) -> Path:
    """``path`` itself, if it is a folder that can be read.

    Raises:
        StorageError: it does not exist, is a file, or may not be read.
    """
    return _require(path, what, path.is_dir, "a file", os.R_OK | os.X_OK)


def _require(path: Path, what: str, is_kind: Callable[[], bool], other_kind: str, mode: int) -> Path:
    if not path.exists():
        raise StorageError(
            expected=what, found="nothing", where=str(path), fix="Check the path; relative paths start here."
        )
    if not is_kind():
        raise StorageError(expected=what, found=other_kind, where=str(path), fix="Check the path.")
    if not os.access(path, mode):
        raise StorageError(
            expected=what, found="no permission to read it", where=str(path), fix="Check its owner and mode."
        )
    return path


def write_atomic(path: Path, content: bytes | str) -> None:
    """Writes a whole file, or leaves what was there.

    Raises:
        StorageError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    data = content.encode() if isinstance(content, str) else content
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; on success it takes the place of ``path`` in one step.

    Raises:
        StorageError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush_to_disk(temporary)
        temporary.replace(path)
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, what: str) -> Iterator[Path]:
    """A temporary folder to fill; on success it becomes ``path``, which must not exist or be empty.

    Raises:
        StorageError: ``path`` holds something already, or cannot be written; nothing is left behind.
    """
    require_vacant(path, what)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if path.is_dir():
            path.rmdir()
        temporary.replace(path)
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_vacant(path: Path, what: str) -> None:
    """Raises StorageError unless ``path`` is free to become a new folder: absent, or an empty folder."""
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise StorageError(
            expected=f"a new or empty folder for {what}",
            found="something there already",
            where=str(path),
            fix="Choose another path, or move the old one away first.",
        )


def storage_error(error: OSError, path: Path) -> StorageError:
    """What the operating system refused, in our words."""
    reasons = {
        errno.ENOSPC: ("free disk space", "a full disk", "Free some space and run the command again."),
        errno.EDQUOT: ("free disk space", "a used-up quota", "Free some space and run the command again."),
        errno.EACCES: ("permission to write", "none", "Choose another folder or change its mode."),
        errno.EROFS: ("a writable disk", "a read-only one", "Choose another folder."),
    }
    expected, found, fix = reasons.get(
        error.errno or 0, ("to write the file", error.strerror or str(error), "Check the path and the disk.")
    )
    return StorageError(expected=expected, found=found, where=str(path), fix=fix)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes named arrays and a little text as one safetensors file, atomically."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_atomic(path, save(contiguous, dict(metadata) if metadata else None))


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata of a safetensors file.

    Raises:
        StorageError: the file is missing, truncated or not safetensors.
    """
    require_file(path, "a safetensors file")
    try:
        with safe_open(path, framework="numpy") as file:
            names = cast(list[str], list(file.keys()))
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise StorageError(
            expected="a whole safetensors file",
            found=f"a damaged one ({error})",
            where=str(path),
            fix="Restore it from a copy, or make it again.",
        ) from None


def digest(*parts: Any) -> str:
    """A content hash of arrays, bytes and texts: equal content gives equal hex digits on every machine."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            array = np.ascontiguousarray(part)
            little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
            state.update(f"{little_endian.dtype.str}{array.shape}".encode())
            state.update(memoryview(little_endian).cast("B") if little_endian.size else b"")
        else:
            data = part if isinstance(part, bytes) else str(part).encode()
            state.update(f"{len(data)}:".encode())
            state.update(data)
    return state.hexdigest()

"""Files on disk: a write leaves the old file or the new one, never half; a read says what is wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import SafetensorError, safe_open

from reelmix.errors import DataError, StorageError

# What the safetensors format calls each dtype that we write.
DIGEST = "content_digest"  # in the metadata of every file of arrays that we write
_DTYPE_NAMES = {
    "f2": "F16", "f4": "F32", "f8": "F64", "b1": "BOOL",
    "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64",
    "u1": "U8", "u2": "U16", "u4": "U32", "u8": "U64",
}  # fmt: skip


def require_file(path: Path, what: str) -> Path:
    """``path`` itself, if it is a file that can be read.

    Raises:
        StorageError: it does not exist, is a folder, or may not be read.
    """
    return _require(path, what, stat.S_ISREG, os.R_OK)


def require_folder(path: Path, what: str) -> Path:
    """``path`` itself, if it is a folder that can be read.

    Raises:
        StorageError: it does not exist, is a file, or may not be read.
    """
    return _require(path, what, stat.S_ISDIR, os.R_OK | os.X_OK)


def _require(path: Path, what: str, is_kind: Callable[[int], bool], access: int) -> Path:
    try:
        mode = path.stat().st_mode
        allowed = os.access(path, access)
    except PermissionError:
        mode, allowed = None, False
    except (OSError, ValueError):  # absent, a file among its parents, a name too long, a null character
        raise StorageError(
            expected=what,
            found="nothing",
            where=str(path),
            fix="Check the path; relative paths start in the present folder.",
        ) from None
    if mode is not None and not is_kind(mode):
        other = "a folder" if stat.S_ISDIR(mode) else "a file" if stat.S_ISREG(mode) else "a device"
        raise StorageError(expected=what, found=other, where=str(path), fix="Check the path.")
    if not allowed:
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
def replacing(path: Path) -> Generator[Path]:
    """A temporary path beside ``path`` to write to; on success it takes the place of ``path`` in one step.

    Raises:
        StorageError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    temporary = _beside(path)
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


def make_folder(path: Path) -> Path:
    """Makes a folder, if it is not there.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, path) from error
    return path


@contextmanager
def new_folder(path: Path, what: str) -> Generator[Path]:
    """A temporary folder to fill; on success it becomes ``path``, which must not exist or be empty.

    Raises:
        StorageError: ``path`` holds something already, or cannot be written; nothing is left behind.
    """
    require_vacant(path, what)
    target = path.resolve()  # a name to stand beside, even for "." or a link
    temporary = _beside(target)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if target.is_dir():
            target.rmdir()
        temporary.replace(target)
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")


def require_vacant(path: Path, what: str) -> None:
    """Raises StorageError unless ``path`` is free to become a new folder: absent, or an empty folder."""
    try:
        vacant = not os.path.lexists(path) or (path.is_dir() and not any(path.iterdir()))
    except (OSError, ValueError) as error:
        raise storage_error(error if isinstance(error, OSError) else OSError(str(error)), path) from error
    if not vacant:
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
        errno.EFBIG: ("room for the file", "a limit on file sizes", "Raise the limit (ulimit -f)."),
        errno.EACCES: ("permission to write", "none", "Choose another folder or change its mode."),
        errno.EROFS: ("a writable disk", "a read-only one", "Choose another folder."),
    }
    expected, found, fix = reasons.get(
        error.errno or 0, ("to write the file", error.strerror or str(error), "Check the path and the disk.")
    )
    return StorageError(expected=expected, found=found, where=str(path), fix=fix)


def damaged(kind: str, reason: object, path: Path) -> StorageError:
    """A file that is not, or no longer, what its name says; ``reason`` is the reader's own first line."""
    why = next(iter(str(reason).splitlines()), "") or type(reason).__name__
    return StorageError(
        expected=f"a whole {kind} file",
        found=f"a damaged one ({why})",
        where=str(path),
        fix="Restore it from a copy, or make it again.",
    )


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes named arrays and a little text as one safetensors file, atomically.

    The arrays go to disk one by one, without a second copy of all of them in memory: features can be large.

    Raises:
        StorageError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    # keeps every array aligned
    largest_first = sorted(arrays.items(), key=lambda entry: (-entry[1].itemsize, entry[0]))
    header: dict[str, Any] = {"__metadata__": {**(metadata or {}), DIGEST: _digest_of(arrays)}}
    end = 0
    for name, array in largest_first:
        start, end = end, end + array.nbytes
        dtype = _DTYPE_NAMES[array.dtype.str[1:]]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": (start, end)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, array in largest_first:
            if array.size:
                file.write(_bytes_of(array))


def read_arrays(path: Path, *, verified: bool = False) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata of a safetensors file.

    Args:
        path: the file.
        verified: its bytes have been held against a hash already, and are not hashed again.

    Raises:
        StorageError: the file is missing, truncated, not safetensors, or changed since we wrote it.
    """
    require_file(path, "a safetensors file")
    try:
        with safe_open(path, framework="numpy") as file:
            names = cast(list[str], list(file.keys()))
            arrays = {name: file.get_tensor(name) for name in names}
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise damaged("safetensors", error, path) from None
    written = metadata.pop(DIGEST, None)
    if written is not None and not verified and written != _digest_of(arrays):
        raise damaged("safetensors", ValueError("its content is not what was written"), path)
    return arrays, metadata


def read_npy(path: Path, what: str = "a NumPy array file") -> np.ndarray:
    """The array of a ``.npy`` file, mapped into memory; pickled objects are refused.

    The map is copy-on-write: changes to the array never reach the file.

    Raises:
        StorageError: the file is missing, truncated or not a NumPy array.
        DataError: it holds pickled Python objects.
    """
    require_file(path, what)
    try:
        return np.lib.format.open_memmap(path, mode="c")
    except (ValueError, OSError, EOFError) as error:
        if "Python objects" in str(error):
            raise DataError(
                expected="an array of numbers",
                found="pickled Python objects",
                where=str(path),
                fix="Save it again with numpy.save as an array of numbers; pickles can run programs.",
            ) from None
        raise damaged("NumPy", error, path) from None


def digest(*parts: Any) -> str:
    """A content hash of arrays, bytes and texts: equal content gives equal hex digits on every machine."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            state.update(f"{part.dtype.newbyteorder('<').str}{part.shape}".encode())
            state.update(_bytes_of(part) if part.size else b"")
        else:
            data = part if isinstance(part, bytes) else str(part).encode()
            state.update(f"{len(data)}:".encode())
            state.update(data)
    return state.hexdigest()


def file_digest(path: Path) -> str:
    """The :func:`digest` of a file's bytes, which are never all in memory.

    Raises:
        StorageError: it cannot be read.
    """
    state = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as stream:
            state.update(f"{os.fstat(stream.fileno()).st_size}:".encode())
            return hashlib.file_digest(stream, lambda: state).hexdigest()
    except OSError as error:
        raise StorageError(
            expected="a readable file", found=str(error.strerror), where=str(path), fix="Check the disk."
        ) from None


def _digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    return digest(*(part for name in sorted(arrays) for part in (name, arrays[name])))


def _bytes_of(array: np.ndarray) -> memoryview:
    little_endian = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    return little_endian.data.cast("B")

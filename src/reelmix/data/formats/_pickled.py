"""Rows of user and item numbers in ``.npy`` files, object arrays included, without running what they hold.

NumPy saves lists of unequal length as a pickle, and a pickle is a program. This reader knows the few calls
that such a file makes and answers each with a stand-in that only collects values; any other is refused by
name. NumPy's own reconstruction is never used: it trusts what a pickle says about memory.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Int

from reelmix.errors import DataError
from reelmix.files import damaged, read_npy, require_file

Numbers = Int[np.ndarray, " pair"]


def read_pairs(path: Path) -> tuple[Numbers, Numbers]:
    """Users and items of a ``.npy`` file whose rows are ``[user, item, item, ...]``, one pair an item.

    Raises:
        StorageError: the file is missing, or not a whole NumPy file.
        DataError: it holds anything but rows of whole numbers; a pickle that asks for something else.
    """
    require_file(path, "a NumPy array file")
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = np.lib.format.read_array_header_1_0
            _, _, dtype = (read_header if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)
            rows = _objects(file, path) if dtype.hasobject else None
    except (ValueError, OSError) as error:
        raise damaged("NumPy", error, path) from None
    if rows is None:
        return _pairs_of_table(read_npy(path), path)
    lengths = np.array([len(row) for row in rows], np.int64)
    if (lengths == 0).any():
        raise _not_rows(f"an empty row {int((lengths == 0).argmax())}", path)
    users = np.array([row[0] for row in rows], np.int64)
    items = np.array([item for row in rows for item in row[1:]], np.int64)
    return np.repeat(users, lengths - 1), items


def _pairs_of_table(table: np.ndarray, path: Path) -> tuple[Numbers, Numbers]:
    if table.ndim != 2 or table.shape[1] == 0:
        raise _not_rows(f"an array of shape {table.shape}", path)
    whole = table.astype(np.int64) if table.dtype.kind in "iu" or _is_whole(table) else None
    if whole is None:
        raise _not_rows(f"{table.dtype} values such as {table[0, 0]}", path)
    items = whole.shape[1] - 1
    return np.repeat(whole[:, 0], items), whole[:, 1:].reshape(-1)


def _is_whole(table: np.ndarray) -> bool:
    return table.dtype.kind == "f" and bool((np.abs(table) < 2**53).all() and (table == np.rint(table)).all())


def _not_rows(found: str, path: Path) -> DataError:
    return DataError(
        expected="rows of whole numbers: a user, then items",
        found=found,
        where=str(path),
        fix="Save it again with numpy.save as an array of shape (row, 2): user, item.",
    )


def _objects(file: IO[bytes], path: Path) -> list[list[int]]:
    try:
        outer = _Reader(file, path).load()
    except DataError:
        raise
    except Exception as error:  # a broken or hostile pickle can fail in any way
        raise damaged("NumPy", error, path) from None
    rows = [_numbers(row) for row in _values(outer) or []]
    for number, row in enumerate(rows):
        if row is None:
            raise _not_rows(f"something else in row {number}", path)
    return [row for row in rows if row is not None]


def _values(held: object) -> list[Any] | None:
    if isinstance(held, _Array):
        return held.values
    return list(held) if isinstance(held, list | tuple) else None


def _numbers(row: object) -> list[int] | None:
    values = _values(row)
    if values is None or not all(type(value) is int and abs(value) < 2**63 for value in values):
        return None
    return values


class _Reader(pickle.Unpickler):
    """Unpickles numbers, texts, lists, tuples, dicts and sets, and NumPy arrays and numbers as stand-ins."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        super().__init__(file, encoding="latin1")  # as Python 2 wrote them
        self._path = path

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """What a pickle may call, and nothing else."""
        # made anew for each file: a pickle can set attributes of what it is given
        allowed: dict[tuple[str, str], Callable[..., Any]] = {
            ("multiarray", "_reconstruct"): lambda *_: _Array(),
            ("multiarray", "scalar"): lambda dtype, data: dtype.read(data, 1)[0],
            ("numpy", "ndarray"): lambda *_: _Array(),
            ("numpy", "dtype"): lambda code, *_: _Dtype(code),
            ("_codecs", "encode"): lambda text, encoding="latin1": str.encode(text, "latin1"),
            ("builtins", "set"): lambda values=(): set(values),
        }
        home = {"numpy.core.multiarray": "multiarray", "numpy._core.multiarray": "multiarray"}
        home["__builtin__"] = "builtins"
        known = allowed.get((home.get(module, module), name))
        if known is None:
            raise DataError(
                expected="a file of numbers and lists",
                found=f"a pickle that asks for {module}.{name}",
                where=str(self._path),
                fix="Do not open it elsewhere: it may run commands. Get it from a source you trust.",
            )
        return known


class _Dtype:
    """Stands in for numpy.dtype while unpickling: a code such as i8 and a byte order, nothing more."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def read(self, data: bytes | str, count: int) -> list[Any]:
        """The numbers that these bytes hold."""
        if not re.fullmatch(r"[iu][1248]|f[248]|b1", self.code) or self.order not in ("<", ">", "=", "|"):
            raise ValueError("an array of something else than numbers")
        if isinstance(data, str):  # written by Python 2
            data = data.encode("latin1")
        dtype = np.dtype(self.code).newbyteorder(self.order)
        return np.frombuffer(data, dtype, count=count).tolist()


class _Array:
    """Stands in for numpy.ndarray while unpickling: its values as one list."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: list[Any] = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, _, data = state
        flat = list(data) if isinstance(data, list) else dtype.read(data, math.prod(shape))
        if len(shape) == 2:
            width = shape[1]
            flat = [flat[start : start + width] for start in range(0, len(flat), width)]
        self.values = flat

from __future__ import annotations

import collections
import os
import pickle
import sys

import numpy as np
import pytest
from authors import EXPECTED, VALIDATION, found, ragged, write

from reelmix.data.formats import import_mmgcn
from reelmix.errors import DataError, StorageError


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "movielens")


@pytest.mark.parametrize(
    "rows",
    [
        VALIDATION,
        [tuple(row) for row in VALIDATION],
        [np.array(row) for row in VALIDATION],
        [np.array(row, ">i4") for row in VALIDATION],
        [[np.int64(number) for number in row] for row in VALIDATION],
        [[np.uint16(number) for number in row] for row in VALIDATION],
    ],
)
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_rows_as_numpy_pickles_them(folder, rows, protocol):
    save(folder / "val_full.npy", ragged(rows), protocol)
    assert found(import_mmgcn(folder)) == EXPECTED


def save(path, value, protocol=4, content=None):
    """An object array as any version of NumPy would write it."""
    with path.open("wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": np.shape(value)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(pickle.dumps(value, protocol=protocol) if content is None else content)


def test_rows_of_one_length(folder):
    rows = [[0, 6, 6], [1, 3, 6]]
    for array in (np.array(rows), np.array(rows, dtype=object), np.array(rows, float)):
        np.save(folder / "val_full.npy", array, allow_pickle=True)
        assert found(import_mmgcn(folder)) == EXPECTED


def test_the_old_names_of_numpy_are_known(folder):
    content = pickle.dumps(ragged(VALIDATION), protocol=2).replace(b"numpy._core", b"numpy.core")
    save(folder / "val_full.npy", ragged(VALIDATION), content=content)
    assert found(import_mmgcn(folder)) == EXPECTED


def test_python_2_wrote_texts_for_bytes(folder):
    # the scalar 6 as Python 2 pickled it: its eight bytes are a str
    number = (
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'i8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
        b"S'\\x06\\x00\\x00\\x00\\x00\\x00\\x00\\x00'\ntR"
    )
    rows = b"(lp0\n(lp1\nI0\na" + number + b"aa(lp2\nI1\naI3\naI6\naa."
    save(folder / "val_full.npy", ragged(VALIDATION), content=rows)
    assert found(import_mmgcn(folder)) == EXPECTED


class Calls:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("bomb", "name"),
    [
        (Calls(os.system, "touch bombed"), f"{os.system.__module__}.system"),
        (Calls(eval, "1"), "builtins.eval"),
        (Calls(getattr, "a", "b"), "builtins.getattr"),
        (Calls(np.load, "a"), "numpy.load"),
        (Calls(np.frombuffer, b"12345678"), "numpy.frombuffer"),
        (Calls(sys.exit), "sys.exit"),
        (collections.OrderedDict(a=1), "collections.OrderedDict"),
    ],
)
def test_a_pickle_that_calls_anything_else_is_refused_by_name(folder, bomb, name, refusal, monkeypatch):
    monkeypatch.chdir(folder)
    save(folder / "val_full.npy", ragged([[0, 6], bomb]))
    assert refusal(DataError, import_mmgcn, folder) == (
        f"{folder}/val_full.npy: expected a file of numbers and lists, found a pickle that asks for {name}. "
        "Do not open it elsewhere: it may run commands. Get it from a source you trust."
    )
    assert not (folder / "bombed").exists()


ROWS = "expected rows of whole numbers: a user, then items"
AGAIN = "Save it again with numpy.save as an array of shape (row, 2): user, item."


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (ragged([[0, 6], []]), "an empty row 1"),
        (ragged([[0, 6], "6"]), "something else in row 1"),
        (ragged([[0, "6"], [1]]), "something else in row 0"),
        (ragged([[0, 2**70], [1]]), "something else in row 0"),
        (ragged([[0, 1.0], [1]]), "something else in row 0"),
        (ragged([{0: 1}, [1]]), "something else in row 0"),
        (ragged([{1, 2}, [1]]), "something else in row 0"),
        (ragged([np.array([0.5, 1]), [1]]), "something else in row 0"),
        (np.array([0, 1]), "an array of shape (2,)"),
        (np.zeros((2, 0)), "an array of shape (2, 0)"),
        (np.array([[0, 0.5]]), "float64 values such as 0.0"),
        (np.array([[0, np.nan]]), "float64 values such as 0.0"),
        (np.array([["0", "6"]]), "<U1 values such as 0"),
    ],
)
def test_rows_of_something_else(folder, array, why, refusal):
    np.save(folder / "val_full.npy", array, allow_pickle=True)
    assert refusal(DataError, import_mmgcn, folder) == f"{folder}/val_full.npy: {ROWS}, found {why}. {AGAIN}"


def test_damaged_files(folder, refusal):
    path = folder / "val_full.npy"
    whole = path.read_bytes()
    hostile = [
        whole[:-20],
        whole[:60],
        whole[:3],
        b"",
        whole[:128] + b"(lp0\nI1\nb.",  # sets the state of a list
        whole[:128] + b"cnumpy\nndarray\n(I1\nd}b.",
        whole[:128] + b"\x80\x02r\xff\xff\xff\x7f.",
    ]
    for content in hostile:
        path.write_bytes(content)
        text = refusal(StorageError, import_mmgcn, folder)
        assert text.startswith(f"{path}: expected a whole NumPy file, found a damaged one (")


@pytest.mark.parametrize("dtype", ["O", "V8", "M8[s]", "S4", "i3"])
def test_stand_ins_read_numbers_only(folder, dtype, refusal):
    state = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\ntcnumpy\ndtype\n(S'"
        + dtype.encode()
        + b"'\nI0\nI1\ntRI00\nS'12345678'\ntb."
    )
    save(folder / "val_full.npy", ragged(VALIDATION), content=state)
    assert refusal(StorageError, import_mmgcn, folder) == (
        f"{folder}/val_full.npy: expected a whole NumPy file, found a damaged one "
        "(an array of something else than numbers). Restore it from a copy, or make it again."
    )

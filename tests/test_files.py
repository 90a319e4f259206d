from __future__ import annotations

import errno
import os
import pickle
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save_file

from reelmix import files
from reelmix.errors import DataError, StorageError
from reelmix.files import (
    digest,
    file_digest,
    new_folder,
    read_arrays,
    read_npy,
    replacing,
    require_file,
    require_folder,
    write_arrays,
    write_atomic,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_require(tmp_path, refusal, monkeypatch):
    path = tmp_path / "a"
    path.write_text("x")
    assert require_file(path, "notes") == path
    assert require_folder(tmp_path, "a run") == tmp_path
    absent = "expected notes, found nothing. Check the path; relative paths start in the present folder."
    for gone in (tmp_path / "b", path / "below-a-file", tmp_path / "n\0ul", tmp_path / ("long" * 100)):
        assert refusal(StorageError, require_file, gone, "notes") == f"{gone}: {absent}"
    assert refusal(StorageError, require_file, tmp_path, "notes") == (
        f"{tmp_path}: expected notes, found a folder. Check the path."
    )
    assert refusal(StorageError, require_folder, path, "a run") == (
        f"{path}: expected a run, found a file. Check the path."
    )
    assert refusal(StorageError, require_file, Path("/dev/null"), "notes") == (
        "/dev/null: expected notes, found a device. Check the path."
    )
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert refusal(StorageError, require_file, path, "notes") == (
        f"{path}: expected notes, found no permission to read it. Check its owner and mode."
    )


def test_require_below_a_closed_folder(tmp_path, refusal, monkeypatch):
    def closed(self, **_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "stat", closed)
    assert refusal(StorageError, require_file, tmp_path / "a", "notes") == (
        f"{tmp_path / 'a'}: expected notes, found no permission to read it. Check its owner and mode."
    )


def test_atomic_write_replaces(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    write_atomic(path, "ä")
    write_atomic(path, b"b")
    assert path.read_bytes() == b"b"
    assert names(path.parent) == ["a.txt"]


def test_full_disk_leaves_the_old_file(tmp_path, refusal, monkeypatch):
    # the kernel's own full disk, met by way of the temporary file's name
    monkeypatch.setattr("secrets.token_hex", lambda _: "0")
    path = tmp_path / "a.txt"
    path.write_text("old")
    (tmp_path / f".a.txt.{os.getpid()}-0.part").symlink_to("/dev/full")
    assert refusal(StorageError, write_atomic, path, "new") == (
        f"{path}: expected free disk space, found a full disk. Free some space and run the command again."
    )
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]
    assert Path("/dev/full").exists()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EDQUOT, "free disk space, found a used-up quota. Free some space and run the command again."),
        (errno.EACCES, "permission to write, found none. Choose another folder or change its mode."),
        (errno.EROFS, "a writable disk, found a read-only one. Choose another folder."),
        (errno.EIO, "to write the file, found Input/output error. Check the path and the disk."),
    ],
)
def test_what_the_system_refuses(tmp_path, refusal, monkeypatch, number, text):
    def fail(_):
        raise OSError(number, os.strerror(number))

    path = tmp_path / "a"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", fail)
    assert refusal(StorageError, write_atomic, path, "new") == f"{path}: expected {text}"
    assert path.read_text() == "old"


def test_writing_below_a_file(tmp_path, refusal):
    (tmp_path / "a").write_text("x")
    text = refusal(StorageError, write_atomic, tmp_path / "a" / "b", "new")
    assert text.endswith("Check the path and the disk.")


def test_killed_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    script = (
        "import os, signal, sys; from pathlib import Path; from reelmix.files import write_atomic\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomic(Path(sys.argv[1]), 'new')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_limit_on_file_sizes(tmp_path, refusal):
    path = tmp_path / "a.safetensors"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        text = refusal(StorageError, write_arrays, path, {"a": np.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert text == (
        f"{path}: expected room for the file, found a limit on file sizes. Raise the limit (ulimit -f)."
    )
    assert names(tmp_path) == []


def test_new_folder(tmp_path, refusal, monkeypatch):
    target = tmp_path / "run"
    target.mkdir()
    with new_folder(target, "the run") as inside:
        (inside / "a").write_text("x")
        assert names(target) == []
    assert names(target) == ["a"]
    assert refusal(StorageError, lambda: new_folder(target, "the run").__enter__()) == (
        f"{target}: expected a new or empty folder for the run, found something there already. "
        "Choose another path, or move the old one away first."
    )
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with new_folder(Path(), "the run") as inside:
        (inside / "b").write_text("x")
    assert names(tmp_path / "empty") == ["b"]


def test_new_folder_that_fails_leaves_nothing(tmp_path, refusal):
    def fill():
        with new_folder(tmp_path / "run", "the run") as inside:
            (inside / "a").write_text("x")
            raise OSError(errno.ENOSPC, "No space left on device")

    assert "found a full disk" in refusal(StorageError, fill)
    assert names(tmp_path) == []


def test_new_folder_behind_a_dangling_link_or_a_long_name(tmp_path, refusal):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    text = refusal(StorageError, lambda: new_folder(tmp_path / "link", "the run").__enter__())
    assert "found something there already" in text
    long = tmp_path / ("x" * 300)
    text = refusal(StorageError, lambda: new_folder(long, "the run").__enter__())
    assert (
        text == f"{long}: expected to write the file, found File name too long. Check the path and the disk."
    )


def test_new_folder_in_a_closed_one(tmp_path, refusal, monkeypatch):
    def closed(_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", closed)
    assert refusal(StorageError, lambda: new_folder(tmp_path, "the run").__enter__()) == (
        f"{tmp_path}: expected permission to write, found none. Choose another folder or change its mode."
    )


def test_interruption_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


DTYPES = st.sampled_from(
    ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", ">f4", ">i8"]
)
ARRAYS = DTYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)))


@settings(deadline=None, max_examples=60)
@given(arrays=st.dictionaries(st.text(min_size=1, max_size=5), ARRAYS, max_size=4))
def test_arrays_come_back_and_the_library_reads_them(arrays, tmp_path_factory):
    arrays = {name: array for name, array in arrays.items() if name != "__metadata__"}
    path = tmp_path_factory.mktemp("arrays") / "a.safetensors"
    write_arrays(path, arrays, {"kind": "ä"})
    read, metadata = read_arrays(path)
    assert metadata == {"kind": "ä"}
    assert read.keys() == arrays.keys() == load_file(path).keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype.newbyteorder("=")
        assert read[name].shape == array.shape


def test_arrays_of_the_library_and_no_metadata(tmp_path):
    save_file({"a": np.arange(3)}, tmp_path / "a")
    write_arrays(tmp_path / "b", {"a": np.asfortranarray(np.arange(6).reshape(2, 3))})
    assert read_arrays(tmp_path / "a")[1] == {}
    np.testing.assert_array_equal(read_arrays(tmp_path / "b")[0]["a"], [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("keep", [0, 4, 20, 80])
def test_damaged_arrays(tmp_path, refusal, keep):
    path = tmp_path / "a.safetensors"
    write_arrays(path, {"a": np.arange(100)})
    path.write_bytes(path.read_bytes()[:keep])
    text = refusal(StorageError, read_arrays, path)
    assert text.startswith(f"{path}: expected a whole safetensors file, found a damaged one (")
    assert text.endswith("). Restore it from a copy, or make it again.")


def test_npy_is_mapped_and_never_changed(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(4.0))
    array = read_npy(path)
    assert isinstance(array, np.memmap)
    array[0] = 9
    del array
    np.testing.assert_array_equal(np.load(path), np.arange(4.0))


class Bomb:
    def __reduce__(self):
        return os.system, ("false",)


def test_npy_refusals(tmp_path, refusal):
    path = tmp_path / "a.npy"
    np.save(path, np.array([Bomb()], dtype=object), allow_pickle=True)
    assert refusal(DataError, read_npy, path) == (
        f"{path}: expected an array of numbers, found pickled Python objects. "
        "Save it again with numpy.save as an array of numbers; pickles can run programs."
    )
    np.save(path, np.arange(1000))
    whole = path.read_bytes()
    for part in (b"", b"PK\x03\x04", pickle.dumps(Bomb()), whole[:50], whole[:500]):
        path.write_bytes(part)
        text = refusal(StorageError, read_npy, path)
        assert text.startswith(f"{path}: expected a whole NumPy file, found a damaged one (")


def test_digest_is_of_content():
    array = np.arange(6, dtype="<i8").reshape(2, 3)
    assert digest(array) == digest(array.astype(">i8")) == digest(np.asfortranarray(array))
    assert digest(array) != digest(array.reshape(3, 2))
    assert digest(array) != digest(array.astype("i4"))
    assert digest("a", "b") != digest("ab")
    assert digest(np.zeros(0)) != digest(np.zeros((0, 1)))
    assert digest("a") == digest(b"a")
    assert digest(np.arange(3, dtype="<i4"), "x", 7) == "11bf67f325658e260319f266abbccaab"


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path, size):
    content = np.random.default_rng(size).bytes(size)
    (tmp_path / "file").write_bytes(content)
    assert file_digest(tmp_path / "file") == digest(content)


def test_arrays_that_were_verified_are_not_hashed_again(tmp_path, monkeypatch):
    write_arrays(tmp_path / "a.safetensors", {"x": np.arange(3)})
    monkeypatch.setattr(files, "_digest_of", lambda arrays: "other")
    with pytest.raises(StorageError):
        read_arrays(tmp_path / "a.safetensors")
    assert read_arrays(tmp_path / "a.safetensors", verified=True)[0]["x"].tolist() == [0, 1, 2]

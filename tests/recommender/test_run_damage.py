"""A run folder that is not whole is refused by name."""

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest
from hand_made import CHECKED, rewrite_manifest

from reelmix.errors import RunError, StorageError
from reelmix.recommender import Run

OTHER_BYTES = (
    "{}: expected the file as it was written, found other bytes. Restore the run folder from a copy, or "
    "train again."
)


def flip(path: Path, place: int, mask: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= mask
    path.write_bytes(bytes(content))


def test_every_file_that_is_read_is_checked(trained):
    others = {"manifest.json", "config.toml", "checkpoint.safetensors"}
    assert {path.name for path in trained[1].iterdir()} == set(CHECKED) | others


@pytest.mark.parametrize("mask", [0x01, 0xFF])
@pytest.mark.parametrize("name", [*CHECKED, "manifest.json"])
def test_one_byte_changed(copy, refusal, name, mask):
    path = copy / name
    flip(path, path.stat().st_size // 2, mask)
    assert refusal(RunError, Run.read, copy) == OTHER_BYTES.format(path)


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("place", [0, -1])
def test_the_first_or_last_byte_changed(copy, refusal, name, place):
    flip(copy / name, place, 0x01)
    assert refusal(RunError, Run.read, copy) == OTHER_BYTES.format(copy / name)


def test_any_byte_of_the_manifest_changed(copy):
    path = copy / "manifest.json"
    content = path.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 0x01
        path.write_bytes(bytes(changed))
        with pytest.raises(RunError) as caught:
            Run.read(copy)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("kept", [0, 0.5, 0.999])
@pytest.mark.parametrize("name", [*CHECKED, "manifest.json"])
def test_a_truncated_file(copy, refusal, name, kept):
    path = copy / name
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert refusal(RunError, Run.read, copy) == OTHER_BYTES.format(path)


@pytest.mark.parametrize("name", CHECKED)
def test_a_missing_file(copy, refusal, name):
    (copy / name).unlink()
    text = refusal(StorageError, Run.read, copy)
    assert text.startswith(f"{copy / name}: expected a file of the run, found nothing.")


def test_a_folder_in_place_of_a_file(copy, refusal):
    (copy / "users.parquet").unlink()
    (copy / "users.parquet").mkdir()
    text = refusal(StorageError, Run.read, copy)
    assert text.startswith(f"{copy / 'users.parquet'}: expected a file of the run, found a folder.")


def test_a_file_that_cannot_be_read(copy, refusal, monkeypatch):
    def broken(stream, digest):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(hashlib, "file_digest", broken)
    text = refusal(StorageError, Run.read, copy)
    assert text == (
        f"{copy / 'config.toml'}: expected a readable file, found Input/output error. Check the disk."
    )


def test_another_version(copy, refusal):
    rewrite_manifest(copy, run_version=2)
    assert refusal(RunError, Run.read, copy) == (
        f"{copy / 'manifest.json'}: expected run version 1, found 2. Train again with this version of "
        "reelmix, or open the run with the version that made it."
    )


def test_a_manifest_rewritten_with_its_checksum_is_read(copy):
    rewrite_manifest(copy, command="something else")  # so that the test above fails for the version alone
    assert Run.read(copy).manifest["command"] == "something else"


@pytest.mark.parametrize(
    "edit",
    [
        lambda manifest: manifest | {"rng": 4},
        lambda manifest: manifest | {"extra": 1},
        lambda manifest: {key: value for key, value in manifest.items() if key != "split"},
        lambda manifest: {key: value for key, value in manifest.items() if key != "checksum"},
        lambda manifest: {key: value for key, value in manifest.items() if key != "run_version"},
        lambda manifest: [manifest],
        lambda _: None,
    ],
    ids=["value", "more", "less", "no checksum", "no version", "list", "null"],
)
def test_an_edited_manifest(copy, refusal, edit):
    path = copy / "manifest.json"
    path.write_text(json.dumps(edit(json.loads(path.read_text()))))
    assert refusal(RunError, Run.read, copy) == OTHER_BYTES.format(path)


def test_a_folder_without_manifest(tmp_path, refusal):
    (tmp_path / "notes.txt").write_text("no run")
    assert refusal(RunError, Run.read, tmp_path) == (
        f"{tmp_path}: expected a finished run, found a folder without manifest.json. Give the folder that "
        "reelmix train wrote to."
    )


def test_an_unfinished_run(copy, refusal):
    for path in copy.iterdir():
        if path.name not in ("checkpoint.safetensors", "config.toml"):
            path.unlink()
    assert refusal(RunError, Run.read, copy) == (
        f"{copy}: expected a finished run, found one whose training was cut off. Go on with reelmix train, "
        "the same data and settings, --out this folder and --resume."
    )


def test_not_a_folder(tmp_path, refusal):
    (tmp_path / "file").write_text("x")
    assert refusal(StorageError, Run.read, tmp_path / "file") == (
        f"{tmp_path / 'file'}: expected a run folder, found a file. Check the path."
    )
    assert refusal(StorageError, Run.read, tmp_path / "none") == (
        f"{tmp_path / 'none'}: expected a run folder, found nothing. Check the path; relative paths start in "
        "the present folder."
    )

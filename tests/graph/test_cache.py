"""The user graph on disk: made once, found again, and never in the way."""

import logging
import os

import numpy as np
import pytest
from scipy.sparse import csr_array

from reelmix.graph import cache, cooccurrence, user_graph
from reelmix.graph.cache import cache_folder

WATCHED = csr_array((np.random.default_rng(1).random((9, 6)) < 0.5).astype(np.float32))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("REELMIX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def counted(monkeypatch):
    """The calls that really count common items."""
    calls = []
    slow = cooccurrence._top_neighbours

    def spy(edges, neighbours, rows):
        calls.append(neighbours)
        return slow(edges, neighbours, rows)

    monkeypatch.setattr(cooccurrence, "_top_neighbours", spy)
    return calls


def same(first, second):
    return all(
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("starts", "neighbours", "counts")
    )


def test_second_call_reads_the_file(folder, counted):
    first = user_graph(WATCHED, 3)
    (file,) = folder.iterdir()
    written = file.stat()
    second = user_graph(WATCHED, 3)
    assert counted == [3]
    assert same(first, second)
    assert [file] == list(folder.iterdir())
    assert file.stat().st_mtime_ns == written.st_mtime_ns


def test_what_the_file_says_is_believed(folder, counted):
    # the file of K = 3 under the name of K = 2 comes back as it is: nothing was counted
    user_graph(WATCHED, 2)
    (two,) = folder.iterdir()
    three = user_graph(WATCHED, 3)
    (other,) = set(folder.iterdir()) - {two}
    other.replace(two)
    assert same(user_graph(WATCHED, 2), three)
    assert counted == [2, 3]


def test_other_settings_and_other_data_have_files_of_their_own(folder, counted):
    moved = csr_array(np.roll(WATCHED.toarray(), 1, axis=0))
    for matrix, neighbours in ((WATCHED, 3), (WATCHED, 4), (moved, 3), (WATCHED, 3)):
        user_graph(matrix, neighbours)
    assert counted == [3, 4, 3]
    assert len(list(folder.iterdir())) == 3


def test_the_values_and_index_type_of_the_matrix_do_not_matter(folder, counted):
    user_graph(WATCHED, 3)
    wide = csr_array(
        (WATCHED.data.astype(np.float64), WATCHED.indices.astype(np.int64), WATCHED.indptr.astype(np.int64)),
        shape=WATCHED.shape,
    )
    user_graph(wide, 3)
    assert counted == [3]


@pytest.mark.parametrize("damage", ["truncated", "emptied", "overwritten", "one byte changed"])
def test_damaged_file_is_made_again(folder, counted, damage):
    first = user_graph(WATCHED, 3)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    damaged = {
        "truncated": whole[:-5],
        "emptied": b"",
        "overwritten": b"\xff" * len(whole),
        "one byte changed": whole[:-1] + bytes([whole[-1] ^ 1]),
    }
    file.write_bytes(damaged[damage])
    assert same(user_graph(WATCHED, 3), first)
    assert counted == [3, 3]
    assert file.read_bytes() == whole
    user_graph(WATCHED, 3)
    assert counted == [3, 3]


@pytest.mark.parametrize("obstacle", ["a file", "a name too long", "a file among the parents"])
def test_folder_that_cannot_be_written_costs_a_warning_and_no_more(tmp_path, monkeypatch, caplog, obstacle):
    (tmp_path / "file").write_text("in the way")
    paths = {
        "a file": tmp_path / "file",
        "a name too long": tmp_path / ("x" * 400),
        "a file among the parents": tmp_path / "file" / "deeper" / "cache",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REELMIX_CACHE", str(tmp_path / "good"))
        expected = user_graph(WATCHED, 3)
    monkeypatch.setenv("REELMIX_CACHE", str(paths[obstacle]))
    with caplog.at_level(logging.WARNING):
        assert same(user_graph(WATCHED, 3), expected)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"not cached: {paths[obstacle]}")
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission_costs_a_warning_and_no_more(folder, caplog):
    folder.mkdir(mode=0o500)
    with caplog.at_level(logging.WARNING):
        user_graph(WATCHED, 3)
    assert "permission to write" in caplog.text


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("REELMIX_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setattr(cache, "user_cache_path", lambda name, appauthor: tmp_path / name)
    for value in (None, ""):
        monkeypatch.delenv("REELMIX_CACHE", raising=False) if value is None else monkeypatch.setenv(
            "REELMIX_CACHE", value
        )
        assert cache_folder() == tmp_path / "reelmix"

"""What is read a stretch at a time is what is read whole: every dataset, and every refusal."""

import errno
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from builders import assert_same
from hypothesis import given, settings
from hypothesis import strategies as st

from reelmix.data import Dataset, stretches
from reelmix.data.formats import import_table, table
from reelmix.errors import DataError, ReelmixError, StorageError

INTEGERS = st.integers(-3, 3).map(str)
CELLS = {
    "user_id": st.sampled_from(["1", "2", "3", "40", "-5", "007", "ü", "10.5", "9223372036854775808"]),
    "item_id": st.sampled_from(["1", "2", "3", "x", "1.0"]),
    "timestamp": st.sampled_from(["5", "-5", "2.5", "1e3", "2026-01-31", "2026-01-31T12:00:00", "soon", ""]),
    "weight": st.sampled_from(["1", "0.5", "inf", "2026-01-31", "high", ""]),
    "split": st.sampled_from(["train", "validation", "test", "dev"]),
}


@st.composite
def tables(draw) -> pl.DataFrame:
    """Tables of texts, most of them sound: a few words for each column, and often the same pairs."""
    n = draw(st.integers(1, 12))
    optional = draw(st.sets(st.sampled_from(["timestamp", "weight", "split"])))
    columns = {}
    for name in ["user_id", "item_id", *sorted(optional)]:
        few = st.sampled_from(draw(st.lists(CELLS[name], min_size=1, max_size=3)))
        columns[name] = draw(st.lists(few, min_size=n, max_size=n))
    return pl.DataFrame(columns)


def outcome(path: Path, *, stream: bool) -> Dataset | tuple[type, str]:
    try:
        return import_table(path, stream=stream)
    except ReelmixError as error:
        return type(error), str(error)


def assert_same_outcome(path: Path) -> None:
    whole, streamed = (outcome(path, stream=stream) for stream in (False, True))
    if isinstance(whole, Dataset) and isinstance(streamed, Dataset):
        assert_same(whole, streamed)
    else:  # of several mistakes another may be found first
        assert type(whole) is type(streamed)
        assert whole[0] is streamed[0]


@pytest.fixture(scope="module", autouse=True)
def small_stretches():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "ROWS", 3)
        patch.setattr(stretches, "ROWS", 3)
        patch.setattr(stretches, "SORTED_ROWS", 4)
        yield


@settings(max_examples=120, deadline=None)
@given(cells=tables(), suffix=st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet"]))
def test_any_table_ends_as_it_does_when_read_whole(cells, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"pairs{suffix}"
        writers = {".jsonl": cells.write_ndjson, ".parquet": cells.write_parquet}
        writers.get(suffix, lambda to: cells.write_csv(to, separator="\t" if suffix == ".tsv" else ","))(path)
        assert_same_outcome(path)


@pytest.mark.parametrize("when", [[2**63] + [1] * 7, [1] * 7 + [2**63], [1, 2] * 4])
def test_numbers_of_types_that_files_have(tmp_path, when):
    pairs = {
        "user_id": pl.Series([7, 2**64 - 1] * 4, dtype=pl.UInt64),  # the last fits no 64-bit integer
        "item_id": pl.Series(range(8), dtype=pl.Int16),
        "timestamp": pl.Series(when, dtype=pl.UInt64),
        "weight": pl.Series(np.arange(8), dtype=pl.Float32),
    }
    path = tmp_path / "pairs.parquet"
    pl.DataFrame(pairs).write_parquet(path)
    assert_same_outcome(path)
    assert import_table(path, stream=True).users.ids.to_list() == ["18446744073709551615", "7"]


def test_a_refusal_counts_rows_from_the_beginning_of_the_file(tmp_path, refusal):
    path = tmp_path / "pairs.csv"
    rows = [f"u{row},i{row % 3},{row}" for row in range(12)]
    rows[10] = "u10,i1,late"
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows]))
    assert f"{path}, column timestamp, row 10: " in refusal(DataError, import_table, path, stream=True)
    (tmp_path / "items.csv").write_text("item_id\ni0\ni1\n")
    path = path.rename(tmp_path / "interactions.csv")
    path.write_text(path.read_text().replace("late", "10"))
    text = refusal(DataError, import_table, tmp_path, stream=True)
    assert text.startswith(f"{path}, row 2: expected interactions with known items, found item 'i2'.")


def test_one_user_may_have_more_rows_than_are_sorted_at_a_time(tmp_path):
    path = tmp_path / "pairs.csv"
    pairs = [("ana", 0), *[("bo", item) for item in range(20)], ("cy", 3)]
    path.write_text("\n".join(["user_id,item_id", *[f"{user},{item}" for user, item in pairs]]))
    assert_same_outcome(path)


@pytest.mark.parametrize("later", ["1,2\n3,4\n1,4\n", "1,2\n", "1,2\n5,4\n"])
def test_a_file_that_changes_between_its_readings(tmp_path, refusal, monkeypatch, later):
    path, reads = tmp_path / "pairs.csv", []
    path.write_text("user_id,item_id\n1,2\n3,4\n")
    read = table.read_stretches

    def changing(*arguments):
        reads.append(arguments)
        if len(reads) == 2:
            path.write_text("user_id,item_id\n" + later)
        return read(*arguments)

    monkeypatch.setattr(table, "read_stretches", changing)
    assert refusal(DataError, import_table, path, stream=True) == (
        f"{path}: expected the 2 rows that were there when it was read for the first time, found others. "
        "Import a copy that nobody writes to."
    )


def test_a_full_disk(tmp_path, refusal, monkeypatch):
    path = tmp_path / "pairs.csv"
    path.write_text("user_id,item_id\n1,2\n3,4\n")

    class Full(io.BytesIO):
        def write(self, content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(stretches.tempfile, "TemporaryFile", Full)
    assert refusal(StorageError, import_table, path, stream=True) == (
        f"{tempfile.gettempdir()}: expected free disk space, found a full disk. "
        "Free some space and run the command again."
    )


PEAK = """
import sys
from pathlib import Path
from reelmix.data.formats import import_table
def peak():  # of this program; getrusage also knows that of the one that it came from
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
before = peak()
dataset = import_table(sys.argv[1], stream=sys.argv[2] == "True")
dataset.write(sys.argv[3])
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell the peak")
def test_memory_hardly_grows_with_the_file(tmp_path):
    def megabytes(n: int, *, stream: bool) -> float:
        rng = np.random.default_rng(0)
        path = tmp_path / f"{n}.parquet"
        users = pl.Series(rng.integers(0, 1_000, n)).cast(pl.String)
        pairs = pl.DataFrame({"user_id": "somebody-" + users, "item_id": rng.integers(0, 3_000, n)})
        pairs.write_parquet(path, row_group_size=200_000)
        out = tmp_path / f"{n}-{stream}"
        command = [sys.executable, "-c", PEAK, str(path), str(stream), str(out)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    grown = {
        stream: megabytes(6_000_000, stream=stream) - megabytes(2_000_000, stream=stream)
        for stream in (False, True)
    }
    assert grown[True] < 0.4 * grown[False], grown

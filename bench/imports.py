"""A CSV of interactions becomes a dataset folder, beside polars called plainly.

Each in a process of its own, because peak memory is told too; writing the CSV is not counted. Users and items
are drawn from power laws, ids are whole numbers or texts such as user-000017. Run as a script, this file is
that process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from measure import Line, Taken, in_process, peak_megabytes, timed

USERS, ITEMS, INTERACTIONS = 200_000, 50_000, 5_000_000
IDS = ("integer", "text")
HEAD = 100
"""Lines of the file that are imported first, so that each has what it needs."""


def lines(repeats: int, interactions: int = INTERACTIONS, kinds: tuple[str, ...] = IDS) -> list[Line]:
    """Seconds and peak megabytes for each kind of id, medians of processes that take turns."""
    return [line for ids in kinds for line in of_kind(repeats, interactions, ids)]


def of_kind(repeats: int, interactions: int, ids: str) -> list[Line]:
    """The same for one."""
    found: dict[str, list[dict[str, float]]] = {job: [] for job in JOBS}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "interactions.csv"
        write_csv(source, interactions, ids)
        megabytes = source.stat().st_size / 1e6
        for repeat in range(repeats):
            for job, measured in found.items():
                target = Path(folder) / f"{job}-{repeat}"
                measured.append(in_process("imports.py", job, source, target))
    ours, plain, parse = (
        {key: float(np.median([one[key] for one in measured])) for key in measured[0]}
        for measured in found.values()
    )
    for what in ("pairs", "users", "items"):
        assert ours[what] == plain[what], f"polars called plainly finds other {what}"
    what = f"import {interactions:,} rows, {ids} ids"
    size = f"{megabytes:.0f} MB of CSV, {ours['pairs']:,.0f} pairs"
    more = f"imports {ours['before']:.0f} MB, polars' {plain['before']:.0f}"
    return [
        _line(what, "", ours, plain, size),
        Line(what, ours["wall"], "s", "floor", parse["wall"], "within", None, "read_csv alone", ours["cpu"]),
        _line(what + ", write", "write-", ours, plain, "with the hash of its content"),
        Line(what + ", peak", ours["peak"], "MB", "plain polars", plain["peak"], "within", None, more),
    ]


def _line(what: str, stage: str, ours: dict[str, float], plain: dict[str, float], note: str) -> Line:
    wall, cpu = stage + "wall", stage + "cpu"
    return Line(
        what, ours[wall], "s", "plain polars", plain[wall], "within", None, note, ours[cpu], plain[cpu]
    )


def write_csv(path: Path, n: int, ids: str) -> None:
    """Writes ``n`` interactions with a time each."""
    rng = np.random.default_rng(0)
    users, items = _drawn(n, USERS, 0.6, rng), _drawn(n, ITEMS, 0.9, rng)
    table = pl.DataFrame(
        {"user_id": users, "item_id": items, "timestamp": rng.integers(1_600_000_000, 1_700_000_000, n)}
    )
    if ids == "text":
        table = table.with_columns(
            pl.format("user-{}", pl.col("user_id").cast(pl.String).str.zfill(6)).alias("user_id"),
            pl.format("video-{}", pl.col("item_id").cast(pl.String).str.zfill(6)).alias("item_id"),
        )
    table.write_csv(path)


def _drawn(n: int, size: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """``n`` numbers below ``size``, the k-th most frequent in proportion to k ** -exponent."""
    weights = np.arange(1, size + 1) ** -exponent
    return rng.permutation(size)[np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(n))]


def _ours(source: Path, target: Path) -> tuple[Taken, Taken, tuple[int, ...]]:
    from reelmix.data import Dataset
    from reelmix.data.formats import import_table

    read: list[Dataset] = []
    importing = timed(lambda: read.append(import_table(source)))
    dataset = read.pop()
    writing = timed(lambda: dataset.write(target))
    return importing, writing, (len(dataset.interactions), dataset.n_users, dataset.n_items)


def _plain(source: Path, target: Path) -> tuple[Taken, Taken, tuple[int, ...]]:
    """Rows for sorted ids by joins, each pair once with its earliest time; nothing is checked."""
    read: list[pl.DataFrame] = []

    def rows() -> None:
        table = pl.read_csv(source)
        for column in ("user_id", "item_id"):
            ids = table.select(pl.col(column).unique().sort()).with_row_index(column[:-3])
            table = table.join(ids, on=column)
            read.append(ids)
        read.append(table.group_by("user", "item").agg(pl.col("timestamp").min()))

    importing = timed(rows)
    users, items, pairs = read

    def write() -> None:
        target.mkdir()
        table = pairs.join(users, on="user").join(items, on="item")
        table.select("user_id", "item_id", "timestamp").write_parquet(target / "interactions.parquet")
        items.select("item_id").write_parquet(target / "items.parquet")

    return importing, timed(write), (pairs.height, users.height, items.height)


def _parse(source: Path, target: Path) -> tuple[Taken, Taken, tuple[int, ...]]:
    """The least that any import does: the text becomes columns."""
    return timed(lambda: pl.read_csv(source)), Taken(0, 0), (0, 0, 0)


JOBS = {"ours": _ours, "plain": _plain, "parse": _parse}


def main() -> None:
    """Measures one job: prints seconds, what it found, and peak megabytes before and after."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("source", type=Path, help="the CSV")
    parser.add_argument("target", type=Path, help="folder that is written")
    arguments = parser.parse_args()
    job = JOBS[arguments.job]
    with tempfile.TemporaryDirectory() as folder, arguments.source.open() as stream:
        head = Path(folder) / "head.csv"
        head.write_text("".join(line for line, _ in zip(stream, range(HEAD), strict=False)))
        job(head, Path(folder) / "head")
    before = peak_megabytes()
    importing, writing, (pairs, users, items) = job(arguments.source, arguments.target)
    sys.stdout.write(
        f"wall={importing.wall} cpu={importing.cpu} write-wall={writing.wall} write-cpu={writing.cpu} "
        f"pairs={pairs} users={users} items={items} before={before} peak={peak_megabytes()}\n"
    )


if __name__ == "__main__":
    main()

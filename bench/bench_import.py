"""How long, and in how much memory, a large CSV becomes a dataset folder.

    python bench/bench_import.py                  five million interactions, integer ids
    python bench/bench_import.py --ids text       the same with ids such as user-00017

Users and items are drawn from power laws. Drawing and importing run in processes of their own, so that the
peak memory is that of the import; writing the CSV is not counted. Prints seconds and peak megabytes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

USERS, ITEMS = 200_000, 50_000


def draw(n: int, size: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """``n`` numbers below ``size``, the k-th most frequent in proportion to k ** -exponent."""
    weights = np.arange(1, size + 1) ** -exponent
    return rng.permutation(size)[np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(n))]


def write_csv(path: Path, n: int, ids: str) -> None:
    """Writes ``n`` interactions with a time each."""
    rng = np.random.default_rng(0)
    users, items = draw(n, USERS, 0.6, rng), draw(n, ITEMS, 0.9, rng)
    table = pl.DataFrame({"user_id": users, "item_id": items, "timestamp": rng.integers(1.6e9, 1.7e9, n)})
    if ids == "text":
        table = table.with_columns(
            pl.format("user-{}", pl.col("user_id").cast(pl.String).str.zfill(6)).alias("user_id"),
            pl.format("video-{}", pl.col("item_id").cast(pl.String).str.zfill(6)).alias("item_id"),
        )
    table.write_csv(path)


def run(
    source: Path, target: Path, answer: multiprocessing.SimpleQueue[tuple[str, float, float, float]]
) -> None:
    """Imports ``source``, writes the dataset, and answers with its size, two durations and the peak in MB."""
    from reelmix.data.formats import import_table

    start = time.perf_counter()
    dataset = import_table(source)
    imported = time.perf_counter()
    dataset.write(target)
    written = time.perf_counter()
    what = f"{len(dataset.interactions):,} pairs, {dataset.n_users:,} users, {dataset.n_items:,} items"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer.put((what, imported - start, written - imported, peak))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--interactions", type=int, default=5_000_000)
    parser.add_argument("--ids", choices=["integer", "text"], default="integer")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "interactions.csv"
        in_a_process(write_csv, source, options.interactions, options.ids)
        answer = multiprocessing.get_context("spawn").SimpleQueue()
        in_a_process(run, source, Path(folder) / "dataset", answer)
        what, importing, writing, peak = answer.get()
        size = source.stat().st_size / 1e6
    print(f"{options.interactions:,} rows with {options.ids} ids, {size:.0f} MB of CSV: {what}")
    print(f"import {importing:.1f} s, write {writing:.1f} s; peak {peak:.0f} MB")


def in_a_process(function: Callable[..., None], *arguments: object) -> None:
    """Runs a function to its end in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{function.__name__} failed")


if __name__ == "__main__":
    main()

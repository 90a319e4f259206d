"""A dataset folder and a run folder are read, beside polars and safetensors that read the same files.

Ours checks what it reads: hashes of all content, ids, ranges, NaN. The references hand over what is there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import load_file

from floor import checked_loading_floor
from measure import Line, in_turns
from reelmix.data import Card, Dataset
from reelmix.data.assemble import assemble
from reelmix.recommender import Run
from serve import DIM, made_up
from serving import ITEMS, USERS
from users import ITEMS as MOVIELENS_ITEMS
from worlds import movielens_shaped

FEATURES = {"visual": 2048, "acoustic": 128, "textual": 100}
"""Numbers of an item in each modality: the paper's MovieLens."""


def lines(repeats: int, n_items: int = ITEMS) -> list[Line]:
    """The paper's MovieLens as a dataset, and a run as large as serving looks through."""
    with tempfile.TemporaryDirectory() as folder:
        data, run = Path(folder) / "data", Path(folder) / "run"
        _dataset().write(data)
        made_up(n_items, USERS).write(run)
        loaded = Dataset.read(data)
        size = f"{loaded.n_users:,} x {loaded.n_items:,}, {len(loaded.interactions) / 1e6:.2f} M"
        return [
            *_lines(f"load dataset {size}", data, lambda: Dataset.read(data), repeats),
            *_lines(f"load run of {n_items:,} items x {DIM}", run, lambda: Run.read(run), repeats),
        ]


def _lines(what: str, folder: Path, ours: Callable[[], object], repeats: int) -> list[Line]:
    taken = in_turns({"ours": ours, "plain": lambda: plain_loading(folder)}, repeats)
    (wall, cpu), plain = taken["ours"], taken["plain"]
    n_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    note = f"{n_bytes / 1e6:.0f} MB; it checks nothing"
    floor = checked_loading_floor(n_bytes)
    return [
        Line(what, wall, "s", "polars, safetensors", plain.wall, "within", None, note, cpu, plain.cpu),
        Line(what, wall, "s", "floor", floor, "within", None, "each byte hashed", cpu),
    ]


def plain_loading(folder: Path) -> list[object]:
    """Every table and every array below a folder."""
    tables = [pl.read_parquet(file) for file in folder.rglob("*.parquet")]
    return [*tables, *(load_file(file) for file in folder.rglob("*.safetensors"))]


def _dataset() -> Dataset:
    rng = np.random.default_rng(0)
    ids = pl.Series(range(MOVIELENS_ITEMS))
    features = {
        name: (ids, rng.normal(size=(len(ids), size)).astype(np.float32)) for name, size in FEATURES.items()
    }
    users, items = movielens_shaped(rng).nonzero()
    table = pl.DataFrame({"user_id": users, "item_id": items})
    card = Card("MovieLens-shaped", "random, a power law", simulated=True)
    return assemble(table, pl.DataFrame({"item_id": ids}), features, card=card, where=Path("bench"))

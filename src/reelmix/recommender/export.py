"""A run's vectors in formats that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from reelmix.data.tables import write_table
from reelmix.data.vocabulary import Vocabulary
from reelmix.errors import ConfigError
from reelmix.files import replacing, write_arrays
from reelmix.recommender.run import Run


def to_npz(run: Run, file: Path) -> None:
    """NumPy's npz with ``users`` (user, dim) and ``items`` (item, dim), float32, ``user_ids``, ``item_ids``.

    Ids are int64 or unicode arrays; nothing is pickled.
    """
    with replacing(file) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            users=run.vectors.users,
            items=run.vectors.items,
            user_ids=_plain(run.users),
            item_ids=_plain(run.items),
        )


def to_safetensors(run: Run, file: Path) -> None:
    """The same as one safetensors file; ids must be integers, since the format holds no texts.

    Raises:
        ConfigError: the ids are texts.
    """
    for vocabulary in (run.users, run.items):
        if vocabulary.ids.dtype != pl.Int64:
            raise ConfigError(
                expected=f"integer {vocabulary.kind} ids for safetensors",
                found="texts",
                where="export",
                fix="Export to npz or parquet.",
            )
    arrays = {"users": run.vectors.users, "items": run.vectors.items}
    write_arrays(file, arrays | {"user_ids": run.users.ids.to_numpy(), "item_ids": run.items.ids.to_numpy()})


def to_parquet(run: Run, file: Path) -> None:
    """One table of ``kind`` (user or item), ``id`` (as text) and ``vector`` (list of float32)."""
    parts = [
        pl.DataFrame({"kind": kind, "id": ids.ids.cast(pl.String), "vector": vectors})
        for kind, ids, vectors in (
            ("user", run.users, run.vectors.users),
            ("item", run.items, run.vectors.items),
        )
    ]
    write_table(file, pl.concat(parts))


EXPORTS: Mapping[str, Callable[[Run, Path], None]] = {
    "npz": to_npz,
    "safetensors": to_safetensors,
    "parquet": to_parquet,
}
"""Every export by the name it has on the command line."""


def _plain(vocabulary: Vocabulary) -> np.ndarray:
    if vocabulary.ids.dtype == pl.Int64:
        return vocabulary.ids.to_numpy()
    return np.array(vocabulary.ids.to_list(), dtype=np.str_)

"""All vectors of a run as plain arrays: npz, safetensors, Parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from reelmix.data.tables import write_table
from reelmix.data.vocabulary import Vocabulary
from reelmix.errors import ConfigError
from reelmix.files import replacing, write_arrays
from reelmix.recommender.export.parts import Written
from reelmix.recommender.run import Run


def to_npz(run: Run, file: Path) -> Written:
    """NumPy's npz with ``users`` (user, dim) and ``items`` (item, dim), float32, ``user_ids``, ``item_ids``.

    ``users_known`` and ``items_known`` are false for users without training interactions and items of which
    nothing is known, which are never recommended. Ids are int64 or unicode arrays; nothing is pickled.
    """
    arrays = _arrays(run)
    with replacing(file) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            users=arrays["users"],
            items=arrays["items"],
            user_ids=_plain(run.users),
            item_ids=_plain(run.items),
            users_known=arrays["users_known"],
            items_known=arrays["items_known"],
        )
    return _all(run)


def to_safetensors(run: Run, file: Path) -> Written:
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
    ids = {"user_ids": run.users.ids.to_numpy(), "item_ids": run.items.ids.to_numpy()}
    write_arrays(file, _arrays(run) | ids)
    return _all(run)


def to_parquet(run: Run, file: Path) -> Written:
    """One table of ``kind`` (user or item), ``id`` (as text), ``known`` and ``vector`` (list of float32)."""
    arrays = _arrays(run)
    parts = [
        pl.DataFrame(
            {
                "kind": vocabulary.kind,
                "id": vocabulary.ids.cast(pl.String),
                "known": arrays[f"{name}_known"],
                "vector": arrays[name],
            }
        )
        for name, vocabulary in (("users", run.users), ("items", run.items))
    ]
    write_table(file, pl.concat(parts))
    return _all(run)


def _arrays(run: Run) -> dict[str, np.ndarray]:
    recommender = run.recommender()
    return {
        "users": run.vectors.users,
        "items": run.vectors.items,
        "users_known": recommender.known_users,
        "items_known": recommender.known_items,
    }


def _all(run: Run) -> Written:
    return Written(len(run.users), len(run.items))


def _plain(vocabulary: Vocabulary) -> np.ndarray:
    if vocabulary.ids.dtype == pl.Int64:
        return vocabulary.ids.to_numpy()
    return np.array(vocabulary.ids.to_list(), dtype=np.str_)

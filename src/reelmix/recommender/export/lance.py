"""LanceDB: a folder that is a vector database, opened without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from reelmix.data.tables import refusal
from reelmix.extras import optional
from reelmix.files import new_folder
from reelmix.recommender.export.parts import Part, Written, known_parts
from reelmix.recommender.run import Run


def to_lancedb(run: Run, folder: Path) -> Written:
    """A LanceDB folder with the tables ``users`` (``id, vector``) and ``items`` (``id, title, vector``).

    Ids are int64 or texts, as the run has them; a title is null where there is none. What is not known is
    left out (:func:`known_parts`). The score of a search with the distance type ``dot`` is 1 - distance.

    Raises:
        ConfigError: LanceDB is not installed.
        StorageError: the folder holds something already, or cannot be written; nothing is left behind.
    """
    lancedb, arrow = optional("lancedb", "export"), optional("pyarrow", "export")
    users, items = known_parts(run)
    with new_folder(folder, "the LanceDB database") as inside:
        database = lancedb.connect(inside)
        for name, part in (("users", users), ("items", items)):
            try:
                database.create_table(name, _table(part, arrow))
            except RuntimeError as error:  # what the operating system refused, too
                raise refusal(error) from error
    return Written(len(users), len(items))


def _table(part: Part, arrow: Any) -> Any:
    identifier = arrow.int64() if part.ids.dtype == pl.Int64 else arrow.string()
    columns = {"id": part.ids.to_arrow().cast(identifier)}
    if part.titles is not None:
        columns["title"] = part.titles.to_arrow().cast(arrow.string())
    numbers = arrow.array(part.vectors.reshape(-1))
    columns["vector"] = arrow.FixedSizeListArray.from_arrays(numbers, part.dim)
    return arrow.table(columns)

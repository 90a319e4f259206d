"""pgvector: a script that makes two tables in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import polars as pl

from reelmix.errors import ConfigError
from reelmix.files import replacing
from reelmix.recommender.export.parts import Part, Written, known_parts
from reelmix.recommender.run import Run

MOST_DIM, MOST_INDEXED = 16_000, 2_000
"""Of pgvector's type vector, and of its HNSW index: https://github.com/pgvector/pgvector#reference"""

BLOCK_BYTES = 16 << 20
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}  # of COPY's text format

_START = """\
-- Vectors of a recommender. Load them, or newer ones over them, with: psql DATABASE -f THIS_FILE
\\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_encoding TO 'UTF8';
CREATE EXTENSION IF NOT EXISTS vector;
DROP TABLE IF EXISTS reelmix_users, reelmix_items;
"""
_INDEX = "CREATE INDEX ON reelmix_items USING hnsw (vector vector_ip_ops);\n"
_NO_INDEX = """\
-- Without an index: pgvector's HNSW takes at most {most:,} dimensions, these vectors have {dim:,}.
-- A query reads the whole table, and is exact.
"""
_END = """\
COMMIT;

-- The best items for the user $1. <#> is the inner product with its sign turned, since PostgreSQL sorts from
-- the smallest. With the index the answer is approximate: SET hnsw.ef_search = 200 looks at more (40).
--
--     SELECT id, title, -(vector <#> (SELECT vector FROM reelmix_users WHERE id = $1)) AS score
--     FROM reelmix_items
--     ORDER BY vector <#> (SELECT vector FROM reelmix_users WHERE id = $1)
--     LIMIT 10;
"""


def to_pgvector(run: Run, file: Path) -> Written:
    """A psql script of the tables ``reelmix_users (id, vector)`` and ``reelmix_items (id, title, vector)``.

    One transaction makes them, or puts them in the place of those of an earlier export. Ids are bigint or
    text, as the run has them; a title is null where there is none. What is not known is left out
    (:func:`known_parts`). The items have an HNSW index for the inner product, if their vectors are short
    enough for one.

    Raises:
        ConfigError: the vectors are longer than pgvector takes, or a text holds a null character.
        StorageError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    users, items = known_parts(run)
    if items.dim > MOST_DIM:
        raise ConfigError(
            expected=f"vectors of at most {MOST_DIM:,} numbers for pgvector",
            found=f"{items.dim:,}",
            where="export",
            fix="Export to lancedb, or train with a smaller embedding_size.",
        )
    for what, texts in (("user id", users.ids), ("item id", items.ids), ("title", items.titles)):
        if texts is not None and texts.dtype == pl.String:
            _refuse_null_characters(texts, what)
    with replacing(file) as temporary, temporary.open("wb") as stream:
        stream.write(_START.encode())
        for name, part in (("reelmix_users", users), ("reelmix_items", items)):
            _write_table(name, part, stream)
        indexed = items.dim <= MOST_INDEXED
        stream.write((_INDEX if indexed else _NO_INDEX.format(most=MOST_INDEXED, dim=items.dim)).encode())
        stream.write(_END.encode())
    return Written(len(users), len(items))


def _refuse_null_characters(texts: pl.Series, what: str) -> None:
    holding = texts.filter(texts.str.contains("\0", literal=True))
    if holding.len():
        raise ConfigError(
            expected="texts without null characters for pgvector",
            found=f"the {what} {holding[0]!r}",
            where="export",
            fix="Export to lancedb, or correct it in the dataset and train again.",
        )


def _write_table(name: str, part: Part, stream: BinaryIO) -> None:
    key = "bigint" if part.ids.dtype == pl.Int64 else "text"
    title = "" if part.titles is None else "title text, "
    columns = f"id {key} PRIMARY KEY, {title}vector vector({part.dim}) NOT NULL"
    stream.write(f"CREATE TABLE {name} ({columns});\nCOPY {name} FROM STDIN;\n".encode())
    for block in _blocks(part):
        block.write_csv(stream, include_header=False, separator="\t", quote_style="never", null_value=r"\N")
    stream.write(b"\\.\n")


def _blocks(part: Part) -> Iterator[pl.DataFrame]:
    """The rows of the table as COPY reads them, a few megabytes at a time."""
    texts = {"id": part.ids} if part.titles is None else {"id": part.ids, "title": part.titles}
    rows = max(1, BLOCK_BYTES // (16 * part.dim))  # a number and what it is made of take about 16 bytes
    for start in range(0, len(part), rows):
        block = {
            name: column.slice(start, rows).cast(pl.String).str.replace_many(_ESCAPES)
            for name, column in texts.items()
        }
        vectors = pl.Series(part.vectors[start : start + rows], dtype=pl.Array(pl.Float32, part.dim))
        # the shortest digits that give the same float32 again
        digits = vectors.cast(pl.List(pl.String)).list.join(",")
        yield pl.DataFrame(block | {"vector": "[" + digits + "]"})

"""LanceDB and pgvector: what is in the tables, and what is refused."""

import errno
import os
import re

import lancedb
import numpy as np
import pyarrow
import pytest
from hand_made import hand_made, names

from reelmix.errors import ConfigError, StorageError
from reelmix.recommender.export import pgvector, to_lancedb, to_pgvector

USERS = [[1.5, 2.0], [0.0, -3.0]]
ITEMS = [[0.5, 0.25], [1.0, 1.0], [2.0, -1e-30]]
TITLES = ["It's\ta \\title\\", None, ""]


def small(**changes):
    """A run whose users all have a training interaction."""
    return hand_made(USERS, ITEMS, **({"watched": [(0, 0, 0), (1, 2, 0)], "titles": TITLES} | changes))


def long(dim):
    """A run whose vectors have this many dimensions."""
    items = np.zeros((2, dim))
    items[:, 0] = 1, 2
    return hand_made(items, items, watched=[(0, 0, 0), (1, 0, 0)])


# LanceDB


def test_the_tables_of_lancedb(tmp_path):
    to_lancedb(small(user_ids=[-5, 2**62]), tmp_path / "db")
    database = lancedb.connect(tmp_path / "db")
    users, items = (database.open_table(name).to_arrow() for name in ("users", "items"))
    vector = pyarrow.list_(pyarrow.float32(), 2)
    assert [(field.name, field.type) for field in users.schema] == [
        ("id", pyarrow.int64()),
        ("vector", vector),
    ]
    assert [(field.name, field.type) for field in items.schema] == [
        ("id", pyarrow.string()),
        ("title", pyarrow.string()),
        ("vector", vector),
    ]
    assert users["id"].to_pylist() == [-5, 2**62]
    assert items["id"].to_pylist() == ["i00", "i01", "i02"]
    assert items["title"].to_pylist() == TITLES
    np.testing.assert_array_equal(items["vector"].to_pylist(), np.array(ITEMS, np.float32))
    assert names(tmp_path) == ["db"]


def test_a_folder_that_holds_something_is_left_alone(tmp_path, refusal):
    (tmp_path / "mine").write_text("mine")
    assert refusal(StorageError, to_lancedb, small(), tmp_path) == (
        f"{tmp_path}: expected a new or empty folder for the LanceDB database, found something there "
        "already. Choose another path, or move the old one away first."
    )
    assert names(tmp_path) == ["mine"]


def test_a_full_disk_leaves_no_database(tmp_path, refusal, monkeypatch):
    def full(*_, **__):
        raise RuntimeError(f"lance error: LanceError(IO): {os.strerror(errno.ENOSPC)} (os error 28), place")

    monkeypatch.setattr(lancedb.db.LanceDBConnection, "create_table", full)
    assert refusal(StorageError, to_lancedb, small(), tmp_path / "db") == (
        f"{tmp_path}/db: expected free disk space, found a full disk. "
        "Free some space and run the command again."
    )
    assert names(tmp_path) == []


# pgvector


def rows(postgres, query):
    return postgres.psql(query).splitlines()


COLUMNS = """
SELECT column_name, format_type(atttypid, atttypmod) FROM information_schema.columns
JOIN pg_attribute ON attrelid = table_name::regclass AND attname = column_name
WHERE table_name = '{}' ORDER BY ordinal_position;
"""
INDEXED = "SELECT count(*) FROM pg_indexes WHERE tablename = 'reelmix_items' AND indexdef LIKE '%hnsw%';"


def test_the_tables_of_pgvector(postgres, tmp_path):
    to_pgvector(small(user_ids=[-5, 2**62]), tmp_path / "v.sql")
    postgres.psql((tmp_path / "v.sql").read_text())
    assert rows(postgres, COLUMNS.format("reelmix_users")) == ["id|bigint", "vector|vector(2)"]
    assert rows(postgres, COLUMNS.format("reelmix_items")) == ["id|text", "title|text", "vector|vector(2)"]
    assert rows(postgres, "SELECT * FROM reelmix_users ORDER BY id;") == [
        "-5|[1.5,2]",
        f"{2**62}|[0,-3]",
    ]
    assert rows(postgres, "\\pset null none\nSELECT * FROM reelmix_items ORDER BY id;") == [
        "i00|It's\ta \\title\\|[0.5,0.25]",
        "i01|none|[1,1]",
        "i02||[2,-1e-30]",
    ]


def test_the_index_of_pgvector_is_for_the_inner_product(postgres, tmp_path):
    to_pgvector(small(), tmp_path / "v.sql")
    query = "SELECT id FROM reelmix_items ORDER BY vector <#> (SELECT vector FROM reelmix_users LIMIT 1);"
    postgres.psql((tmp_path / "v.sql").read_text())
    plan = postgres.psql(f"SET enable_seqscan = off; EXPLAIN {query}")
    assert "Index Scan using reelmix_items_vector_idx on reelmix_items" in plan
    assert rows(postgres, f"SET enable_seqscan = off; {query}") == ["i01", "i02", "i00"]


def test_vectors_too_long_for_an_index(postgres, tmp_path):
    for dim, count in ((2000, "1"), (2001, "0")):
        to_pgvector(long(dim), tmp_path / "v.sql")
        postgres.psql((tmp_path / "v.sql").read_text())
        assert rows(postgres, INDEXED) == [count]
    assert (
        "-- Without an index: pgvector's HNSW takes at most 2,000 dimensions, these vectors have 2,001.\n"
    ) in (tmp_path / "v.sql").read_text()


def test_vectors_too_long_for_pgvector(postgres, tmp_path, refusal):
    to_pgvector(long(16_000), tmp_path / "v.sql")
    postgres.psql((tmp_path / "v.sql").read_text())
    assert refusal(ConfigError, to_pgvector, long(16_001), tmp_path / "w.sql") == (
        "export: expected vectors of at most 16,000 numbers for pgvector, found 16,001. "
        "Export to lancedb, or train with a smaller embedding_size."
    )
    assert names(tmp_path) == ["v.sql"]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"user_ids": ["a", "b\0"]}, "user id 'b\\x00'"),
        ({"item_ids": ["\0", "b", "c"]}, "item id '\\x00'"),
        ({"titles": [None, "b\0c", "\0"]}, "title 'b\\x00c'"),
    ],
)
def test_postgresql_holds_no_null_characters(tmp_path, refusal, changes, what):
    assert refusal(ConfigError, to_pgvector, small(**changes), tmp_path / "v.sql") == (
        f"export: expected texts without null characters for pgvector, found the {what}. "
        "Export to lancedb, or correct it in the dataset and train again."
    )
    assert names(tmp_path) == []


def test_titles_stay_with_their_items(postgres, tmp_path):
    items, present = [[1, 1], [0, 0], [2, 2]], [[True], [False], [True]]
    run = hand_made(USERS, items, present=present, titles=["one", "two", "three"], watched=[(0, 0, 0)])
    to_lancedb(run, tmp_path / "db")
    table = lancedb.connect(tmp_path / "db").open_table("items").to_arrow()
    assert (table["id"].to_pylist(), table["title"].to_pylist()) == (["i00", "i02"], ["one", "three"])
    to_pgvector(run, tmp_path / "v.sql")
    postgres.psql((tmp_path / "v.sql").read_text())
    assert rows(postgres, "SELECT id, title FROM reelmix_items ORDER BY id;") == ["i00|one", "i02|three"]


def test_a_newer_export_takes_the_place_of_the_old_one_whole(postgres, tmp_path):
    to_pgvector(small(), tmp_path / "v.sql")
    to_pgvector(small(item_ids=[1, 2, 3]), tmp_path / "w.sql")
    old, new = (tmp_path / name for name in ("v.sql", "w.sql"))
    postgres.psql(old.read_text())
    with pytest.raises(AssertionError, match="invalid input syntax for type vector"):
        postgres.psql(new.read_text().replace("[0.0,-3.0]", "[0.0,"))
    assert rows(postgres, "SELECT id FROM reelmix_items ORDER BY id;") == ["i00", "i01", "i02"]
    postgres.psql(new.read_text())
    assert rows(postgres, "SELECT id FROM reelmix_items ORDER BY id;") == ["1", "2", "3"]


def test_a_script_is_written_block_by_block(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    run = hand_made(rng.normal(size=(9, 3)), rng.normal(size=(7, 3)), watched=[(u, 0, 0) for u in range(9)])
    to_pgvector(run, tmp_path / "whole")
    for rows_a_block in (1, 2, 7):
        monkeypatch.setattr(pgvector, "BLOCK_BYTES", rows_a_block * 16 * 3)
        to_pgvector(run, tmp_path / "blocks")
        assert (tmp_path / "blocks").read_bytes() == (tmp_path / "whole").read_bytes()
    numbers = re.findall(r"\[(.*)\]", (tmp_path / "blocks").read_text())
    written = np.array([line.split(",") for line in numbers], np.float32)
    np.testing.assert_array_equal(written, [*run.vectors.users, *run.vectors.items])

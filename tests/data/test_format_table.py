from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from reelmix.data import Dataset
from reelmix.data.formats import import_table
from reelmix.errors import ConfigError, DataError, StorageError

pytestmark = pytest.mark.usefixtures("whole_or_in_stretches")

PAIRS = pl.DataFrame(
    {
        "user_id": ["ana", "ana", "bo"],
        "item_id": ["7", "5", "7"],
        "timestamp": ["10", "30", "20"],
        "rating": ["1", "2.5", "3"],
        "split": ["train", "test", "validation"],
        "device": ["tv", "tv", "phone"],
    }
)


def write(path, table):
    """A table in the format of the file's name."""
    if path.suffix == ".parquet":
        table.write_parquet(path)
    elif path.suffix in (".jsonl", ".ndjson"):
        table.write_ndjson(path)
    else:
        table.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "clips"
    (folder / "features").mkdir(parents=True)
    write(folder / "interactions.csv", PAIRS)
    return folder


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "ndjson", "parquet"])
def test_a_file_of_interactions(tmp_path, suffix):
    table = PAIRS.with_columns(item_id=pl.col("item_id").cast(pl.Int64)) if suffix == "parquet" else PAIRS
    dataset = import_table(write(tmp_path / f"clips.{suffix}", table))
    pairs = dataset.interactions
    assert dataset.users.take(pairs.users) == ["ana", "ana", "bo"]
    assert dataset.items.take(pairs.items) == [5, 7, 7]
    assert pairs.timestamps.tolist() == [30, 10, 20]
    assert pairs.weights.tolist() == [2.5, 1.0, 3.0]
    assert pairs.labels.tolist() == [2, 0, 1]
    assert dataset.item_table.columns == ["item_id"]
    assert (dataset.card.name, dataset.card.provenance) == ("clips", f"imported from a table, clips.{suffix}")


def test_other_names_are_mapped(tmp_path, refusal):
    path = tmp_path / "ratings.csv"
    path.write_text("userId,movieId,stars,when\n1,10,4.5,2026-01-31\n2,10,5,2026-02-01T12:00:00\n")
    assert refusal(DataError, import_table, path) == (
        f"{path}: expected a column user_id, found userId, movieId, stars, when. "
        "Say which column holds it, for example user_id=userId."
    )
    assert refusal(DataError, import_table, path, columns={"user_id": "userId"}) == (
        f"{path}: expected a column item_id, found userId, movieId, stars, when. "
        "Say which column holds it, for example item_id=movieId."
    )
    columns = {"user_id": "userId", "item_id": "movieId", "weight": "stars"}
    dataset = import_table(path, columns=columns, name="mine")
    assert dataset.interactions.weights.tolist() == [4.5, 5.0]
    assert dataset.interactions.timestamps is None
    assert dataset.card.name == "mine"
    assert refusal(ConfigError, import_table, path, columns={"user": "userId"}) == (
        "columns: expected one of our column names on the left, found 'user'. Did you mean 'user_id'?"
    )
    assert refusal(DataError, import_table, path, columns=columns | {"timestamp": "whem"}) == (
        f"{path}: expected a column whem, to be used as timestamp, found userId, movieId, stars, when. "
        "Did you mean 'when'?"
    )


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2"], [1, 2]),
        (["1", "2.5"], [1.0, 2.5]),
        (["1970-01-01T00:00:01", "1970-01-01T00:00:00"], [1_000_000, 0]),
        (["1970-01-02", "1970-01-01"], [86_400_000_000, 0]),
        (["1970-01-01T00:00:01Z", "1970-01-01T01:00:00+01:00"], [1_000_000, 0]),
    ],
)
def test_times_in_texts(tmp_path, cells, expected):
    path = tmp_path / "a.csv"
    path.write_text(f"user_id,item_id,timestamp\n1,1,{cells[0]}\n1,2,{cells[1]}\n")
    assert import_table(path).interactions.timestamps.tolist() == expected


@pytest.mark.parametrize("bad", ["soon", "2026-31-01", "12h"])
def test_bad_times(tmp_path, bad, refusal):
    path = tmp_path / "a.csv"
    path.write_text(f"user_id,item_id,timestamp\n1,1,{bad}\n")
    assert f"row 0: expected a number or a time such as 2026-01-31T12:00:00, found '{bad}'." in refusal(
        DataError, import_table, path
    )
    for good in ("7", "2026-01-31"):
        path.write_text(f"user_id,item_id,timestamp\n1,1,{good}\n1,2,{bad}\n")
        assert refusal(DataError, import_table, path) == (
            f"{path}, column timestamp, row 1: expected a number or a time such as 2026-01-31T12:00:00, "
            f"found '{bad}'. Correct or drop that row, or leave the column out."
        )


def test_items_and_every_kind_of_features(folder):
    items = pl.DataFrame(
        {"item_id": ["7", "9", "5"], "title": ["seven", "1984", None], "length": ["1", "2", "3"]}
    )
    write(folder / "items.tsv", items)
    features = folder / "features"
    np.save(features / "visual.npy", np.array([[7.0], [9.0], [5.0]], np.float16))
    np.save(features / "cover.npy", np.array([[9.0]]))
    np.save(features / "cover_ids.npy", np.array([9]))
    np.save(features / "text.npy", np.array([[5.0], [9.0]]))
    (features / "text_ids.txt").write_text("5\r\n9\r\n")
    np.save(features / "talk.npy", np.array([[5.0]]))
    (features / "talk_ids.csv").write_text('item_id\n"5"\n')
    save_file({"values": np.array([[7.0]]), "item_ids": np.array([7])}, features / "sound.safetensors")
    lists = {"item_id": [5, 7, 9], "vector": [[5.0, 0.5], None, [9.0, 0.5]]}
    pl.DataFrame(lists).write_parquet(features / "mood.parquet")
    numbers = {"item_id": [9, 5], "a": [9, None], "b": [8, None]}
    pl.DataFrame(numbers).write_parquet(features / "tempo.parquet")
    fixed = pl.DataFrame({"item_id": [7], "v": pl.Series([[7.0, 1.0]], dtype=pl.Array(pl.Float32, 2))})
    fixed.write_parquet(features / "array.parquet")
    (features / ".DS_Store").write_text("x")
    (features / "README.md").write_text("x")
    dataset = import_table(folder)
    values = {
        name: dict(zip(dataset.items.take(one.items), one.values[:, 0].tolist(), strict=True))
        for name, one in dataset.features.items()
    }
    assert values == {
        "array": {7: 7.0},
        "cover": {9: 9.0},
        "mood": {5: 5.0, 9: 9.0},
        "sound": {7: 7.0},
        "talk": {5: 5.0},
        "tempo": {9: 9.0},
        "text": {5: 5.0, 9: 9.0},
        "visual": {5: 5.0, 7: 7.0, 9: 9.0},
    }
    assert dataset.item_table.to_dicts()[1:] == [
        {"item_id": 7, "title": "seven", "length": "1"},
        {"item_id": 9, "title": "1984", "length": "2"},
    ]
    assert dataset.card.provenance == "imported from a table, interactions.csv"


def test_a_dataset_folder_can_be_imported_again(folder, tmp_path):
    dataset = import_table(folder)
    again = import_table(dataset.write(tmp_path / "out"))
    assert again.content_hash == dataset.content_hash == Dataset.read(tmp_path / "out").content_hash


def test_items_under_a_mapped_name(folder):
    write(folder / "interactions.csv", PAIRS.rename({"item_id": "clip"}))
    write(folder / "items.csv", pl.DataFrame({"clip": ["7", "5"], "title": ["a", "b"]}))
    assert import_table(folder, columns={"item_id": "clip"}).item_table["title"].to_list() == ["b", "a"]


def test_finding_the_files(tmp_path, refusal):
    suffixes = ".csv, .tsv, .jsonl, .ndjson, .parquet"
    assert refusal(StorageError, import_table, tmp_path) == (
        f"{tmp_path}: expected a file interactions ({suffixes}), found none. "
        "Name the file of interactions itself, or rename it."
    )
    (tmp_path / "pairs.xlsx").write_text("x")
    assert refusal(DataError, import_table, tmp_path / "pairs.xlsx") == (
        f"{tmp_path}: expected a file of interactions ({suffixes}), found pairs.xlsx. "
        "Convert it, or choose another format."
    )
    write(tmp_path / "interactions.csv", PAIRS)
    write(tmp_path / "interactions.tsv", PAIRS)
    assert refusal(DataError, import_table, tmp_path) == (
        f"{tmp_path}: expected one file interactions, found interactions.csv, interactions.tsv. "
        "Move the one that is not wanted elsewhere."
    )
    text = refusal(StorageError, import_table, str(tmp_path / "nowhere"))
    assert text.startswith(f"{tmp_path}/nowhere: expected a folder or a file of interactions, found nothing.")


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.csv", b"", ": expected a CSV file, found an empty one. Check the path."),
        ("a.jsonl", b"", ": expected a JSONL file, found an empty one. Check the path."),
        ("a.csv", b"user_id,item_id\n", ": expected at least one interaction, found none. Check the file."),
        (
            "a.csv",
            b"user_id,item_id\n1,2\n3,4,5\n",
            ", line 3: expected 2 cells, as in the first line, found 3. "
            "Put quotation marks around cells that hold the separator.",
        ),
        (
            "a.csv",
            b"user_id,item_id\n1,2\n,4\n",
            ", column user_id, row 1: expected every user id to be a whole number or a non-empty text, "
            "found an empty one. Correct the id; numbers with a decimal point are not ids.",
        ),
        (
            "a.csv",
            b"user_id,item_id\n1,2\n3\n",
            ", column item_id, row 1: expected every item id to be a whole number or a non-empty text, "
            "found an empty one. Correct the id; numbers with a decimal point are not ids.",
        ),
        (
            "a.csv",
            b"user_id,item_id\n1.0,2\n3.0,4\n",
            ", column user_id: expected every user id to be a whole number or a text, "
            "found numbers with a decimal point such as 1.0. Export the ids as whole numbers; "
            "a program that met an empty cell may have changed them.",
        ),
        (
            "a.jsonl",
            b'{"user_id": 1, "item_id": 2}\n{"user_id": null, "item_id": 2}\n',
            ", column user_id, row 1: expected every user id to be a whole number or a non-empty text, "
            "found an empty one. Correct the id; numbers with a decimal point are not ids.",
        ),
    ],
)
def test_bad_interactions(tmp_path, name, content, text, refusal):
    path = tmp_path / name
    path.write_bytes(content)
    assert refusal(DataError, import_table, path) == f"{path}{text}"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.csv", b"user_id,item_id\n\xff,2\n", "CSV"),
        ("a.csv", b'user_id,item_id\n"1,2\n', "CSV"),
        ("a.jsonl", b'{"user_id": 1, "item_id"\n', "JSONL"),
    ],
)
def test_files_that_are_something_else(tmp_path, name, content, kind, refusal):
    path = tmp_path / name
    path.write_bytes(content)
    text = refusal(DataError, import_table, path)
    assert text.startswith(f"{path}: expected a {kind} file in UTF-8, found something else (")
    assert text.endswith("). Export it again.")


def test_a_truncated_parquet(tmp_path, refusal):
    path = write(tmp_path / "a.parquet", PAIRS)
    path.write_bytes(path.read_bytes()[:-9])
    text = refusal(StorageError, import_table, path)
    assert text.startswith(f"{path}: expected a whole Parquet file, found a damaged one (")


def test_float_ids_in_parquet(tmp_path, refusal):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"user_id": [1.0], "item_id": [2]}).write_parquet(path)
    assert refusal(DataError, import_table, path) == (
        f"{path}, column user_id: expected every user id to be a whole number or a non-empty text, "
        "found Float64 values such as 1.0. Correct the id; numbers with a decimal point are not ids."
    )


def test_huge_numbers_in_json_stay_exact(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [{"user_id": 10**20, "item_id": -3}, {"user_id": 7, "item_id": 4}]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    dataset = import_table(path)
    assert dataset.users.ids.to_list() == ["100000000000000000000", "7"]
    assert dataset.items.ids.to_list() == [-3, 4]

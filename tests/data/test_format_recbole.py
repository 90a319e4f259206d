from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from reelmix.data.formats import import_recbole
from reelmix.errors import DataError, StorageError

INTER = (
    "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "1\t1193\t5\t978300760\n1\t661\t3\t978302109\n2\t661\t4.5\t978298413\n"
)
ITEM = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tlength:float\tcover:float_seq\n"
    '661\tJames and the "Giant\t1996\t79.5\t0.5 -1 2e-1\n'
    "1193\tOne Flew\t1975\t\t\n"
    "7\tNobody's\t\t90\t1 2 3\n"
)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "ml"
    folder.mkdir()
    (folder / "ml.inter").write_text(INTER)
    (folder / "ml.item").write_text(ITEM)
    (folder / "ml.user").write_text("user_id:token\tage:token\n1\t20\n")
    return folder


def test_reads_interactions_items_and_vectors(folder):
    dataset = import_recbole(folder)
    pairs = dataset.interactions
    assert dataset.users.take(pairs.users) == [1, 1, 2]
    assert dataset.items.take(pairs.items) == [661, 1193, 661]
    assert pairs.weights.tolist() == [3.0, 5.0, 4.5]
    assert pairs.timestamps.tolist() == [978302109, 978300760, 978298413]
    assert dataset.item_table.to_dicts() == [
        {"item_id": 7, "title": "Nobody's", "release_year": None, "length": 90.0},
        {"item_id": 661, "title": 'James and the "Giant', "release_year": "1996", "length": 79.5},
        {"item_id": 1193, "title": "One Flew", "release_year": "1975", "length": None},
    ]
    assert dataset.modalities == ("cover", "title")
    assert dataset.has("cover").tolist() == [True, True, False]
    np.testing.assert_array_equal(
        dataset.features["cover"].values, np.array([[1, 2, 3], [0.5, -1, 0.2]], np.float32)
    )
    assert (dataset.card.name, dataset.card.provenance) == ("ml", "imported from files in RecBole's format")


def test_lists_of_tokens_are_modalities(folder):
    (folder / "ml.itememb").write_text(
        "item_id:token\tclass:token_seq\n661\tdrama crime\n7\t\n1193\tcrime  war\n"
    )
    features = import_recbole(folder).features
    title, genres = features["title"], features["class"]
    assert (title.n_tokens, genres.n_tokens) == (7, 3)  # "Giant Flew James Nobody's One and the
    assert title.items.tolist() == [0, 1, 2]
    assert [title.tokens[a:b].tolist() for a, b in pairwise(title.starts)] == [[3], [0, 2, 5, 6], [1, 4]]
    assert genres.items.tolist() == [1, 2]  # what has no genres lacks them
    assert [genres.tokens[a:b].tolist() for a, b in pairwise(genres.starts)] == [[0, 1], [0, 2]]


def test_a_modality_is_in_one_file_only(folder):
    (folder / "ml.itememb").write_text("item_id:token\tcover:token_seq\n661\tx\n")
    with pytest.raises(DataError, match="cover in two files"):
        import_recbole(folder)


def test_items_come_from_every_file(folder):
    (folder / "ml.itememb").write_text("iid:token\titem_emb:float_seq\n661\t1 2\nB07\t3 4\n")
    (folder / "ml.inter").write_text(INTER + "2\t99\t1\t1\n")
    dataset = import_recbole(folder)
    assert dataset.items.ids.to_list() == ["1193", "661", "7", "99", "B07"]
    assert dataset.item_table["title"].to_list() == [
        "One Flew",
        'James and the "Giant',
        "Nobody's",
        None,
        None,
    ]
    assert dataset.modalities == ("cover", "title", "item_emb")
    assert dataset.users.ids.to_list() == [1, 2]


def test_interactions_alone_under_other_names(tmp_path):
    path = tmp_path / "x.inter"
    path.write_text("member:token\tclip:token\tstars:float\nä\t01\t2\n")
    dataset = import_recbole(
        path, name="mine", columns={"user_id": "member", "item_id": "clip", "weight": "stars"}
    )
    assert (dataset.users.ids.to_list(), dataset.items.ids.to_list()) == (["ä"], ["01"])
    assert dataset.interactions.weights.tolist() == [2.0]
    assert dataset.card.name == "mine"


def test_a_mapping_need_not_fit_every_file(folder):
    (folder / "ml.inter").write_text(INTER.replace("item_id", "movie"))
    dataset = import_recbole(folder, columns={"item_id": "movie", "title": "release_year"})
    assert dataset.item_table["title"].to_list() == [None, "1996", "1975"]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        (
            "ml.inter",
            "user_id\titem_id:token\n1\t2\n",
            ": expected column names that end in a type (token, token_seq, float, float_seq), "
            "found 'user_id'. Write user_id:token, for example.",
        ),
        (
            "ml.inter",
            "user_id:token\titem_id:id\n1\t2\n",
            ": expected column names that end in a type (token, token_seq, float, float_seq), "
            "found 'item_id:id'. Write item_id:token, for example.",
        ),
        (
            "ml.inter",
            "user_id:token\tvideo:token\n1\t2\n",
            ": expected a column item_id, found user_id:token, video:token. "
            "Say which column holds it, for example item_id=video:token.",
        ),
        (
            "ml.inter",
            INTER.replace("978300760", "yesterday"),
            ", column timestamp, row 0: expected a number or a time such as 2026-01-31T12:00:00, "
            "found 'yesterday'. Correct or drop that row, or leave the column out.",
        ),
        (
            "ml.inter",
            INTER.replace("4.5", "good"),
            ", column weight, row 2: expected a number, found 'good'. "
            "Correct or drop that row, or leave the column out.",
        ),
        (
            "ml.inter",
            INTER.replace("978300760", ""),
            ", row 0: expected a finite number in every row of timestamp, found an empty cell. "
            "Correct or drop those rows, or leave the column out.",
        ),
        (
            "ml.item",
            ITEM.replace("79.5", "long"),
            ", column length, row 0: expected a number, found 'long'. "
            "Correct the number, or write length:token as the column's name.",
        ),
        (
            "ml.item",
            ITEM.replace("1 2 3", "1 2"),
            ", column cover, row 2: expected 3 numbers, as in row 0, found 2. "
            "Give vectors of one length; leave the cell empty if the item has none.",
        ),
        (
            "ml.item",
            ITEM.replace("1 2 3", "1 2 x"),
            ", column cover, row 2: expected numbers, found '1 2 x'. "
            "Correct the cell; leave it empty if the item has no features.",
        ),
        (
            "ml.item",
            ITEM.replace("1 2 3", "1 nan 3"),
            ", column cover, row 2, column 1: expected finite numbers, found nan. "
            "If the item lacks the modality, leave its row out and name the item of each row.",
        ),
        (
            "ml.itememb",
            "item_id:token\tcover:float_seq\n7\t1 2\n",
            ": expected each modality once, found cover in two files. Rename the column in one of them.",
        ),
    ],
)
def test_bad_files(folder, name, content, text, refusal):
    (folder / name).write_text(content)
    assert refusal(DataError, import_recbole, folder) == f"{folder / name}{text}"


def test_an_item_twice(folder, refusal):
    (folder / "ml.item").write_text(ITEM + "7\tAgain\t\t\t\n")
    assert refusal(DataError, import_recbole, folder) == (
        "the table of items: expected each item once, found item 7 more than once. "
        "Keep one row for each item."
    )


def test_no_such_folder(tmp_path, refusal):
    text = refusal(StorageError, import_recbole, tmp_path / "x")
    assert text.startswith(f"{tmp_path}/x: expected a folder of RecBole's files, found nothing.")

"""What other programs answer from an export: the lists of the recommender, whatever the ids."""

import json
from pathlib import Path

import lancedb
import numpy as np
import onnxruntime
import polars as pl
import pytest
from hand_made import hand_made
from safetensors.numpy import load_file

from reelmix.data import Card
from reelmix.data.assemble import assemble
from reelmix.data.vocabulary import as_ids
from reelmix.models import LightGCN, Reelmix
from reelmix.recommender import Recommender
from reelmix.recommender.export import EXPORTS
from reelmix.recommender.fit import fit

N_USERS, N_ITEMS = 14, 18
TEXTS = [
    "it's", 'a "quoted" id', "''", "back\\slash", "\\", "\\N", "\\.", "\\t", "NULL", "tab\there", "new\nline",
    "\\.\n", "re\rturn\r\n", "a,b;c", " padded ", "$1", "--; DROP TABLE reelmix_items;", "{1,2}",
    "zoë", "Zoe\u0308", "日本語", "👩‍👧 family", "מה", "\u2028", "\x01\x7f", "x" * 300, ":user", "7",
]  # fmt: skip
INTEGERS = [1 - 2**63, -(2**53) - 1, -7, 0, 1, 2**31, 2**53 + 1, 2**63 - 1, *range(20, 40)]
IDS = {"texts": TEXTS, "integers": INTEGERS}


# How each export is read back: to the items for a user, best first


def from_npz(path, user, n):
    with np.load(path, allow_pickle=False) as arrays:
        return from_arrays(dict(arrays), user, n)


def from_safetensors(path, user, n):
    return from_arrays(load_file(path), user, n)


def from_arrays(arrays, user, n):
    scores = arrays["items"] @ arrays["users"][arrays["user_ids"].tolist().index(user)]
    return best(arrays["item_ids"].tolist(), scores, arrays["items_known"], n)


def from_parquet(path, user, n):
    users, items = pl.read_parquet(path).partition_by("kind", maintain_order=True)
    (vector,) = users.filter(id=str(user))["vector"]
    scores = np.stack(items["vector"].to_list()) @ vector.to_numpy()
    ids = items["id"].cast(pl.Int64) if isinstance(user, int) else items["id"]
    return best(ids.to_list(), scores, items["known"].to_numpy(), n)


def best(ids, scores, known, n):
    order = [row for row in np.argsort(-scores, kind="stable") if known[row]]
    return [(ids[row], float(scores[row])) for row in order[:n]]


def from_lancedb(path, user, n):
    database = lancedb.connect(path)
    quoted = "'" + user.replace("'", "''") + "'" if isinstance(user, str) else user
    (line,) = database.open_table("users").search().where(f"id = {quoted}").to_list()
    search = database.open_table("items").search(line["vector"]).distance_type("dot").limit(n)
    return [(line["id"], 1 - line["_distance"]) for line in search.to_list()]


def from_onnx(path, user, n):
    session = onnxruntime.InferenceSession(path)
    about = session.get_modelmeta().custom_metadata_map
    user_ids, item_ids = json.loads(about["user_ids"]), json.loads(about["item_ids"])
    inputs = {"user": np.array([user_ids.index(user)]), "k": np.array([n])}
    rows, scores = session.run(["top_items", "top_scores"], inputs)
    return [(item_ids[row], float(score)) for row, score in zip(rows[0], scores[0], strict=True)]


@pytest.fixture
def from_pgvector(postgres):
    def read(path, user, n):
        script = path.read_text(encoding="utf-8")
        postgres.psql(script)
        query = script[script.rindex("--     SELECT") :].replace("--     ", "").replace("LIMIT 10;\n", "")
        prepared = f"PREPARE best AS SELECT json_agg(line) FROM ({query} LIMIT {n}) line;"
        answer = postgres.psql(f"{prepared} EXECUTE best(:'user');", user=str(user))
        return [(line["id"], line["score"]) for line in json.loads(answer) or ()]

    return read


@pytest.fixture
def readers(from_pgvector):
    return {
        "npz": from_npz,
        "safetensors": from_safetensors,
        "parquet": from_parquet,
        "lancedb": from_lancedb,
        "pgvector": from_pgvector,
        "onnx": from_onnx,
    }


RUNS = ["Reelmix texts", "Reelmix integers", "LightGCN texts"]
HELD = [(run, to) for run in RUNS for to in EXPORTS if (to, "texts") != ("safetensors", run.split()[1])]


@pytest.fixture(scope="module")
def run(request):
    """Of a small world in which the last item has neither content nor anybody who watched it."""
    model, ids = request.param.split()
    rng = np.random.default_rng(3)
    users, items = sorted(IDS[ids][:N_USERS]), sorted(IDS[ids][-N_ITEMS:])
    pairs = [(user, items[row]) for user in users for row in rng.permutation(N_ITEMS - 1)[:6]]
    who, what = zip(*pairs, strict=True)
    table = pl.DataFrame({"user_id": as_ids(who, "user"), "item_id": as_ids(what, "item")})
    values = rng.normal(size=(N_ITEMS - 3, 6)).astype(np.float32)
    features = {"visual": (as_ids(items[2:-1], "item"), values)}
    item_table = pl.DataFrame({"item_id": as_ids(items, "item")})
    dataset = assemble(table, item_table, features, card=Card("small"), where=Path("pairs"))
    model = {"Reelmix": Reelmix, "LightGCN": LightGCN}[model](embedding_size=8)
    return fit(model, dataset.split(rng=0), epochs=2, rng=0)


@pytest.mark.parametrize(("run", "to"), HELD, indirect=["run"])
def test_the_same_ten(run, readers, tmp_path, to):
    recommender, path = Recommender(run), tmp_path / "out"
    EXPORTS[to](run, path)
    users = run.users.ids.filter(recommender.known_users).to_list()
    assert len(users) >= N_USERS - 2
    for user in users[:: 2 if to == "pgvector" else 1]:
        expected = recommender.recommend(user, 10, include_seen=True)
        found = readers[to](path, user, 10)
        assert [identifier for identifier, _ in found] == [line.id for line in expected]
        assert {type(identifier) for identifier, _ in found} == {type(expected[0].id)}
        np.testing.assert_allclose(
            [score for _, score in found], [line.score for line in expected], atol=1e-5
        )


# What is not known


@pytest.fixture
def half_known():
    """A user with negative scores alone, one without training, and an item of which nothing is known."""
    return hand_made(
        [[-1.0, -2.0], [1.0, 1.0]],
        [[1.0, 1.0], [0.0, 0.0], [2.0, 0.5], [0.0, 0.0]],
        present=[[True], [False], [True], [True]],
        watched=[(0, 0, 0), (1, 2, 2)],
        user_ids=[5, 6],
        item_ids=[10, 11, 12, 13],
    )


@pytest.mark.parametrize("to", EXPORTS)
def test_what_is_not_known_is_in_no_list(half_known, readers, tmp_path, to):
    EXPORTS[to](half_known, tmp_path / "out")
    lines = Recommender(half_known).recommend(5, 10, include_seen=True)
    assert [(line.id, line.score) for line in lines] == [(13, 0.0), (10, -3.0), (12, -3.0)]
    found = readers[to](tmp_path / "out", 5, 10)
    assert found[0] == (13, 0.0)
    assert sorted(found) == [(10, -3.0), (12, -3.0), (13, 0.0)]  # ties come in any order


@pytest.mark.parametrize("to", ["lancedb", "onnx", "pgvector"])
def test_nobody_answers_for_a_user_who_is_not_known(half_known, readers, tmp_path, to):
    written = EXPORTS[to](half_known, tmp_path / "out")
    assert written == (1, 3)
    if to == "pgvector":
        assert "\n6\t" not in (tmp_path / "out").read_text()
    else:
        with pytest.raises(ValueError, match=r"not enough values to unpack|6 is not in list"):
            readers[to](tmp_path / "out", 6, 10)


@pytest.mark.parametrize("to", ["npz", "safetensors", "parquet"])
def test_arrays_mark_what_is_not_known(half_known, tmp_path, to):
    path = tmp_path / "out"
    assert EXPORTS[to](half_known, path) == (2, 4)
    if to == "parquet":
        marks = pl.read_parquet(path)["known"].to_list()
    else:
        arrays = dict(np.load(path)) if to == "npz" else load_file(path)
        assert arrays["users_known"].dtype == arrays["items_known"].dtype == bool
        marks = [*arrays["users_known"].tolist(), *arrays["items_known"].tolist()]
    assert marks == [True, False, True, False, True, True]

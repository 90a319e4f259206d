"""The caller's own ids, whatever they are, from the data through training and a run to every answer."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hand_made import assert_same_run

from reelmix.data import Card, Dataset
from reelmix.data.assemble import assemble
from reelmix.data.vocabulary import as_ids
from reelmix.models import DualGNN
from reelmix.recommender import Recommender, Run, explain
from reelmix.recommender.export import to_npz, to_parquet, to_safetensors
from reelmix.recommender.fit import fit

N_USERS, N_ITEMS = 14, 12
AWKWARD = [
    "zoë",
    "Zoe\u0308",
    "日本語",
    "👩‍👧 family",
    "מה",
    " padded ",
    'a "quoted" id',
    "-1",
    "007",
    "7",
    "1e5",
]
AWKWARD += ["a,b;c\td", "line\nbreak", "[bold]", "../../etc", "x" * 300, "ﷺ", "null", "\u200bhidden"]
INTEGERS = [-(2**63), -(2**40), -1, 0, 1, 7, 10, 2**31, 2**53 + 1, 2**62, 2**63 - 1, 41, 42, 43]

KINDS = {
    "plain": (list(range(N_USERS)), list(range(100, 100 + N_ITEMS))),
    "negative and huge": (sorted(INTEGERS), sorted(INTEGERS[:N_ITEMS])),
    "texts": (sorted(AWKWARD)[:N_USERS], sorted(AWKWARD)[-N_ITEMS:]),
    "mixed": (sorted(AWKWARD)[-N_USERS:], list(range(-N_ITEMS, 0))),
    # beyond 64 bits ids are texts, which sort by their digits
    "beyond 64 bits": (
        sorted(str(2**70 + row) for row in range(N_USERS)),
        sorted(str(2**80 + row) for row in range(N_ITEMS)),
    ),
}


def world(users, items) -> Dataset:
    """The same small world under these ids, which are sorted; rows come in any order, as in real tables."""
    rng = np.random.default_rng(1)
    pairs = [(user, item) for user in range(N_USERS) for item in rng.permutation(N_ITEMS)[:6]]
    values = rng.normal(size=(N_ITEMS, 6)).astype(np.float32)
    having = rng.permutation(N_ITEMS)[: N_ITEMS - 2]
    rng.shuffle(pairs)
    table = pl.DataFrame(
        {
            "user_id": as_ids([users[user] for user, _ in pairs], "user"),
            "item_id": as_ids([items[item] for _, item in pairs], "item"),
        }
    )
    features = {"visual": (as_ids([items[row] for row in having], "item"), values[having])}
    all_items = pl.DataFrame({"item_id": as_ids(items, "item")})
    return assemble(table, all_items, features, card=Card("small"), where=Path("pairs"))


def train(users, items, folder: Path) -> Run:
    dataset = Dataset.read(world(users, items).write(folder / "data"))
    model = DualGNN(embedding_size=4, neighbours=3)
    return fit(model, dataset.split(rng=0), epochs=1, rng=0, out=folder / "run")


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Run:
    return train(*KINDS["plain"], tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("kind", list(KINDS)[1:])
def test_any_ids_from_data_to_answers(kind, plain, tmp_path):
    users, items = KINDS[kind]
    trained = train(users, items, tmp_path)
    run = Run.read(tmp_path / "run")
    assert_same_run(run, trained)
    assert run.users.ids.to_list() == users
    assert run.items.ids.to_list() == items
    # the ids are all that differs from the plain world, since they sort alike
    np.testing.assert_array_equal(run.vectors.users, plain.vectors.users)
    np.testing.assert_array_equal(run.vectors.items, plain.vectors.items)
    recommender, other = Recommender(run), Recommender(plain)
    for row, lines in enumerate(recommender.recommend(users, 5)):
        expected = other.recommend([row], 5)[0]
        assert [line.id for line in lines] == [items[line.id - 100] for line in expected]
        assert [type(line.id) for line in lines] == [type(items[0])] * len(lines)
        likes = explain(recommender, users[row], lines[0].id).like
        others = explain(other, row, expected[0].id).like
        assert {name: [line.id for line in found] for name, found in likes.items()} == {
            name: [items[line.id - 100] for line in found] for name, found in others.items()
        }
    nearest = recommender.similar_items(items[0], 3)
    assert [line.id for line in nearest] == [items[line.id - 100] for line in other.similar_items(100, 3)]
    assert (
        recommender.recommend(users[0], among=items[:6], without=items[:5], include_seen=True)[0].id
        == items[5]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_any_ids_are_exported(kind, tmp_path):
    users, items = KINDS[kind]
    run = train(users, items, tmp_path)
    to_npz(run, tmp_path / "v.npz")
    with np.load(tmp_path / "v.npz", allow_pickle=False) as arrays:
        assert arrays["user_ids"].tolist() == users
        assert arrays["item_ids"].tolist() == items
        np.testing.assert_array_equal(arrays["users"], run.vectors.users)
        np.testing.assert_array_equal(arrays["items"], run.vectors.items)
    to_parquet(run, tmp_path / "v.parquet")
    assert pl.read_parquet(tmp_path / "v.parquet")["id"].to_list() == [str(one) for one in users + items]
    if isinstance(users[0], int):
        to_safetensors(run, tmp_path / "v.safetensors")


@pytest.mark.parametrize("kind", KINDS)
def test_any_id_as_typed_on_a_command_line(kind):
    users, items = KINDS[kind]
    dataset = world(users, items)
    assert [dataset.users.parse(str(user)) for user in users] == users
    assert [dataset.items.parse(str(item)) for item in items] == items

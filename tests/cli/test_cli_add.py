"""``reelmix add``: new items into a run, that the run then knows them, and a user's mistakes."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from transcripts import transcript

from reelmix.data import Dataset
from reelmix.data.vocabulary import Vocabulary
from reelmix.recommender import Run

NEW = ("fresh-1", "fresh-2", "fresh-3")
BARE = ("bare-1", "bare-2")


def renamed(dataset, names):
    """The dataset, whose first items have these ids instead of their own; ids stay in order."""
    ids = pl.Series("id", [*names, *dataset.items.ids.to_list()[len(names) :]])
    table = dataset.item_table.with_columns(item_id=ids)
    return replace(dataset, items=Vocabulary(ids, "item"), item_table=table)


def without_content(dataset, rows):
    features = {name: one.only(~np.isin(one.items, rows)) for name, one in dataset.features.items()}
    return replace(dataset, features=features)


@pytest.fixture(scope="module")
def more(world, tmp_path_factory):
    """Five items that no run knows, two of which have no modality, beside those that it knows."""
    dataset = renamed(world.dataset, [*BARE, *NEW])
    dataset = without_content(dataset, [0, 1])
    assert all(any(dataset.has(name)[row] for name in dataset.modalities) for row in (2, 3, 4))
    return dataset.write(tmp_path_factory.mktemp("more") / "data")


@pytest.fixture
def added(reelmix, run_folder, more, tmp_path):
    done = reelmix("add", run_folder, more, "--out", tmp_path / "out")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [
        "left out, because they have no modality: 2 items",
        "added: 3 items",
        f"run folder: {tmp_path / 'out'}",
    ]
    return tmp_path / "out"


# Added


def test_the_run_has_the_new_items_beside_the_old(added, run_folder, more):
    before, after = Run.read(run_folder), Run.read(added)
    assert after.items.ids.to_list() == [*before.items.ids.to_list(), *NEW]
    np.testing.assert_array_equal(after.vectors.items[:-3], before.vectors.items)
    np.testing.assert_array_equal(after.vectors.users, before.vectors.users)
    dataset = Dataset.read(more)
    for name, place in zip(dataset.modalities, range(3), strict=True):
        np.testing.assert_array_equal(after.vectors.present[-3:, place], dataset.has(name)[2:5])
    assert after.manifest["added_items"] == 3


def test_they_are_recommended(reelmix, added, run_folder, tmp_path):
    (tmp_path / "new").write_text("\n".join(NEW))
    words = ["recommend", added, "--user", "user-17", "--json"]
    listed = json.loads(reelmix(*words, "-n", "5", "--among", tmp_path / "new").out)["items"]
    assert {item["id"] for item in listed} == set(NEW)
    run = Run.read(added)
    scores = run.vectors.items[-3:] @ run.vectors.users[run.users.row("user-17")]
    expected = dict(zip(NEW, scores.tolist(), strict=True))
    assert {item["id"]: item["score"] for item in listed} == pytest.approx(expected, abs=1e-5)
    everything = json.loads(reelmix(*words, "-n", "99").out)["items"]
    old = json.loads(reelmix("recommend", run_folder, *words[2:], "-n", "99").out)["items"]
    assert [item for item in everything if item["id"] not in NEW] == old
    assert len(everything) == len(old) + 3


def test_they_are_like_items_of_like_content_and_explained(reelmix, more, run_folder, tmp_path):
    """An item is next to another new one that has its content."""
    dataset = Dataset.read(more)
    visual = dataset.features["visual"]
    values = visual.values.copy()
    rows = [visual.items.tolist().index(item) for item in (2, 3)]
    values[rows[1]] = values[rows[0]]
    twins = replace(dataset, features={"visual": replace(visual, values=values)})
    folder = twins.write(tmp_path / "twins")
    assert reelmix("add", run_folder, folder, "--out", tmp_path / "out").status == 0
    nearest = reelmix("similar", tmp_path / "out", "--item", "fresh-1", "-n", "1").out.splitlines()[-1]
    assert nearest.split()[1] == "fresh-2"
    done = reelmix("explain", tmp_path / "out", "--user", "user-17", "--item", "fresh-1")
    assert done.status == 0
    assert done.out.startswith("user user-17, item fresh-1: score ")
    run = Run.read(tmp_path / "out")
    score = run.vectors.items[-3] @ run.vectors.users[run.users.row("user-17")]
    assert done.out.startswith(f"user user-17, item fresh-1: score {score:.3f}")


def test_more_can_be_added_to_what_was_added(reelmix, added, world, tmp_path):
    again = renamed(world.dataset, ["later"]).write(tmp_path / "again")
    done = reelmix("add", added, again, "--out", tmp_path / "third")
    assert done.out.splitlines() == ["added: 1 item", f"run folder: {tmp_path / 'third'}"]
    run = Run.read(tmp_path / "third")
    assert run.items.ids.to_list()[-4:] == [*NEW, "later"]
    assert run.manifest["added_items"] == 4


def test_the_run_that_was_given_stays_as_it_was(reelmix, run_folder, more, tmp_path):
    before = {path.name: path.read_bytes() for path in run_folder.iterdir()}
    reelmix("add", run_folder, more, "--out", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in run_folder.iterdir()} == before


# Mistakes


@pytest.mark.parametrize(
    ("words", "message"),
    transcript("""
$ reelmix add RUN DATA --out TMP/out
    add_items: expected at least one new item with a modality,
    found none. Give items that the run does not have, with the features of at least one modality.
$ reelmix add RUN MORE --out DATA
    DATA: expected a new or empty folder for the run,
    found something there already. Choose another path, or move the old one away first.
$ reelmix add RUN TMP/none --out TMP/out
    TMP/none: expected a dataset folder,
    found nothing. Check the path; relative paths start in the present folder.
$ reelmix add DATA MORE --out TMP/out
    DATA: expected a finished run,
    found a folder without manifest.json. Give the folder that reelmix train wrote to.
"""),
)
def test_a_mistake_leaves_nothing_behind(mistaken_with_more, tmp_path, words, message):
    mistaken_with_more(words, message)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def mistaken_with_more(mistaken, more):
    def typed(words, message):
        mistaken([word.replace("MORE", str(more)) for word in words], message)

    return typed


def test_items_that_all_lack_content(refused, run_folder, world, tmp_path):
    bare = without_content(renamed(world.dataset, BARE), [0, 1]).write(tmp_path / "bare")
    assert refused("add", run_folder, bare, "--out", tmp_path / "out") == (
        "add_items: expected at least one new item with a modality, found none. Give items that the run does "
        "not have, with the features of at least one modality."
    )
    assert not (tmp_path / "out").exists()


def other_features(world, **changes):
    dataset = renamed(world.dataset, NEW)
    visual = replace(dataset.features["visual"], **changes)
    return replace(dataset, features={**dataset.features, "visual": visual})


def test_features_of_another_size(refused, run_folder, world, tmp_path):
    short = world.dataset.features["visual"].values[:, :5]
    data = other_features(world, values=np.ascontiguousarray(short)).write(tmp_path / "short")
    assert refused("add", run_folder, data, "--out", tmp_path / "out") == (
        "features, modality 'visual': expected visual features of size 48, as in training, found 5. "
        "Extract them with the encoder that made the training features."
    )
    assert not (tmp_path / "out").exists()


def test_features_of_another_encoder(refused, run_folder, world, tmp_path):
    own = world.dataset.features["visual"].encoder
    data = other_features(world, encoder="another").write(tmp_path / "other")
    assert refused("add", run_folder, data, "--out", tmp_path / "out") == (
        f"features, modality 'visual': expected visual features of encoder {own}, as in training, found "
        "another. Extract them with the encoder that made the training features."
    )


def test_ids_of_another_type(refused, run_folder, world, tmp_path):
    dataset = world.dataset
    ids = pl.Series("id", range(dataset.n_items), dtype=pl.Int64)
    table = dataset.item_table.with_columns(item_id=ids)
    numbered = replace(dataset, items=Vocabulary(ids, "item"), item_table=table).write(tmp_path / "numbers")
    assert refused("add", run_folder, numbered, "--out", tmp_path / "out") == (
        "add_items: expected item ids of the run's type, such as 'reel-1', found 0. "
        "Write them like the ids of the run."
    )


def test_a_model_that_knows_no_content(reelmix, refused, data, more, tmp_path):
    run = tmp_path / "lightgcn"
    words = ["train", data, "--model", "lightgcn", "--epochs", "1", "--embedding-size", "4", "--out", run]
    assert reelmix(*words).status == 0
    assert refused("add", run, more, "--out", tmp_path / "out") == (
        "add_items: expected a model that knows content: reelmix, dualgnn, mmgcn, vbpr, found lightgcn. "
        "Train one of these on a dataset with features."
    )
    assert not (tmp_path / "out").exists()

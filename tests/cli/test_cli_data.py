"""``sample``, ``import``, ``describe``, ``demo``."""

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from reelmix.cli import demo, terminal
from reelmix.cli import sample as sample_command
from reelmix.data import Card, Dataset
from reelmix.data.assemble import assemble
from reelmix.data.describe import describe
from reelmix.data.feature_files import FeatureTable
from reelmix.data.sample import sample
from reelmix.graph.lookalikes import lifts
from reelmix.models import Reelmix
from reelmix.recommender import Run
from reelmix.study.coverage import coverage_figures
from reelmix.study.figure import Figure


def test_sample(reelmix, tmp_path, monkeypatch):
    monkeypatch.setattr(sample_command, "sample", lambda rng: sample(rng, n_users=30, n_items=25))
    done = reelmix("sample", tmp_path / "data", "--rng", "4")
    assert (done.status, done.err) == (0, "")
    assert done.out == f"simulated: 30 users, 25 items written to {tmp_path / 'data'}\n"
    expected = sample(4, n_users=30, n_items=25).dataset
    assert Dataset.read(tmp_path / "data").content_hash == expected.content_hash


@pytest.fixture
def ratings(tmp_path):
    """Four users who watched much, and one who watched one item."""
    folder = tmp_path / "ratings"
    (folder / "features").mkdir(parents=True)
    pairs = [(user, item) for user in range(4) for item in range(6)] + [(9, 9)]
    pl.DataFrame({"userId": [u for u, _ in pairs], "item_id": [i for _, i in pairs]}).write_csv(
        folder / "interactions.csv"
    )
    np.save(folder / "features" / "cover.npy", np.vstack([np.zeros(3), np.ones((4, 3))]).astype(np.float32))
    (folder / "features" / "cover_ids.csv").write_text("item_id\n0\n1\n2\n3\n9\n")
    return folder


def test_import(reelmix, ratings, tmp_path):
    words = ["import", "table", ratings, tmp_path / "data", "--column", "user_id=userId"]
    done = reelmix(*words, "--name", "mine")
    assert done.status == 0, done.err
    dataset = Dataset.read(tmp_path / "data")
    assert (dataset.n_users, dataset.n_items, len(dataset.interactions)) == (5, 7, 25)
    assert dataset.items.ids.to_list() == [0, 1, 2, 3, 4, 5, 9]
    assert dataset.has("cover").tolist() == [True, True, True, True, False, False, True]
    assert dataset.card.name == "mine"
    assert done.out.startswith("mine (imported from a table, interactions.csv)\n")
    assert done.out.endswith(f"\ndataset folder: {tmp_path / 'data'}\n")
    assert "1 cover vectors are all zeros" in done.err


def test_import_a_core(reelmix, ratings, tmp_path):
    words = ["import", "table", ratings, tmp_path / "data", "--column", "user_id=userId", "--k-core", "2"]
    done = reelmix(*words)
    dataset = Dataset.read(tmp_path / "data")
    assert (dataset.n_users, dataset.n_items, len(dataset.interactions)) == (4, 6, 24)
    assert "note: 2-core of 5 users and 7 items\n" in done.out


def test_import_what_cannot_be_read(refused, ratings, tmp_path):
    message = refused("import", "table", ratings, tmp_path / "data")
    assert str(ratings / "interactions.csv") in message
    assert "user_id" in message
    assert not (tmp_path / "data").exists()


def test_import_a_core_of_nothing(refused, ratings, tmp_path):
    words = ["import", "table", ratings, tmp_path / "data", "--column", "user_id=userId", "--k-core", "5"]
    assert refused(*words) == "k_core: expected a 5-core, found none among 25 interactions. Use a smaller k."
    assert not (tmp_path / "data").exists()


def test_describe_json(reelmix, data, world):
    done = reelmix("describe", data, "--json")
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    assert found == json.loads(json.dumps(describe(world.dataset, lifts(world.dataset)).as_dict()))
    assert all(one["lift"] > 1 for one in found["modalities"])
    assert (found["users"], found["items"]) == (120, 80)
    assert found["interactions"] == len(world.dataset.interactions)


def test_describe(reelmix, data, world):
    done = reelmix("describe", data)
    dataset = world.dataset
    pairs = len(dataset.interactions)
    lines = [line.split() for line in done.out.splitlines()]
    assert done.out.startswith("simulated sample (simulated)\n")
    assert [f"{pairs:,}", "80", "120", f"{100 - pairs / 96:.2f}", "%", "48", "32", "40"] in lines
    lift = lifts(dataset)
    for name in dataset.modalities:
        with_it = dataset.has(name)
        those = int(with_it[dataset.interactions.items].sum())
        row = [
            name,
            "simulated",
            str(with_it.sum()),
            f"{with_it.mean():.1%}",
            f"{those:,}",
            f"{those / pairs:.1%}",
            f"{lift[name]:.2f}",
        ]
        assert row in lines


def test_describe_compares_items_where_that_is_quick_or_asked_for(reelmix, data, monkeypatch):
    told, skipped = "(lift: how many times as often", "lift: not worked out"
    assert told not in reelmix("describe", data, "--no-lift").out
    monkeypatch.setattr("reelmix.graph.lookalikes.MANY_PRODUCTS", 1)
    done = reelmix("describe", data)
    assert told not in done.out
    assert skipped in done.out
    done = reelmix("describe", data, "--lift")
    assert told in done.out
    assert skipped not in done.out


def timed(pairs, **having):
    """A dataset of (user, item, time); and which items have each modality."""
    columns = {name: [one[n] for one in pairs] for n, name in enumerate(("user_id", "item_id", "timestamp"))}
    tables = {
        name: FeatureTable(pl.Series(list(rows), dtype=pl.Int64), np.ones((len(rows), 2)), name)
        for name, rows in having.items()
    }
    return assemble(pl.DataFrame(columns), None, tables, card=Card("hand-made"), where=Path("by hand"))


@pytest.fixture
def few(tmp_path):
    """Ten items, the n-th watched by n users; ``look`` is that of the five most watched, ``words`` of all."""
    pairs = [(user, item, 100 - item) for item in range(1, 11) for user in range(item)]
    return timed(pairs, look=range(6, 11), words=range(1, 11)).write(tmp_path / "few")


FEW_MISSES = """\

items by what they have
modalities    items  share  interactions with them  share
look + words      5  50.0%                      40  72.7%
words             5  50.0%                      15  27.3%
"""

FEW_TENTHS = """\

coverage by tenths of the items, least to most popular (▁ below 12.5 %, █ from 87.5 %)
modality  tenths      lowest  highest
look      ▁▁▁▁▁█████    0.0%   100.0%
words     ██████████  100.0%   100.0%

coverage by tenths of the items, oldest to newest by first interaction (▁ below 12.5 %, █ from 87.5 %)
modality  tenths      lowest  highest
look      █████▁▁▁▁▁    0.0%   100.0%
words     ██████████  100.0%   100.0%
"""

FEW_TENDENCIES = """\

items without look are less popular: an item with it beats one without in 100.0 % of pairs \
(p = 0.016; median 8 and 3 interactions)
items without look are newer: an item without it is newer than one with it in 100.0 % of pairs (p = 0.016)
(age by the time of the first interaction, which stands for that of the upload; of a popular item it \
tends to come sooner)
"""


def unstyled(text):
    """Without the blanks that pad the lines of a table."""
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def test_describe_what_is_missing(reelmix, few):
    done = reelmix("describe", few)
    assert (done.status, done.err) == (0, "")
    assert unstyled(done.out).endswith(FEW_MISSES + FEW_TENTHS + FEW_TENDENCIES)


def test_describe_where_blocks_cannot_be_printed(reelmix, few, monkeypatch):
    monkeypatch.setattr(type(terminal.console), "encoding", "ascii")
    out = reelmix("describe", few).out
    assert "(1 below 12.5 %, 8 from 87.5 %)" in out
    assert ["look", "1111188888", "0.0%", "100.0%"] in [line.split() for line in out.splitlines()]
    assert out.isascii()


@pytest.mark.parametrize("having", [{}, {"v": []}, {"v": [1, 2]}])
def test_describe_where_nothing_or_all_is_missing(reelmix, tmp_path, having):
    path = timed([(1, 1, 1), (1, 2, 2)], **having).write(tmp_path / "data")
    done = reelmix("describe", path)
    assert done.status == 0
    assert "tenths" not in done.out
    assert "no sign" not in done.out


def test_describe_plot(reelmix, few, tmp_path):
    out = tmp_path / "new" / "pictures"
    done = reelmix("describe", few, "--plot", out)
    names = ["coverage_combinations", "coverage_popularity", "coverage_age"]
    assert (done.status, done.err) == (0, "")
    figures = "".join(f"figure: {out / name}.svg\n" for name in names)
    assert unstyled(done.out).endswith(FEW_MISSES + FEW_TENDENCIES + figures)
    made = {path.name for path in out.iterdir()}
    assert made == {f"{name}.{kind}" for name in names for kind in ("json", "svg", "png")}
    found = describe(Dataset.read(few))
    assert tuple(Figure.read(out / f"{name}.json") for name in names) == coverage_figures(found)


def test_describe_plot_and_json(reelmix, few, tmp_path):
    done = reelmix("describe", few, "--json", "--plot", tmp_path / "out")
    assert json.loads(done.out) == json.loads(json.dumps(describe(Dataset.read(few)).as_dict()))
    assert (tmp_path / "out" / "coverage_age.png").exists()


def test_describe_plot_without_matplotlib(refused, few, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert refused("describe", few, "--plot", tmp_path / "out") == (
        "expected matplotlib, which plots, searches and studies need, found none installed. "
        "Run: pip install 'reelmix[study]'"
    )
    assert not (tmp_path / "out").exists()


def test_describe_prints_a_name_as_it_stands(reelmix, tmp_path):
    dataset = sample(n_users=20, n_items=20).dataset
    named = Dataset(
        dataset.users,
        dataset.items,
        dataset.interactions,
        dataset.features,
        dataset.item_table,
        Card("[b]mine[/i]", ":fire:", notes=("[/b] dropped",)),
    )
    done = reelmix("describe", named.write(tmp_path / "data"))
    assert done.out.startswith("[b]mine[/i] (:fire:)\n")
    assert "note: [/b] dropped\n" in done.out


def test_demo(reelmix, world, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "sample", lambda: world)
    monkeypatch.setattr(demo, "Reelmix", lambda: Reelmix(embedding_size=8))
    out = tmp_path / "demo"
    done = reelmix("demo", "--out", out, "--epochs", "1", "--user", "user-5", "--rng", "3")
    assert done.status == 0, done.err
    assert Dataset.read(out / "data").content_hash == world.dataset.content_hash
    run = Run.read(out / "run")
    assert (run.manifest["epochs"], run.manifest["rng"], run.manifest["split"]["rng"]) == (1, 3, 3)
    assert run.manifest["dataset"]["simulated"] is True
    first = done.out.splitlines()[0]
    holes = ", ".join(f"{name} {1 - world.dataset.has(name).mean():.0%}" for name in world.modalities)
    assert first == f"simulated sample: 120 users, 80 items; missing: {holes}"
    for line in run.recommender().recommend("user-5", 10):
        assert f" {line.id} " in done.out
        assert line.title in done.out
    assert "the simulated users have a planted emphasis" in done.err
    assert done.out.splitlines()[-1] == f"next: reelmix serve {out / 'run'}"

"""``explain``: its two tables and its JSON say what the library says."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from reelmix.cli import terminal
from reelmix.cli.explain import show
from reelmix.data import Dataset
from reelmix.models import LightGCN, model_class
from reelmix.recommender import Recommender, explain
from reelmix.recommender.fit import fit

WORDS = ["--user", "user-17", "--item", "reel-1"]


@pytest.fixture
def recommender(run_folder):
    return Recommender(run_folder)


@pytest.fixture
def found(recommender):
    return explain(recommender, "user-17", "reel-1")


def cells(line):
    """The words of a row, each run of two spaces or more a border."""
    return [cell.strip() for cell in line.strip().split("  ") if cell.strip()]


def tables(out):
    """The lines of each table; a blank line stands between two."""
    return [part.splitlines() for part in out.split("\n\n")]


def test_the_modalities(reelmix, run_folder, found):
    title, header, *rows = tables(reelmix("explain", run_folder, *WORDS).out)[0]
    assert title == f"user user-17, item reel-1: score {found.score:.3f}, rank {found.rank}"
    assert cells(header) == [
        "modality",
        "part",
        "lift",
        "share",
        "alpha",
        "rank without",
        "nearest watched items",
    ]
    expected = []
    for name, part in found.parts.items():
        first, *others = found.like[name]
        expected.append(
            [
                name,
                f"{part:+.3f}",
                f"{found.lifts[name]:+.3f}",
                f"{found.shares[name]:.0%}",
                f"{found.emphasis[name]:.3f}",
                str(found.rank_without[name]),
                first.title,
            ]
        )
        expected += [[one.title] for one in others]
        assert len(others) == 2
    assert [cells(row) for row in rows] == expected
    # the last column holds texts: they start below one another
    starts = {row.index(cells(row)[-1]) for row in [header, *rows]}
    assert len(starts) == 1


@pytest.mark.parametrize("shown", [None, 0, 2, 4, 5, 9])
def test_whose_taste_it_is(reelmix, run_folder, found, shown):
    words = WORDS if shown is None else [*WORDS, "--neighbours", shown]
    title, header, *rows = tables(reelmix("explain", run_folder, *words).out)[1]
    names = list(found.parts)
    assert title == "whose taste it is"
    assert cells(header) == ["user", "weight", "common items", "part", *names]
    own, *others = found.sources
    assert len(others) == 5

    def numbers(score, parts):
        return [f"{score:+.3f}", *(f"{parts[name]:+.3f}" for name in names)]

    expected = [["own taste", str(own.common_items), *numbers(own.score, own.parts)]]
    expected += [
        [one.user, f"{one.weight:.3f}", str(one.common_items), *numbers(one.score, one.parts)]
        for one in others[:shown]
    ]
    rest = [] if shown is None else others[shown:]
    if rest:
        parts = {name: sum(one.parts[name] for one in rest) for name in names}
        weight = sum(one.weight for one in rest)
        expected.append(
            [f"{len(rest)} more", f"{weight:.3f}", *numbers(sum(one.score for one in rest), parts)]
        )
    assert [cells(row) for row in rows] == expected
    # as printed, the column adds up to the score
    printed = [float(row[-1 - len(names)]) for row in map(cells, rows)]
    assert sum(printed) == pytest.approx(found.score, abs=0.0006 * len(printed))


def test_json(reelmix, run_folder, found):
    answer = json.loads(reelmix("explain", run_folder, *WORDS, "--json").out)
    assert answer == json.loads(json.dumps(asdict(found)))
    assert [one["user"] for one in answer["sources"]] == [one.user for one in found.sources]


@pytest.fixture
def screen(monkeypatch, capsys):
    """What a table of this explanation looks like."""
    monkeypatch.setattr(terminal.console, "_width", 300)

    def drawn(found):
        show(found, "user-17", "reel-1", 5)
        return capsys.readouterr().out

    return drawn


def test_a_modality_that_was_filled_in_is_marked(screen, found):
    out = screen(replace(found, filled=("acoustic",)))
    assert [cells(row)[0] for row in out.splitlines() if "+" in row or "-0" in row][:3] == [
        "visual",
        "acoustic (filled in)",
        "textual",
    ]


@pytest.mark.parametrize(("rest", "shown"), [(4e-4, False), (-6e-4, True), (2.5, True)])
def test_what_belongs_to_no_modality(screen, found, rest, shown):
    lines = [cells(row) for row in screen(replace(found, rest=rest)).splitlines()]
    assert (["of no modality", f"{rest:+.3f}"] in lines) == shown


@pytest.mark.parametrize("model", ["lightgcn", "vbpr"])
def test_a_model_without_neighbours_has_one_table(reelmix, data, tmp_path, model):
    made = LightGCN(embedding_size=4) if model == "lightgcn" else model_class(model)(embedding_size=4)
    run = fit(made, Dataset.read(data).split(rng=3), epochs=1, rng=0, out=tmp_path / "run")
    found = explain(Recommender(run), "user-17", "reel-1")
    (table,) = tables(reelmix("explain", tmp_path / "run", *WORDS).out)
    assert cells(table[-1]) == ["of no modality", f"{found.rest:+.3f}"]
    assert [cells(row)[0] for row in table[2:-1] if "+" in row or "-0" in row] == list(found.parts)
    assert np.isfinite(found.rest)


def test_a_model_that_takes_in_nobody_new(refused, data, tmp_path):
    fit(model_class("vbpr")(embedding_size=4), Dataset.read(data).split(), epochs=1, out=tmp_path / "run")
    assert refused("recommend", tmp_path / "run", "--history", "reel-1") == (
        "history: expected a model that can take in a new user: reelmix, dualgnn, lightgcn, found vbpr. "
        "Train one of these, or train again with the new user's interactions."
    )

"""Tables of new items and new users: every number and sentence, computed again from made-up outcomes."""

import re
from dataclasses import replace
from statistics import mean, stdev

import numpy as np
import pytest
from small_study import SHORT, TRAINING, drawn, imagined, write_tuned

from reelmix.data import Dataset
from reelmix.models import FLOORS
from reelmix.study.cold_tables import COLD_TABLES
from reelmix.study.plan import Plan, choose
from reelmix.study.statistics import paired_bootstrap
from reelmix.study.study import cells_of

SHOWN = ("recall@10", "recall@20", "ndcg@20")
ITEMS = {
    "random": "Random", "popularity": "Popularity", "lightgcn": "LightGCN", "vbpr": "VBPR", "mmgcn": "MMGCN",
    "dualgnn": "DualGNN", "reelmix": "Reelmix",
}  # fmt: skip
USERS = {
    "random": "Random", "popularity": "Popularity", "ease": "EASE", "gfcf": "GF-CF", "lightgcn": "LightGCN",
    "dualgnn": "DualGNN", "reelmix": "Reelmix",
}  # fmt: skip


def of_some_users(cell, split):
    """As drawn, but of a fifth of the users where these are held out, others for each seed."""
    one = drawn(cell, split)
    if cell.protocol != "cold_users":
        return one
    rows = np.arange(len(one.users)) % 5 == cell.rng
    per_user = {name: values[rows] for name, values in one.per_user.items()}
    test = {**one.metrics["test"], **{name: float(values.mean()) for name, values in per_user.items()}}
    return replace(one, users=one.users[rows], per_user=per_user, metrics={**one.metrics, "test": test})


@pytest.fixture(scope="module")
def plan(data, tmp_path_factory):
    tuned = write_tuned(tmp_path_factory.mktemp("search") / "tuned")
    return Plan(Dataset.read(data).split(), choose(tuned, TRAINING, SHORT), (0, 1, 2))


@pytest.fixture(scope="module")
def study(plan):
    return imagined(plan, of_some_users, tuple(COLD_TABLES))


def cold(study, model, protocol):
    """The outcomes by seed, found by what was held out."""
    found = {
        cell.rng: (cell, outcome)
        for cell, outcome in study.outcomes.values()
        if (cell.model, cell.protocol) == (model, protocol)
    }
    assert set(found) == {0, 1, 2}
    chosen = study.plan.chosen[model].settings if model in study.plan.chosen else {}
    assert all((cell.ratio, cell.settings) == (0.2, chosen) for cell, _ in found.values())
    return [found[seed][1] for seed in (0, 1, 2)]


def values(outcomes, stage, metric):
    return [outcome.metrics[stage][metric] for outcome in outcomes]


def check(cell, expected):
    """An estimate is the mean and the spread of these."""
    assert (cell.mean, cell.n) == (pytest.approx(mean(expected)), len(expected))
    assert cell.spread == pytest.approx(stdev(expected), abs=1e-12)


# New items


def test_new_items(study):
    table = study.table("cold_items")
    among = [
        f"{name}, among {which}" for which in ("new", "all") for name in ("Recall@10", "Recall@20", "NDCG@20")
    ]
    assert [column.title for column in table.columns] == ["Model", *among]
    for row, (model, name) in zip(table.rows, ITEMS.items(), strict=True):
        outcomes = cold(study, model, "cold_items")
        assert row.cells[0] == name
        expected = [values(outcomes, stage, metric) for stage in ("cold", "test") for metric in SHOWN]
        for cell, numbers in zip(row.cells[1:], expected, strict=True):
            check(cell, numbers)
    assert table.notes[0].startswith("20% of the items, other ones for each seed, are held out of training")
    assert table.notes[1].startswith("Mean and standard deviation over the seeds 0, 1, 2;")


def test_what_is_said_of_new_items(study):
    chance = mean(values(cold(study, "random", "cold_items"), "cold", "recall@20"))
    text = study.text("cold_items")
    for sentence, (model, name) in zip(text, list(ITEMS.items())[3:], strict=True):
        outcomes = cold(study, model, "cold_items")
        new, every = (mean(values(outcomes, stage, "recall@20")) for stage in ("cold", "test"))
        assert sentence == (
            f"Among the new items, {name} finds {new / chance:.1f} times as much as chance, {new:.4f} in "
            f"Recall@20 (chance {chance:.4f}); among all items it finds {every:.4f} of them."
        )


def test_chance_that_finds_nothing_is_no_measure(plan):
    def unlucky(cell, split):
        one = drawn(cell, split)
        new = {**one.metrics.get("cold", {}), "recall@20": 0.25 * (cell.model != "random")}
        return replace(one, metrics={**one.metrics, "cold": new})

    text = imagined(plan, unlucky, ("cold_items",)).text("cold_items")
    assert text[0].startswith(
        "Among the new items, VBPR finds 0.2500 in Recall@20 (chance 0.0000); among all"
    )


# New users


def same_users(whole, part):
    """Recall@20 after training with everybody, of the users that were held out."""
    by_user = dict(zip(whole.users.tolist(), whole.per_user["recall@20"].tolist(), strict=True))
    return [by_user[user] for user in part.users.tolist()]


def retrained(study, model):
    whole = study.of(model)
    return whole * 3 if model in FLOORS else whole


def test_new_users(study):
    table = study.table("cold_users")
    assert [column.title for column in table.columns] == [
        "Model", "Recall@10", "Recall@20", "NDCG@20", "Recall@20 retrained", "Kept (%)", "Overlap@20",
    ]  # fmt: skip
    for row, (model, name) in zip(table.rows, USERS.items(), strict=True):
        outcomes = cold(study, model, "cold_users")
        assert row.cells[0] == name
        for cell, metric in zip(row.cells[1:4], SHOWN, strict=True):
            check(cell, values(outcomes, "test", metric))
        again, kept, overlap = row.cells[4:]
        if model == "random":
            assert (again, kept) == (None, None)
        else:
            pairs = list(zip(retrained(study, model), outcomes, strict=True))
            expected = [mean(same_users(whole, part)) for whole, part in pairs]
            everybody = [whole.metrics["test"]["recall@20"] for whole, _ in pairs]
            assert expected != pytest.approx(everybody), "of other users it is another number"
            check(again, expected)
            check(
                kept,
                [
                    100 * mean(part.per_user["recall@20"]) / one
                    for one, (_, part) in zip(expected, pairs, strict=True)
                ],
            )
        if model in ("dualgnn", "reelmix"):
            check(overlap, values(outcomes, "overlap", "overlap@20"))
        else:
            assert overlap is None


def test_what_is_said_of_new_users(study):
    expected = []
    for model in ("dualgnn", "reelmix"):
        outcomes = cold(study, model, "cold_users")
        pairs = list(zip(retrained(study, model), outcomes, strict=True))
        first = np.array([value for _, part in pairs for value in part.per_user["recall@20"]])
        second = np.array([value for whole, part in pairs for value in same_users(whole, part)])
        interval = paired_bootstrap(first, second, rng=0)
        expected.append(
            f"{USERS[model]} for users whom training has not seen, less the same after training with them: "
            f"Recall@20 {(first - second).mean():+.4f} (95 % interval over users {interval.low:+.4f} to "
            f"{interval.high:+.4f})."
        )
    assert list(study.text("cold_users")) == expected
    assert re.search(
        r"20% of the users, other ones for each seed, are held out", study.table("cold_users").notes[0]
    )


def test_of_nothing_nothing_is_kept(plan):
    def nothing(cell, split):
        one = of_some_users(cell, split)
        if cell.protocol is not None:
            return one
        return replace(one, per_user={name: 0 * found for name, found in one.per_user.items()})

    rows = imagined(plan, nothing, ("cold_users",)).table("cold_users").rows
    assert [row.cells[5] for row in rows] == [None] * len(USERS)
    assert [row.cells[4] and row.cells[4].mean for row in rows] == [None, *[0.0] * 6]


# Cells


def test_each_seed_holds_out_others_of_floors_and_chance_too(plan):
    for name, models in (("cold_items", ITEMS), ("cold_users", USERS)):
        cells = cells_of({name: COLD_TABLES[name]}, plan)
        held = [(cell.model, cell.rng) for cell in cells if cell.protocol == name]
        assert sorted(held) == sorted((model, rng) for model in models for rng in (0, 1, 2))
        others = {(cell.model, cell.protocol) for cell in cells if cell.protocol != name}
        assert others == (
            {(model, None) for model in USERS if model != "random"} if name == "cold_users" else set()
        )

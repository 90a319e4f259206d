"""Every number and sentence of every exhibit, computed again from the outcomes; and what is written."""

import html
import re
from dataclasses import replace
from functools import lru_cache
from statistics import mean, stdev

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import silhouette_score
from small_study import SHORT, TRAINING, drawn, imagined, measured, write_tuned

from one_process import one_after_the_other
from reelmix.data import Dataset
from reelmix.errors import ConfigError
from reelmix.models import MODELS
from reelmix.study import drawing
from reelmix.study.figure import Figure
from reelmix.study.plan import BASELINES, NAMES, Plan, choose
from reelmix.study.published import (
    PUBLISHED_FIG9_DECREASE,
    PUBLISHED_TABLE2,
    PUBLISHED_TABLE3,
    PUBLISHED_TABLE4,
)
from reelmix.study.statistics import Estimate, paired_bootstrap
from reelmix.study.study import BEYOND, EXHIBITS, cells_of, exhibits, write_study

MODALITIES = ("visual", "acoustic", "textual")


@pytest.fixture(scope="module")
def plan(data, tmp_path_factory):
    tuned = write_tuned(tmp_path_factory.mktemp("search") / "tuned")
    return Plan(Dataset.read(data).split(), choose(tuned, TRAINING, SHORT), (0, 1))


@pytest.fixture(scope="module")
def trained(plan, data, tmp_path_factory):
    """All exhibits of models that were really trained, with fewer points in figures 5 and 9."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reelmix.study.paper_figures.NEIGHBOURS", (10, 40))
        patch.setattr("reelmix.study.paper_figures.RATIOS", (0.0, 0.5, 1.0))
        patch.setattr("reelmix.study.cells.work_through", one_after_the_other)
        return measured(plan, data, tmp_path_factory.mktemp("all") / "cells")


@pytest.fixture(scope="module", params=["trained", "drawn"])
def study(request, plan):
    """All exhibits, of real outcomes and of random ones, in which no two numbers are equal."""
    return request.getfixturevalue("trained") if request.param == "trained" else imagined(plan, drawn)


def on_test(outcomes, metric):
    return [outcome.metrics["test"][metric] for outcome in outcomes]


def mean_of(outcomes, metric):
    return mean(on_test(outcomes, metric))


class Of:
    """Equals the estimate from these values."""

    def __init__(self, values):
        self.mean, self.n = mean(values), len(values)
        self.spread = stdev(values) if self.n > 1 else None

    def __eq__(self, other):
        assert isinstance(other, Estimate)
        if self.spread is None:
            return (other.mean, other.spread, other.n) == (pytest.approx(self.mean, abs=1e-9), None, self.n)
        return (other.mean, other.spread) == pytest.approx((self.mean, self.spread), abs=1e-9)

    def __repr__(self):
        return f"{self.mean} ± {self.spread} of {self.n}"


def estimates(outcomes, *metrics):
    return tuple(Of(on_test(outcomes, metric)) for metric in metrics)


def by_user(outcomes, metric):
    return np.mean([outcome.per_user[metric] for outcome in outcomes], axis=0)


def cells(table):
    return [row.cells for row in table.rows]


def check_claim(text, claim, better, worse):
    """A sentence that compares two models: its difference is theirs, and its verdict follows from it."""
    first, second = by_user(better, "recall@10"), by_user(worse, "recall@10")
    interval = paired_bootstrap(first, second, rng=0)
    low, high = interval.low, interval.high
    verdict = "it holds here" if low > 0 else "the opposite holds here" if high < 0 else "open here"
    assert text == (
        f"{claim}: {verdict}. Recall@10 differs by {(first - second).mean():+.4f} "
        f"(95 % interval over users {low:+.4f} to {high:+.4f})."
    )


# Table I


def test_table_1(study):
    table = study.table("table1")
    names = ("dualgnn", "mmgcn", "lightgcn", "lr_gccf", "star_gcn", "vbpr")
    layers = {name: {"layers": 2} if "layers" in MODELS[name].Config.model_fields else {} for name in names}
    outcomes = {name: study.of(name, alone=True, **layers[name])[0] for name in names}
    seconds = {name: outcome.epoch_seconds for name, outcome in outcomes.items()}
    assert [(row[0], *row[2:]) for row in cells(table)] == [
        (NAMES[name], seconds[name], seconds[name] / seconds["lightgcn"], outcomes[name].parameters)
        for name in names
    ]
    complexity = dict(row[:2] for row in cells(table))
    assert complexity["LightGCN"] == "O(L |E| d)"
    split = study.plan.split
    assert table.notes[0] == (
        f"Here |E| = {len(split.train.users)} training interactions, |V| = 70 nodes, |U| = 40 users, "
        "M = 3 modalities, d = 64, L = 2 layers, B = 2 blocks; the loss costs O(T d) for all."
    )
    assert study.text("table1") == (
        "The paper compares DualGNN, MMGCN and LightGCN by analysis alone. Measured, an epoch of MMGCN takes "
        f"{seconds['mmgcn'] / seconds['dualgnn']:.1f} times as long as one of DualGNN, which takes "
        f"{seconds['dualgnn'] / seconds['lightgcn']:.1f} times as long as one of LightGCN.",
    )


def test_table_1_is_of_default_settings(trained):
    """Parameters of 40 users and 30 items at d = 64, whatever a search has chosen."""
    counts = {row[0]: row[4] for row in cells(trained.table("table1"))}
    assert counts["LightGCN"] == counts["LR-GCCF"] == (40 + 30) * 64
    assert counts["DualGNN"] == 40 * 3 * 64 + 40 * 3
    assert counts["STAR-GCN"] == (40 + 30) * 64 + 2 * 4 * 64**2
    assert counts["VBPR"] == (40 * 2 + 30) * 64 + 30 + 65 * (48 + 32 + 40)
    assert counts["MMGCN"] == (40 * 3 + 40 + 30) * 64 + 2 * 3 * 3 * 64**2 + 64 * (48 + 32 + 40) + 3 * 64
    assert all(outcome.epochs == 5 for cell, outcome in trained.outcomes.values() if cell.alone)


# Table II


def test_table_2(study, world):
    pairs = len(world.interactions.users)
    coverage = ", ".join(f"{name} {100 * world.has(name).sum() / 30:.1f}%" for name in MODALITIES)
    own, *published = cells(study.table("table2"))
    sparsity = pytest.approx(100 - 100 * pairs / (40 * 30))
    assert own == (
        "simulated sample", pairs, 30, 40, sparsity, "visual 48, acoustic 32, textual 40", coverage,
    )  # fmt: skip
    assert [row[:5] for row in published] == [
        (f"{name} (paper)", one.interactions, one.items, one.users, one.sparsity)
        for name, one in PUBLISHED_TABLE2.items()
    ]
    assert published[0][5:] == ("visual 2,048, acoustic 128, textual 100", None)


# Table III


METRICS = ("recall@10", "ndcg@10", "recall@5", "ndcg@5", "recall@1", "ndcg@1", "recall@20")
ORDER = ("popularity", "ease", "gfcf", "vbpr", "mmgcn", "star_gcn", "lr_gccf", "lightgcn", "dualgnn")


def test_table_3(study):
    table = study.table("table3")
    *rows, gains = cells(table)
    titles = ["Recall@10", "NDCG@10", "Recall@5", "NDCG@5", "Recall@1", "NDCG@1", "Recall@20"]
    assert [column.title for column in table.columns] == ["Model", *titles, "Items in lists of 20"]
    outcomes = {name: study.of(name) for name in ORDER}
    for name, row in zip(ORDER, rows, strict=True):
        coverage = mean_of(outcomes[name], "coverage@20")
        assert row == (NAMES[name], *estimates(outcomes[name], *METRICS), round(30 * coverage))
    for place, metric in enumerate(METRICS, start=1):
        best = max(mean_of(outcomes[name], metric) for name in BASELINES)
        ours = mean_of(outcomes["dualgnn"], metric)
        assert gains[place] == pytest.approx(100 * (ours - best) / best, rel=1e-9)
        shown = [f"{row[place].mean:.4f}" for row in rows]
        bold = [place in row.bold for row in table.rows]
        assert bold == [*(text == max(shown) for text in shown), False]
    assert (gains[0], gains[-1]) == ("%Improv.", None)
    first = max(ORDER, key=lambda name: mean_of(outcomes[name], "recall@10"))
    champion = max(BASELINES, key=lambda name: mean_of(outcomes[name], "recall@10"))
    text, claim = study.text("table3")
    assert text == (
        f"The best Recall@10 is that of {NAMES[first]}. The best of the paper's baselines is "
        f"{NAMES[champion]}; against it DualGNN changes Recall@10 by {gains[1]:+.1f} %, where the paper "
        "reports gains of 6.17 % (MovieLens) and 9.11 % (TikTok)."
    )
    check_claim(
        claim,
        f"The paper's claim that DualGNN beats {NAMES[champion]}",
        outcomes["dualgnn"],
        outcomes[champion],
    )
    assert table.notes[0] == (
        "Mean and standard deviation over the seeds 0, 1; closed forms have none. Default settings, no "
        "search: GF-CF, VBPR, STAR-GCN, LR-GCCF."
    )


def holm_by_hand(p_values):
    adjusted, least = [0.0] * len(p_values), 0.0
    for place, index in enumerate(np.argsort(p_values, kind="stable")):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = least
    return adjusted


def test_table_3_tests(study):
    table = study.table("table3", "table3_tests")
    rows = cells(table)
    others, metrics = ORDER[:-1], ("recall@10", "ndcg@10")
    assert [row[:2] for row in rows] == [
        (NAMES[name], metric) for name in others for metric in ("Recall@10", "NDCG@10")
    ]
    together = []
    for place, metric in enumerate(metrics):
        ours, part = by_user(study.of("dualgnn"), metric), rows[place::2]
        means, ranks = [], []
        for name, row in zip(others, part, strict=True):
            differences = ours - by_user(study.of(name), metric)
            assert row[2] == pytest.approx(differences.mean(), abs=1e-12)
            spread = differences.std() / len(differences) ** 0.5
            assert row[3] <= row[2] <= row[4]
            assert row[4] - row[3] == pytest.approx(2 * 1.96 * spread, rel=0.1, abs=1e-9)
            same = not np.round(differences, 12).any()
            means.append(1.0 if same else stats.ttest_1samp(differences, 0).pvalue)
            ranks.append(1.0 if same else stats.wilcoxon(differences.round(12), zero_method="pratt").pvalue)
        assert [row[5] for row in part] == pytest.approx(holm_by_hand(means), abs=0.05)
        assert [row[6] for row in part] == pytest.approx(holm_by_hand(ranks), rel=1e-9)
        together += ranks
    confirmed = sum(p < 0.05 for p in holm_by_hand(together))
    assert table.notes[1].startswith("Corrected over all 16 rows together, ")
    assert table.notes[1].endswith(f" and {confirmed} by the ranks.")


def test_table_3_beside_the_published_numbers(study):
    table = study.table("table3", "table3_published")
    expected = []
    for name in (*BASELINES, "dualgnn"):
        row = [NAMES[name]]
        for metric in ("recall@10", "ndcg@10"):
            published = (PUBLISHED_TABLE3[data][name][metric] for data in ("tiktok", "movielens"))
            row += [*estimates(study.of(name), metric), *published]
        expected.append(tuple(row))
    assert cells(table) == expected
    assert [column.title for column in table.columns[:4]] == [
        "Model", "Recall@10, here", "Recall@10, paper's TikTok", "Recall@10, paper's MovieLens",
    ]  # fmt: skip


# Table IV


def test_table_4(study):
    variants = {
        "Dual-A-U": study.of("dualgnn", emphasis="mean", user_layers=0),
        "Dual-A": study.of("dualgnn", emphasis="mean"),
        "Dual-U": study.of("dualgnn", user_layers=0),
        "DualGNN": study.of("dualgnn"),
    }
    table = study.table("table4")
    assert cells(table) == [
        (
            name,
            *estimates(outcomes, "recall@10", "ndcg@10", "recall@20"),
            PUBLISHED_TABLE4["tiktok"][name.replace("DualGNN", "dualgnn")]["recall@10"],
            PUBLISHED_TABLE4["movielens"][name.replace("DualGNN", "dualgnn")]["recall@10"],
        )
        for name, outcomes in variants.items()
    ]
    shown = [f"{row[1].mean:.4f}" for row in cells(table)]
    assert [1 in row.bold for row in table.rows] == [text == max(shown) for text in shown]
    claims = [
        ("The paper finds Dual-A above Dual-A-U (the user graph helps)", "Dual-A", "Dual-A-U"),
        ("The paper finds Dual-U above Dual-A-U (the emphasis helps)", "Dual-U", "Dual-A-U"),
        ("The paper finds DualGNN above Dual-U (the user graph helps)", "DualGNN", "Dual-U"),
        ("The paper finds DualGNN above Dual-A (the emphasis helps)", "DualGNN", "Dual-A"),
    ]
    for text, (claim, better, worse) in zip(study.text("table4"), claims, strict=True):
        check_claim(text, claim, variants[better], variants[worse])


# Figures 3 to 5


def check_bars(chart, variants):
    assert chart.groups == ("Recall@10", "NDCG@10")
    assert [series.name for series in chart.series] == list(variants)
    for series, outcomes in zip(chart.series, variants.values(), strict=True):
        for place, metric in enumerate(("recall@10", "ndcg@10")):
            found = on_test(outcomes, metric)
            assert series.values[place] == pytest.approx(mean(found), rel=1e-12)
            if len(found) > 1:
                assert series.spread[place] == pytest.approx(stdev(found), rel=1e-9, abs=1e-15)
        assert (series.spread is None) == (len(outcomes) == 1)


def test_figure_3(study):
    singles = {f"Dual/{name}": study.of("dualgnn", modalities=(name,)) for name in MODALITIES}
    whole = study.of("dualgnn")
    check_bars(study.chart("fig3"), {**singles, "DualGNN": whole})
    best = max(singles, key=lambda name: mean_of(singles[name], "recall@10"))
    (text,) = study.text("fig3")
    claim = f"The paper finds the fusion above every single modality; the best one here is {best}"
    check_claim(text, claim, whole, singles[best])


def test_figure_4(study):
    variants = {
        "Dual-CM": study.of("dualgnn", construction="concatenation"),
        "Dual-M": study.of("dualgnn", construction="maximum"),
        "Dual-WS": study.of("dualgnn"),
    }
    check_bars(study.chart("fig4"), variants)
    for text, name in zip(study.text("fig4"), ("Dual-CM", "Dual-M"), strict=True):
        check_claim(text, f"The paper finds Dual-WS above {name}", variants["Dual-WS"], variants[name])


def check_lines(chart, x, rows, metric):
    assert chart.x == tuple(x)
    assert [series.name for series in chart.series] == list(rows)
    for series, row in zip(chart.series, rows.values(), strict=True):
        found = [on_test(outcomes, metric) for outcomes in row]
        assert series.values == pytest.approx([mean(values) for values in found], rel=1e-12)
        if len(found[0]) > 1:
            assert series.spread == pytest.approx([stdev(values) for values in found], rel=1e-9, abs=1e-15)
        else:
            assert series.spread is None


def test_figure_5(study):
    neighbours, rows = study.neighbours, {}
    for how in ("mean", "softmax"):
        row = [study.of("dualgnn", neighbours=k, aggregation=how) for k in neighbours]
        rows[f"DualGNN-{how.capitalize()}"] = row
    for metric, name in (("recall@10", "fig5_recall"), ("ndcg@10", "fig5_ndcg")):
        check_lines(study.chart("fig5", name), neighbours, rows, metric)
    claim, *sentences = study.text("fig5")
    at_best = {}
    for sentence, (name, row) in zip(sentences, rows.items(), strict=True):
        means = [mean_of(outcomes, "recall@10") for outcomes in row]
        at_best[name] = row[means.index(max(means))]
        assert sentence == (
            f"{name}: Recall@10 is highest at K = {neighbours[means.index(max(means))]} ({max(means):.4f}), "
            f"and {means[0]:.4f} at K = 10, {means[-1]:.4f} at K = {neighbours[-1]}; the paper sees a slow "
            "rise to 40 (MovieLens) or 50 (TikTok) and then a fall."
        )
    words = "The paper finds Softmax above Mean; at the best K of each"
    check_claim(claim, words, at_best["DualGNN-Softmax"], at_best["DualGNN-Mean"])


# Figure 6


def watched_items(world):
    pairs = zip(world.interactions.users.tolist(), world.interactions.items.tolist(), strict=True)
    items = [[] for _ in range(world.n_users)]
    for user, item in pairs:
        items[user].append(item)
    return items


def own_items(users, items):
    """Pairs of a place among the users and an item that no other of them watched."""
    return [
        (place, item)
        for place, user in enumerate(users)
        for item in items[user]
        if sum(item in items[other] for other in users) == 1
    ]


def silhouette(points, owners, metric):
    if not 2 <= len(set(owners)) < len(owners):
        return None
    return silhouette_score(np.asarray(points, float), owners, metric=metric)


def test_figure_6(study, world):
    items = watched_items(world)
    rows = cells(study.table("fig6", "fig6_silhouettes"))
    panels = study.chart("fig6").panels
    assert [panel.title for panel in panels] == [row[0] for row in rows] == ["LightGCN", "DualGNN"]
    names = [name for name, is_user in zip(panels[0].group, panels[0].is_user, strict=True) if is_user]
    ids = world.users.ids.to_list()
    users = [ids.index(name) for name in names]
    assert len(set(users)) == 5
    draws = np.random.default_rng(0)
    able = [user for user in range(40) if len(items[user]) >= 5]
    assert sorted(draws.choice(able, 5, replace=False)) == users
    others = [draws.choice(able, 5, replace=False) for _ in range(200)]
    averages = []
    for panel, row, name in zip(panels, rows, ("lightgcn", "dualgnn"), strict=True):
        vectors = study.of(name)[0].vectors["items"]
        points = [(place, item) for place, user in enumerate(users) for item in items[user]]
        assert panel.group == (*names, *(names[place] for place, _ in points))
        assert panel.is_user == (True,) * 5 + (False,) * len(points)
        alone = own_items(users, items)
        where = [5 + points.index(one) for one in alone]
        xy = [(panel.x[place], panel.y[place]) for place in where]
        owners = [place for place, _ in alone]
        on_the_map = silhouette(xy, owners, "euclidean")
        assert row[1] == pytest.approx(on_the_map, abs=1e-6)
        assert panel.note == f"silhouette of the items {row[1]:.2f}"
        assert row[2] == pytest.approx(silhouette(vectors[[i for _, i in alone]], owners, "cosine"), abs=1e-6)
        many = []
        for some in others:
            own = own_items(some, items)
            one = silhouette(vectors[[i for _, i in own]], [place for place, _ in own], "cosine")
            many += [one] if one is not None else []
        assert (row[3].mean, row[3].spread) == pytest.approx((mean(many), stdev(many)), abs=1e-6)
        assert row[3].n == len(many) > 150
        averages.append(row[3].mean)
    assert study.text("fig6")[0].endswith(
        f"over 200 draws of five users, the silhouette of their items is {averages[0]:.3f} for LightGCN and "
        f"{averages[1]:.3f} for DualGNN: {'higher' if averages[1] > averages[0] else 'not higher'}."
    )


# Figure 7


def neighbours_by_hand(split):
    """For each user the ten users with most common training items; the smaller row first among equals."""
    n = split.dataset.n_users
    items = [set(split.train.items[split.train.users == user].tolist()) for user in range(n)]
    found = []
    for user in range(n):
        common = [(len(items[user] & items[other]), other) for other in range(n) if other != user]
        common = sorted((-count, other) for count, other in common if count)
        found.append([other for _, other in common[:10]])
    return found


def cosine(one, other):
    length = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other) / length if length else 0.0


def test_figure_7(study, world):
    neighbours = neighbours_by_hand(study.plan.split)
    ids = world.users.ids.to_list()
    panels = study.chart("fig7").panels
    shown = [ids.index(label) for label in panels[0].row_labels]
    assert shown[1:] == neighbours[shown[0]]
    assert len(neighbours[shown[0]]) == max(len(around) for around in neighbours)
    rows = cells(study.table("fig7", "fig7_cosines"))
    assert [row[0] for row in rows] == ["MMGCN", "DualGNN"]
    for panel, row, name in zip(panels, rows, ("mmgcn", "dualgnn"), strict=True):
        users = study.of(name)[0].vectors["users"].astype(float)
        assert panel.title == NAMES[name]
        assert panel.row_labels == panels[0].row_labels
        for user, values in zip(shown, panel.values, strict=True):
            assert values == pytest.approx(users[user] / np.linalg.norm(users[user]), abs=1e-12)
        here = mean(cosine(users[shown[0]], users[other]) for other in shown[1:])
        all_users = mean(
            cosine(users[user], users[other]) for user, around in enumerate(neighbours) for other in around
        )
        everybody = [cosine(users[a], users[b]) for a in range(40) for b in range(40) if a != b]
        assert row[1:3] == pytest.approx((here, all_users), abs=1e-9)
        pairs = sum(len(around) for around in neighbours)
        assert row[3] == pytest.approx(mean(everybody), abs=6 * stdev(everybody) / pairs**0.5)
        assert row[4] == pytest.approx(row[2] - row[3], abs=1e-12)
        assert panel.note == f"mean cosine to the user {here:.2f}"
    assert study.text("fig7")[0].endswith(
        f"how much more alike they are than strangers: {rows[0][4]:.3f} for MMGCN, {rows[1][4]:.3f} for "
        "DualGNN."
    )


def test_strangers_are_other_users(plan):
    """Of users at right angles to each other, a cosine that is not 0 is that of a user to itself."""

    def at_right_angles(cell, split):
        outcome = drawn(cell, split)
        vectors = {**outcome.vectors, "users": np.eye(split.dataset.n_users, dtype=np.float32)}
        return replace(outcome, vectors=vectors if cell.vectors else {})

    table = imagined(plan, at_right_angles, ("fig7",)).table("fig7", "fig7_cosines")
    assert [row[1:] for row in cells(table)] == [(0, 0, 0, 0)] * 2


# Figure 8


def test_figure_8(study, world):
    vectors = study.of("dualgnn")[0].vectors
    ids = world.users.ids.to_list()
    chart, shares = study.chart("fig8"), study.chart("fig8", "fig8_shares")
    users = [ids.index(name) for name in chart.groups]
    assert len(set(users)) == 12
    assert shares.groups == chart.groups
    for m, name in enumerate(MODALITIES):
        assert chart.series[m].name == shares.series[m].name == name
        assert chart.series[m].values == pytest.approx(vectors["emphasis"][users, m], rel=1e-6)
        assert shares.series[m].values == pytest.approx(vectors["shares"][users, m], abs=1e-12)
    for place in range(12):
        assert sum(series.values[place] for series in shares.series) == pytest.approx(1, abs=1e-6)
    trained = sorted(set(study.plan.split.train.users.tolist()))
    for m, row in enumerate(cells(study.table("fig8", "fig8_emphasis"))):
        alpha = [float(vectors["emphasis"][user, m]) for user in trained]
        share = [float(vectors["shares"][user, m]) for user in trained]
        deviation = (sum((one - mean(alpha)) ** 2 for one in alpha) / len(alpha)) ** 0.5
        assert row == (
            MODALITIES[m], pytest.approx(mean(alpha)), pytest.approx(deviation), pytest.approx(mean(share)),
        )  # fmt: skip


# Figure 9, and the control


LOSING = {"edges": ("mmgcn", "dualgnn"), "features": ("vbpr", "mmgcn", "dualgnn")}


@pytest.mark.parametrize("protocol", LOSING)
def test_figure_9(study, protocol):
    rows = {
        name: [
            study.of(name, protocol=protocol, ratio=ratio, missing="mask")
            if ratio
            else study.of(name, missing="mask")
            for ratio in study.ratios
        ]
        for name in LOSING[protocol]
    }
    chart = study.chart("fig9", f"fig9_{protocol}")
    check_lines(chart, study.ratios, {NAMES[name]: row for name, row in rows.items()}, "recall@10")
    assert chart.percent_x
    expected, lost = [], {}
    for name, row in rows.items():
        for metric in ("recall@10", "ndcg@10"):
            decreases = []
            for outcomes in row[1:]:
                pairs = zip(on_test(row[0], metric), on_test(outcomes, metric), strict=True)
                decreases.append([100 * (whole - less) / whole for whole, less in pairs])
            published = [PUBLISHED_FIG9_DECREASE[data].get(name) for data in ("tiktok", "movielens")]
            title = {"recall@10": "Recall@10", "ndcg@10": "NDCG@10"}[metric]
            published = published if protocol == "edges" else []
            expected.append((NAMES[name], title, *(Of(one) for one in decreases), *published))
            lost.setdefault(name, mean(decreases[-1]))
    assert cells(study.table("fig9", f"fig9_{protocol}")) == expected
    (text,) = (text for text in study.text("fig9") if repr(protocol) in text)
    changes = {name: f"{'gains' if one < 0 else 'loses'} {abs(one):.1f} %" for name, one in lost.items()}
    words = ", ".join(f"{NAMES[name]} {change} of its Recall@10" for name, change in changes.items())
    paper = " The paper: MMGCN 15.61 and 29.7 %, DualGNN 1.45 and 4.12 % (MovieLens, TikTok)."
    assert text == f"Protocol {protocol!r}: at 100 % {words}." + (paper if protocol == "edges" else "")


def test_control(study):
    models = {
        "VBPR": ("vbpr", {}),
        "MMGCN": ("mmgcn", {}),
        "Dual-U": ("dualgnn", {"user_layers": 0}),
        "DualGNN": ("dualgnn", {}),
    }
    rows = cells(study.table("control"))
    for row, text, (name, (model, changes)) in zip(rows, study.text("control"), models.items(), strict=True):
        own = study.of(model, **changes)
        others = study.of(model, protocol="shuffle", ratio=1.0, **changes)
        assert row[:3] == (name, *estimates(own, "recall@10"), *estimates(others, "recall@10"))
        assert row[3] == pytest.approx(mean_of(own, "recall@10") - mean_of(others, "recall@10"), abs=1e-12)
        assert row[4] <= row[3] <= row[5]
        check_claim(text, f"The content of its own items helps {name}", own, others)


# Fewer seeds, fewer modalities, nothing found


def test_sweeps_of_fewer_seeds(plan):
    """Figures of accuracy and the control use the first seeds alone; the tables use all."""
    fewer = replace(plan, sweep_seeds=1)
    for name in EXHIBITS:
        seeds = {cell.rng for cell in cells_of({name: EXHIBITS[name]}, fewer) if cell.model in MODELS}
        single = name.startswith("fig") or name in ("control", "table1")
        assert seeds == (set() if name == "table2" else {0} if single else {0, 1}), name
    study = imagined(fewer, drawn, ("fig4", "fig5", "fig9"))
    assert all(series.spread is None for series in study.chart("fig5", "fig5_recall").series)
    assert all(series.spread is None for series in study.chart("fig4").series)
    assert study.sections["fig9"].figures[0].caption.endswith("Seed 0 alone.")
    assert study.sections["fig4"].figures[0].caption.endswith("Seed 0 alone.")
    whole = imagined(plan, drawn, ("fig4",))
    assert all(series.spread for series in whole.chart("fig4").series)
    caption = whole.sections["fig4"].figures[0].caption
    assert caption.endswith("Mean over 2 seeds; whiskers: standard deviation over them.")


def test_one_seed(plan):
    names = tuple(name for name in EXHIBITS if name != "fig6")  # whose spread is over draws
    study = imagined(replace(plan, seeds=(0,)), drawn, names)
    assert all(cell.spread is None for row in cells(study.table("table3"))[:-1] for cell in row[1:-1])
    for name in ("fig3", "fig4"):
        assert all(series.spread is None for series in study.chart(name).series)
    for section in study.sections.values():
        for table in section.tables:
            assert "±" not in table.to_markdown()


@pytest.mark.usefixtures("in_this_process")
def test_one_modality(plan, world, tmp_path, monkeypatch):
    """There is nothing to compare it with, and at 100 % nothing is left of it."""
    monkeypatch.setattr("reelmix.study.paper_figures.RATIOS", (0.0, 1.0))
    data = world.only(["visual"]).write(tmp_path / "data")
    single = replace(plan, split=Dataset.read(data).split(), seeds=(0,))
    study = measured(single, data, tmp_path / "cells", ("table2", "fig3", "fig8", "fig9", "control"))
    check_bars(study.chart("fig3"), {"DualGNN": study.of("dualgnn")})
    assert study.text("fig3") == ()
    assert [series.name for series in study.chart("fig8").series] == ["visual"]
    assert [row[0] for row in cells(study.table("fig8", "fig8_emphasis"))] == ["visual"]
    assert study.chart("fig8", "fig8_shares").series[0].values == pytest.approx([1] * 12)
    study.sections["fig3"].figures[0].write(tmp_path)
    assert set(imagined(single, drawn).sections) == set(EXHIBITS)


def test_a_model_that_finds_nothing_is_no_crash(plan):
    """Of nothing there is no percentage, and so it is not shown."""

    def nothing(cell, split):
        outcome = drawn(cell, split)
        test = dict.fromkeys(outcome.metrics["test"], 0.0)
        per_user = {name: np.zeros_like(values) for name, values in outcome.per_user.items()}
        return replace(outcome, metrics={**outcome.metrics, "test": test}, per_user=per_user)

    study = imagined(plan, nothing, ("table3", "table4", "fig3", "fig5", "fig9", "control"))
    assert cells(study.table("table3"))[-1] == ("%Improv.", *[None] * 8)
    assert cells(study.table("fig9", "fig9_edges"))[0][2:6] == (None,) * 4


# What is written


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    outcomes = {key: outcome for key, (_, outcome) in trained.outcomes.items()}
    out = tmp_path_factory.mktemp("written")
    sections = list(trained.sections.values())
    with pytest.MonkeyPatch.context() as patch:
        drawn_once = lru_cache(drawing.draw)  # for its files and for the report
        patch.setattr("reelmix.study.drawing.draw", drawn_once)
        patch.setattr("reelmix.study.report.draw", drawn_once)
        made = write_study(
            sections, trained.plan, outcomes, out, name="all", command="reelmix study all data <b> --out out"
        )
    assert drawn_once.cache_info().hits == sum(len(section.figures) for section in sections)
    assert made == out / "report.html"
    return out


def test_every_exhibit_writes_its_files(trained, folder):
    expected = {"index.md", "report.html"}
    for section in trained.sections.values():
        for table in section.tables:
            expected |= {f"{table.name}.{kind}" for kind in ("csv", "md", "tex")}
            assert (folder / f"{table.name}.csv").read_text() == table.to_csv()
        for figure in section.figures:
            expected |= {f"{figure.name}.{kind}" for kind in ("json", "svg", "png")}
            assert Figure.read(folder / f"{figure.name}.json") == figure
    assert {path.name for path in folder.iterdir()} == expected
    names = {f"fig{number}" for number in range(3, 10)} | {f"table{number}" for number in range(1, 5)}
    assert names <= {re.match(r"[a-z]+\d*", name)[0] for name in expected}


def squeezed(text):
    return " ".join(text.split())


def test_the_report_shows_everything(trained, folder, world):
    page = html.unescape(re.sub(r"<(?!\s)[^>]*>", "", (folder / "report.html").read_text()))
    page = squeezed(page)
    for section in trained.sections.values():
        assert squeezed(section.title) in page
        for text in section.text:
            assert squeezed(text) in page
        for table in section.tables:
            assert table.title in page
            assert all(squeezed(note) in page for note in table.notes)
            for row in table.texts()[1]:
                assert all(cell in page for cell in row)
        for figure in section.figures:
            assert figure.title in page
            assert squeezed(figure.caption) in page
    cells_measured = len(trained.outcomes)
    for fact in (
        f"simulated sample: 40 users, 30 items, {len(world.interactions.users)} interactions, visual, "
        "acoustic, textual.",
        f"{cells_measured} cells, ",
        world.content_hash,
        "simulated sample (simulated)",
        "reelmix study all data <b> --out out",
        "learning_rate 0.004, embedding_size 6, neighbours 10",
    ):
        assert fact in page, fact


def test_the_settings_of_every_model_are_in_the_report(folder):
    text = (folder / "report.html").read_text()
    rows = re.findall(r'<tr><th scope="row">([^<]*)</th><td>([^<]*)</td><td>([^<]*)</td></tr>', text)
    assert rows[-9:] == [
        ("Popularity", "none", "defaults"),
        ("EASE", "reg 30", "search"),
        ("GF-CF", "none", "defaults"),
        ("VBPR", "learning_rate 0.001", "defaults"),
        ("MMGCN", "learning_rate 0.001, embedding_size 5", "search"),
        ("STAR-GCN", "learning_rate 0.001", "defaults"),
        ("LR-GCCF", "learning_rate 0.001", "defaults"),
        ("LightGCN", "learning_rate 0.02, embedding_size 6, layers 2", "search"),
        ("DualGNN", "learning_rate 0.004, embedding_size 6, neighbours 10", "search"),
    ]


def test_the_markdown_links_files_that_are_there(trained, folder):
    text = (folder / "index.md").read_text()
    figures = [figure for section in trained.sections.values() for figure in section.figures]
    tables = [table for section in trained.sections.values() for table in section.tables]
    linked = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)
    assert linked == [f"{figure.name}.svg" for figure in figures]
    assert all((folder / name).is_file() for name in linked)
    for table in tables:
        assert table.to_markdown().split("\n", 1)[1].strip() in text
    for section in trained.sections.values():
        assert f"\n## {section.title}\n" in text
        for line in section.text:
            assert line in text


def test_headings_of_the_markdown_are_a_level_apart(trained, folder):
    lines = (folder / "index.md").read_text().splitlines()
    levels = [len(line) - len(line.lstrip("#")) for line in lines if line.startswith("#")]
    shown = sum(len(section.tables) + len(section.figures) for section in trained.sections.values())
    assert levels.count(1) == 1
    assert levels.count(3) == shown + 1  # and the settings
    assert set(levels) == {1, 2, 3}


def test_a_single_exhibit_needs_no_report(plan, tmp_path):
    study = imagined(plan, drawn, ("fig4",))
    outcomes = {key: outcome for key, (_, outcome) in study.outcomes.items()}
    out = tmp_path / "out"
    sections = list(study.sections.values())
    assert write_study(sections, plan, outcomes, out, name="table2", command="reelmix") == out
    assert sorted(path.name for path in out.iterdir()) == ["fig4.json", "fig4.png", "fig4.svg"]


# Names


def test_exhibits_by_name(refusal):
    assert list(exhibits("all")) == [
        "table1", "table2", "table3", "table4",
        "fig3", "fig4", "fig5", "fig6", "fig7", "fig8", "fig9", "control",
    ]  # fmt: skip
    assert list(exhibits("robustness")) == [
        "strategies", "missing", "serving", "edges", "cold_items", "cold_users",
    ]  # fmt: skip
    assert list(exhibits("fig9")) == ["fig9"]
    assert list(exhibits("cold_users")) == ["cold_users"]
    assert refusal(ConfigError, exhibits, "tabel3") == (
        "name: expected a table or figure, found 'tabel3'. Did you mean 'table3'?"
    )
    assert refusal(ConfigError, exhibits, "everything") == (
        "name: expected a table or figure, found 'everything'. Valid names: ablation, all, cold_items, "
        "cold_users, control, edges, fig3, fig4, fig5, fig6, fig7, fig8, fig9, lost, missing, reelmix, "
        "robustness, serving, strategies, table1, table2, table3, table4."
    )


def test_exhibits_share_what_they_have_in_common(plan):
    """What DualGNN needs as chosen is trained once for all of them."""
    key = plan.cells("dualgnn")[0].key("data")
    using = [
        name
        for name, one in (EXHIBITS | BEYOND).items()
        if key in {cell.key("data") for cell in cells_of({name: one}, plan)}
    ]
    assert using == [
        "table3", "table4", "fig3", "fig4", "fig5", "fig6", "fig7", "fig8", "control",
        "strategies", "missing", "cold_users",
    ]  # fmt: skip

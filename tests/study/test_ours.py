"""What is shown of Reelmix, computed again from the outcomes; and really trained once."""

from dataclasses import replace
from statistics import mean, stdev

import numpy as np
import pytest
from scipy import stats
from small_study import LONG, SHORT, TRAINING, drawn, imagined, measured, write_tuned

from one_process import one_after_the_other
from reelmix.data import Dataset
from reelmix.study.ours import METRICS, OTHERS, OURS, PARTS, TESTED
from reelmix.study.plan import Plan, choose, written
from reelmix.study.statistics import paired_randomisation
from reelmix.study.study import cells_of

NAMES = tuple(OURS)


@pytest.fixture(scope="module")
def plan(data, tmp_path_factory):
    tuned = write_tuned(tmp_path_factory.mktemp("search") / "tuned")
    return Plan(Dataset.read(data).split(), choose(tuned, TRAINING, LONG), (0, 1, 2))


@pytest.fixture(scope="module")
def study(plan):
    return imagined(plan, drawn, NAMES)


def on(outcomes, metric, stage="test"):
    return [outcome.metrics[stage][metric] for outcome in outcomes]


def plain(study):
    """Reelmix as chosen; without averaging it has the same settings, but another training."""
    chosen = study.plan.chosen["reelmix"]
    cells = [pair for pair in study.outcomes.values() if pair[0].model == "reelmix"]
    cells = [pair for pair in cells if (pair[0].settings, pair[0].protocol) == (chosen.settings, None)]
    return [outcome for cell, outcome in cells if cell.training == chosen.training]


def others_of(study):
    """LightGCN was searched with BPR: a row of its own for that loss would be the same one twice."""
    rows = {name: study.of(model, **changes) for name, (model, changes) in OTHERS.items()}
    del rows["LightGCN, BPR"]
    return rows


def test_beside_the_others(study):
    expected = {**others_of(study), "Reelmix": plain(study)}
    table = study.table("reelmix")
    assert [row.cells[0] for row in table.rows] == list(expected)
    for row, outcomes in zip(table.rows, expected.values(), strict=True):
        for metric, cell in zip(METRICS, row.cells[1:], strict=False):
            assert cell.mean == pytest.approx(mean(on(outcomes, metric)))
            assert (cell.spread is None) == (len(outcomes) == 1)
            assert cell.spread is None or cell.spread == pytest.approx(stdev(on(outcomes, metric)))
    for place, metric in enumerate(METRICS, start=1):
        best = max(range(len(table.rows)), key=lambda row: table.rows[row].cells[place].mean)
        assert place in table.rows[best].bold, metric


def test_user_by_user(study):
    ours = plain(study)

    def users(outcomes, metric):
        return np.mean([outcome.per_user[metric] for outcome in outcomes], axis=0)

    rows = study.table("reelmix", "reelmix_tests").rows
    others = others_of(study)
    assert [row.cells[:2] for row in rows] == [
        (name, written(metric)) for name in others for metric in TESTED
    ]
    for place, metric in enumerate(TESTED):
        means, ranks, part = [], [], rows[place :: len(TESTED)]
        for row, outcomes in zip(part, others.values(), strict=True):
            first, second = users(ours, metric), users(outcomes, metric)
            assert row.cells[2] == pytest.approx((first - second).mean())
            assert row.cells[3] <= row.cells[2] <= row.cells[4]
            means.append(paired_randomisation(first, second, rng=0))
            ranks.append(float(stats.wilcoxon((first - second).round(12), zero_method="pratt").pvalue))
        for column, p_values in ((5, means), (6, ranks)):
            largest = 0.0
            for step, which in enumerate(np.argsort(p_values, kind="stable")):
                largest = max(largest, min(1.0, p_values[which] * (len(p_values) - step)))
                assert part[which].cells[column] == pytest.approx(largest)


def test_without_each_part(study):
    cells = [(cell, outcome) for cell, outcome in study.outcomes.values() if cell.model == "reelmix"]

    def of(**changes):
        averaging = changes.pop("averaging", 0.99)
        settings = {**study.plan.chosen["reelmix"].settings, **changes}
        return [
            outcome
            for cell, outcome in sorted(cells, key=lambda pair: pair[0].rng)
            if (cell.settings, cell.training.averaging, cell.protocol) == (settings, averaging, None)
        ]

    whole = of()
    table = study.table("ablation")
    assert [row.cells[0] for row in table.rows] == ["nothing", *PARTS]
    for row, changes in zip(table.rows, [{}, *PARTS.values()], strict=True):
        outcomes = of(**changes)
        assert len(outcomes) == 3
        assert row.cells[1].mean == pytest.approx(mean(on(outcomes, "recall@20", "validation")))
        assert row.cells[4].mean == pytest.approx(mean(on(outcomes, "recall@20")))
        assert row.cells[5].mean == pytest.approx(mean(on(outcomes, "ndcg@20")))
        lost = [(2, "recall@20", "validation"), (3, "ndcg@20", "validation")]
        for place, metric, stage in [*lost, (6, "recall@20", "test"), (7, "ndcg@20", "test")]:
            if not changes:
                assert row.cells[place] is None
                continue
            pairs = zip(on(whole, metric, stage), on(outcomes, metric, stage), strict=True)
            assert row.cells[place].mean == pytest.approx(mean(100 * (1 - b / a) for a, b in pairs))


def test_what_a_model_does_not_have_is_no_part(plan):
    chosen = choose(None, TRAINING, SHORT)
    ours = chosen["reelmix"]
    plainer = replace(
        ours,
        settings={**ours.settings, "regression": 0.0},
        training=ours.training.model_copy(update={"averaging": 0.0}),
    )
    plan = replace(plan, chosen={**chosen, "reelmix": plainer})
    table = imagined(plan, drawn, ("ablation",)).table("ablation")
    parts = [part for part in PARTS if part not in ("averaged weights", "the regression")]
    assert [row.cells[0] for row in table.rows] == ["nothing", *parts]


def test_with_a_modality_missing(study):
    rows, lost = iter(study.table("lost").rows), ("recall@10", "ndcg@10", "recall@20", "ndcg@20")
    for model in ("reelmix", "dualgnn"):
        for protocol in ("edges", "features"):
            whole = plain(study) if model == "reelmix" else study.of(model)
            less = study.of(model, protocol=protocol, ratio=1.0)
            row = next(rows)
            assert row.cells[1] == protocol
            assert row.cells[2].mean == pytest.approx(mean(on(less, "recall@20")))
            for cell, metric in zip(row.cells[3:], lost, strict=True):
                pairs = zip(on(whole, metric), on(less, metric), strict=True)
                assert cell.mean == pytest.approx(mean(100 * (1 - b / a) for a, b in pairs))
    assert next(rows, None) is None


def test_really_trained(plan, data, tmp_path, monkeypatch):
    monkeypatch.setattr("reelmix.study.cells.work_through", one_after_the_other)
    plan = Plan(plan.split, plan.chosen, (0,))
    study = measured(plan, data, tmp_path / "cells", NAMES)
    assert len(study.outcomes) == len(set(map(repr, cells_of(OURS, plan))))
    assert study.table("ablation").rows[0].cells[4].mean > 0
    # a part that is taken away makes a difference to somebody's list
    ours = [pair for pair in study.outcomes.values() if pair[0].model == "reelmix" and not pair[0].protocol]
    assert len(ours) == 1 + len(PARTS)
    lists = {outcome.per_user["mrr@20"].tobytes() for _, outcome in ours}
    assert (
        len(lists) >= len(ours) - 2
    )  # so small a world chooses no regression, and one more may change no list

"""Curves of missing modalities: every number and sentence, computed again from made-up outcomes."""

from dataclasses import replace
from statistics import mean, stdev

import numpy as np
import pytest
from small_study import TRAINING, drawn, imagined, write_tuned

from reelmix.data import Dataset
from reelmix.study.plan import Plan, choose
from reelmix.study.robustness import ROBUSTNESS
from reelmix.study.study import cells_of

MODALITIES = ("visual", "acoustic", "textual")
MODELS = {"vbpr": "VBPR", "mmgcn": "MMGCN", "dualgnn": "DualGNN"}
STRATEGIES = {
    "mask": {},
    "zero": {"missing": "zero"},
    "mean": {"missing": "mean"},
    "neighbours": {"missing": "neighbours"},
    "propagation": {"missing": "propagation"},
    "pagerank": {"missing": "pagerank"},
    "dropout": {"modality_dropout": 0.2},
}
PATTERNS = {"random": "any items", "unpopular": "unpopular items first", "newest": "new items first"}
NAMES = tuple(ROBUSTNESS)


@pytest.fixture(scope="module")
def plan(data, tmp_path_factory):
    tuned = write_tuned(tmp_path_factory.mktemp("search") / "tuned")
    return Plan(Dataset.read(data).split(), choose(tuned, TRAINING), (0, 1, 2))


@pytest.fixture(scope="module")
def study(plan):
    return imagined(plan, drawn, NAMES)


def found(outcomes):
    """Recall@20 by seed."""
    return [outcome.metrics["test"]["recall@20"] for outcome in outcomes]


def decreases(whole, less):
    return [100 * (1 - b / a) for a, b in zip(found(whole), found(less), strict=True)]


def check(cell, values):
    """An estimate is the mean and the spread of these."""
    assert (cell.mean, cell.spread, cell.n) == (
        pytest.approx(mean(values)), pytest.approx(stdev(values)), len(values),
    )  # fmt: skip


def check_lines(chart, x, label, rows):
    assert (chart.x, chart.x_label, chart.y_label, chart.percent_x) == (x, label, "Recall@20", True)
    assert [series.name for series in chart.series] == list(rows)
    for series, row in zip(chart.series, rows.values(), strict=True):
        assert series.values == pytest.approx([mean(found(ours)) for ours in row])
        assert series.spread == pytest.approx([stdev(found(ours)) for ours in row])


# Ways of treating what is missing


def treated(study, model, changes):
    lost = [study.of(model, protocol="features", ratio=ratio, **changes) for ratio in (0.5, 1.0)]
    return [study.of(model, **changes), *lost]


def test_strategies(study):
    table = study.table("strategies")
    rows = iter(table.rows)
    assert [column.title for column in table.columns] == [
        "Model", "Strategy", "0% lost", "50% lost", "100% lost",
        "Decrease at 50%, in %", "Decrease at 100%, in %",
    ]  # fmt: skip
    for model, name in MODELS.items():
        outcomes = {how: treated(study, model, changes) for how, changes in STRATEGIES.items()}
        for how, row in outcomes.items():
            first, second, *numbers = next(rows).cells
            assert (first, second) == (name, how)
            expected = [found(ours) for ours in row]
            expected += [decreases(outcomes["mask"][0], ours) for ours in row[1:]]
            for cell, values in zip(numbers, expected, strict=True):
                check(cell, values)
        chart = study.chart("strategies", f"strategies_{model}")
        check_lines(chart, (0.0, 0.5, 1.0), "items that lost a modality", outcomes)
    assert not list(rows)


def with_recall(levels, seeds):
    """Outcomes whose Recall@20 at 100 % is that of the strategy, by seed; of all else it is random."""

    def outcome(cell, split):
        one = drawn(cell, split)
        if cell.protocol != "features" or cell.ratio != 1 or cell.model != "vbpr":
            return one
        (how,) = (name for name, changes in STRATEGIES.items() if changes == cell.settings)
        test = {**one.metrics["test"], "recall@20": levels.get(how, [0.1, 0.1, 0.1])[cell.rng]}
        return replace(one, metrics={**one.metrics, "test": test})

    return outcome


@pytest.mark.parametrize(
    ("levels", "verdict"),
    [
        ({"mask": [0.3, 0.2, 0.4]}, "mask itself ranks best (Recall@20 0.3000; mask 0.3000)."),
        (  # the spreads are 0.01 and 0.1, the means differ by 0.05
            {"mask": [0.2, 0.3, 0.4], "mean": [0.34, 0.35, 0.36]},
            "mean ranks best, within the spread over seeds (Recall@20 0.3500; mask 0.3000).",
        ),
        (
            {"mask": [0.34, 0.35, 0.36], "mean": [0.3, 0.4, 0.5]},
            "mean ranks best, within the spread over seeds (Recall@20 0.4000; mask 0.3500).",
        ),
        (
            {"mask": [0.29, 0.3, 0.31], "zero": [0.31, 0.32, 0.33], "dropout": [0.33, 0.35, 0.37]},
            "dropout ranks best, beyond the spread over seeds (Recall@20 0.3500; mask 0.3000).",
        ),
    ],
)
def test_the_verdict_on_strategies(plan, levels, verdict):
    text = imagined(plan, with_recall(levels, plan.seeds), ("strategies",)).text("strategies")
    assert len(text) == len(MODELS)
    assert text[0] == f"VBPR, every item without one modality: {verdict}"


def test_one_seed_has_no_spread_to_be_beyond(plan):
    single = replace(plan, seeds=(0,))
    levels = {"mask": [0.29], "dropout": [0.35]}
    outcome = with_recall({how: [0.1] for how in STRATEGIES} | levels, single.seeds)
    text = imagined(single, outcome, ("strategies",)).text("strategies")
    assert text[0] == (
        "VBPR, every item without one modality: dropout ranks best, of one seed alone "
        "(Recall@20 0.3500; mask 0.2900)."
    )


# One modality, by pattern


def losing(study, model, modality, pattern):
    lost = [study.of(model, protocol=pattern, ratio=rate, modality=modality) for rate in (0.3, 0.6, 0.9)]
    return [study.of(model), *lost]


def test_curves_of_one_modality(study):
    table = study.table("missing")
    rows = iter(table.rows)
    assert [column.title for column in table.columns] == [
        "Model", "Modality", "Which items", "30% lost", "60% lost", "90% lost",
    ]  # fmt: skip
    for modality in MODALITIES:
        for pattern, words in PATTERNS.items():
            outcomes = {name: losing(study, model, modality, pattern) for model, name in MODELS.items()}
            for name, row in outcomes.items():
                *texts, first, second, third = next(rows).cells
                assert texts == [name, modality, words]
                for cell, ours in zip((first, second, third), row[1:], strict=True):
                    check(cell, decreases(row[0], ours))
            chart = study.chart("missing", f"missing_{modality}_{pattern}")
            check_lines(chart, (0.0, 0.3, 0.6, 0.9), f"items that lost {modality}", outcomes)
    assert not list(rows)
    assert len(study.sections["missing"].figures) == 9


def test_without_timestamps_nothing_is_new(plan):
    dataset = plan.split.dataset
    pairs = replace(dataset.interactions, timestamps=None)
    timeless = replace(plan, split=replace(plan.split, dataset=replace(dataset, interactions=pairs)))
    assert not [cell for cell in cells_of(ROBUSTNESS, timeless) if cell.protocol == "newest"]
    section = imagined(timeless, drawn, ("missing",)).sections["missing"]
    assert {row.cells[2] for row in section.tables[0].rows} == {"any items", "unpopular items first"}
    assert len(section.figures) == 6


# Gone at serving, and the paper's protocol


def test_gone_at_serving(study):
    rows = iter(study.table("serving").rows)
    for model, name in MODELS.items():
        for modality in MODALITIES:
            for how in ("mask", "dropout"):
                whole = study.of(model, **STRATEGIES[how])
                less = study.of(model, protocol="serving", ratio=1.0, modality=modality, **STRATEGIES[how])
                *texts, first, second, third = next(rows).cells
                assert texts == [name, modality, how]
                check(first, found(whole))
                check(second, found(less))
                check(third, decreases(whole, less))
    assert not list(rows)


def test_the_papers_protocol(study):
    table = study.table("edges")
    for row, how in zip(table.rows, ("mask", "dropout"), strict=True):
        whole = study.of("dualgnn", **STRATEGIES[how])
        less = study.of("dualgnn", protocol="edges", ratio=1.0, **STRATEGIES[how])
        assert row.cells[0] == how
        for cell, values in zip(
            row.cells[1:], (found(whole), found(less), decreases(whole, less)), strict=True
        ):
            check(cell, values)
    assert table.notes[0].startswith("The paper reports 4.12 % on its TikTok, ")


# Fewer models, nothing found


@pytest.mark.parametrize("models", [("vbpr",), ("dualgnn", "mmgcn")])
def test_models_that_are_asked_for(plan, models):
    fewer = replace(plan, models=models)
    assert {cell.model for cell in cells_of(ROBUSTNESS, fewer)} == set(models)
    study = imagined(fewer, drawn, NAMES)
    names = {MODELS[model] for model in models}
    for exhibit in ("strategies", "missing", "serving"):
        assert {row.cells[0] for row in study.table(exhibit).rows} == names
    assert {series.name for series in study.chart("missing", "missing_visual_random").series} == names
    edges = study.sections["edges"]
    if "dualgnn" in models:
        assert len(edges.tables) == 1
    else:
        assert (edges.tables, edges.text) == ((), ("DualGNN is not among the chosen models.",))


def test_of_nothing_there_is_no_percentage(plan):
    def nothing(cell, split):
        one = drawn(cell, split)
        lost = cell.protocol is not None
        return replace(one, metrics={**one.metrics, "test": {**one.metrics["test"], "recall@20": 0.3 * lost}})

    study = imagined(plan, nothing, NAMES)
    assert {row.cells[-1] for name in NAMES for row in study.table(name).rows} == {None}


def test_one_seed_alone(plan):
    study = imagined(replace(plan, seeds=(4,)), drawn, NAMES)
    for name in NAMES:
        section = study.sections[name]
        assert all(figure.caption.endswith("Seed 4 alone.") for figure in section.figures)
        assert all(series.spread is None for figure in section.figures for series in figure.chart.series)
        assert all("±" not in table.to_markdown() for table in section.tables)
    assert np.isfinite(study.chart("missing", "missing_visual_random").series[0].values).all()

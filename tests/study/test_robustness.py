"""Curves of missing modalities: every number and sentence, computed again from made-up outcomes."""

from dataclasses import replace
from statistics import mean, stdev

import numpy as np
import pytest
from small_study import SHORT, TRAINING, drawn, imagined, write_tuned

from reelmix.data import Dataset
from reelmix.models import MODELS as MODELS_BY_NAME
from reelmix.study.plan import Plan, choose
from reelmix.study.robustness import ROBUSTNESS
from reelmix.study.study import BEYOND, cells_of

MODALITIES = ("visual", "acoustic", "textual")
MODELS = {"vbpr": "VBPR", "mmgcn": "MMGCN", "dualgnn": "DualGNN"}
STRATEGIES = {
    "mask": {"missing": "mask"},
    "zero": {"missing": "zero"},
    "mean": {"missing": "mean"},
    "neighbours": {"missing": "neighbours"},
    "propagation": {"missing": "propagation"},
    "pagerank": {"missing": "pagerank"},
    "dropout": {"missing": "mask", "modality_dropout": 0.2},
}
PATTERNS = {"random": "any items", "unpopular": "unpopular items first", "newest": "new items first"}
NAMES = tuple(ROBUSTNESS)


@pytest.fixture(scope="module")
def plan(data, tmp_path_factory):
    tuned = write_tuned(tmp_path_factory.mktemp("search") / "tuned")
    return Plan(Dataset.read(data).split(), choose(tuned, TRAINING, SHORT), (0, 1, 2))


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


def check_ahead(cell, how, losses):
    """On validation, seed by seed, mean over all that was lost."""
    if how == "mask":
        assert cell is None
        return
    leads = [
        [
            ours.metrics["validation"]["recall@20"] - mask.metrics["validation"]["recall@20"]
            for outcomes in losses
            for ours, mask in zip(
                [row[seed] for row in outcomes[how][1:]],
                [row[seed] for row in outcomes["mask"][1:]],
                strict=True,
            )
        ]
        for seed in range(3)
    ]
    check(cell, [mean(lead) for lead in leads])


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
        "Decrease at 50%, in %", "Decrease at 100%, in %", "Ahead of mask on validation",
    ]  # fmt: skip
    for model, name in MODELS.items():
        outcomes = {how: treated(study, model, changes) for how, changes in STRATEGIES.items()}
        for how, row in outcomes.items():
            first, second, *numbers = next(rows).cells
            assert (first, second) == (name, how)
            expected = [found(ours) for ours in row]
            expected += [decreases(outcomes["mask"][0], ours) for ours in row[1:]]
            *numbers, ahead = numbers
            for cell, values in zip(numbers, expected, strict=True):
                check(cell, values)
            check_ahead(ahead, how, [outcomes])
        chart = study.chart("strategies", f"strategies_{model}")
        check_lines(chart, (0.0, 0.5, 1.0), "items that lost a modality", outcomes)
    assert not list(rows)


def with_validation(levels):
    """Outcomes of VBPR whose Recall@20 on validation is that of the strategy, at 50 % and at 100 %, by seed;
    on test it is half of that, and 0.4 where nothing is lost."""

    def outcome(cell, split):
        one = drawn(cell, split)
        if cell.model != "vbpr":
            return one
        config = MODELS_BY_NAME["vbpr"](**cell.settings).config
        how = "dropout" if config.modality_dropout else config.missing
        level = levels.get(how, LOW)[cell.ratio][cell.rng] if cell.protocol == "features" else 0.8
        metrics = {
            stage: {**one.metrics[stage], "recall@20": value}
            for stage, value in (("validation", level), ("test", level / 2))
        }
        return replace(one, metrics=metrics)

    return outcome


LOW = {0.5: (0.1, 0.1, 0.1), 1.0: (0.1, 0.1, 0.1)}


@pytest.mark.parametrize(
    ("levels", "verdict"),
    [
        (
            {"mask": {0.5: (0.3, 0.2, 0.4), 1.0: (0.2, 0.2, 0.2)}},
            "on validation no other strategy ranks better than mask.",
        ),
        (  # ahead by 0.3, 0 and 0 at 50 %, by 0.1, 0 and 0 at 100 %: 0.2, 0 and 0
            {
                "mask": {0.5: (0.3, 0.4, 0.4), 1.0: (0.3, 0.4, 0.4)},
                "mean": {0.5: (0.6, 0.4, 0.4), 1.0: (0.4, 0.4, 0.4)},
            },
            "on validation mean ranks best, ahead of mask by 0.0667 ± 0.1155, within its spread over the "
            "seeds (Recall@20, mean over all that was lost). On test, mean loses 45.8 % and mask loses "
            "54.2 %.",
        ),
        (  # dropout is ahead by 0.1, 0.2 and 0.3, zero by 0.1 each
            {
                "mask": {0.5: (0.3, 0.3, 0.3), 1.0: (0.1, 0.2, 0.3)},
                "zero": {0.5: (0.5, 0.5, 0.5), 1.0: (0.1, 0.2, 0.3)},
                "dropout": {0.5: (0.4, 0.5, 0.6), 1.0: (0.2, 0.4, 0.6)},
            },
            "on validation dropout ranks best, ahead of mask by 0.2000 ± 0.1000, beyond its spread over the "
            "seeds (Recall@20, mean over all that was lost). On test, dropout loses 43.8 % and mask loses "
            "68.8 %.",
        ),
    ],
)
def test_the_verdict_on_strategies(plan, levels, verdict):
    text = imagined(plan, with_validation(levels), ("strategies",)).text("strategies")
    assert len(text) == len(MODELS)
    assert text[0] == f"VBPR: {verdict}"


def test_one_seed_has_no_spread_to_be_beyond(plan):
    single = replace(plan, seeds=(0,))
    levels = {"mask": {0.5: (0.3,), 1.0: (0.2,)}, "dropout": {0.5: (0.4,), 1.0: (0.5,)}}
    text = imagined(single, with_validation(dict.fromkeys(STRATEGIES, LOW) | levels), ("strategies",))
    assert text.text("strategies")[0] == (
        "VBPR: on validation dropout ranks best, ahead of mask by 0.2000, of one seed alone (Recall@20, mean "
        "over all that was lost). On test, dropout loses 43.8 % and mask loses 68.8 %."
    )


def test_complete_data_are_not_filled_in(plan):
    """Every way of filling in is then the same model, and trained once."""
    split, items = plan.split, np.arange(plan.split.dataset.n_items)
    own = split.dataset.features["visual"]
    values = np.resize(own.values, (len(items), own.values.shape[1]))
    complete = {"visual": replace(own, items=items, values=values)}
    whole = replace(plan, split=replace(split, dataset=replace(split.dataset, features=complete)))
    cells = cells_of({"strategies": ROBUSTNESS["strategies"]}, whole)
    kept = {cell.key("data"): cell for cell in cells if cell.ratio == 0}
    hidden = [(cell.model, cell.settings.get("modality_dropout", 0.0)) for cell in kept.values()]
    assert sorted(hidden) == sorted(
        (model, share) for model in MODELS for share in (0.0, 0.2) for _ in range(3)
    )
    table = imagined(whole, drawn, ("strategies",)).table("strategies")
    assert len({row.cells[2] for row in table.rows if row.cells[1] != "dropout"}) == len(MODELS)


# One modality, by pattern


def losing(study, model, modality, pattern, changes, rates=(0.3, 0.6, 0.9)):
    lost = [study.of(model, protocol=pattern, ratio=rate, modality=modality, **changes) for rate in rates]
    return [study.of(model, **changes), *lost]


def test_curves_of_one_modality(study):
    table = study.table("missing")
    rows = iter(table.rows)
    x, figures = (0.0, 0.3, 0.6, 0.9), [f"missing_mean_{model}" for model in MODELS]
    assert [column.title for column in table.columns] == [
        "Model", "Modality", "Which items", "Strategy", "30% lost", "60% lost", "90% lost",
    ]  # fmt: skip
    for modality in MODALITIES:
        for pattern, words in PATTERNS.items():
            masked, label = {}, f"items that lost {modality}"
            for model, name in MODELS.items():
                outcomes = {
                    how: losing(study, model, modality, pattern, changes)
                    for how, changes in STRATEGIES.items()
                }
                for how, row in outcomes.items():
                    *texts, first, second, third = next(rows).cells
                    assert texts == [name, modality, words, how]
                    for cell, ours in zip((first, second, third), row[1:], strict=True):
                        check(cell, decreases(outcomes["mask"][0], ours))
                masked[name] = outcomes["mask"]
                figures.append(f"missing_{modality}_{pattern}_{model}")
                check_lines(study.chart("missing", figures[-1]), x, label, outcomes)
            figures.append(f"missing_{modality}_{pattern}")
            check_lines(study.chart("missing", figures[-1]), x, label, masked)
    assert not list(rows)
    assert [figure.name for figure in study.sections["missing"].figures] == figures


def test_means_of_the_curves(study):
    table = study.table("missing", "missing_mean")
    assert [column.title for column in table.columns] == [
        "Model", "Strategy", "30% lost", "60% lost", "90% lost", "Ahead of mask on validation",
    ]  # fmt: skip
    rows = iter(table.rows)
    for model, name in MODELS.items():
        losses = [
            {how: losing(study, model, modality, pattern, changes) for how, changes in STRATEGIES.items()}
            for modality in MODALITIES
            for pattern in PATTERNS
        ]
        for how in STRATEGIES:
            *texts, first, second, third, ahead = next(rows).cells
            assert texts == [name, how]
            for place, cell in enumerate((first, second, third), start=1):
                each = [decreases(outcomes["mask"][0], outcomes[how][place]) for outcomes in losses]
                check(cell, [mean(by_seed) for by_seed in zip(*each, strict=True)])
            check_ahead(ahead, how, losses)
        chart = study.chart("missing", f"missing_mean_{model}")
        assert [series.name for series in chart.series] == list(STRATEGIES)
        for series in chart.series:
            for place, (value, spread) in enumerate(zip(series.values, series.spread, strict=True)):
                each = [found(outcomes[series.name][place]) for outcomes in losses]
                by_seed = [mean(ours) for ours in zip(*each, strict=True)]
                assert (value, spread) == (pytest.approx(mean(by_seed)), pytest.approx(stdev(by_seed)))
    assert not list(rows)


def test_a_strategy_may_gain(plan):
    levels = {"mask": {0.5: (0.3,) * 3, 1.0: (0.3,) * 3}, "zero": {0.5: (0.9,) * 3, 1.0: (0.8,) * 3}}
    text = imagined(plan, with_validation(levels), ("strategies",)).text("strategies")
    assert text[0].endswith("On test, zero gains 6.2 % and mask loses 62.5 %.")


def test_the_verdict_over_all_curves(plan):
    """Of VBPR, the mean is ahead by 0.02 wherever the textual modality is lost, and level elsewhere."""

    def outcome(cell, split):
        one = drawn(cell, split)
        filled = cell.settings.get("missing") == "mean" and cell.modality == "textual"
        level = 0.25 if cell.protocol is None else 0.22 if filled else 0.2
        metrics = {stage: {**one.metrics[stage], "recall@20": level} for stage in ("validation", "test")}
        return replace(one, metrics=metrics) if cell.model == "vbpr" else one

    text = imagined(plan, outcome, ("missing",)).text("missing")
    assert len(text) == len(MODELS)
    assert text[0] == (
        "VBPR: on validation mean ranks best, ahead of mask by 0.0067 ± 0.0000, beyond its spread over the "
        "seeds (Recall@20, mean over all that was lost). On test, mean loses 17.3 % and mask loses 20.0 %."
    )


def test_without_timestamps_nothing_is_new(plan):
    dataset = plan.split.dataset
    pairs = replace(dataset.interactions, timestamps=None)
    timeless = replace(plan, split=replace(plan.split, dataset=replace(dataset, interactions=pairs)))
    assert not [cell for cell in cells_of(ROBUSTNESS, timeless) if cell.protocol == "newest"]
    section = imagined(timeless, drawn, ("missing",)).sections["missing"]
    assert {row.cells[2] for row in section.tables[1].rows} == {"any items", "unpopular items first"}
    assert len(section.figures) == 3 + 6 * 4


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
    study = imagined(fewer, drawn, tuple(BEYOND))
    names = {MODELS[model] for model in models}
    for exhibit in ("strategies", "missing", "serving"):
        assert {row.cells[0] for row in study.table(exhibit).rows} == names
    for exhibit in ("cold_items", "cold_users"):
        content = {row.cells[0] for row in study.table(exhibit).rows} & set(MODELS.values())
        assert content == names & ({"DualGNN"} if exhibit == "cold_users" else set(MODELS.values()))
    assert {series.name for series in study.chart("missing", "missing_visual_random").series} == names
    edges = study.sections["edges"]
    if "dualgnn" in models:
        assert len(edges.tables) == 1
    else:
        assert (edges.tables, edges.text) == ((), ("DualGNN is not among the chosen models.",))


@pytest.mark.parametrize("asked", [("mask",), ("pagerank",), ("mask", "dropout", "zero")])
def test_strategies_that_are_asked_for(plan, asked):
    """Mask is always among them: what the others are held against."""
    study = imagined(replace(plan, strategies=asked), drawn, NAMES)
    names = [name for name in STRATEGIES if name in (*asked, "mask")]
    for exhibit, column in (("strategies", 1), ("missing", 3)):
        table = study.table(exhibit)
        assert [row.cells[column] for row in table.rows][: len(names)] == names
        assert {row.cells[column] for row in table.rows} == set(names)
        assert any(note.startswith("dropout: ") for note in table.notes) == ("dropout" in asked)
        assert len(study.text(exhibit)) == (len(MODELS) if exhibit == "strategies" or len(names) > 1 else 0)
    trained_with = {"mask", "dropout"} & set(names)
    assert {row.cells[2] for row in study.table("serving").rows} == trained_with
    assert {row.cells[0] for row in study.table("edges").rows} == trained_with
    assert len(study.sections["missing"].figures) == (3 + 9 * 4 if len(names) > 1 else 9)


@pytest.mark.parametrize("rates", [(0.9,), (0.25, 1.0)])
def test_rates_that_are_asked_for(plan, rates):
    asked = replace(plan, rates=rates)
    usual = [cell for cell in cells_of(ROBUSTNESS, plan) if cell.protocol in ("serving", "edges")]
    cells = cells_of(ROBUSTNESS, asked)
    assert [cell for cell in cells if cell.protocol in ("serving", "edges")] == usual
    lost = {cell.ratio for cell in cells if cell.protocol not in (None, "serving", "edges")}
    assert lost == set(rates)
    study = imagined(asked, drawn, NAMES)
    percent = [f"{100 * rate:.0f}%" for rate in rates]
    titles = [column.title for column in study.table("strategies").columns]
    expected = ["0% lost", *(f"{one} lost" for one in percent)]
    assert titles[2:-1] == [*expected, *(f"Decrease at {one}, in %" for one in percent)]
    assert [column.title for column in study.table("missing").columns][4:] == expected[1:]
    outcomes = losing(study, "vbpr", "visual", "random", STRATEGIES["mean"], rates)
    whole = study.of("vbpr", **STRATEGIES["mask"])
    row = next(row for row in study.table("missing").rows if row.cells[3] == "mean")
    for cell, ours in zip(row.cells[4:], outcomes[1:], strict=True):
        check(cell, decreases(whole, ours))
    for exhibit, chart in (("strategies", "strategies_vbpr"), ("missing", "missing_visual_random_vbpr")):
        assert study.chart(exhibit, chart).x == (0.0, *rates)


def test_mask_is_mask_whatever_was_chosen(plan):
    """Settings that a user chose may fill in or hide; the strategies replace both."""
    own = replace(plan.chosen["vbpr"], settings={"missing": "zero", "modality_dropout": 0.5})
    cells = cells_of(ROBUSTNESS, replace(plan, chosen={**plan.chosen, "vbpr": own}))
    found = {
        (cell.settings.get("missing", "mask"), cell.settings.get("modality_dropout", 0.0))
        for cell in cells
        if cell.model == "vbpr"
    }
    assert found == {
        (changes.get("missing", "mask"), changes.get("modality_dropout", 0.0))
        for changes in STRATEGIES.values()
    }


def test_of_nothing_there_is_no_percentage(plan):
    def nothing(cell, split):
        one = drawn(cell, split)
        lost = cell.protocol is not None
        return replace(one, metrics={**one.metrics, "test": {**one.metrics["test"], "recall@20": 0.3 * lost}})

    study = imagined(plan, nothing, NAMES)
    tables = [table for name in NAMES for table in study.sections[name].tables]
    percent = [
        row.cells[place]
        for table in tables
        for row in table.rows
        for place, column in enumerate(table.columns)
        if "Decrease" in column.title or (column.title.endswith("lost") and column.digits == 1)
    ]
    assert len(percent) > 100
    assert set(percent) == {None}


def test_one_seed_alone(plan):
    study = imagined(replace(plan, seeds=(4,)), drawn, NAMES)
    for name in NAMES:
        section = study.sections[name]
        assert all(figure.caption.endswith("Seed 4 alone.") for figure in section.figures)
        assert all(series.spread is None for figure in section.figures for series in figure.chart.series)
        assert all("±" not in table.to_markdown() for table in section.tables)
        assert all(table.notes[-1].startswith("Seed 4 alone. ") for table in section.tables)
    assert np.isfinite(study.chart("missing", "missing_visual_random").series[0].values).all()

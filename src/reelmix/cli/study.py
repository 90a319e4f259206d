"""``reelmix study``: the paper's tables and figures, on any data set."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from reelmix.cli.terminal import count, duration, say, table
from reelmix.cli.tune import split_method
from reelmix.errors import ConfigError, nearest
from reelmix.evaluation import EvaluationConfig
from reelmix.models import FLOORS, MODELS
from reelmix.study.cells import Cell, Measuring, Outcome, measure
from reelmix.study.ours import OURS
from reelmix.study.plan import EVERY_NAME, Plan, choose
from reelmix.study.robustness import RATES as CURVE_RATES
from reelmix.study.strategies import MULTIMODAL, STRATEGIES
from reelmix.study.strategies import RATES as STRATEGY_RATES
from reelmix.study.study import (
    BEYOND,
    EXHIBITS,
    WHOLE,
    cells_of,
    exhibits,
    require_packages,
    sections_of,
    write_study,
)
from reelmix.training.config import TrainingConfig


def _listed(rates: Sequence[float]) -> str:
    return ",".join(f"{rate:g}" for rate in rates)


def command(
    name: Annotated[
        str,
        typer.Argument(
            help=f"One of: {', '.join(EXHIBITS)}; all of these, with a report; "
            f"{', '.join(BEYOND)}; or robustness, which is all of these, with a report; "
            f"{', '.join(OURS)}, of Reelmix.",
            show_default=False,
        ),
    ],
    data: Annotated[Path, typer.Argument(help="Dataset folder.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder of the study, new or to go on with.", show_default=False)],
    tuned: Annotated[
        Path | None,
        typer.Option(help="Folder of reelmix tune, whose settings are used.", show_default=False),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="How often each model is trained, with seeds 0, 1, ...")
    ] = 3,
    sweep_seeds: Annotated[
        int | None,
        typer.Option(
            min=1, help="Seeds of Figs. 3, 4, 5, 9 and the control. [default: all]", show_default=False
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            help="Models of what is beyond the paper, such as dualgnn,vbpr; reelmix is among those of "
            "cold_items. [default: all that can]",
            show_default=False,
        ),
    ] = None,
    strategies: Annotated[
        str | None,
        typer.Option(
            help=f"Ways of treating a missing modality, held against mask: {', '.join(STRATEGIES)}. "
            "[default: all]",
            show_default=False,
        ),
    ] = None,
    rates: Annotated[
        str | None,
        typer.Option(
            help="Shares of the items that lose a modality, in strategies and missing. [default: "
            f"{_listed(STRATEGY_RATES)} and {_listed(CURVE_RATES)}]",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of a training at most.")] = 200,
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs without a better validation metric after which training stops.")
    ] = 20,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Triples in a step. [default: the model's own]", show_default=False),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="How to split; as in reelmix train.", show_default=False)
    ] = None,
    rng: Annotated[int, typer.Option(min=0, help="Seed of the split.")] = 0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Trainings at a time. [default: all cores]", show_default=False)
    ] = None,
) -> None:
    """Measure a table or figure of the DualGNN paper on your data, or all of them with a report.

    Every table is written as CSV, Markdown and LaTeX, every figure as SVG and PNG with its numbers as JSON.
    Each training is kept when it is finished: the same command again goes on where it was cut off, and
    exhibits share what they have in common.
    """
    chosen = exhibits(name)
    require_packages()
    training = TrainingConfig.read(
        {
            "epochs": epochs,
            "patience": patience,
            **({"batch_size": batch_size} if batch_size else {}),
        },
        where="study",
    )
    measuring = Measuring(data, split_method(split), rng, out / "cells", EvaluationConfig())
    given = measuring.split()
    plan = Plan(
        given,
        choose(tuned, training, given.dataset.size),
        tuple(range(seeds)),
        sweep_seeds,
        _chosen("models", "a multimodal model", models, (*MULTIMODAL, "reelmix")),
        _chosen("strategies", "a way of treating a missing modality", strategies, tuple(STRATEGIES)),
        _rates(rates),
    )
    jobs = jobs or os.cpu_count() or 1
    outcomes = measure(
        cells_of(chosen, plan),
        measuring,
        jobs=jobs,
        threads=max(1, (os.cpu_count() or 1) // jobs),
        told=_telling(plan),
    )
    sections = sections_of(chosen, plan, measuring, outcomes)
    made = write_study(
        sections,
        plan,
        outcomes,
        out,
        name=name,
        command=shlex.join(["reelmix", *sys.argv[1:]]),
    )
    for section in sections:
        for one in section.tables:
            columns, rows = one.texts()
            table(one.title, columns, rows, left=sum(column.kind == "text" for column in one.columns))
            for note in one.notes:
                say(note)
            say("")
        for line in section.text:
            say(line)
        for figure in section.figures:
            say(f"figure: {out / figure.name}.svg")
        say("")
    say(f"{'report' if name in WHOLE else 'folder'}: {made}")


def _chosen(where: str, expected: str, names: str | None, known: Sequence[str]) -> tuple[str, ...] | None:
    """The names that are asked for, of those that there are.

    Raises:
        ConfigError: there is none of that name.
    """
    if names is None:
        return None
    chosen = tuple(name.strip() for name in names.split(","))
    for name in chosen:
        if name not in known:
            raise ConfigError(expected=expected, found=repr(name), where=where, fix=nearest(name, known))
    return chosen


def _rates(text: str | None) -> tuple[float, ...] | None:
    """The rates that are asked for, smallest first, each once.

    Raises:
        ConfigError: one is no share above 0 and up to 1.
    """
    if text is None:
        return None
    rates: set[float] = set()
    for word in text.split(","):
        try:
            rate = float(word)
        except ValueError:
            rate = 0.0
        if not 0 < rate <= 1:
            raise ConfigError(
                expected="shares above 0, up to 1, with commas between them",
                found=repr(word.strip()),
                where="rates",
                fix="Write for example --rates 0.3,0.9. What was lost is always held against nothing lost.",
            )
        rates.add(rate)
    return tuple(sorted(rates))


def _telling(plan: Plan) -> Callable[[Cell, Outcome, int, int], None]:
    def told(cell: Cell, outcome: Outcome, done: int, total: int) -> None:
        usual = plan.chosen[cell.model].settings if cell.model in EVERY_NAME else {}
        fields = (MODELS | FLOORS)[cell.model].Config.model_fields if cell.model in EVERY_NAME else {}
        here = {key: cell.settings.get(key, fields[key].default) for key in {**usual, **cell.settings}}
        words = [
            f"{key} {value}" for key, value in here.items() if usual.get(key, fields[key].default) != value
        ]
        words += ["+".join(cell.modalities) + " alone"] if cell.modalities else []
        lost = (cell.protocol, cell.modality, f"{cell.ratio:.0%}")
        words += [" ".join(word for word in lost if word)] if cell.protocol else []
        trained = f"{count(outcome.epochs, 'epoch')}, " if outcome.epochs else ""
        words = [EVERY_NAME.get(cell.model, cell.model), *words, f"seed {cell.rng}"]
        say(
            f"{done:4} of {total}  {', '.join(words)}: "
            f"recall@20 {outcome.metrics['test']['recall@20']:.4f}, {trained}{duration(outcome.seconds)}"
        )

    return told

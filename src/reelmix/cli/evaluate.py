"""``reelmix evaluate``: what a run scored, or what it scores by other metrics."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from reelmix.cli.flags import settings_flags
from reelmix.cli.show import show_metrics
from reelmix.cli.terminal import say
from reelmix.evaluation import EvaluationConfig
from reelmix.recommender.run import Run


@settings_flags({"Evaluation": [EvaluationConfig]})
def command(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    stage: Annotated[Literal["test", "validation"], typer.Option(help="Which part judges.")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Rank every item for every user of the test (or validation) part again, and show the metrics.

    The training data are not needed. Items that a user trained on are left out of their list, and for the
    test part the validation items too.
    """
    opened = Run.read(run)
    kept = {name: value for name, value in opened.settings["evaluation"].items() if name not in settings}
    config = EvaluationConfig.read({**kept, **settings}, where="evaluate")
    found = opened.evaluate(config, stage=stage)
    if as_json:
        say(json.dumps(found.metrics, indent=2))
        return
    measured = replace(
        opened, metrics={stage: found.metrics}, per_user={stage: {"users": found.users, **found.per_user}}
    )
    show_metrics(measured, stage)

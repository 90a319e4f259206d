"""``reelmix tune``: the same search for every model, on validation alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, get_args

import typer

from reelmix.cli.terminal import count, duration, say, table
from reelmix.data.split import SplitMethod
from reelmix.errors import ConfigError, nearest
from reelmix.study.spaces import SPACES
from reelmix.study.tune import Search, Trial, Trying, best_of
from reelmix.training.config import TrainingConfig


def command(
    data: Annotated[Path, typer.Argument(help="Dataset folder.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="Folder of the search, new or to go on with.", show_default=False)
    ],
    models: Annotated[
        str, typer.Option(help=f"Which models, such as dualgnn,lightgcn; or all of: {', '.join(SPACES)}.")
    ] = "all",
    trials: Annotated[int, typer.Option(min=1, help="Combinations of settings tried for each model.")] = 20,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of a trial at most.")] = 100,
    patience: Annotated[
        int, typer.Option(min=1, help="Epochs without a better validation metric after which a trial stops.")
    ] = 10,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Triples in a step. [default: the model's own]", show_default=False),
    ] = None,
    validation_metric: Annotated[str, typer.Option(help="What is searched for, as name@P.")] = "recall@20",
    split: Annotated[
        str | None,
        typer.Option(help=f"How to split: {', '.join(get_args(SplitMethod))}.", show_default=False),
    ] = None,
    modalities: Annotated[
        str | None,
        typer.Option(help="Use these modalities alone, such as visual,acoustic.", show_default=False),
    ] = None,
    rng: Annotated[int, typer.Option(min=0, help="Seed of the search, the split and the training.")] = 0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Trials at a time. [default: all cores]", show_default=False)
    ] = None,
) -> None:
    """Search good settings for each model, with the same budget for each, looking at validation alone.

    OUT keeps everything that was tried in one file, `trials.journal`; for each model, its best settings as
    `MODEL.toml`, for `reelmix train --config`, and its trials as `MODEL.csv`. The same command again goes on
    where it was cut off; more trials add to those there are.
    """
    names = model_names(models)
    training = TrainingConfig.read(
        {
            "epochs": epochs,
            "patience": patience,
            "validation_metric": validation_metric,
            **({"batch_size": batch_size} if batch_size else {}),
        },
        where="tune",
    )
    only = (
        None if modalities is None else tuple(name.strip() for name in modalities.split(",") if name.strip())
    )
    jobs = jobs or os.cpu_count() or 1
    trying = Trying(data, split_method(split), only, rng)
    search = Search(out, trials=trials, training=training, rng=rng)

    def told(model: str, trial: Trial, best: Trial) -> None:
        ended = "pruned" if trial.pruned else "" if trial.epochs == 0 else f"best of {trial.epochs} epochs"
        say(
            f"{model:10} trial {trial.number:3}  {validation_metric} {trial.metric:.4f}  "
            f"best {best.metric:.4f}  {duration(trial.seconds):>12}  {ended}"
        )

    threads = max(1, (os.cpu_count() or 1) // jobs)
    found = search.run(names, trying, jobs=jobs, threads=threads, told=told)
    rows = [_row(name, found[name]) for name in names]
    metric = f"validation {validation_metric}"
    columns = ["model", "best settings", metric, "first try", "gained", "trials", "pruned", "time"]
    table(f"Best of {count(trials, 'trial')} a model", columns, rows, left=2)
    say(f"settings: {out}/MODEL.toml, for reelmix train --config and reelmix study --tuned {out}")


def model_names(text: str) -> list[str]:
    """Names of models and floors from a list with commas; ``all`` is all of them.

    Raises:
        ConfigError: there is no such model.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == ["all"]:
        return list(SPACES)
    if not names:
        raise ConfigError(
            expected="at least one model",
            found=repr(text),
            where="models",
            fix=f"Write all, or some of: {', '.join(SPACES)}.",
        )
    for name in names:
        if name not in SPACES:
            raise ConfigError(
                expected="a model", found=repr(name), where="models", fix=nearest(name, [*SPACES, "all"])
            )
    return names


def split_method(split: str | None) -> SplitMethod | None:
    """A way to split, by name.

    Raises:
        ConfigError: there is none of that name.
    """
    if split is None:
        return None
    for method in get_args(SplitMethod):
        if split == method:
            return method
    raise ConfigError(
        expected="a way to split", found=repr(split), where="split", fix=nearest(split, get_args(SplitMethod))
    )


def _row(name: str, trials: list[Trial]) -> list[str]:
    best = best_of(trials)
    shown = ", ".join(
        f"{key} {value:.2g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in best.settings.items()
    )
    pruned = sum(trial.pruned for trial in trials)
    seconds = sum(trial.seconds for trial in trials)
    first = trials[0].metric
    gained = f"{(best.metric / first - 1) * 100:+.1f} %" if first else "–"
    return [
        name,
        shown,
        f"{best.metric:.4f}",
        f"{first:.4f}",
        gained,
        str(len(trials)),
        str(pruned),
        duration(seconds),
    ]

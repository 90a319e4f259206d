"""``reelmix train``: a dataset folder in, a run folder out."""

from __future__ import annotations

import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import torch
import typer

from reelmix.cli.flags import settings_flags
from reelmix.cli.show import note_chosen, note_credit, show_metrics
from reelmix.cli.terminal import TrainingProgress, count, say, warn
from reelmix.data import Dataset, Split
from reelmix.errors import ConfigError, nearest
from reelmix.evaluation import EvaluationConfig
from reelmix.extras import optional
from reelmix.graph.lookalikes import long_to_compare
from reelmix.models import MODELS, Model, model_class
from reelmix.recommender.engine import Job, fit_on_ray
from reelmix.recommender.experiment import Experiment, RunOptions
from reelmix.recommender.fit import fit
from reelmix.recommender.run import Run
from reelmix.settings import preset_by_size
from reelmix.training.config import TrainingConfig
from reelmix.training.memory import Shape
from reelmix.training.room import Place, footprint, free_memory, gigabytes
from reelmix.training.team import TEAMS, Parallel

MODEL_CONFIGS = {name: model.Config for name, model in MODELS.items()}


@settings_flags(
    {
        "Run": [RunOptions],
        "Model": list(MODEL_CONFIGS.values()),
        "Training": [TrainingConfig],
        "Evaluation": [EvaluationConfig],
    }
)
def command(
    data: Annotated[Path, typer.Argument(help="Dataset folder.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder of the run, new or empty.", show_default=False)],
    model: Annotated[
        str | None, typer.Option(help=f"One of: {', '.join(MODELS)}. [default: reelmix]", show_default=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings; flags go before it.", show_default=False)
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Settings that suit some data, such as short_histories; auto chooses by how many "
            "interactions the person in the middle has; none. The file and the flags go before them. "
            "[default: auto for reelmix without --config, else none]",
            show_default=False,
        ),
    ] = None,
    modalities: Annotated[
        str | None,
        typer.Option(help="Use these modalities alone, such as visual,acoustic.", show_default=False),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where training in OUT was cut off.")
    ] = False,
    device: Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1, mps.")] = "cpu",
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads. [default: all cores]", show_default=False)
    ] = None,
    engine: Annotated[
        str, typer.Option(help="local: this process; ray: several, on one machine or on a Ray cluster.")
    ] = "local",
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that train together; more than 1 with --engine ray.")
    ] = 1,
    parallel: Annotated[
        str,
        typer.Option(
            help="What workers divide: data (each batch), or columns (of every table; dualgnn and "
            "lightgcn, by bpr)."
        ),
    ] = "data",
    draw: Annotated[
        bool, typer.Option("--map/--no-map", help="Draw the explorer's map of items and users, by t-SNE.")
    ] = True,
    memory_check: Annotated[
        bool,
        typer.Option("--memory-check/--no-memory-check", help="Refuse at once what will not fit in memory."),
    ] = True,
    *,
    settings: dict[str, Any],
) -> None:
    """Train a model on a dataset folder, evaluate it once on the test part, and keep all in a run folder.

    Settings come from a TOML file, from flags, or from both; the run folder holds the `config.toml` that
    repeats it.
    Ctrl-C ends training early and keeps the best epoch so far; `--resume` goes on from the last checkpoint.
    """
    require_engine(engine, workers, parallel)
    if threads:
        torch.set_num_threads(threads)
    preset = _preset(preset, model, config)
    read = partial(Experiment.read, MODEL_CONFIGS, file=config, model=model, flags=settings, preset=preset)
    read()  # what cannot be is refused before the data are read
    dataset = Dataset.read(data)
    experiment = read(size=dataset.size)
    if preset == "auto":
        found = preset_by_size(MODEL_CONFIGS[experiment.model], dataset.size)
        batch = f"in batches of {experiment.training.batch_size:,}"
        people = f"for people with {dataset.size.per_user:g} interactions (median)"
        say(f"preset: {found}, {people}, {batch}; others: --preset")
    if modalities is not None:
        dataset = dataset.only([name.strip() for name in modalities.split(",") if name.strip()])
    split = dataset.split(experiment.run.split, rng=experiment.run.rng)
    note_untrained(split)
    if engine == "ray":
        job = Job(
            experiment,
            data.resolve(),
            out.resolve(),
            dataset.modalities,
            cast(Parallel, parallel),
            device,
            threads or max(1, (os.cpu_count() or 1) // workers),
            shlex.join(["reelmix", *sys.argv[1:]]),
            draw and can_draw(),
            check_memory=memory_check,
        )
        say(f"starting {count(workers, 'worker')} with Ray")
        fit_on_ray(job, workers=workers, resume=resume, progress=TrainingProgress())
        trained = Run.read(out)
        show_metrics(trained, "test")
        note_chosen(trained)
        note_credit(trained)
        say(f"run folder: {out}")
        return
    model_to_train = model_class(experiment.model)(experiment.settings)
    note_memory(model_to_train, split, experiment.training, device)
    note_lookalikes(model_to_train, split)
    run = fit(
        model_to_train,
        split,
        training=experiment.training,
        evaluation=experiment.evaluation,
        preset="none",  # the settings have it
        rng=experiment.run.rng,
        out=out,
        resume=resume,
        progress=TrainingProgress(),
        device=device,
        command=shlex.join(["reelmix", *sys.argv[1:]]),
        draw=draw and can_draw(),
        check_memory=memory_check,
    )
    show_metrics(run, "test")
    note_chosen(run)
    note_credit(run)
    say(f"run folder: {out}")


def _preset(given: str | None, model: str | None, config: Path | None) -> str | None:
    """What ``--preset`` means; a file of settings was made for its data, and nothing is mixed into it."""
    if given is None and config is None:
        name = model or next(iter(MODEL_CONFIGS))
        return MODEL_CONFIGS[name].default_preset if name in MODEL_CONFIGS else None
    return None if given == "none" else given


def require_engine(engine: str, workers: int, parallel: str) -> None:
    """Refuses what no engine can do.

    Raises:
        ConfigError: an unknown engine or way to divide, or several workers without an engine.
    """
    for flag, given, known in (
        ("--engine", engine, ("local", "ray")),
        ("--parallel", parallel, tuple(TEAMS)),
    ):
        if given not in known:
            raise ConfigError(
                expected=" or ".join(known), found=repr(given), where=flag, fix=nearest(given, known)
            )
    if engine == "local" and workers > 1:
        raise ConfigError(
            expected="one worker with the engine local",
            found=str(workers),
            where="--workers",
            fix="Add --engine ray.",
        )


def can_draw() -> bool:
    """Whether a map can be drawn; says so if it cannot."""
    try:
        optional("sklearn", "serve")
    except ConfigError as error:
        warn(f"no map is drawn: {error}")
        return False
    return True


def note_memory(model: Model, split: Split, training: TrainingConfig, device: str) -> None:
    """Says how much memory training will take, if that is worth a line."""
    needed, free = footprint(model, Shape.of(split), training, Place(device)).total, free_memory()
    if needed >= 2**30 and free is not None and device == "cpu":
        say(f"memory: about {gigabytes(needed)} of {gigabytes(free)}")


def note_lookalikes(model: Model, split: Split) -> None:
    """Says what comes before the first epoch, where it takes long: all items are compared with all others."""
    if getattr(model.config, "lookalikes", 0) and long_to_compare(split.dataset):
        say(
            f"lookalikes: {split.dataset.n_items:,} items are compared with each other first, and the result "
            "is kept for the next time"
        )


def note_untrained(split: Split) -> None:
    """Says how many users have no training interaction, since no model can know them."""
    users = split.untrained_users
    if len(users):
        first = split.dataset.users.take(users[:1])[0]
        warn(
            f"{len(users):,} of {split.dataset.n_users:,} users have no training interaction (the first: "
            f"{first!r}): nothing is learned about them; they still count in the metrics if they have "
            "test interactions."
        )

"""``reelmix demo``: from nothing to one user's list with reasons."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from reelmix.cli.serve import command as serve
from reelmix.cli.show import show_list, show_metrics
from reelmix.cli.terminal import TrainingProgress, console, duration, say, warn
from reelmix.cli.train import can_draw
from reelmix.data.dataset import Dataset
from reelmix.data.sample import Sample, rank_agreement, sample
from reelmix.files import require_vacant
from reelmix.models import Reelmix
from reelmix.recommender.explain import explain
from reelmix.recommender.fit import fit

FRAMES = 4
"""Pictures that are taken of a clip, which is two seconds long."""

PLANTED = {"visual": "look", "acoustic": "sound", "textual": "topic"}


def command(
    out: Annotated[Path, typer.Option(help="Folder for the dataset and the run.")] = Path("reelmix-demo"),
    user: Annotated[str, typer.Option(help="Whose list to show.")] = "user-17",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs at most.")] = 60,
    rng: Annotated[int, typer.Option(min=0, help="Seed.")] = 0,
    media: Annotated[
        bool,
        typer.Option(
            "--media",
            help="Make the micro-videos as real clips, and train on what encoders see, hear and read in "
            "them: some minutes more.",
        ),
    ] = False,
    show: Annotated[
        bool | None,
        typer.Option(
            "--open/--no-open", help="Open the explorer at the end. [default: with --media, on a terminal]"
        ),
    ] = None,
) -> None:
    """Make the simulated sample, train Reelmix on it, evaluate it, and recommend with reasons.

    Nothing is downloaded. The data are simulated: 2,000 users, 1,000 micro-videos, and three modalities, each
    missing for part of the items.
    """
    started = time.monotonic()
    require_vacant(out, "the demo")
    world = sample()
    world.dataset.users.row(user)  # refused now rather than after training
    dataset = _filmed(world, out / "media") if media else world.dataset
    dataset.write(out / "data")
    holes = ", ".join(f"{name} {1 - dataset.has(name).mean():.0%}" for name in dataset.modalities)
    say(f"simulated sample: {dataset.n_users:,} users, {dataset.n_items:,} items; missing: {holes}")
    run = fit(
        Reelmix(),
        dataset.split(rng=rng),
        epochs=epochs,
        rng=rng,
        out=out / "run",
        progress=TrainingProgress(),
        command="reelmix demo",
        draw=can_draw(),
    )
    say("")
    show_metrics(run, "test")
    recommender = run.recommender()
    lines = recommender.recommend(user, 10)
    reasons = [explain(recommender, user, line.id).sentence() for line in lines]
    say("")
    show_list(
        f"recommended to {user}; below each, what its modalities add above the average item", lines, reasons
    )
    assert run.vectors.emphasis is not None
    alpha, shares = (rank_agreement(found, world) for found in (run.vectors.emphasis, recommender.shares))
    say("")
    warn(
        "the simulated users have a planted emphasis on each modality. Rank correlation with it: "
        f"share of the spread of a user's scores {_listed(shares)}; alpha {_listed(alpha)}. "
        "What that means: docs/emphasis.md."
    )
    say(f"run folder: {out / 'run'}  ({duration(time.monotonic() - started)} in all)")
    with_media = f" --media {out / 'media' / 'clips'}" if media else ""
    if show if show is not None else media and console.is_terminal:
        serve(out / "run", media=out / "media" / "clips" if media else None, port=0, show=True)
    else:
        say(f"next: reelmix serve {out / 'run'}{with_media}")


def _filmed(world: Sample, folder: Path) -> Dataset:
    """The sample with features of its clips, which are made and read."""
    from reelmix.cli.extract import DEFAULTS, ExtractionProgress, show_extraction
    from reelmix.media.extract import extract
    from reelmix.media.limits import Limits
    from reelmix.media.simulated.clips import render_sample
    from reelmix.media.simulated.filmed import filmed, planted_structure

    workers = os.cpu_count() or 1
    say(f"making {world.dataset.n_items:,} micro-videos as clips, and reading them: some minutes")
    with ExtractionProgress() as progress:
        render_sample(world, folder, workers=workers, progress=lambda *done: progress("clips", *done))
        limits = Limits(frames=FRAMES)
        found = extract(
            folder / "clips",
            folder / "extracted",
            DEFAULTS,
            table=folder / "items.csv",
            limits=limits,
            workers=workers,
            progress=progress,
        )
    show_extraction(found, workers)
    dataset = filmed(world, folder / "extracted")
    for name, planted in planted_structure(world, dataset).items():
        say(
            f"{name}: {planted.share:.0%} of nearest neighbours share the planted {PLANTED[name]}, where "
            f"{planted.chance:.0%} would by chance"
        )
    return dataset


def _listed(agreement: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:+.2f}" for name, value in agreement.items())

"""``reelmix demo``: from nothing to one user's list with reasons."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from reelmix.cli.show import show_list, show_metrics
from reelmix.cli.terminal import TrainingProgress, duration, say, warn
from reelmix.cli.train import can_draw
from reelmix.data.sample import rank_agreement, sample
from reelmix.files import require_vacant
from reelmix.models import Reelmix
from reelmix.recommender.explain import explain
from reelmix.recommender.fit import fit


def command(
    out: Annotated[Path, typer.Option(help="Folder for the dataset and the run.")] = Path("reelmix-demo"),
    user: Annotated[str, typer.Option(help="Whose list to show.")] = "user-17",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs at most.")] = 60,
    rng: Annotated[int, typer.Option(min=0, help="Seed.")] = 0,
) -> None:
    """Make the simulated sample, train Reelmix on it, evaluate it, and recommend with reasons.

    Nothing is downloaded. The data are simulated: 2,000 users, 1,000 micro-videos, and three modalities, each
    missing for part of the items.
    """
    started = time.monotonic()
    require_vacant(out, "the demo")
    world = sample()
    dataset = world.dataset
    dataset.users.row(user)  # refused now rather than after training
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
    say(f"next: reelmix serve {out / 'run'}")


def _listed(agreement: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:+.2f}" for name, value in agreement.items())

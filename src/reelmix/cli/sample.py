"""``reelmix sample``: the simulated sample as a dataset folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelmix.cli.terminal import say
from reelmix.data.sample import sample


def command(
    out: Annotated[Path, typer.Argument(help="Dataset folder to write, new or empty.", show_default=False)],
    rng: Annotated[int, typer.Option(min=0, help="Seed of the simulated world.")] = 0,
) -> None:
    """Write the simulated micro-video world: 2,000 users, 1,000 items, three modalities with holes."""
    dataset = sample(rng=rng).dataset
    dataset.write(out)
    say(f"simulated: {dataset.n_users:,} users, {dataset.n_items:,} items written to {out}")

"""``reelmix export``: a run's vectors for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from reelmix.cli.terminal import say
from reelmix.recommender.export import EXPORTS
from reelmix.recommender.run import Run


def command(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    file: Annotated[Path, typer.Argument(help="File to write.", dir_okay=False, show_default=False)],
    to: Annotated[Literal["npz", "safetensors", "parquet"], typer.Option(help="Format.")] = "npz",
) -> None:
    """Write user and item vectors and their ids: arrays `users`, `items`, `user_ids`, `item_ids`."""
    opened = Run.read(run)
    EXPORTS[to](opened, file)
    say(f"{len(opened.users):,} users and {len(opened.items):,} items written to {file}")

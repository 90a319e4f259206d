"""``reelmix export``: a run's vectors for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from reelmix.cli.terminal import count, say
from reelmix.errors import StorageError
from reelmix.recommender.export import EXPORTS, FOLDERS
from reelmix.recommender.run import Run

Format = Literal["npz", "safetensors", "parquet", "lancedb", "pgvector", "onnx"]


def command(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    file: Annotated[
        Path, typer.Argument(help="File to write; for lancedb a new folder.", show_default=False)
    ],
    to: Annotated[Format, typer.Option(help="Format.")] = "npz",
) -> None:
    """Write user and item vectors and their ids.

    For other programs: npz and safetensors hold the arrays `users`, `items`, `user_ids`, `item_ids`,
    `users_known` and `items_known`, parquet one table of the same.

    To answer from: lancedb is a database in a folder, pgvector a script for PostgreSQL, onnx the scoring
    function with all that it needs. These leave out users without training interactions and items of which
    nothing is known; the others mark them. lancedb and onnx need `pip install 'reelmix[export]'`.
    """
    if to not in FOLDERS and file.is_dir():
        raise StorageError(
            expected="a file to write",
            found="a folder",
            where=str(file),
            fix="Name a file in it; lancedb alone writes a folder.",
        )
    opened = Run.read(run)
    users, items = EXPORTS[to](opened, file)
    say(f"{count(users, 'user')} and {count(items, 'item')} written to {file}")
    unknown = len(opened.users) - users, len(opened.items) - items
    if any(unknown):
        say(
            f"left out, since nothing is known of them: {count(unknown[0], 'user')} "
            f"and {count(unknown[1], 'item')}"
        )

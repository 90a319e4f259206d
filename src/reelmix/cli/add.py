"""``reelmix add``: new items into a trained run, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelmix.cli.terminal import count, say
from reelmix.data import Dataset
from reelmix.recommender.new_items import NewItems, with_items
from reelmix.recommender.run import Run


def command(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    data: Annotated[
        Path, typer.Argument(help="Dataset folder that holds the new items.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the run with more items, new or empty.", show_default=False)
    ],
) -> None:
    """Add the items of a dataset that a run does not have, at once and without training.

    A new item needs at least one modality of those the model was trained with, made by the same encoder. Its
    vectors are the model's own equations for an item that nobody has watched yet. Items that have no modality
    are left out, and interactions of the dataset are not looked at.
    """
    before = Run.read(run)
    dataset = Dataset.read(data)
    new = NewItems.of_dataset(dataset, before)
    after = with_items(before, new)
    after.write(out)
    bare = int((before.items.rows(dataset.items.ids) < 0).sum()) - len(new.table)
    if bare:
        say(f"left out, because they have no modality: {count(bare, 'item')}")
    say(f"added: {count(len(new.table), 'item')}")
    say(f"run folder: {out}")

"""``reelmix describe``: the paper's Table II row, and the coverage of each modality."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from reelmix.cli.terminal import say, table
from reelmix.data import Dataset
from reelmix.data.describe import Description, describe


def command(
    data: Annotated[Path, typer.Argument(help="Dataset folder.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a dataset: the row it would have in the paper's Table II, and the coverage of each modality."""
    found = describe(Dataset.read(data))
    if as_json:
        say(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
    else:
        show(found)


def show(found: Description) -> None:
    """Prints a description as tables."""
    raise NotImplementedError

"""``reelmix import``: what people hold into a dataset folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelmix.cli.describe import show
from reelmix.cli.terminal import say
from reelmix.data.describe import describe
from reelmix.data.formats import FORMATS, importer
from reelmix.errors import ConfigError
from reelmix.files import require_vacant


def command(
    format_name: Annotated[
        str, typer.Argument(metavar="FORMAT", help=f"One of: {', '.join(FORMATS)}.", show_default=False)
    ],
    path: Annotated[Path, typer.Argument(help="File or folder to import.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Dataset folder to write, new or empty.", show_default=False)],
    name: Annotated[
        str | None, typer.Option(help="Name on the card. [default: the path's]", show_default=False)
    ] = None,
    k_core: Annotated[
        int | None,
        typer.Option(
            min=1, help="Keep users and items with at least so many interactions.", show_default=False
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a column in your table, such as user_id=userId; may be given more than once.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Turn interactions and features into a dataset folder, and describe it.

    An item without a feature is masked, not zero: it simply lacks that modality.
    """
    require_vacant(out, "the dataset")
    dataset = importer(format_name)(path, name=name, columns=_columns(column or []))
    if k_core is not None:
        dataset = dataset.k_core(k_core)
    dataset.write(out)
    show(describe(dataset))
    say(f"dataset folder: {out}")


def _columns(pairs: list[str]) -> dict[str, str]:
    columns = {}
    for pair in pairs:
        ours, equals, theirs = pair.partition("=")
        if not equals or not ours or not theirs:
            raise ConfigError(
                expected="OUR_NAME=YOUR_NAME",
                found=repr(pair),
                where="--column",
                fix="Write --column user_id=userId, say.",
            )
        columns[ours] = theirs
    return columns

"""``reelmix describe``: the paper's Table II row, and the coverage of each modality."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from reelmix.cli.terminal import console, say, table, warn
from reelmix.data import Dataset
from reelmix.data.describe import Description, describe
from reelmix.data.missingness import Tenths
from reelmix.graph.lookalikes import lifts, long_to_compare

BLOCKS = "▁▂▃▄▅▆▇█"
DIGITS = "12345678"
"""What stands in for the blocks where the output cannot print them."""


def command(
    data: Annotated[Path, typer.Argument(help="Dataset folder.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    lift: Annotated[
        bool | None,
        typer.Option(
            "--lift/--no-lift",
            help="Compare all items, to tell whether what is alike is watched together. "
            "[default: if that takes no more than some seconds]",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Draw the coverage by combination, popularity and age: SVG, PNG, and the numbers as JSON.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show a dataset: the row it would have in the paper's Table II, and the coverage of each modality.

    For each modality that some items lack it says whether the items without it are less popular or older:
    the chance that an item with it beats one without, and the p-value of the two-sided Mann-Whitney test
    after Holm's correction. An item's age is told by its first interaction, which stands for its upload;
    of a popular item it tends to come sooner.

    The lift of a modality is how many times as often people watched two items that are alike in it as chance
    would have it: at 1 the modality tells nothing of what people like together.
    """
    dataset = Dataset.read(data)
    compared = not long_to_compare(dataset) if lift is None else lift
    found = describe(dataset, lifts(dataset) if compared else None)
    figures = [] if plot is None else _draw(found, plot)
    if as_json:
        say(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
        return
    show(found, pictures=plot is None)
    if lift is None and not compared:
        say("lift: not worked out, since comparing that many items takes a while; --lift does it")
    for path in figures:
        say(f"figure: {path}")


def _draw(found: Description, folder: Path) -> list[Path]:
    """Writes the figures; returns the paths of those in SVG."""
    from reelmix.study.coverage import coverage_figures

    return [figure.write(folder).with_suffix(".svg") for figure in coverage_figures(found)]


def show(found: Description, *, pictures: bool = True) -> None:
    """Prints a description as tables; ``pictures`` draws the coverage by tenths in letters."""
    _show_size(found)
    say("")
    _show_coverage(found)
    _show_missingness(found, pictures)
    for one in found.modalities:
        if one.zero_items:
            warn(
                f"{one.zero_items:,} {one.name} vectors are all zeros. If that means unknown, leave those "
                "rows out on import: an item not listed lacks the modality."
            )
    for note in found.notes:
        say(f"note: {note}")


def _show_size(found: Description) -> None:
    made = "simulated" if found.simulated else found.provenance
    sizes = {f"{one.name} size": f"{one.size:,}" for one in found.modalities}
    table(
        f"{found.name} ({made})",
        ["interactions", "items", "users", "sparsity", *sizes],
        [
            [
                f"{found.interactions:,}",
                f"{found.items:,}",
                f"{found.users:,}",
                f"{found.sparsity:.2f} %",
                *sizes.values(),
            ]
        ],
        left=0,
    )
    if found.split:
        say("split: " + ", ".join(f"{count:,} {part}" for part, count in found.split.items()))
    if found.items_without_interactions:
        say(f"items that nobody interacted with: {found.items_without_interactions:,}")


def _show_coverage(found: Description) -> None:
    lifted = any(one.lift is not None for one in found.modalities)
    titles = ["modality", "encoder", "items with it", "share", "interactions with them", "share"]
    table(
        "coverage of each modality",
        [*titles, "lift"] if lifted else titles,
        [
            [
                one.name + (" (bag)" if one.kind == "bag" else ""),
                one.encoder,
                f"{one.items:,}",
                f"{one.item_share:.1%}",
                f"{one.interactions:,}",
                f"{one.interaction_share:.1%}",
                *(["-" if one.lift is None else f"{one.lift:.2f}"] if lifted else []),
            ]
            for one in found.modalities
        ],
        left=2,
    )
    if lifted:
        say("(lift: how many times as often as by chance people watched two items that are alike in it)")
    if len(found.combinations) > 1:
        say("")
        table(
            "items by what they have",
            ["modalities", "items", "share", "interactions with them", "share"],
            [
                [
                    " + ".join(one.modalities) or "none",
                    f"{one.items:,}",
                    f"{one.item_share:.1%}",
                    f"{one.interactions:,}",
                    f"{one.interaction_share:.1%}",
                ]
                for one in found.combinations
            ],
        )


def _show_missingness(found: Description, pictures: bool) -> None:
    """What is missing where; nothing if all items have all modalities, or none has any."""
    if pictures and any(0 < one.items < found.items for one in found.modalities):
        for tenths in found.missingness.tenths:
            say("")
            _show_tenths(tenths)
    tendencies = found.missingness.tendencies
    if tendencies:
        say("")
    for one in tendencies:
        say(one.sentence())
    if any(one.quantity == "age" for one in tendencies):
        say(
            "(age by the time of the first interaction, which stands for that of the upload; "
            "of a popular item it tends to come sooner)"
        )


def _show_tenths(tenths: Tenths) -> None:
    ends = {"popularity": "least to most popular", "age": "oldest to newest by first interaction"}
    letters = DIGITS if console.options.ascii_only else BLOCKS
    rows: list[list[str]] = []
    for name, shares in tenths.shares.items():
        known = [share for share in shares if share is not None]
        picture = "".join(" " if share is None else letters[min(7, int(8 * share))] for share in shares)
        rows.append([name, picture, f"{min(known):.1%}", f"{max(known):.1%}"])
    table(
        f"coverage by tenths of the items, {ends[tenths.quantity]} "
        f"({letters[0]} below 12.5 %, {letters[-1]} from 87.5 %)",
        ["modality", "tenths", "lowest", "highest"],
        rows,
        left=2,
    )

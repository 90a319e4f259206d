"""``reelmix describe``: the paper's Table II row, and the coverage of each modality."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from reelmix.cli.terminal import say, table, warn
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
    say("")
    table(
        "coverage of each modality",
        ["modality", "encoder", "items with it", "share", "interactions with them", "share"],
        [
            [
                one.name + (" (bag)" if one.kind == "bag" else ""),
                one.encoder,
                f"{one.items:,}",
                f"{one.item_share:.1%}",
                f"{one.interactions:,}",
                f"{one.interaction_share:.1%}",
            ]
            for one in found.modalities
        ],
        left=2,
    )
    if len(found.combinations) > 1:
        say("")
        table(
            "items by what they have",
            ["modalities", "items", "interactions"],
            [
                [" + ".join(one.modalities) or "none", f"{one.items:,}", f"{one.interactions:,}"]
                for one in found.combinations
            ],
        )
    for one in found.modalities:
        if one.zero_items:
            warn(
                f"{one.zero_items:,} {one.name} vectors are all zeros. If that means unknown, leave those "
                "rows out on import: an item not listed lacks the modality."
            )
    for note in found.notes:
        say(f"note: {note}")

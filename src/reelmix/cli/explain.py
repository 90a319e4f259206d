"""``reelmix explain``: why an item stands where it stands in a user's list."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from reelmix.cli.terminal import say, table
from reelmix.recommender.explain import explain
from reelmix.recommender.recommender import Recommender


def command(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    user: Annotated[str, typer.Option(help="User id.", show_default=False)],
    item: Annotated[str, typer.Option(help="Item id.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Split the score of a user and an item into what each modality of the item adds.

    The parts add up to the score. *Lift* is a part less its mean over all items that have the modality.
    *Share* is what part of the spread of all this user's scores the modality makes: what decides their list.
    *Alpha* is the model's own weight of the modality for this user.
    """
    recommender = Recommender(run)
    found = explain(recommender, recommender.run.users.parse(user), recommender.run.items.parse(item))
    if as_json:
        say(json.dumps(asdict(found), ensure_ascii=False))
        return
    rows = [
        [
            name,
            f"{part:+.3f}",
            f"{found.lifts[name]:+.3f}",
            f"{found.shares[name]:.0%}",
            f"{found.emphasis[name]:.3f}" if name in found.emphasis else "",
            (found.like[name].title or found.like[name].id) if name in found.like else "",
        ]
        for name, part in found.parts.items()
    ]
    title = f"user {user}, item {item}: score {found.score:.3f}"
    table(title, ["modality", "part", "lift", "share", "alpha", "nearest watched item"], rows)

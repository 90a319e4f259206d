"""``reelmix explain``: why an item stands where it stands in a user's list."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from reelmix.cli.terminal import say, table
from reelmix.recommender.explain import Explanation, Source, explain
from reelmix.recommender.recommender import Recommender


def command(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    user: Annotated[str, typer.Option(help="User id.", show_default=False)],
    item: Annotated[str, typer.Option(help="Item id.", show_default=False)],
    neighbours: Annotated[
        int, typer.Option(min=0, help="How many co-occurring users, or watched items, to show.")
    ] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Split the score of a user and an item into modalities, and into the tastes that it is made of.

    The parts add up to the score. *Lift* is a part less its mean over all items that have the modality.
    *Share* is what part of the spread of all this user's scores the modality makes: what decides their list.
    *Alpha* is the model's own weight of the modality for this user. *Rank without* is the item's place if all
    items were ranked without the modality.
    """
    recommender = Recommender(run)
    found = explain(recommender, recommender.run.users.parse(user), recommender.run.items.parse(item))
    if as_json:
        say(json.dumps(asdict(found), ensure_ascii=False))
        return
    show(found, user, item, neighbours)


def show(found: Explanation, user: str, item: str, neighbours: int) -> None:
    """Prints an explanation as two tables."""
    rows = [
        [
            name + (" (filled in)" if name in found.filled else ""),
            f"{part:+.3f}",
            f"{found.lifts[name]:+.3f}",
            f"{found.shares[name]:.0%}",
            f"{found.emphasis[name]:.3f}" if name in found.emphasis else "",
            f"{found.rank_without[name]:,}",
            "\n".join(str(one.title or one.id) for one in found.like.get(name, ())),
        ]
        for name, part in found.parts.items()
    ]
    if not found.parts or abs(found.rest) >= 5e-4:
        rows.append(["of no modality", f"{found.rest:+.3f}", "", "", "", "", ""])
    title = f"user {user}, item {item}: score {found.score:.3f}, rank {found.rank:,}"
    nearest = "nearest watched items"
    columns = ["modality", "part", "lift", "share", "alpha", "rank without", nearest]
    table(title, columns, rows, texts=[nearest])
    if found.history:
        say("")
        _by_item(found, neighbours)
    if len(found.sources) == 1:
        return
    say("")
    own, *others = found.sources
    rest = others[neighbours:]
    names = list(found.parts)
    lines = [_line("own taste", "", own.common_items, own, names)]
    lines += [
        _line(str(one.user), f"{one.weight:.3f}", one.common_items, one, names) for one in others[:neighbours]
    ]
    if rest:
        total = sum(one.score for one in rest)
        lines.append(
            [f"{len(rest)} more", f"{sum(one.weight for one in rest):.3f}", "", f"{total:+.3f}"]
            + [f"{sum(one.parts[name] for one in rest):+.3f}" for name in names]
        )
    table("whose taste it is", ["user", "weight", "common items", "part", *names], lines)


def _by_item(found: Explanation, shown: int) -> None:
    lines = [[str(one.id), f"{one.score:+.3f}", str(one.title or "")] for one in found.history[:shown]]
    if rest := found.history[shown:]:
        lines.append([f"{len(rest)} more", f"{sum(one.score for one in rest):+.3f}", ""])
    constant = found.score - sum(one.score for one in found.history)
    lines.append(["whoever asks", f"{constant:+.3f}", ""])
    table("by what they watched", ["item", "part", "title"], lines, texts=["title"])


def _line(who: str, weight: str, common: int, source: Source, names: list[str]) -> list[str]:
    return [
        who,
        weight,
        str(common),
        f"{source.score:+.3f}",
        *(f"{source.parts[name]:+.3f}" for name in names),
    ]

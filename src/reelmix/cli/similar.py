"""``reelmix similar``: what is most like an item, or who is most like a user."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelmix.cli.show import show_list
from reelmix.errors import ConfigError
from reelmix.recommender.recommender import Recommender


def command(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    item: Annotated[str | None, typer.Option(help="Item id.", show_default=False)] = None,
    user: Annotated[str | None, typer.Option(help="User id.", show_default=False)] = None,
    n: Annotated[int, typer.Option("--n", "-n", help="Length of the list.")] = 10,
) -> None:
    """List the items (or users) whose vectors point most nearly the same way (cosine)."""
    if (item is None) == (user is None):
        raise ConfigError(
            expected="either an item or a user",
            found="both" if item else "neither",
            where="similar",
            fix="Say --item ID or --user ID.",
        )
    recommender = Recommender(run)
    if item is not None:
        show_list(f"like item {item}", recommender.similar_items(recommender.run.items.parse(item), n))
    elif user is not None:
        show_list(f"like user {user}", recommender.similar_users(recommender.run.users.parse(user), n))

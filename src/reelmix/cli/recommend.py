"""``reelmix recommend``: what a user should see next."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from reelmix.cli.show import show_list
from reelmix.cli.terminal import say
from reelmix.data.vocabulary import UserOrItemId, Vocabulary
from reelmix.errors import ConfigError, DataError
from reelmix.files import require_file
from reelmix.recommender.explain import explain
from reelmix.recommender.recommender import Recommender


def command(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    user: Annotated[
        list[str] | None, typer.Option(help="User id; may be given more than once.", show_default=False)
    ] = None,
    users_from: Annotated[
        str | None, typer.Option(help="File with a user id a line; - for standard input.", show_default=False)
    ] = None,
    n: Annotated[int, typer.Option("--n", "-n", help="Length of the list.")] = 10,
    why: Annotated[bool, typer.Option("--why", help="Give the reason for each.")] = False,
    include_seen: Annotated[
        bool, typer.Option("--include-seen", help="Keep items that the user has interacted with.")
    ] = False,
    among: Annotated[
        Path | None, typer.Option(help="File with an item id a line: only these.", show_default=False)
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="Item id to leave out; may be given more than once.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a user.")] = False,
) -> None:
    """List the items with the highest scores for one user or many.

    What a user has interacted with, in any part of the data, is left out unless `--include-seen` is given.
    """
    if not user and not users_from:
        raise ConfigError(
            expected="a user", found="none", where="recommend", fix="Say --user ID or --users-from FILE."
        )
    recommender = Recommender(run)
    people, things = recommender.run.users, recommender.run.items
    asked = [people.parse(text) for text in user or []]
    if users_from:
        asked += _ids(users_from, people)
    chosen = _ids(str(among), things) if among else None
    lists = recommender.recommend(
        asked,
        n,
        include_seen=include_seen,
        among=chosen,
        without=[things.parse(text) for text in without or []],
    )
    for identifier, lines in zip(asked, lists, strict=True):
        found = [explain(recommender, identifier, line.id) for line in lines] if why else []
        if as_json:
            items = [
                {key: value for key, value in asdict(line).items() if value is not None}
                | ({"why": asdict(found[place])} if why else {})
                for place, line in enumerate(lines)
            ]
            say(json.dumps({"user": identifier, "items": items}, ensure_ascii=False))
        else:
            show_list(f"for user {identifier}", lines, [one.sentence() for one in found])


def _ids(file: str, vocabulary: Vocabulary) -> list[UserOrItemId]:
    if file == "-":
        content = sys.stdin.buffer.read()
    else:
        content = require_file(Path(file), "a file of ids").read_bytes()
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(
            expected="ids in UTF-8",
            found=f"the byte {error.object[error.start]:#x}",
            where=f"{'standard input' if file == '-' else file}, line {line}",
            fix="Save the file as UTF-8.",
        ) from None
    return [vocabulary.parse(line.strip()) for line in lines if line.strip()]

"""``reelmix recommend``: what a user, or somebody new, should see next."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from reelmix.cli.show import show_list
from reelmix.cli.terminal import count, say
from reelmix.data.vocabulary import UserOrItemId, Vocabulary
from reelmix.errors import ConfigError, DataError
from reelmix.files import require_file
from reelmix.recommender.explain import Explanation, explain
from reelmix.recommender.recommender import Recommendation, Recommender


def command(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    user: Annotated[
        list[str] | None, typer.Option(help="User id; may be given more than once.", show_default=False)
    ] = None,
    users_from: Annotated[
        str | None, typer.Option(help="File with a user id a line; - for standard input.", show_default=False)
    ] = None,
    history: Annotated[
        list[str] | None,
        typer.Option(
            help="Item that somebody new watched, instead of a user; may be given more than once.",
            show_default=False,
        ),
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
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a user, or one for the history.")
    ] = False,
) -> None:
    """List the items with the highest scores for one user or many, or for somebody new.

    What a user has interacted with, in any part of the data, is left out unless `--include-seen` is given.

    Of somebody who was not in training, `--history` names what they watched: nothing is trained anew. The
    models that can take in a new user are dualgnn and lightgcn.
    """
    _require_one_way(bool(user or users_from), bool(history), why, include_seen)
    recommender = Recommender(run)
    people, things = recommender.run.users, recommender.run.items
    asked = [people.parse(text) for text in user or []]
    if users_from:
        asked += _ids(users_from, people)
    chosen = _ids(str(among), things) if among else None
    left_out = [things.parse(text) for text in without or []]
    if history:
        watched = [things.parse(text) for text in history]
        lines = recommender.recommend_for_history(watched, n, among=chosen, without=left_out)
        title = f"for a history of {count(len(set(watched)), 'item')}"
        _show({"history": watched}, title, lines, None, as_json)
        return
    lists = recommender.recommend(asked, n, include_seen=include_seen, among=chosen, without=left_out)
    for identifier, lines in zip(asked, lists, strict=True):
        reasons = [explain(recommender, identifier, line.id) for line in lines] if why else None
        _show({"user": identifier}, f"for user {identifier}", lines, reasons, as_json)


def _require_one_way(users: bool, history: bool, why: bool, include_seen: bool) -> None:
    """Users or a history are asked for, and of a history nothing that only training can know."""
    if users == history:
        raise ConfigError(
            expected="users or a history",
            found="both" if users else "neither",
            where="recommend",
            fix="Say --user ID or --users-from FILE; or --history ITEM for somebody new.",
        )
    for given, option, reason in (
        (why, "--why", "reasons are for users of the training"),
        (include_seen, "--include-seen", "what is in a history is never recommended"),
    ):
        if history and given:
            raise ConfigError(
                expected="a user", found="a history", where=option, fix=f"Leave {option} out: {reason}."
            )


def _show(
    whose: dict[str, Any],
    title: str,
    lines: list[Recommendation],
    reasons: list[Explanation] | None,
    as_json: bool,
) -> None:
    if not as_json:
        show_list(title, lines, [one.sentence() for one in reasons or []])
        return
    items = [
        {key: value for key, value in asdict(line).items() if value is not None}
        | ({"why": asdict(reasons[place])} if reasons is not None else {})
        for place, line in enumerate(lines)
    ]
    say(json.dumps({**whose, "items": items}, ensure_ascii=False))


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

"""Commands as typed and what is said to them, written as on a screen."""

import shlex
from typing import Any

import pytest


def transcript(text: str) -> list[Any]:
    """Parameters (words, message) from ``$ reelmix ...`` lines, each with its message indented below.

    A message may be wrapped; it is one line on a screen.
    """
    found = []
    for case in text.split("$ reelmix ")[1:]:
        command, *message = case.splitlines()
        said = " ".join(line.strip() for line in message if line.strip())
        found.append(pytest.param(shlex.split(command), said, id=command))
    assert found
    return found


def filled(text: str, **places: Any) -> str:
    """``text`` with the names of places, such as DATA, replaced by where they are."""
    for name, place in places.items():
        text = text.replace(name, str(place))
    return text

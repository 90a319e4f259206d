"""What can go wrong by a user's hand: every message says expected, found, where and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial


class ReelmixError(Exception):
    """A mistake that the caller can mend.

    Args:
        expected: what should have been there, as a noun phrase.
        found: what was there instead.
        where: file, column, row or argument.
        fix: what to do next, as a sentence.
    """

    def __init__(self, *, expected: str, found: str, where: str = "", fix: str = "") -> None:
        self.expected, self.found, self.where, self.fix = expected, found, where, fix
        place = f"{where}: " if where else ""
        advice = f" {fix}" if fix else ""
        super().__init__(f"{place}expected {expected}, found {found}.{advice}")

    def __reduce__(self) -> tuple[partial[ReelmixError], tuple[()]]:
        """Errors go from one process to another whole."""
        said = {"expected": self.expected, "found": self.found, "where": self.where, "fix": self.fix}
        return partial(type(self), **said), ()


class DataError(ReelmixError):
    """Interactions, items or features that cannot be used as they are."""


class ConfigError(ReelmixError):
    """A setting that does not exist or is out of range."""


class UnknownIdError(ReelmixError):
    """A user or item id that the dataset or the run does not hold."""


class RunError(ReelmixError):
    """A run folder that cannot be read: damaged, incomplete, or of another version."""


class StorageError(ReelmixError):
    """A file or folder that cannot be read or written."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """One sentence that names the valid word closest to ``name``, or lists all of them."""
    names = sorted(valid)
    if not names:
        return "There are none."
    close = closest(name, names)
    return f"Did you mean {close!r}?" if close else f"Valid names: {', '.join(names)}."


def closest(name: str, valid: Iterable[object]) -> str | None:
    """The word among ``valid`` that ``name`` is a misspelling of, if there is one."""
    words = sorted(word for word in valid if isinstance(word, str))
    return next(iter(get_close_matches(name, words, n=1, cutoff=0.6)), None)

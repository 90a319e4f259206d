"""Packages that only the extras bring, imported when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal

from reelmix.errors import ConfigError

NEEDED_FOR = {"study": "plots, searches and studies need", "export": "this export needs"}
"""Each extra of the package, and what it is for."""


def optional(module: str, extra: Literal["study", "export"]) -> Any:
    """A module of an extra.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise ConfigError(
            expected=f"{module.partition('.')[0]}, which {NEEDED_FOR[extra]}",
            found="none installed",
            fix=f"Run: pip install 'reelmix[{extra}]'",
        ) from None

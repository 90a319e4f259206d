"""Libraries that come with an extra of the package: imported where they are used, or said to be missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal

from reelmix.errors import ConfigError

Extra = Literal["study", "serve", "export", "media", "ray"]

NEEDED_BY: dict[Extra, str] = {
    "study": "plots, searches and studies need",
    "serve": "the server and the map need",
    "export": "this export needs",
    "media": "reading video files needs",
    "ray": "training by several processes needs",
}


def optional(module: str, extra: Extra = "study") -> Any:
    """A module of an extra.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise ConfigError(
            expected=f"{module.partition('.')[0]}, which {NEEDED_BY[extra]}",
            found="none installed",
            fix=f"Run: pip install 'reelmix[{extra}]'",
        ) from None

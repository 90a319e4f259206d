"""What the study needs beyond the core, imported when it is used."""

from __future__ import annotations

from typing import Any

from reelmix import extras


def optional(module: str) -> Any:
    """A module of the extra ``study``.

    Raises:
        ConfigError: it is not installed.
    """
    return extras.optional(module, "study")

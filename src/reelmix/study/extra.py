"""What the study needs beyond the core, imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from reelmix.errors import ConfigError


def optional(module: str) -> Any:
    """A module of the extra ``study``.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise ConfigError(
            expected=f"{module.partition('.')[0]}, which plots, searches and studies need",
            found="none installed",
            fix="Run: pip install 'reelmix[study]'",
        ) from None

"""Derived arrays kept on disk under the hash of what they were made from."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from reelmix.errors import StorageError
from reelmix.files import digest, read_arrays, write_arrays

log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where derived arrays are kept: ``$REELMIX_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("REELMIX_CACHE")
    return Path(chosen) if chosen else user_cache_path("reelmix", appauthor=False)


def cached(
    kind: str, key: tuple[Any, ...], make: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The arrays that ``make`` returns, from the cache if they were made from the same ``key`` before.

    A cache that is damaged or cannot be written costs time, never an error.
    """
    path = cache_folder() / f"{kind}-{digest(*key)}.safetensors"
    with suppress(StorageError):  # absent, out of reach or damaged
        return read_arrays(path)[0]
    arrays = make()
    try:
        write_arrays(path, arrays)
    except StorageError as error:
        log.warning("not cached: %s", error)
    return arrays

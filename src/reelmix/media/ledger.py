"""What has been found out of each file so far, so that a run that was ended goes on where it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from reelmix.errors import StorageError

SCHEMA = """
CREATE TABLE IF NOT EXISTS found (
    name TEXT NOT NULL, modality TEXT NOT NULL, mark TEXT NOT NULL,
    vector BLOB, text TEXT, reason TEXT, decoding REAL NOT NULL, encoding REAL NOT NULL,
    PRIMARY KEY (name, modality)
)
"""


@dataclass(frozen=True, eq=False)
class Found:
    """What one file, or one text, gave.

    Attributes:
        vector: float32; None if there is none.
        text: of a file, what is said in it.
        reason: why there is neither.
        decoding, encoding: seconds.
    """

    vector: Float[np.ndarray, " size"] | None = None
    text: str | None = None
    reason: str | None = None
    decoding: float = 0.0
    encoding: float = 0.0


class Ledger:
    """Results by file and modality in an SQLite file. One process writes it.

    Args:
        path: of the file; made if it is not there.

    Raises:
        StorageError: it cannot be written, or is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._base = sqlite3.connect(path, isolation_level=None)
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = NORMAL")
            self._base.execute(SCHEMA)
        except sqlite3.Error as error:
            raise self._refused(error) from None

    def get(self, name: str, modality: str, mark: str) -> Found | None:
        """What is known of a file, unless it, its encoder or the limits (``mark``) have changed since."""
        row = self._base.execute(
            "SELECT vector, text, reason, decoding, encoding FROM found "
            "WHERE name = ? AND modality = ? AND mark = ?",
            (name, modality, mark),
        ).fetchone()
        if row is None:
            return None
        vector, *others = row
        return Found(None if vector is None else np.frombuffer(vector, "<f4").astype(np.float32), *others)

    def put(self, name: str, modality: str, mark: str, found: Found) -> None:
        """Keeps what was found.

        Raises:
            StorageError: the disk is full.
        """
        vector = None if found.vector is None else found.vector.astype("<f4").tobytes()
        row = (name, modality, mark, vector, found.text, found.reason, found.decoding, found.encoding)
        try:
            self._base.execute("INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise self._refused(error) from None

    def names(self) -> Iterator[tuple[str, str]]:
        """Of what something is known: file and modality."""
        yield from self._base.execute("SELECT name, modality FROM found ORDER BY name, modality")

    def close(self) -> None:
        """Ends it."""
        self._base.close()

    def _refused(self, error: sqlite3.Error) -> StorageError:
        return StorageError(
            expected="a file of results that can be written",
            found=str(error),
            where=str(self.path),
            fix="Free some space, or move the file away to begin anew.",
        )

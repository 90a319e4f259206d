"""What came of a cell of a study: its metrics, those of each user, times and perhaps vectors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from reelmix.errors import StorageError
from reelmix.files import new_folder, read_arrays, write_arrays, write_atomic

CELL_VERSION = 1


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a cell.

    Attributes:
        metrics: of validation and test, such as ``metrics["test"]["recall@10"]``.
        users: rows of the users with test items.
        per_user: their test metrics.
        epochs, best_epoch: how many were trained, and which was best; 0 for a floor.
        epoch_seconds: median wall time of training and validating an epoch; of a floor, of building it.
        seconds: wall time of the cell.
        parameters: trained numbers.
        vectors: ``users``, ``items`` and perhaps ``emphasis`` and ``shares``, if they were kept.
    """

    metrics: Mapping[str, Mapping[str, float]]
    users: Int[np.ndarray, " user"]
    per_user: Mapping[str, Float[np.ndarray, " user"]]
    epochs: int
    best_epoch: int
    epoch_seconds: float
    seconds: float
    parameters: int
    vectors: Mapping[str, np.ndarray]

    def write(self, folder: Path, cell: Mapping[str, Any]) -> None:
        """Writes it into a new folder, whole or not at all; ``cell`` is what was measured."""
        numbers = {
            "cell_version": CELL_VERSION,
            "cell": dict(cell),
            "metrics": self.metrics,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "epoch_seconds": self.epoch_seconds,
            "seconds": self.seconds,
            "parameters": self.parameters,
        }
        with new_folder(folder, "a cell of the study") as inside:
            write_arrays(inside / "per_user.safetensors", {"users": self.users, **self.per_user})
            if self.vectors:
                write_arrays(inside / "vectors.safetensors", self.vectors)
            write_atomic(inside / "cell.json", json.dumps(numbers, indent=1, sort_keys=True) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Outcome:
        """Reads what :meth:`write` wrote.

        Raises:
            StorageError: a file is missing or damaged.
        """
        try:
            numbers = json.loads((folder / "cell.json").read_text(encoding="utf-8"))
            metrics, rest = numbers["metrics"], {key: numbers[key] for key in _NUMBERS}
        except (OSError, ValueError, KeyError, TypeError):
            raise StorageError(
                expected="a finished cell of a study",
                found="a damaged one",
                where=str(folder),
                fix="Delete that folder; the cell is then measured again.",
            ) from None
        per_user, _ = read_arrays(folder / "per_user.safetensors")
        kept = folder / "vectors.safetensors"
        vectors = read_arrays(kept)[0] if kept.exists() else {}
        return cls(metrics=metrics, users=per_user.pop("users"), per_user=per_user, vectors=vectors, **rest)


_NUMBERS = ("epochs", "best_epoch", "epoch_seconds", "seconds", "parameters")

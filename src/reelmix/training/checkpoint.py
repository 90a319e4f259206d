"""Everything that training needs to go on from an epoch's end, in one file, written in one step."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reelmix.errors import RunError
from reelmix.files import read_arrays, write_arrays

CHECKPOINT_VERSION = 1


@dataclass(frozen=True)
class Epoch:
    """One line of the training curve.

    Attributes:
        epoch: number, from 1.
        loss: mean training loss of its batches.
        metric: validation metric after it.
        seconds: wall time of training and validating it.
    """

    epoch: int
    loss: float
    metric: float
    seconds: float


@dataclass
class TrainingState:
    """Where training stands after an epoch.

    Attributes:
        curve: the epochs so far.
        best_epoch: the epoch with the best validation metric; 0 before the first.
        weights: parameters and persistent buffers now.
        best_weights: the same after the best epoch.
        optimiser: Adam's moments and step counts by parameter name, such as ``exp_avg/alpha``, and the moving
            average of the weights, if one is kept, as ``average/alpha``.
    """

    weights: dict[str, Tensor]
    best_weights: dict[str, Tensor]
    optimiser: dict[str, Tensor] = field(default_factory=dict)
    curve: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.curve)

    @property
    def best_metric(self) -> float:
        """The best validation metric so far."""
        return self.curve[self.best_epoch - 1].metric if self.best_epoch else float("-inf")


def write_checkpoint(path: Path, state: TrainingState, identity: str) -> None:
    """Writes the state, whole or not at all.

    Args:
        path: where.
        state: what.
        identity: a hash of data, settings and seed; only a run with the same may go on from here.
    """
    arrays = {}
    for group in ("weights", "best_weights", "optimiser"):
        for name, tensor in getattr(state, group).items():
            arrays[f"{group}/{name}"] = tensor.detach().cpu().numpy()
    metadata = {
        "version": str(CHECKPOINT_VERSION),
        "identity": identity,
        "best_epoch": str(state.best_epoch),
        "curve": json.dumps([asdict(epoch) for epoch in state.curve]),
    }
    write_arrays(path, arrays, metadata)


def read_checkpoint(path: Path, identity: str) -> TrainingState:
    """The state that :func:`write_checkpoint` wrote.

    Raises:
        StorageError: the file is missing or damaged.
        RunError: it was written by another version, or with other data, settings or seed.
    """
    arrays, metadata = read_arrays(path)
    if metadata.get("version") != str(CHECKPOINT_VERSION):
        raise RunError(
            expected=f"a checkpoint of version {CHECKPOINT_VERSION}",
            found=metadata.get("version", "none"),
            where=str(path),
            fix="Train again from the start with this version of reelmix.",
        )
    if metadata["identity"] != identity:
        raise RunError(
            expected="a checkpoint of the same data, settings and seed",
            found="one of others",
            where=str(path),
            fix="Resume with the settings in config.toml beside it, or train into a new folder.",
        )
    groups: dict[str, dict[str, Tensor]] = {"weights": {}, "best_weights": {}, "optimiser": {}}
    for name, array in arrays.items():
        group, _, key = name.partition("/")
        groups[group][key] = torch.from_numpy(array)
    curve: list[dict[str, Any]] = json.loads(metadata["curve"])
    return TrainingState(
        **groups, curve=[Epoch(**line) for line in curve], best_epoch=int(metadata["best_epoch"])
    )

"""Training on a GPU: time and bandwidth of an epoch, what waits, what differs from the CPU, and what fits.

    python bench/gpu.py [--data tiktok] [--users 1000000] [--json bench/gpu.json]

Epochs are medians of several after one to warm up, in turn with the CPU's. Bandwidth counts the bytes that an
epoch of DualGNN must move (``floor.py``). What waits is what torch's own debug mode warns of. A world of
``--users`` users (``million.py``) is trained for one epoch and held against the memory that was foreseen for
it; the largest that would fit follows from that, and is not trained. ``--device cpu`` shows that it runs.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command line does
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from epoch import epoch_size, ours
from floor import Ceilings, ceilings, epoch_floor, step_bytes
from measure import in_turns, machine
from million import world
from reelmix.data import Dataset, Split
from reelmix.data.sample import sample
from reelmix.models import MODELS, DualGNN
from reelmix.training.config import TrainingConfig
from reelmix.training.memory import Shape
from reelmix.training.room import Place, footprint
from reelmix.training.trainer import Trainer

SHOWN = ("dualgnn", "reelmix", "lightgcn")
REPEATS = 5


def trainer(name: str, split: Split, device: str, **training: Any) -> Trainer:
    """Of a model with its defaults, built anew."""
    model = MODELS[name]()
    config = TrainingConfig().suited(model.config.training_defaults)
    config = config.model_copy(update=training)
    return Trainer(model.build(split), split, validate=lambda _: 0.0, config=config, device=device)


def epochs(split: Split, device: str, best: Ceilings) -> list[dict[str, Any]]:
    """Each model in single and mixed precision on the device, in turn with the CPU."""
    found = []
    for name in SHOWN:
        jobs: dict[str, Callable[[], Any]] = {"cpu": ours(trainer(name, split, "cpu"))}
        for precision in ("single", "mixed"):
            jobs[precision] = ours(trainer(name, split, device, precision=precision))
        taken = in_turns(jobs, REPEATS)
        line: dict[str, Any] = {"model": name} | {job: taken[job].wall for job in jobs}
        if name == "dualgnn":
            model = DualGNN()
            model.modalities = split.dataset.modalities
            size = epoch_size(model, split)
            line["bytes"] = size.steps * sum(step_bytes(size))
            line["bandwidth"] = line["bytes"] / line["single"]
            line["times the floor"] = line["single"] / epoch_floor(size, best)
        found.append(line)
        print(line, flush=True)
    return found


def waits(split: Split, device: str) -> dict[str, int]:
    """How often an epoch of each model waited for the device; the loss is asked for once."""
    found = {}
    for name in SHOWN:
        epoch = ours(trainer(name, split, device))
        epoch()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            if device.startswith("cuda"):
                torch.cuda.set_sync_debug_mode("warn")
            epoch()
            if device.startswith("cuda"):
                torch.cuda.set_sync_debug_mode("default")
        found[name] = sum("synchronizing" in str(warning.message) for warning in said)
    print("waits of an epoch:", found, flush=True)
    return found


def differences(split: Split, device: str) -> dict[str, dict[str, float]]:
    """After two epochs: the largest difference of a weight from the CPU's, and of two deterministic runs."""
    found = {}
    for name in SHOWN:
        cpu, there, first, second = (
            trainer(name, split, "cpu"),
            trainer(name, split, device),
            trainer(name, split, device, deterministic=True),
            trainer(name, split, device, deterministic=True),
        )
        for one in (cpu, there):
            for epoch in (1, 2):
                one._train_epoch(epoch)
        torch.use_deterministic_algorithms(True)
        for one in (first, second):
            for epoch in (1, 2):
                one._train_epoch(epoch)
        torch.use_deterministic_algorithms(False)
        found[name] = {"from the CPU": apart(cpu, there), "deterministic twice": apart(first, second)}
    print("largest differences of a weight:", found, flush=True)
    return found


def apart(one: Trainer, other: Trainer) -> float:
    """The largest difference of a weight."""
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return max(float((a.detach().cpu() - b.detach().cpu()).abs().max()) for a, b in pairs)


def large(users: int, device: str) -> dict[str, float]:
    """An epoch of DualGNN on a world of so many users; its memory, foreseen and taken; what would fit."""
    scale = users / 1_000_000
    split = world(scale, 0.5, np.random.default_rng(0))
    model = DualGNN(neighbours=40)
    training = TrainingConfig(epochs=1, batch_size=round(524_288 * scale))
    foreseen = footprint(model, Shape.of(split), training, Place(device)).total
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    one = Trainer(model.build(split), split, validate=lambda _: 0.0, config=training, device=device)
    taken = in_turns({"epoch": ours(one)}, 1)["epoch"].wall
    found = {"users": users, "epoch": taken, "foreseen": foreseen}
    if on_gpu:
        found["peak"] = torch.cuda.max_memory_allocated(device)
        whole = torch.cuda.get_device_properties(device).total_memory
        found["users that would fit, by the peak"] = users * whole / found["peak"]
        found["users that would fit, as foreseen"] = users * whole / foreseen
    print(found, flush=True)
    return found


def main() -> None:
    """Everything, printed, and as JSON if asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="dataset folder; without one, the simulated sample")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--users", type=int, default=1_000_000, help="of the large world; 0 leaves it out")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    split = Dataset.read(given.data).split() if given.data else sample().dataset.split(rng=0)
    best = ceilings(device=given.device)
    on_gpu = given.device.startswith("cuda")
    card = torch.cuda.get_device_name(given.device) if on_gpu else "the CPU itself"
    print(f"{card}: {best}", flush=True)
    found = {"machine": machine(), "card": card, "ceilings": best.as_dict()}
    found["epochs"] = epochs(split, given.device, best)
    found["waits"] = waits(split, given.device)
    found["differences"] = differences(split, given.device)
    if given.users:
        found["large"] = large(given.users, given.device)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

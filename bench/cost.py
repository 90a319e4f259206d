"""What DualGNN costs from a hundred thousand users to a billion: memory, time and bytes sent, as a table.

    python bench/cost.py

Memory is what ``reelmix train`` predicts. Time is the memory traffic of an epoch (``floor.py``) at the rates
that this machine reached when the million was trained, times how much longer that took than its traffic
(``million.json``, written by ``million.py --keep``). Everything grows with the users: see the assumptions in
docs/scale.md, which this table belongs to.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from floor import FLOAT, Ceilings, EpochSize, epoch_floor
from reelmix.models import DualGNN
from reelmix.training.config import TrainingConfig
from reelmix.training.memory import Modality, Shape, peak

MEASURED = Path(__file__).with_name("million.json")
USERS_PER_ITEM, PER_USER, STEPS = 5, 20, 40
MODALITIES, FEATURES, DIM, NEIGHBOURS, LAYERS = 3, 128, 64, 40, 2
LEAST_ROW = 64
"""Bytes that come from memory at a time: shorter rows are fetched no faster."""


@dataclass(frozen=True)
class Cost:
    """Of one epoch with one process, or with ``workers`` by columns.

    Attributes:
        gigabytes: the peak of one process.
        held: what each of the workers holds.
        user_graph, epoch: seconds of one process.
        divided: seconds of an epoch of the workers, without what they send.
        sent: gigabytes that each worker sends in a step.
    """

    gigabytes: float
    held: float
    user_graph: float
    epoch: float
    divided: float
    sent: float


def sized(users: int, dim: int = DIM) -> EpochSize:
    """An epoch of the world that is made larger and larger."""
    return EpochSize(
        users=users,
        items=users // USERS_PER_ITEM,
        edges=PER_USER * users,
        steps=STEPS,
        batch=PER_USER * users // STEPS,
        modalities=MODALITIES,
        dim=dim,
        layers=LAYERS,
        neighbours=NEIGHBOURS,
    )


def cost(users: int, workers: int, measured: dict[str, float], best: Ceilings) -> Cost:
    """What an epoch with so many users costs, by what one with ``measured["users"]`` did."""
    traffic = epoch_floor(sized(users), best)
    slower = measured["epoch"] / epoch_floor(sized(int(measured["users"])), best)
    row = FLOAT * MODALITIES * DIM
    share = max(1 / workers, LEAST_ROW / row)
    items = users // USERS_PER_ITEM
    things = (Modality(items, FEATURES),) * MODALITIES
    shape = Shape(users, items, PER_USER * users, things, 1, 13 * PER_USER * users + row * 2 * items)
    needed = peak(DualGNN(neighbours=NEIGHBOURS), shape, TrainingConfig(batch_size=sized(users).batch))
    whole = sum(needed.parts[name] for name in ("data", "graphs", "interactions"))
    return Cost(
        needed.total / 1e9,
        (whole + (needed.total - whole) / workers) / 1e9,
        measured["user_graph"] * users / measured["users"],
        slower * traffic,
        slower * traffic * share,
        (8 * sized(users).batch + FLOAT * MODALITIES * users) / 1e9,
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=12)
    workers = parser.parse_args().workers
    kept = json.loads(MEASURED.read_text())
    gather = {int(size): rate for size, rate in kept["ceilings"]["gather"].items()}
    best = Ceilings(**{**kept["ceilings"], "gather": gather})
    runs = sorted((run for run in kept["runs"] if run["precision"] == "single"), key=lambda run: run["users"])
    for run in runs:
        found = cost(run["users"], workers, runs[-1], best)
        print(
            f"{run['users']:>9,} users: {run['gigabytes']:.1f} GB (foreseen {found.gigabytes:.1f}), "
            f"an epoch {run['epoch']:.0f} s (modelled {found.epoch:.0f}), "
            f"user graph {run['user_graph']:.0f} s (modelled {found.user_graph:.0f})"
        )
    heads = ("users", "memory", "user graph", "an epoch", f"each of {workers}", "an epoch", "sent a step")
    print(f"\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for users in (10**5, 10**6, 10**7, 10**8, 10**9):
        found = cost(users, workers, runs[-1], best)
        cells = (
            amount(found.gigabytes),
            duration(found.user_graph),
            duration(found.epoch),
            amount(found.held),
            duration(found.divided),
            amount(found.sent),
        )
        print(f"| {users:,} | {' | '.join(cells)} |")


def amount(gigabytes: float) -> str:
    """Two digits, in a unit that suits."""
    for unit, size in (("TB", 1e3), ("GB", 1.0)):
        if gigabytes >= size:
            return f"{_short(gigabytes / size)} {unit}"
    return f"{_short(gigabytes * 1e3)} MB"


def duration(seconds: float) -> str:
    """Two digits, in a unit that suits."""
    for unit, size in (("days", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{_short(seconds / size)} {unit}"
    return f"{_short(seconds)} s"


def _short(number: float) -> str:
    return f"{float(f'{number:.2g}'):g}"


if __name__ == "__main__":
    main()

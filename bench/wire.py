"""What a team's steps put on the network, counted by the kernel, beside the formulas of docs/scale.md.

    python bench/wire.py [--workers 2]

The workers are processes of this machine, which talk through its loopback device. To add up b bytes over W
workers, each must send at least 2 (W - 1) / W times b (a ring): all of them together 2 (W - 1) b. Needs
Linux, and that nobody else uses the device meanwhile.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from pathlib import Path

import torch
from torch import distributed

from reelmix.data.sample import sample
from reelmix.models import DualGNN
from reelmix.training.config import TrainingConfig
from reelmix.training.team import TEAMS, Parallel
from reelmix.training.trainer import Trainer

STEPS, BATCH = 20, 4096


def loopback() -> int:
    """Bytes that the loopback device ever sent, headers included."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split(":")[1].split()[8]) for line in lines if line.strip().startswith("lo:"))


def member(rank: int, size: int, meeting: str, parallel: Parallel) -> None:
    """One of a team: some steps, and what they sent."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    split, team = sample().dataset.split(rng=0), TEAMS[parallel]()
    model = DualGNN().build(split, rng=0)
    trainer = Trainer(
        model, split, validate=lambda _: 0.0, config=TrainingConfig(batch_size=BATCH), team=team
    )
    batches = [batch for batch in trainer._batches(1) if len(batch.users) == BATCH][:STEPS]
    model.train()
    distributed.barrier()
    before = loopback()
    for batch in batches:
        team.backward(model, batch)
    distributed.barrier()
    if rank == 0:
        sent = (loopback() - before) / len(batches)
        formula = team.bytes_a_step(model, BATCH)
        least = 2 * (size - 1) * formula
        print(f"{parallel}: by the formula {formula:,} bytes a step; {sent:,.0f} on the wire, by all workers")
        print(f"  {sent / least:.3f} of what a ring sends at least")
    distributed.barrier()  # nobody leaves while another still listens
    distributed.destroy_process_group()


def main() -> None:
    """Both ways to divide."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    size = parser.parse_args().workers
    context = multiprocessing.get_context("spawn")
    for parallel in TEAMS:
        with tempfile.TemporaryDirectory() as folder:
            meeting = str(Path(folder) / "meeting")
            team = [
                context.Process(target=member, args=(rank, size, meeting, parallel)) for rank in range(size)
            ]
            for process in team:
                process.start()
            for process in team:
                process.join()


if __name__ == "__main__":
    main()

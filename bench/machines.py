"""Trains over several machines, loses one of them, and compares with one process: docs/scale.md.

    sudo python bench/machines.py [--epochs 60]

The machines are made of this one with Linux' namespaces. Each has a network stack of its own, with an
address, a host name, shared memory and a folder for Ray; a cable joins them to a switch, and nothing else
does. What they share is what a cluster must share: the folder with the data and the runs. Ray is started on
each as its users start it. Bytes are counted at the first machine's end of its cable. Needs Linux, root, and
``ip``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from reelmix.data import Split
from reelmix.data.sample import sample
from reelmix.files import read_arrays
from reelmix.models import DualGNN
from reelmix.recommender.run import Run
from reelmix.training.config import TrainingConfig
from reelmix.training.team import Parallel

BRIDGE, PORT = "rmswitch", 6379
WAIT = 600.0
"""Seconds after which what did not come is given up."""


class Machine:
    """One of them, by its number; the first is Ray's head."""

    def __init__(self, number: int, names: str) -> None:
        self.number, self.name = number, f"machine{number}"
        self.address, self.cable = f"10.77.0.{number}", f"rmcable{number}"
        ip("netns", "add", self.name)
        ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("link", "set", self.cable, "master", BRIDGE, "up")
        ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip("-n", self.name, "link", "set", device, "up")
        self.names, self.ray = names, None

    def start(self, log: Path) -> None:
        """Starts Ray here; the first machine's must run before the others'."""
        joins = ["--head", f"--port={PORT}", "--include-dashboard=false"]
        if self.number > 1:
            joins = [f"--address=10.77.0.1:{PORT}"]
        prepare = (
            "mount --make-rprivate / && mount -t tmpfs none /dev/shm && mkdir -p /tmp/ray && "
            'mount -t tmpfs none /tmp/ray && hostname "$0" && echo "$1" > /tmp/ray/hosts && '
            'mount --bind /tmp/ray/hosts /etc/hosts && shift && exec "$@"'
        )
        apart = ["ip", "netns", "exec", self.name, "unshare", "--mount", "--uts", "sh", "-c", prepare]
        ray = str(Path(sys.executable).with_name("ray"))  # root may have another PATH
        command = [ray, "start", *joins, f"--node-ip-address={self.address}", "--num-cpus=1", "--block"]
        with log.open("a") as told:
            self.ray = subprocess.Popen(
                [*apart, self.name, self.names, *command],
                stdout=told,
                stderr=told,
                env=environment(),
                start_new_session=True,
            )

    def run(self, *command: str) -> subprocess.Popen[bytes]:
        """Starts a command here."""
        assert self.ray
        inside = ["nsenter", "--target", str(self.ray.pid), "--net", "--mount", "--uts", *command]
        return subprocess.Popen(inside, env=environment() | {"RAY_ADDRESS": f"10.77.0.1:{PORT}"})

    def lose(self) -> None:
        """Everything that runs here is gone at once."""
        inside = subprocess.run(
            ["ip", "netns", "pids", self.name], capture_output=True, text=True, check=True
        )
        for process in inside.stdout.split():
            os.kill(int(process), signal.SIGKILL)

    def bytes(self) -> int:
        """That ever came in or went out at the machine's end of its cable."""
        read = ["ip", "netns", "exec", self.name, "cat", "/proc/net/dev"]
        lines = subprocess.run(read, capture_output=True, text=True, check=True).stdout.splitlines()
        counts = next(line.split(":")[1].split() for line in lines if line.strip().startswith("eth0:"))
        return int(counts[0]) + int(counts[8])

    def remove(self) -> None:
        """Takes it down."""
        self.lose()
        ip("link", "del", self.cable)
        ip("netns", "del", self.name)


def ip(*arguments: str) -> None:
    """Linux' tool for networks."""
    subprocess.run(["ip", *arguments], check=True)


def environment() -> dict[str, str]:
    """Of every command: Ray without tokens, since nobody else is on this network."""
    return os.environ | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}


def train(data: Path, out: Path, epochs: int, *more: str) -> list[str]:
    """The command that trains."""
    settings = ["--model", "dualgnn", "--epochs", str(epochs), "--patience", str(epochs)]
    program = str(Path(sys.executable).with_name("reelmix"))
    return [program, "train", str(data), "--out", str(out), *settings, *more]


def bytes_of_steps(split: Split) -> dict[Parallel, float]:
    """In and out of one of two machines in the steps of an epoch, by the formulas of docs/scale.md."""
    model, batch = DualGNN().build(split, rng=0), TrainingConfig().batch_size
    axes, triples = model.column_axes(), len(split.train)
    steps = -(-triples // batch)
    whole = sum(parameter.nbytes for parameter in model.parameters())
    shared = sum(parameter.nbytes for name, parameter in model.named_parameters() if name not in axes)
    return {"data": 2.0 * steps * whole, "columns": 2.0 * (4 * (triples + steps) + steps * shared)}


def epochs_done(run: Path) -> int:
    """Epochs in the last checkpoint."""
    checkpoint = run / "checkpoint.safetensors"
    return len(json.loads(read_arrays(checkpoint)[1]["curve"])) if checkpoint.exists() else 0


def compare(name: str, run: Path, alone: Path) -> None:
    """Prints how far a run is from that of one process."""
    found, expected = Run.read(run), Run.read(alone)
    far = max(np.abs(found.weights[key] - weights).max() for key, weights in expected.weights.items())
    metric = "recall@20"
    print(
        f"{name}: weights within {far:.1e} of one process, test {metric} {found.test_metrics[metric]:.4f} "
        f"and {expected.test_metrics[metric]:.4f}",
        flush=True,
    )


def main() -> None:
    """Two machines, both ways to divide; then one of them is lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=60)
    epochs = parser.parse_args().epochs
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("link", "set", BRIDGE, "up")
    names = "127.0.0.1 localhost\n10.77.0.1 machine1\n10.77.0.2 machine2"
    machines: list[Machine] = []
    with tempfile.TemporaryDirectory() as shared:
        folder = Path(shared)
        try:
            machines.extend(Machine(number, names) for number in (1, 2))
            first, second = machines
            for machine in machines:
                machine.start(folder / f"{machine.name}.log")
                time.sleep(10)
            data = folder / "sample"
            dataset = sample().dataset
            dataset.write(data)
            of_steps = bytes_of_steps(dataset.split(rng=0))
            alone = folder / "alone"
            subprocess.run(
                train(data, alone, epochs), check=True, env=environment(), stdout=subprocess.DEVNULL
            )
            for parallel in ("data", "columns"):
                out, ray = folder / parallel, ("--engine", "ray", "--workers", "2", "--parallel", parallel)
                before = first.bytes()
                started = first.run(*train(data, out, epochs, *ray))
                assert started.wait(WAIT) == 0
                sent = (first.bytes() - before) / epochs
                print(
                    f"{sent / 1e6:.1f} MB an epoch went through the cable; {of_steps[parallel] / 1e6:.1f} by"
                )
                print("the formula for its steps, the rest is the leader's to validate and to keep")
                compare(parallel, out, alone)
            out = folder / "lost"
            started = first.run(*train(data, out, epochs, *ray))
            until = time.monotonic() + WAIT
            while not (done := epochs_done(out)) and time.monotonic() < until:
                time.sleep(0.05)
            second.lose()
            print(f"{second.name} was lost when {done} of {epochs} epochs were in a checkpoint", flush=True)
            assert 0 < done < epochs
            second.start(folder / f"{second.name}.log")
            assert started.wait(WAIT) == 0
            compare("one machine lost", out, alone)
        finally:
            for machine in machines:
                machine.remove()
            ip("link", "del", BRIDGE)


if __name__ == "__main__":
    main()

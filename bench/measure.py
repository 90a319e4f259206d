"""What every line of the bench is made of: jobs that take turns, a process of a job's own, and a verdict."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "sparse_dot_topn",
    "faiss-cpu",
    "torch_geometric",
    "implicit",
    "polars",
)

OURS = ("OMP_WAIT_POLICY", "THP_MEM_ALLOC_ENABLE")
"""Variables that our command line sets before it loads anything."""


class Taken(NamedTuple):
    """Median seconds of a job: on the clock, and added up over the cores."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Line:
    """One line of the report.

    Attributes:
        what: was timed.
        value: of ours, in ``unit``.
        unit: s, ms, MB, or nothing for a share.
        reference: what ours is compared with; nothing where the value alone is judged.
        reference_value: of the reference, in the same unit.
        relation: "faster", the ratio is reference / ours and must reach the target; "within", it is ours /
            reference and must not exceed it; "at least" and "at most", the value alone is judged.
        target: the promise; None where there is none.
        note: what a reader should know beside it.
        cpu, reference_cpu: seconds added up over the cores, where they were measured.
    """

    what: str
    value: float
    unit: str = "s"
    reference: str = ""
    reference_value: float | None = None
    relation: Literal["faster", "within", "at least", "at most", ""] = ""
    target: float | None = None
    note: str = ""
    cpu: float | None = None
    reference_cpu: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours beside the reference, so that the relation reads on: 3.1 times faster, within 1.4 of it."""
        if not self.reference_value:
            return None
        return (
            self.reference_value / self.value
            if self.relation == "faster"
            else self.value / self.reference_value
        )

    @property
    def kept(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        judged = self.value if self.relation in ("at least", "at most") else self.ratio
        assert judged is not None, f"{self.what}: nothing to judge"
        return judged >= self.target if self.relation in ("faster", "at least") else judged <= self.target

    def as_dict(self) -> dict[str, Any]:
        """Everything, with ratio and verdict, for JSON."""
        return asdict(self) | {"ratio": self.ratio, "kept": self.kept}


def in_turns(jobs: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, Taken]:
    """Median seconds of jobs that run alternately, so that a busy machine slows all; one warm-up each."""
    seconds: dict[str, list[Taken]] = {name: [] for name in jobs}
    for repeat in range(repeats + 1):
        for name, job in jobs.items():
            taken = timed(job)
            if repeat:
                seconds[name].append(taken)
    return {name: Taken(*np.median(np.array(taken), axis=0).tolist()) for name, taken in seconds.items()}


def timed(job: Callable[[], Any]) -> Taken:
    """Seconds of one run of a job."""
    wall, cpu = time.perf_counter(), time.process_time()
    job()
    return Taken(time.perf_counter() - wall, time.process_time() - cpu)


def uncached(job: Callable[[], Any]) -> Callable[[], Any]:
    """The job with an empty cache folder, so that nothing is read that was made before."""

    def made() -> None:
        before = os.environ.get("REELMIX_CACHE")
        with tempfile.TemporaryDirectory() as cache:
            os.environ["REELMIX_CACHE"] = cache
            try:
                job()
            finally:
                os.environ.pop("REELMIX_CACHE")
                if before is not None:
                    os.environ["REELMIX_CACHE"] = before

    return made


def in_process(script: str, *words: str | Path, plainly: bool = False) -> dict[str, float]:
    """Runs a script of this folder, which prints ``name=number`` words, in a process of its own.

    ``plainly``: as anybody's Python starts, without the variables that our command line sets.
    """
    command = [sys.executable, str(Path(__file__).with_name(script)), *map(str, words)]
    environment = {name: value for name, value in os.environ.items() if not (plainly and name in OURS)}
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return {name: float(value) for name, _, value in (word.partition("=") for word in printed.split())}


def peak_megabytes() -> float:
    """The most memory that this process ever held, with everything that it imported."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's peak too, which Linux hands down
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def machine() -> dict[str, Any]:
    """The machine and what runs on it."""
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu_model(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def _cpu_model() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

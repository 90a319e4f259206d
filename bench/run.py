"""``make bench``: the numbers that reelmix promises, beside a plain reference timed in the same run.

The reference takes turns with ours, so that a busy machine slows both. Seconds are medians; "cpu" adds up the
cores. The user graph is timed in processes of their own, because their peak memory is part of the promise.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import json
import multiprocessing
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_array, csr_matrix, load_npz, save_npz

from plain import PlainDualGNN, plain_ranking, plain_user_graph
from reelmix.data import Split
from reelmix.evaluation import EvaluationConfig, VectorScorer, evaluate
from reelmix.graph import user_graph
from reelmix.models import Batch, DualGNN, LightGCN, Model, Reelmix
from reelmix.training.config import TrainingConfig
from reelmix.training.trainer import Trainer
from worlds import dataset_or_shape, movielens_shaped


@dataclass
class Timing:
    """One line of the report: medians in seconds, and what was promised."""

    what: str
    wall: float
    cpu: float
    reference_wall: float
    reference_cpu: float
    promise: str
    kept: bool
    note: str = ""


def main() -> None:
    """Times everything and prints a table."""
    arguments = _arguments()
    split = dataset_or_shape(arguments.data)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["REELMIX_CACHE"] = cache
        lines = [
            time_epoch(split, arguments.repeats, item_ids=False),
            time_epoch(split, arguments.repeats, item_ids=True),
            time_reelmix(split, arguments.repeats),
            time_ranking(split, arguments.repeats),
            time_user_graph(arguments.whole),
        ]
    report(lines, split.dataset.card.name)
    if arguments.json:
        about = {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "data": split.dataset.card.name,
        }
        text = json.dumps({"about": about, "timings": [asdict(line) for line in lines]}, indent=2)
        arguments.json.write_text(text + "\n")


def time_epoch(split: Split, repeats: int, *, item_ids: bool) -> Timing:
    """An epoch of DualGNN: d = 64, L = 2, L' = 1, K = 50, pca content, batch 2048."""
    model = DualGNN(embedding_size=64, neighbours=50, item_ids=item_ids).build(split)
    trainer = Trainer(model, split, validate=lambda _: 0.0, config=TrainingConfig(batch_size=2048))
    plain = PlainDualGNN(model, split)
    optimiser = torch.optim.Adam(plain.parameters(), lr=1e-3)
    batches = list(trainer._batches(np.random.default_rng(0)))
    _require_equal(model, plain, batches[0])

    def plain_epoch() -> None:
        for batch in batches:
            optimiser.zero_grad()
            plain.loss(batch).backward()
            optimiser.step()

    epochs = iter(range(1, 10_000))
    ours, theirs = in_turns(lambda: trainer._train_epoch(next(epochs)), plain_epoch, repeats)
    name = "epoch of DualGNN, pca content" + (" + item ids" if item_ids else "")
    promise = "" if item_ids else "1 s cpu"
    return Timing(name, *ours, *theirs, promise, item_ids or ours[1] <= 1.0)


def time_reelmix(split: Split, repeats: int) -> Timing:
    """An epoch of Reelmix beside one of our own LightGCN (d = 64, 3 layers), each with its defaults."""

    def training(model: Model) -> Callable[[], float]:
        config = TrainingConfig().suited(model.config.training_defaults)
        trainer = Trainer(model.build(split), split, validate=lambda _: 0.0, config=config)
        epochs = iter(range(1, 10_000))
        return lambda: trainer._train_epoch(next(epochs))

    ours, theirs = in_turns(training(Reelmix()), training(LightGCN()), repeats)
    kept = ours[0] <= 2 * theirs[0]
    return Timing("epoch of Reelmix", *ours, *theirs, "2 x LightGCN's", kept, "reference: our LightGCN")


def _require_equal(model: DualGNN, plain: PlainDualGNN, batch: Batch) -> None:
    ours, theirs = model.loss(batch).item(), plain.loss(batch).item()
    assert abs(ours - theirs) <= 1e-5 * abs(theirs), f"reference computes another loss: {ours} and {theirs}"


def time_ranking(split: Split, repeats: int) -> Timing:
    """Scoring and ranking every test user, with all metrics at 1, 5, 10 and 20."""
    rng = np.random.default_rng(0)
    users = rng.normal(size=(split.dataset.n_users, 64)).astype(np.float32)
    items = rng.normal(size=(split.dataset.n_items, 64)).astype(np.float32)
    relevant, exclude = split.matrix("test"), split.matrix("train") + split.matrix("validation")
    config = EvaluationConfig()
    ours_found = evaluate(VectorScorer(users, items), relevant=relevant, exclude=exclude, config=config)
    for name, value in plain_ranking(users, items, relevant, exclude, 20).items():
        assert abs(ours_found.metrics[name] - value) < 1e-3, name
    ours, theirs = in_turns(
        lambda: evaluate(VectorScorer(users, items), relevant=relevant, exclude=exclude, config=config),
        lambda: plain_ranking(users, items, relevant, exclude, 20),
        repeats,
    )
    name = f"rank {len(ours_found.users):,} test users x {split.dataset.n_items:,} items"
    return Timing(name, *ours, *theirs, "0.5 s", ours[0] <= 0.5, "reference: @20 alone")


def time_user_graph(whole: bool) -> Timing:
    """The user graph of the paper's MovieLens, K = 50; the reference on a tenth of it unless ``whole``."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "movielens.npz"
        save_npz(file, csr_matrix(movielens_shaped(np.random.default_rng(0))))
        ours = in_process(_our_user_graph, file)
        theirs = in_process(_whole_plain_user_graph if whole else _tenth_plain_user_graph, file)
    factor = 1 if whole else 10
    note = f"{ours[2]:.0f} MB, reference {theirs[2]:.0f} MB" + ("" if whole else ", its time x 10")
    kept = ours[0] <= 20 and ours[2] <= 500
    return Timing(
        "user graph 55,485 x 5,986, 1.24 M",
        ours[0],
        ours[1],
        theirs[0] * factor,
        theirs[1] * factor,
        "20 s, 500 MB",
        kept,
        note,
    )


def _our_user_graph(interactions: csr_array) -> None:
    user_graph(interactions, 50)


def _tenth_plain_user_graph(interactions: csr_array) -> None:
    plain_user_graph(interactions, 50, range(5_548))


def _whole_plain_user_graph(interactions: csr_array) -> None:
    plain_user_graph(interactions, 50, range(55_485))


def in_turns(
    ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Median wall and CPU seconds of both, run alternately after one warm-up each."""
    seconds: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
    for repeat in range(repeats + 1):
        for name, job in (("ours", ours), ("theirs", theirs)):
            wall, cpu = time.perf_counter(), time.process_time()
            job()
            if repeat:
                seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    medians = {name: tuple(np.median(np.array(taken), axis=0)) for name, taken in seconds.items()}
    (w, c), (rw, rc) = medians["ours"], medians["theirs"]
    return (float(w), float(c)), (float(rw), float(rc))


def in_process(job: Callable[[csr_array], None], file: Path) -> tuple[float, float, float]:
    """Wall and CPU seconds, and peak megabytes with imports and data, of a job in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(job, file, sender))
    process.start()
    found: tuple[float, float, float] = receiver.recv()
    process.join()
    return found


def _measured(job: Callable[[csr_array], None], file: Path, sender: Any) -> None:
    interactions = csr_array(load_npz(file))
    wall, cpu = time.perf_counter(), time.process_time()
    job(interactions)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    sender.send((wall, cpu, _peak_megabytes()))


def _peak_megabytes() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's peak too, which Linux hands down
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(lines: list[Timing], data: str) -> None:
    """Prints the timings as a table of ratios."""
    table = Table(title=f"medians on {data}, {os.cpu_count()} cores", title_justify="left", box=None)
    for column in ("", "ours, s", "cpu", "reference, s", "cpu", "times faster", "promised", "kept", ""):
        table.add_column(column, justify="left" if column == "" else "right", no_wrap=True)
    for line in lines:
        table.add_row(
            line.what,
            f"{line.wall:.2f}",
            f"{line.cpu:.2f}",
            f"{line.reference_wall:.2f}",
            f"{line.reference_cpu:.2f}",
            f"{line.reference_cpu / line.cpu:.1f}",
            line.promise,
            "yes" if line.promise and line.kept else "NO" if line.promise else "",
            line.note,
        )
    Console(width=200).print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="dataset folder; random data of TikTok's shape without")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--whole", action="store_true", help="time the user graph's reference on all users")
    parser.add_argument("--json", type=Path, help="keep the timings here")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""One epoch of DualGNN on a world of a million users: time and memory, predicted and measured.

    python bench/million.py [--scale 0.1] [--batch-size 524288] [--tail 0.8] [--precision mixed]

At scale 1 the world has 1,000,000 users, 200,000 items, 20,000,000 interactions and three modalities of 128
numbers an item; a smaller scale shrinks all but the features. Every step propagates over the whole graph,
which costs the same for a triple as for a million: the batch is as large as keeps the activations of its
triples (batch x modalities x d) at half those of the users (users x modalities x d).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command line does
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import argparse
import json
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import torch

from floor import ceilings
from measure import machine, peak_megabytes
from reelmix.data import Card, Dataset, DenseFeatures, Split
from reelmix.data.interactions import Interactions
from reelmix.data.vocabulary import Vocabulary
from reelmix.evaluation import EvaluationConfig
from reelmix.graph import user_graph
from reelmix.models import DualGNN
from reelmix.recommender.fit import validation
from reelmix.training.config import TrainingConfig
from reelmix.training.memory import Shape, peak
from reelmix.training.trainer import Trainer

HELD_OUT = 5_000
"""Users with a validation item, and as many with a test item: ranking 200,000 items for all would be a study
of evaluation, not of training."""


def long_tailed(
    n_users: int, n_items: int, n_pairs: int, tail: float, rng: np.random.Generator
) -> np.ndarray:
    """Distinct pairs as ``user * n_items + item``, ascending; every user at least once."""

    def drawn(n: int, exponent: float, size: int) -> np.ndarray:
        bounds = np.cumsum(rng.permutation(np.arange(1.0, n + 1) ** -exponent))
        return np.searchsorted(bounds, rng.random(size) * bounds[-1]).clip(max=n - 1)

    pairs = np.arange(n_users) * n_items + drawn(n_items, tail, n_users)
    while len(pairs) < n_pairs:
        more = int(1.1 * (n_pairs - len(pairs))) + 100
        new = drawn(n_users, 0.6, more) * n_items + drawn(n_items, tail, more)
        pairs = np.unique(np.concatenate([pairs, new]))
    first = np.unique(pairs // n_items, return_index=True)[1]
    spare = np.ones(len(pairs), bool)
    spare[first] = False
    spare[rng.permutation(np.flatnonzero(spare))[len(pairs) - n_pairs :]] = False
    return pairs[~spare]  # the surplus is left out, but no user's first


def world(scale: float, tail: float, rng: np.random.Generator) -> Split:
    """A long-tailed world; see the head of this file."""
    n_users, n_items, n_pairs = (round(n * scale) for n in (1_000_000, 200_000, 20_000_000))
    pairs = long_tailed(n_users, n_items, n_pairs, tail, rng)
    users, items = pairs // n_items, pairs % n_items
    labels = np.zeros(n_pairs, np.int8)
    repeated = np.flatnonzero(users[1:] == users[:-1]) + 1  # nobody loses the only one
    held_out = rng.choice(repeated, 2 * HELD_OUT, replace=False)
    labels[held_out] = np.arange(2 * HELD_OUT) % 2 + 1
    interactions = Interactions.of(users, items, labels=labels)
    features = {
        name: DenseFeatures(
            np.arange(n_items, dtype=np.int32), rng.standard_normal((n_items, 128), dtype=np.float32)
        )
        for name in ("visual", "acoustic", "textual")
    }
    people, things = (
        Vocabulary(pl.Series(range(n_users)), "user"),
        Vocabulary(pl.Series(range(n_items)), "item"),
    )
    table = pl.DataFrame({"item_id": things.ids})
    card = Card("million", "random, a power law", simulated=True)
    return Dataset(people, things, interactions, features, table, card).split()


class Stages:
    """Prints how long each took, and the peak of memory so far.

    Attributes:
        seconds: of each, by name.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Generator[None]:
        """Times what is done within."""
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started
        print(f"{name:30} {self.seconds[name]:9.1f} s   peak so far {peak_megabytes():9,.0f} MB", flush=True)


class Steps:
    """Says how the steps of an epoch go."""

    def __init__(self) -> None:
        self.began = time.perf_counter()

    def start(self, config: object, epochs_done: int) -> None:
        """The first step is near."""
        self.began = time.perf_counter()

    def batch(self, done: int, total: int) -> None:
        """A step was done."""
        if done in (1, total) or done % 10 == 0:
            each = (time.perf_counter() - self.began) / done
            print(f"  step {done} of {total}: {each:.2f} s each", flush=True)

    def epoch(self, epoch: object, best_epoch: int) -> None:
        """Validated."""
        print(f"  {epoch}", flush=True)

    def end(self, ending: object, state: object) -> None:
        """Done."""


def main() -> None:
    """Makes the world, trains one epoch on it, and prints what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--neighbours", type=int, default=40)
    parser.add_argument("--tail", type=float, default=0.8, help="exponent of the items' popularity")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--precision", choices=["single", "mixed"], default="single")
    parser.add_argument("--keep", action="store_true", help="add what was measured to million.json")
    given = parser.parse_args()
    stage = Stages()
    batch_size = given.batch_size or round(524_288 * given.scale)
    with stage("imports"):
        torch.zeros(1)
    with stage("world"):
        split = world(given.scale, given.tail, np.random.default_rng(0))
    dataset = split.dataset
    print(f"{dataset.n_users:,} users, {dataset.n_items:,} items, {len(split.train):,} training interactions")
    print(f"batch of {batch_size:,}, {torch.get_num_threads()} threads", flush=True)
    model, training = (
        DualGNN(neighbours=given.neighbours),
        TrainingConfig(epochs=given.epochs, batch_size=batch_size, precision=given.precision),
    )
    foreseen = peak(model, Shape.of(split), training)
    print(f"foreseen: {foreseen.total / 2**30:.2f} GiB, for {foreseen.when}", flush=True)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["REELMIX_CACHE"] = str(Path(cache))
        with stage("user graph"):
            user_graph(split.matrix("train"), given.neighbours)
        with stage("the rest of building"):
            model.build(split)
    with stage("trainer and sampler"):
        validate = validation(split, training, EvaluationConfig())
        trainer = Trainer(model, split, validate=validate, config=training, progress=Steps())
    with stage("epochs, validated"):
        trainer.fit()
    if given.keep:
        taken = stage.seconds
        keep(dataset.n_users, given.precision, taken["user graph"], taken["epochs, validated"] / given.epochs)


def keep(users: int, precision: str, user_graph: float, epoch: float) -> None:
    """Adds a run to those that cost.py reads, in the place of one like it."""
    path = Path(__file__).with_name("million.json")
    runs = json.loads(path.read_text())["runs"] if path.exists() else []
    gigabytes = peak_megabytes() * 2**20 / 1e9
    kind = {"users": users, "precision": precision}
    run = kind | {"user_graph": user_graph, "epoch": epoch, "gigabytes": gigabytes}
    runs = [*(other for other in runs if not kind.items() <= other.items()), run]
    kept = {"machine": machine(), "ceilings": ceilings().as_dict(), "runs": runs}
    path.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""How time and memory of a step grow with users, interactions, d, K and modalities, and by which power.

    python bench/curves.py [--out curves]

One quantity changes, the others stay; the power is the slope of a straight line through the logarithms.
Table I of DualGNN's paper says what to expect: time linear in the edges times L m d, and in users times K d.
Lines flatten where what does not change costs most: the slope of the larger half is given beside it.
Peaks of memory would hold what earlier sizes left; what is counted is what a model keeps, exactly.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import polars as pl
import torch

from measure import machine, timed
from million import long_tailed
from reelmix.data import Card, Dataset, DenseFeatures, Split
from reelmix.data.interactions import Interactions
from reelmix.data.vocabulary import Vocabulary
from reelmix.evaluation import EvaluationConfig, VectorScorer, evaluate
from reelmix.graph.cooccurrence import user_graph
from reelmix.models import MODELS, Model
from reelmix.training.config import TrainingConfig
from reelmix.training.trainer import Trainer

BASE = {"users": 20_000, "items": 4_000, "interactions": 400_000, "d": 64, "K": 40, "modalities": 2}
"""What stays while one of them changes."""

SWEEPS = {
    "interactions": (100_000, 200_000, 400_000, 800_000, 1_600_000),
    "users": (10_000, 20_000, 40_000, 80_000),
    "items": (4_000, 8_000, 16_000, 32_000),
    "d": (16, 32, 64, 128, 256),
    "K": (10, 20, 40, 80, 160),
    "modalities": (1, 2, 4, 8),
}
TRAINED = ("dualgnn", "lightgcn", "reelmix", "mmgcn")
STEPS = 5


def world(size: dict[str, int]) -> Split:
    """A long-tailed world of this size; one interaction in forty is for validation, and one for test."""
    rng = np.random.default_rng(0)
    pairs = long_tailed(size["users"], size["items"], size["interactions"], 0.8, rng)
    users, items = pairs // size["items"], pairs % size["items"]
    labels = np.zeros(len(pairs), np.int8)
    repeated = np.flatnonzero(users[1:] == users[:-1]) + 1
    held_out = rng.choice(repeated, len(pairs) // 20, replace=False)
    labels[held_out] = np.arange(len(held_out)) % 2 + 1
    features = {
        f"modality{place}": DenseFeatures(
            np.arange(size["items"], dtype=np.int32),
            rng.standard_normal((size["items"], size["d"]), dtype=np.float32),
        )
        for place in range(size["modalities"])
    }
    people = Vocabulary(pl.Series(range(size["users"])), "user")
    things = Vocabulary(pl.Series(range(size["items"])), "item")
    interactions = Interactions.of(users, items, labels=labels)
    table = pl.DataFrame({"item_id": things.ids})
    return Dataset(
        people, things, interactions, features, table, Card("curves", "random", simulated=True)
    ).split()


def jobs(size: dict[str, int], split: Split) -> Iterator[tuple[str, Callable[[], object], int]]:
    """What is timed at this size: a name, a job, and the bytes that it keeps (0: none)."""
    for name in TRAINED:
        settings = {"embedding_size": size["d"]} | ({"neighbours": size["K"]} if name == "dualgnn" else {})
        model = MODELS[name](**settings)
        assert isinstance(model, Model)
        model.build(split)
        config = TrainingConfig(batch_size=8192, learning_rate=0.001)
        trainer = Trainer(model, split, validate=lambda _: 0.0, config=config)
        batches = [batch for batch, _ in zip(trainer._batches(1), range(1), strict=False)]

        def step(trainer: Trainer = trainer, batches: list = batches) -> None:
            trainer.model.train()
            for batch in batches:
                trainer.optimiser.zero_grad(set_to_none=True)
                trainer.model.loss(batch).backward()
                trainer.optimiser.step()

        tensors = [*model.parameters(), *model.buffers()]
        yield f"a step of {name}", step, sum(tensor.nbytes for tensor in tensors)
    train = split.matrix("train")

    def graph() -> None:
        with tempfile.TemporaryDirectory() as cache:
            os.environ["REELMIX_CACHE"] = cache
            user_graph(train, size["K"])

    yield "the user graph", graph, 0
    rng = np.random.default_rng(0)
    vectors = [rng.normal(size=(size[side], size["d"])).astype(np.float32) for side in ("users", "items")]
    relevant = split.matrix("test")
    yield (
        "ranking all items",
        lambda: evaluate(VectorScorer(*vectors), relevant=relevant, exclude=train, config=EvaluationConfig()),
        0,
    )


def power(sizes: np.ndarray, values: np.ndarray) -> float:
    """The slope of the straight line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def measure(repeats: int) -> list[dict[str, Any]]:
    """A line for each job and each quantity that changes."""
    found: dict[tuple[str, str], list[tuple[int, float, int]]] = {}
    for _, job, _ in jobs(BASE, world(BASE)):
        job()  # the first of a process cost more than all that follow
    for quantity, values in SWEEPS.items():
        for value in values:
            size = BASE | {quantity: value}
            for name, job, kept in jobs(size, world(size)):
                job()
                seconds = float(np.median([timed(job).wall for _ in range(repeats)]))
                found.setdefault((name, quantity), []).append((value, seconds, kept))
            print(quantity, f"{value:,}", flush=True)
    lines = []
    for (name, quantity), points in found.items():
        sizes, seconds, kept = (np.array(column, float) for column in zip(*points, strict=True))
        line = {"what": name, "by": quantity, "sizes": sizes.tolist(), "seconds": seconds.tolist()}
        half = len(sizes) // 2
        line |= {"power": power(sizes, seconds), "power of the larger": power(sizes[half:], seconds[half:])}
        if kept.all():
            line |= {"bytes": kept.tolist(), "power of bytes": power(sizes[half:], kept[half:])}
        lines.append(line)
    return lines


def draw(lines: list[dict[str, Any]], path: Path) -> None:
    """A panel for each quantity; at the end of each line, its power over the larger sizes."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(11, 7), layout="constrained", sharey=True)
    names = list(dict.fromkeys(line["what"] for line in lines))
    for panel, quantity in zip(axes.flat, SWEEPS, strict=True):
        panel.set(xscale="log", yscale="log", xlabel=quantity)
        shown = [line for line in lines if line["by"] == quantity]
        sizes = shown[0]["sizes"]
        panel.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
        panel.minorticks_off()
        panel.set_xlim(sizes[0] * 0.9, sizes[-1] * (sizes[-1] / sizes[0]) ** 0.17)
        for line in shown:
            color = f"C{names.index(line['what'])}"
            panel.plot(line["sizes"], line["seconds"], "o-", ms=3, lw=1.2, color=color)
        ends = np.log([line["seconds"][-1] for line in shown])
        for line, height in zip(shown, _apart(ends, 0.33), strict=True):
            text = f" {line['power of the larger']:.2f}"
            at, color = (sizes[-1], float(np.exp(height))), f"C{names.index(line['what'])}"
            panel.annotate(text, at, fontsize=8, color=color, va="center", annotation_clip=False)
        panel.spines[["top", "right"]].set_visible(False)
    for row in axes:
        row[0].set_ylabel("seconds")
    handles = [mpl.lines.Line2D([], [], color=f"C{place}", label=name) for place, name in enumerate(names)]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(names), frameon=False, fontsize=9)
    figure.savefig(path.with_suffix(".png"), dpi=140)


def _apart(heights: np.ndarray, least: float) -> np.ndarray:
    """The heights, moved up where they would be nearer than this to the next lower one."""
    moved = heights.copy()
    order = np.argsort(heights)
    for below, place in pairwise(order):
        moved[place] = max(moved[place], moved[below] + least)
    return moved


def main() -> None:
    """Measures, writes the numbers and draws them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=Path("curves"))
    given = parser.parse_args()
    lines = measure(given.repeats)
    content = {"about": machine(), "threads": torch.get_num_threads(), "base": BASE, "lines": lines}
    given.out.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
    draw(lines, given.out)


if __name__ == "__main__":
    main()

"""Content that tells nothing: what lookalikes by it cost Reelmix, with and without their credit.

    python bench/credit.py [--seeds 0 1 2] [--data tiktok]

Two worlds, and with ``--data`` a third. *Sparse*: 6,000 people watch some six of 3,000 items by 16 hidden
traits that the content, noise, does not know. *Sample*: the simulated sample, its content shuffled among the
items. *Data*: a dataset folder, likewise. Printed is Recall@20 on validation, and each modality's credit.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import reelmix as rm
from reelmix.data import Card, Dataset
from reelmix.data.assemble import assemble
from reelmix.data.sample import sample
from reelmix.models import Reelmix

VARIANTS: dict[str, dict[str, Any]] = {
    "credit": {},
    "all count fully": {"credit": False},
    "no lookalikes": {"lookalikes": 0},
}


def sparse(rng: np.random.Generator) -> Dataset:
    """People who watch by traits and popularity, and content of noise."""
    n_users, n_items, traits = 6_000, 3_000, 16
    items = rng.normal(size=(n_items, traits))
    users = rng.normal(size=(n_users, traits))
    liked = 2.5 * users @ items.T / np.sqrt(traits) + 0.7 * rng.gumbel(size=n_items)
    best = np.argsort(-(liked + rng.gumbel(size=liked.shape)), axis=1)
    watched = np.clip(3 + rng.geometric(1 / 5, size=n_users), 4, 200)
    table = pl.DataFrame(
        {
            "user_id": np.repeat(np.arange(n_users), watched),
            "item_id": np.concatenate([row[:n] for row, n in zip(best, watched, strict=True)]),
        }
    )
    ids = pl.Series(range(n_items))
    features = {
        name: (ids, rng.normal(size=(n_items, size)).astype(np.float32))
        for name, size in (("visual", 256), ("textual", 96))
    }
    card = Card("sparse", "random", simulated=True)
    return assemble(table, pl.DataFrame({"item_id": ids}), features, card=card, where=Path("bench"))


def shuffled(dataset: Dataset, rng: np.random.Generator) -> Dataset:
    """The same, each modality's dense features dealt out anew among the items that have it."""
    features = {
        name: replace(found, values=rng.permutation(found.values)) for name, found in dataset.features.items()
    }
    return replace(dataset, features=features)


def main() -> None:
    """All worlds, variants and seeds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="dataset folder to shuffle the content of as well")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    for seed in given.seeds:
        worlds = {"sparse": sparse(np.random.default_rng(seed))}
        worlds["sample"] = shuffled(sample().dataset, np.random.default_rng(seed))
        if given.data:
            worlds["data"] = shuffled(Dataset.read(given.data), np.random.default_rng(seed))
        for name, dataset in worlds.items():
            split = dataset.split(rng=seed) if name == "sparse" else dataset.split(rng=0)
            for variant, settings in VARIANTS.items():
                run = rm.fit(Reelmix(**settings), split, rng=seed)
                best = max(epoch["metric"] for epoch in run.curve)
                credit = f" {run.weights['credit'].round(2).tolist()}" if variant == "credit" else ""
                print(f"{name}, seed {seed}, {variant}{credit}: {best:.4f}", flush=True)


if __name__ == "__main__":
    main()

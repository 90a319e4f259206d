"""Trains a model in a process of its own and prints the peak of its memory beside the prediction."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import polars as pl
import torch

from reelmix.data import Card, Dataset, DenseFeatures
from reelmix.data.interactions import Interactions
from reelmix.data.vocabulary import Vocabulary
from reelmix.evaluation import EvaluationConfig
from reelmix.models import MODELS
from reelmix.recommender.fit import fit
from reelmix.training.config import TrainingConfig
from reelmix.training.memory import Shape, peak

BLOCK = 8 << 20


def world(n_users, width):
    """Twelve interactions a user, a tenth as many items, two modalities."""
    rng, n_items = np.random.default_rng(0), n_users // 10
    users = np.repeat(np.arange(n_users), 12)
    labels = np.zeros(len(users), np.int8)
    labels[rng.choice(len(users), 200, replace=False)] = [1, 2] * 100
    pairs = Interactions.of(users, rng.integers(n_items, size=len(users)), labels=labels)
    rows = np.arange(n_items, dtype=np.int32)
    features = {
        name: DenseFeatures(rows, rng.standard_normal((n_items, width), dtype=np.float32))
        for name in ("v", "a")
    }
    people, things = (
        Vocabulary(pl.Series(range(n_users)), "user"),
        Vocabulary(pl.Series(range(n_items)), "item"),
    )
    return Dataset(people, things, pairs, features, pl.DataFrame({"item_id": things.ids}), Card("x")).split()


def high_water():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    name, (n_users, width), os.environ["REELMIX_CACHE"] = sys.argv[1], map(int, sys.argv[2:4]), sys.argv[4]
    torch.set_num_threads(1)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)], fused=True)
    before = high_water()
    split, training = world(n_users, width), TrainingConfig(epochs=2, batch_size=65_536)
    model = MODELS[name](embedding_size=128)
    fit(model, split, training=training, evaluation=EvaluationConfig(block_bytes=BLOCK))
    predicted = peak(model, Shape.of(split), training, BLOCK)  # with what fit took from the preset
    print(
        json.dumps(
            {"predicted": predicted.total, "measured": high_water() - before, "parts": dict(predicted.parts)}
        )
    )

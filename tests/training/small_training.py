"""A small split, and a model whose gradient fits in three lines, for tests of training."""

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import nn

from reelmix.data import Card
from reelmix.data.assemble import assemble
from reelmix.models.base import Embeddings, Model, seeded
from reelmix.models.losses import bpr
from reelmix.settings import Settings
from reelmix.training.trainer import Checkpointing, Trainer


def split_of(rows, n_items, features=None):
    """A split from (user, item, label)."""
    pairs = pl.DataFrame(rows, schema=["user_id", "item_id", "split"], orient="row")
    items = pl.DataFrame({"item_id": range(n_items)})
    return assemble(pairs, items, features or {}, card=Card("small"), where=Path()).split("given")


def small_split(n_users=10, n_items=8, seed=0, shift=0.0):
    """About half of all pairs, most of them for training; one modality."""
    rng = np.random.default_rng(seed)
    labels = np.array(["train", "train", "train", "validation", "test"])
    rows = [
        (int(user), int(item), str(labels[(user + 2 * item) % 5]))
        for user, item in np.argwhere(rng.random((n_users, n_items)) < 0.6)
    ]
    features = {"visual": (pl.Series(range(n_items)), rng.normal(size=(n_items, 4)) + shift)}
    return split_of(rows, n_items, features)


class FactorsConfig(Settings):
    embedding_size: int = 3


class Factors(Model):
    """A vector for each user and item, in float64; it remembers the batches that it saw."""

    name = "factors"
    Config = FactorsConfig

    def build(self, split, *, rng=0):
        generator, size = seeded(rng), self.config.embedding_size

        def table(rows):
            return nn.Parameter(torch.randn(rows, size, generator=generator, dtype=torch.float64))

        self.users, self.items = table(split.dataset.n_users), table(split.dataset.n_items)
        self.batches, self.modes = [], []
        return self

    def embed(self):
        self.modes.append(self.training)
        return Embeddings(self.users, self.items)

    def loss(self, batch):
        assert self.training
        self.batches.append([rows.tolist() for rows in batch[:3]])
        users, (positives, negatives) = self.users[batch.users], (self.items[rows] for rows in batch[1:3])
        return bpr((users * (positives - negatives)).sum(dim=1))


def wild_metric(model):
    """A number that follows from the weights alone, and falls and rises without a pattern."""
    with torch.no_grad():
        found = model.embed()
        return float(torch.cos(300 * (found.users.double().sum() + found.items.double().sum())))


class Hook:
    """A progress that calls back, and counts what it is told."""

    def __init__(self, on_batch=None, on_epoch=None):
        self.on_batch, self.on_epoch = on_batch, on_epoch
        self.told, self.endings, self.first = Counter(), [], None

    def start(self, config, epochs_done):
        self.told["start"] += 1
        self.first = epochs_done

    def batch(self, done, total):
        self.told["batch"] += 1
        if self.on_batch:
            self.on_batch(done, total)

    def epoch(self, epoch, best_epoch):
        self.told["epoch"] += 1
        if self.on_epoch:
            self.on_epoch(epoch.epoch)

    def end(self, ending, state):
        self.endings.append(ending)


def trainer_of(split, config, *, validate=wild_metric, rng=7, progress=None, model=None):
    model = model or Factors().build(split, rng=rng)
    return Trainer(model, split, validate=validate, config=config, rng=rng, progress=progress)


def checkpointing(path, *, resume=False, identity="mine", seconds=0.0):
    return Checkpointing(path, identity, resume, seconds)


def same_tensors(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def same_state(first, second):
    """Bit for bit, but for the seconds that epochs took."""

    def lines(state):
        return [(line.epoch, line.loss, line.metric) for line in state.curve]

    return (
        lines(first) == lines(second)
        and first.best_epoch == second.best_epoch
        and all(
            same_tensors(getattr(first, name), getattr(second, name))
            for name in ("weights", "best_weights", "optimiser")
        )
    )

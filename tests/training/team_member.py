"""What a process of a team does in tests; it is imported there, without pytest."""

import pickle
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from small_training import split_of
from torch import distributed

from reelmix.models import MODELS, Model
from reelmix.training.config import TrainingConfig
from reelmix.training.team import TEAMS, Team
from reelmix.training.trainer import Trainer

USERS, ITEMS = 30, 24


def world(lone=0):
    """Two modalities, of which every third item lacks the second; some people watched one item alone."""
    rng = np.random.default_rng(3)
    labels = np.array(["train", "train", "train", "validation", "test"])
    rows = [
        (int(user), int(item), str(labels[(user + 2 * item) % 5]))
        for user, item in np.argwhere(rng.random((USERS, ITEMS)) < 0.55)
        if user >= lone
    ]
    rows += [(user, 3 * user, "train") for user in range(lone)]
    has = [item for item in range(ITEMS) if item % 3]
    features = {
        "visual": (pl.Series(range(ITEMS)), rng.normal(size=(ITEMS, 12))),
        "acoustic": (pl.Series(has), rng.normal(size=(len(has), 9))),
    }
    return split_of(rows, ITEMS, features)


@dataclass
class Order:
    """What a team is to train."""

    model: str
    parallel: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    lone: int = 0


def trained(order, team=None):
    """The state after training, and bytes sent a step with what the formula says of it."""
    split = world(order.lone)
    model = MODELS[order.model](**order.settings).build(split, rng=5)
    config = TrainingConfig(**{"learning_rate": 0.01, "batch_size": 37, "epochs": 8, **order.training})

    def metric(judged):
        with torch.no_grad():
            found = judged.embed() if isinstance(judged, Model) else judged
        return float((found.users.double() @ found.items.double().T).std())

    trainer = Trainer(model, split, validate=metric, config=config, rng=7, team=team)
    state, _ = trainer.fit()
    if team is None or not hasattr(team, "bytes_a_step"):
        return state, None
    sizes = [len(batch.users) for batch in trainer._batches(1)]
    formula = state.epoch * sum(team.bytes_a_step(trainer.model, triples) for triples in sizes)
    return state, (team.sent, formula)


def member(rank, size, meeting, orders, out):
    """Trains what is ordered as one of a team, and writes down what the leader found."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=size, timeout=timedelta(seconds=60)
    )
    found = []
    for order in orders:
        team = TEAMS[order.parallel]() if order.parallel else Team()
        try:
            found.append(trained(order, team))
        except Exception as error:
            found.append(error)
    if rank == 0:
        Path(out).write_bytes(pickle.dumps(found))
    distributed.destroy_process_group()
    sys.stdout.flush()

"""What a process does that is going to be killed; it is imported there, without pytest."""

import time
from pathlib import Path

import numpy as np
import torch
from small_training import small_split

import reelmix as rm
from reelmix.training.checkpoint import Epoch, TrainingState, write_checkpoint

EPOCHS = 25
# torch loads half of itself when the first optimiser is made: once, not in every process that is forked
torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))]).zero_grad()


class Slow:
    """A progress that takes its time."""

    def __init__(self, seconds):
        self.seconds = seconds

    def start(self, config, epochs_done):
        pass

    def batch(self, done, total):
        time.sleep(self.seconds)

    def epoch(self, epoch, best_epoch):
        time.sleep(self.seconds)

    def end(self, ending, state):
        pass


def train(folder: str, seconds: float) -> None:
    torch.set_num_threads(1)
    rm.fit(
        rm.DualGNN(embedding_size=4, neighbours=3),
        small_split(),
        rng=3,
        out=folder,
        resume=True,
        progress=Slow(seconds),
        checkpoint_seconds=0.0,
        epochs=EPOCHS,
        patience=EPOCHS,
        batch_size=12,
        learning_rate=0.02,
    )


def numbered_state(number: int) -> TrainingState:
    """A state that says the same number everywhere."""
    array = torch.full((150, 150), float(number))
    return TrainingState(
        {"a": array},
        {"a": array},
        {"exp_avg/a": array, "step/a": torch.tensor(float(number))},
        [Epoch(line, float(number), float(number), 0.0) for line in range(1, number % 50 + 2)],
        1,
    )


def write_without_end(path: str) -> None:
    number = 0
    while True:
        number += 1
        write_checkpoint(Path(path), numbered_state(number), "mine")


def is_whole(state: TrainingState) -> bool:
    """Whether a state that was read is one of those that were written."""
    number = int(state.optimiser["step/a"])
    arrays = [state.weights["a"], state.best_weights["a"], state.optimiser["exp_avg/a"]]
    return (
        all(np.array_equal(array, numbered_state(number).weights["a"]) for array in arrays)
        and state.curve == numbered_state(number).curve
    )

"""A search that is going to be killed, as a program of its own: ``killed_search.py FOLDER DATA``."""

import sys
from pathlib import Path

from reelmix.study.tune import Search, Trying
from reelmix.training.config import TrainingConfig

MODELS = ("ease", "lightgcn")
TRIALS = 2
TRAINING = TrainingConfig(epochs=200, patience=200, batch_size=8)


def search(folder: str, data: str) -> None:
    Search(Path(folder), trials=TRIALS, training=TRAINING).run(MODELS, Trying(Path(data), None, None, 0))


if __name__ == "__main__":
    search(*sys.argv[1:])

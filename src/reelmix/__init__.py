"""reelmix: a recommender for micro-videos that learns how much each person cares about look, sound and words.

import reelmix as rm

split = rm.Dataset.read("data/tiktok").split(rng=0)
model = rm.DualGNN(embedding_size=64, neighbours=50)
run = rm.fit(model, split)
run.test_metrics
run.recommender().recommend("user-17", n=10)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reelmix.data import Dataset as Dataset
    from reelmix.data import Split as Split
    from reelmix.data.sample import sample as sample
    from reelmix.errors import ReelmixError as ReelmixError
    from reelmix.evaluation import EvaluationConfig as EvaluationConfig
    from reelmix.models import DualGNN as DualGNN
    from reelmix.models import Reelmix as Reelmix
    from reelmix.recommender import Recommender as Recommender
    from reelmix.recommender import Run as Run
    from reelmix.recommender import explain as explain
    from reelmix.recommender.fit import fit as fit
    from reelmix.training.config import TrainingConfig as TrainingConfig

# Looked up on first use: reading a run and recommending from it must not import torch.
_HOME = {
    "Dataset": "reelmix.data",
    "DualGNN": "reelmix.models",
    "EvaluationConfig": "reelmix.evaluation",
    "Recommender": "reelmix.recommender",
    "Reelmix": "reelmix.models",
    "ReelmixError": "reelmix.errors",
    "Run": "reelmix.recommender",
    "Split": "reelmix.data",
    "TrainingConfig": "reelmix.training.config",
    "explain": "reelmix.recommender",
    "fit": "reelmix.recommender.fit",
    "sample": "reelmix.data.sample",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'reelmix' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(_HOME)

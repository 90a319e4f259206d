"""What a process does in which the device ``elsewhere`` is known; and the same on the CPU, to compare."""

from dataclasses import replace

import numpy as np
import torch
from elsewhere import Elsewhere

import reelmix as rm
from reelmix.data import BagFeatures
from reelmix.data.sample import sample
from reelmix.models import MODELS

EPOCHS = 2
VARIANTS = {
    **{name: (name, {}) for name in MODELS},
    "dualgnn, trained content": ("dualgnn", {"content": "linear", "item_ids": True}),
    "dualgnn, hidden modalities": ("dualgnn", {"modality_dropout": 0.3, "missing": "mask"}),
    "dualgnn by softmax": ("dualgnn", {"loss": "softmax", "candidates": 10}),
    "lightgcn by softmax": ("lightgcn", {"loss": "softmax", "candidates": 10}),
    "mmgcn by softmax": ("mmgcn", {"loss": "softmax", "candidates": 10}),
    "vbpr by softmax": ("vbpr", {"loss": "softmax", "candidates": 10}),
}


def trained(variant, batch_size, device="cpu"):
    """Weights and test metrics."""
    name, settings = VARIANTS[variant]
    model = MODELS[name](embedding_size=8, **settings)
    split = with_words(sample(n_users=60, n_items=40).dataset).split(rng=0)
    training = {"epochs": EPOCHS, "patience": EPOCHS, "averaging": 0.9, "batch_size": batch_size}
    run = rm.fit(model, split, rng=0, device=device, **training)
    return run.weights, run.test_metrics


def with_words(dataset):
    """A fourth modality: lists of tokens, not all of one length, and a fifth of the items have none."""
    lengths = 1 + np.arange(32) % 3
    tokens = np.arange(lengths.sum(), dtype=np.int32) * 7 % 11
    words = BagFeatures(np.arange(0, 40, 5 / 4).astype(np.int32), np.append(0, lengths.cumsum()), tokens, 11)
    return replace(dataset, features={**dataset.features, "words": words})


def trained_elsewhere(variant, batch_size):
    """The same; and what waited, how often tensors were brought there, sent there, and fetched."""
    with Elsewhere() as elsewhere:
        found = trained(variant, batch_size, "elsewhere")
    return *found, elsewhere.waits, elsewhere.brought, elsewhere.sent, elsewhere.fetched


def told_apart():
    """What becomes of tensors of two places."""
    with Elsewhere():
        there = torch.ones(3, device="elsewhere")
        found = [(there + there.sum()).device.type]
        for mix in (lambda: there + torch.ones(3), lambda: there[[0, 2]]):
            try:
                mix()
            except (AssertionError, NotImplementedError) as error:
                found.append(f"{type(error).__name__}: {error}"[:60])
    return found


def counted():
    """What is counted of six operations of which four wait, and of two ways to go there."""
    with Elsewhere() as elsewhere:
        there = torch.tensor([1.0, 0.0, 2.0]).to("elsewhere")
        there[there > 0]
        torch.nonzero(there)
        assert float(there.sum()) == 3.0
        there.repeat_interleave(torch.tensor([0, 1, 2]).to("elsewhere"))
        there.repeat_interleave(torch.tensor([0, 1, 2]).to("elsewhere"), output_size=3)
        there.cpu()
        torch.zeros(2).to("elsewhere", non_blocking=True)
    return elsewhere.waits, elsewhere.brought, elsewhere.sent, elsewhere.fetched

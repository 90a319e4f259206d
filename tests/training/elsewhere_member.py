"""What a process does in which the device ``elsewhere`` is known; and the same on the CPU, to compare."""

import torch
from elsewhere import Elsewhere

import reelmix as rm
from reelmix.data.sample import sample
from reelmix.models import MODELS

EPOCHS = 2
VARIANTS = {
    **{name: (name, {}) for name in MODELS},
    "dualgnn, trained content": ("dualgnn", {"content": "linear", "item_ids": True}),
    "dualgnn, hidden modalities": ("dualgnn", {"modality_dropout": 0.3, "missing": "mask"}),
    "dualgnn by softmax": ("dualgnn", {"loss": "softmax", "candidates": 10}),
    "lightgcn by softmax": ("lightgcn", {"loss": "softmax", "candidates": 10}),
}


def trained(variant, batch_size, device="cpu"):
    """Weights and test metrics."""
    name, settings = VARIANTS[variant]
    model = MODELS[name](embedding_size=8, **settings)
    split = sample(n_users=60, n_items=40).dataset.split(rng=0)
    training = {"epochs": EPOCHS, "patience": EPOCHS, "averaging": 0.9, "batch_size": batch_size}
    run = rm.fit(model, split, rng=0, device=device, **training)
    return run.weights, run.test_metrics


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
    """What is counted of four operations of which three wait, and of two ways to go there."""
    with Elsewhere() as elsewhere:
        there = torch.tensor([1.0, 0.0, 2.0]).to("elsewhere")
        there[there > 0]
        torch.nonzero(there)
        assert float(there.sum()) == 3.0
        there.cpu()
        torch.zeros(2).to("elsewhere", non_blocking=True)
    return elsewhere.waits, elsewhere.brought, elsewhere.sent, elsewhere.fetched

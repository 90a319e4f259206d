"""Does DualGNN's alpha put users in the order of their planted emphasis? If not, why, and what does?

Everything is simulated: in the worlds of ``reelmix.data.sample`` each user's emphasis on each modality is known.
A seed makes a world, its split and its training runs; only training and validation parts are looked at. All
settings are spelt out, so that a new default does not change the answer. See ``docs/emphasis.md``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import spearmanr
from torch import Tensor

from reelmix.data import Split
from reelmix.data.sample import Sample, rank_agreement, sample
from reelmix.evaluation import EvaluationConfig, VectorScorer, evaluate
from reelmix.models import DualGNN
from reelmix.models.base import Batch, Embeddings
from reelmix.models.losses import bpr
from reelmix.training.config import TrainingConfig
from reelmix.training.trainer import Trainer

UserModality = Float[np.ndarray, "user modality"]
Row = dict[str, float]

SETTINGS = {"embedding_size": 64, "layers": 2, "user_layers": 1, "neighbours": 40, "content": "pca"}
SETTINGS |= {"item_ids": True, "reg": 0.1}
TRAINING = TrainingConfig(epochs=60, patience=10, learning_rate=1e-3, batch_size=2048)
PLAIN_RATE = 30.0  # plain gradient steps of this rate spread alpha about as widely as Adam's of 1e-3 do


@dataclass(frozen=True)
class Variant:
    """One way to train: settings of the model, and what is changed in it for the sake of the argument."""

    settings: dict[str, Any] = field(default_factory=dict)
    decay: str = "everything"  # what the L2 term holds: everything, alpha, all but alpha
    fixed: str = ""  # alpha: stays 1; preference: stays 0, so that u_m is what the watched items look like
    cross_terms: bool = True  # False: score = sum_m alpha_m u_m . i_m, no modality meets another
    plain_alpha: bool = False  # alpha moves by its gradient, not by Adam's step
    epochs: int = TRAINING.epochs


DEFAULT, WEAK, PLAIN = "reg 0.1 (default)", "reg 0.0001", "reg 0.0001, plain steps for alpha"
IDEAL = {"reg": 1e-4, "user_layers": 0, "item_ids": False}
FROZEN: dict[str, Any] = {"fixed": "preference", "epochs": 20}
BY_SETTING = {
    DEFAULT: Variant(),
    "no item ids": Variant({"item_ids": False}),
    "content linear, trained": Variant({"content": "linear"}),
    "no user graph": Variant({"user_layers": 0}),
    "1 layer": Variant({"layers": 1}),
    "0 layers": Variant({"layers": 0}),
    "reg 0.01": Variant({"reg": 0.01}),
    WEAK: Variant({"reg": 1e-4}),
    "alpha stays 1": Variant(fixed="alpha"),
}
BY_OPTIMISER = {
    DEFAULT: Variant(),
    "reg 0.1 on alpha alone": Variant(decay="alpha"),
    "reg 0.1 on all but alpha": Variant(decay="all but alpha"),
    WEAK: Variant({"reg": 1e-4}),
    "reg 0.1, plain steps for alpha": Variant(plain_alpha=True),
    PLAIN: Variant({"reg": 1e-4}, plain_alpha=True),
}
LADDER = {
    "0. " + WEAK: Variant({"reg": 1e-4}),
    "1. plain steps for alpha": Variant({"reg": 1e-4}, plain_alpha=True),
    "2. and no user graph": Variant({"reg": 1e-4, "user_layers": 0}, plain_alpha=True),
    "3. and no cross terms": Variant({"reg": 1e-4, "user_layers": 0}, plain_alpha=True, cross_terms=False),
    "4. and only alpha trained": Variant(IDEAL, plain_alpha=True, cross_terms=False, **FROZEN),
    "5. back to Adam": Variant(IDEAL, cross_terms=False, **FROZEN),
    "6. back to cross terms": Variant(IDEAL, **FROZEN),
    "7. back to the user graph": Variant({**IDEAL, "user_layers": 1}, **FROZEN),
}
VARIANTS = BY_SETTING | BY_OPTIMISER | LADDER


class Studied(DualGNN):
    """DualGNN with the changes of a :class:`Variant`."""

    def __init__(self, variant: Variant, split: Split, rng: int) -> None:
        super().__init__(**{**SETTINGS, **variant.settings})
        self.variant = variant
        self.build(split, rng=rng)
        self.alpha.requires_grad_(variant.fixed != "alpha")
        if variant.fixed == "preference":
            self.preference.requires_grad_(False).zero_()

    def by_modality(self) -> tuple[Tensor, Tensor]:
        """(user, modality, dim) and (item, modality, dim): summed over modality they are u* and i*."""
        users, items = self._single_modal()
        users = self._emphasis().unsqueeze(2) * users
        for _ in range(self.config.user_layers):
            users = users + self.user_graph(users.flatten(1)).view_as(users)
        return users, items

    def embed(self) -> Embeddings:
        """User and item vectors; without cross terms, the modalities side by side."""
        if self.variant.cross_terms:
            return super().embed()
        users, items = self.by_modality()
        return Embeddings(users.flatten(1), items.flatten(1))

    def loss(self, batch: Batch) -> Tensor:
        """BPR plus the L2 term."""
        if self.variant.cross_terms:
            return super().loss(batch)
        users, items = (vectors.flatten(1) for vectors in self.by_modality())
        scores = [(users[batch.users] * items[chosen]).sum(dim=1) for chosen in batch[1:]]
        return bpr(*scores) + 0.5 * self.config.reg * self._squared_norm(batch)

    def _squared_norm(self, batch: Batch) -> Tensor:
        of_alpha = self.alpha[batch.users].square().sum() / len(batch.users)
        if self.variant.decay == "alpha":
            return of_alpha
        everything = super()._squared_norm(batch)
        return everything if self.variant.decay == "everything" else everything - of_alpha


class Recorder(torch.optim.Adam):
    """Adam that writes down alpha's gradients, and on demand moves alpha by plain gradient steps instead."""

    def __init__(self, model: Studied) -> None:
        self.alpha, self.rate = model.alpha, PLAIN_RATE if model.variant.plain_alpha else 0.0
        alpha = {"params": [self.alpha], "lr": 0.0 if self.rate else TRAINING.learning_rate}
        rest = [parameter for name, parameter in model.named_parameters() if name != "alpha"]
        super().__init__([{"params": rest}, alpha], lr=TRAINING.learning_rate)
        self.pull, self.squares = torch.zeros_like(self.alpha), torch.zeros_like(self.alpha)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One step on every parameter."""
        super().step(closure)
        if (gradient := self.alpha.grad) is not None:
            self.pull -= gradient
            self.squares += gradient.square()
            self.alpha -= self.rate * gradient


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model; alpha after each epoch; alpha's descent direction summed over steps, and its size."""

    model: Studied
    split: Split
    alphas: Sequence[UserModality]
    pull: UserModality
    size: UserModality

    @torch.no_grad()
    def recall(self, alpha: Tensor | None = None) -> float:
        """Validation recall@20, on demand with another alpha in the place of the learned one."""
        learned = self.model.alpha.clone()
        self.model.alpha.copy_(learned if alpha is None else alpha)
        found = recall(self.model, self.split)
        self.model.alpha.copy_(learned)
        return found


@cache
def world(seed: int, quick: bool) -> tuple[Sample, Split]:
    """A simulated world and its split."""
    planted = sample(seed, 500, 300) if quick else sample(seed)
    return planted, planted.dataset.split("random", rng=seed)


@cache
def trained(name: str, seed: int, quick: bool) -> Trained:
    """A variant trained in one world, with the weights of the best validation epoch."""
    if (first := next(other for other in VARIANTS if VARIANTS[other] == VARIANTS[name])) != name:
        return trained(first, seed, quick)
    split, alphas = world(seed, quick)[1], []
    model = Studied(VARIANTS[name], split, seed)

    def validate(_: object) -> float:
        alphas.append(array(model.alpha))
        return recall(model, split)

    config = TRAINING.model_copy(update={"epochs": 5 if quick else VARIANTS[name].epochs})
    trainer = Trainer(model, split, validate=validate, config=config, rng=seed)
    trainer.optimiser = recorder = Recorder(model)
    trainer.fit()
    return Trained(model, split, alphas, array(recorder.pull), np.sqrt(array(recorder.squares)))


@torch.no_grad()
def recall(model: Studied, split: Split) -> float:
    """Recall@20 on the validation part."""
    found, config = model.embed(), EvaluationConfig(metrics=("recall",), at=(20,))
    scorer = VectorScorer(found.users.numpy(), found.items.numpy())
    relevant, exclude = split.matrix("validation"), split.matrix("train")
    return evaluate(scorer, relevant=relevant, exclude=exclude, config=config).metrics["recall@20"]


def array(tensor: Tensor) -> np.ndarray:
    """A tensor's values, so precisely that shares of them can be compared."""
    return tensor.detach().numpy().astype(np.float64)


def shares(values: UserModality) -> UserModality:
    """Each user's values divided by the sum of their sizes."""
    return values / np.maximum(np.abs(values).sum(axis=1, keepdims=True), 1e-12)

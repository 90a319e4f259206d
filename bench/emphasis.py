"""Does alpha put users in the order of their planted emphasis? In DualGNN, why not; in Reelmix, by what?

Everything is simulated: the worlds of ``reelmix.data.sample`` plant each user's emphasis on each modality. A
seed makes a world, its split and its training runs; only training and validation parts are looked at. All
settings are spelt out, so that a new default does not change the answer. See ``docs/emphasis.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Self, get_args

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import spearmanr
from torch import Tensor, nn

from reelmix.data import Split
from reelmix.data.sample import Sample, rank_agreement, sample
from reelmix.evaluation import EvaluationConfig, VectorScorer, evaluate
from reelmix.models import DualGNN, Reelmix
from reelmix.models.base import Batch, Embeddings
from reelmix.models.emphasis import HistoryEmphasis
from reelmix.models.losses import bpr
from reelmix.models.reelmix import EmphasisFrom
from reelmix.recommender.fit import fit
from reelmix.training.config import TrainingConfig
from reelmix.training.trainer import Trainer

UserModality = Float[np.ndarray, "user modality"]
Row = dict[str, float]

SETTINGS = {"embedding_size": 64, "layers": 2, "user_layers": 1, "neighbours": 40, "content": "pca"}
SETTINGS |= {"item_ids": True, "reg": 0.1, "aggregation": "softmax", "construction": "sum", "missing": "mask"}
TRAINING = TrainingConfig(epochs=60, patience=10, learning_rate=1e-3, batch_size=2048)
PLAIN_RATE = 30.0  # plain gradient steps of this rate spread alpha about twice as widely as Adam's of 1e-3


@dataclass(frozen=True)
class Variant:
    """One way to train: settings of the model, and what is changed in it for the sake of the argument."""

    settings: dict[str, Any] = field(default_factory=dict)
    decay_alpha: bool = True  # False: the L2 term leaves alpha out
    fixed: str = ""  # alpha: stays 1; preference: stays 0, so that u_m is what the watched items look like
    cross_terms: bool = True  # False: score = sum_m alpha_m u_m . i_m, no modality meets another
    plain_alpha: bool = False  # alpha moves by its gradient, not by Adam's step


DEFAULT, WEAK = "reg 0.1", "reg 0.0001"
ALONE = Variant({"reg": 1e-4, "user_layers": 0, "item_ids": False}, fixed="preference", cross_terms=False)
VARIANTS = {
    DEFAULT: Variant(),
    "no item ids": Variant({"item_ids": False}),
    "content linear, trained": Variant({"content": "linear"}),
    "no user graph": Variant({"user_layers": 0}),
    "1 layer": Variant({"layers": 1}),
    "0 layers": Variant({"layers": 0}),
    "alpha stays 1": Variant(fixed="alpha"),
    "reg 0.01": Variant({"reg": 0.01}),
    "reg 0.1 on all but alpha": Variant(decay_alpha=False),
    "reg 0.1, plain steps for alpha": Variant(plain_alpha=True),
    WEAK: Variant({"reg": 1e-4}),
    "1. plain steps for alpha": Variant({"reg": 1e-4}, plain_alpha=True),
    "2. and no user graph": Variant({"reg": 1e-4, "user_layers": 0}, plain_alpha=True),
    "3. and no cross terms": Variant({"reg": 1e-4, "user_layers": 0}, plain_alpha=True, cross_terms=False),
    "4. and only alpha trained": replace(ALONE, plain_alpha=True),
    "5. back to Adam": ALONE,
    "6. back to cross terms": replace(ALONE, cross_terms=True),
    "7. back to the user graph": replace(ALONE, settings={"reg": 1e-4, "item_ids": False}, cross_terms=True),
}
ALPHA, SHARE, SAME = "alpha, share", "variance share of u* . i_m", "variance share of u*_m . i_m"


class Recorder(torch.optim.Adam):
    """Adam that writes down alpha's gradients, and on demand moves alpha by plain gradient steps instead."""

    def __init__(self, model: DualGNN, *, plain: bool) -> None:
        self.alpha, self.rate = model.alpha, PLAIN_RATE if plain else 0.0
        alpha = {"params": [self.alpha], "lr": 0.0 if plain else TRAINING.learning_rate}
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


class Studied(DualGNN):
    """DualGNN with the changes of a :class:`Variant`; ``early`` keeps its measures on the way, by epoch."""

    def __init__(self, variant: Variant, split: Split, rng: int) -> None:
        super().__init__(**{**SETTINGS, **variant.settings})
        self.variant = variant
        self.build(split, rng=rng)
        self.early: dict[int, dict[str, UserModality]] = {}
        self.recorder = Recorder(self, plain=variant.plain_alpha)
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

    def together(self) -> list[Tensor]:
        """User and item vectors: summed over modalities or, for want of cross terms, side by side."""
        apart = self.by_modality()
        return [vectors.sum(dim=1) if self.variant.cross_terms else vectors.flatten(1) for vectors in apart]

    def embed(self) -> Embeddings:
        """User and item vectors."""
        return Embeddings(*self.together())

    def loss(self, batch: Batch) -> Tensor:
        """BPR plus the L2 term."""
        if self.variant.cross_terms:
            return super().loss(batch)
        users, items = self.together()
        scores = [(users[batch.users] * items[chosen]).sum(dim=1) for chosen in batch[1:]]
        return bpr(scores[0] - scores[1]) + 0.5 * self.config.reg * self._squared_norm(batch)

    def _squared_norm(self, batch: Batch) -> Tensor:
        of_alpha = self.alpha[batch.users].square().sum() / len(batch.users)
        return super()._squared_norm(batch) - (0.0 if self.variant.decay_alpha else of_alpha)


@cache
def world(seed: int, quick: bool) -> tuple[Sample, Split]:
    """A simulated world and its split."""
    planted = sample(seed, 500, 300) if quick else sample(seed)
    return planted, planted.dataset.split("random", rng=seed)


@cache
def trained(name: str, seed: int, quick: bool) -> Studied:
    """A variant trained in one world, with the weights of the best validation epoch."""
    split = world(seed, quick)[1]
    model = Studied(VARIANTS[name], split, seed)
    epochs = iter(range(1, TRAINING.epochs + 1))

    def validate(_: object) -> float:
        if (epoch := next(epochs)) in (1, 3, 10, 20):
            model.early[epoch] = measures(model, split)
        return recall(model, split)

    config = TRAINING.model_copy(update={"epochs": 5 if quick else TRAINING.epochs})
    trainer = Trainer(model, split, validate=validate, config=config, rng=seed)
    trainer.optimiser = model.recorder
    trainer.fit()
    return model


@torch.no_grad()
def recall(model: Studied, split: Split) -> float:
    """Recall@20 on the validation part."""
    found, config = model.embed(), EvaluationConfig(metrics=("recall",), at=(20,))
    scorer = VectorScorer(found.users.numpy(), found.items.numpy())
    relevant, exclude = split.matrix("validation"), split.matrix("train")
    return evaluate(scorer, relevant=relevant, exclude=exclude, config=config).metrics["recall@20"]


def shares(values: UserModality) -> UserModality:
    """Each user's values divided by the sum of their sizes."""
    return values / np.maximum(np.abs(values).sum(axis=1, keepdims=True), 1e-12)


@torch.no_grad()
def measures(model: Studied, split: Split) -> dict[str, UserModality]:
    """What might be shown to a person as emphasis: alpha, lengths, and parts of the score over items."""
    alpha = model.alpha.double().numpy()
    users, items = (vectors.double().numpy() for vectors in model.by_modality())
    lengths = alpha * np.linalg.norm(model._single_modal()[0].numpy(), axis=2)
    watched, present = split.matrix("train").toarray() > 0, model.present.numpy().T[:, None]
    same = np.stack([users[:, m] @ items[:, m].T for m in range(items.shape[1])])
    user_side = item_side = same  # (modality, user, item): parts that add up to the score
    if model.variant.cross_terms:
        user_side = np.stack([users[:, m] @ items.sum(axis=1).T for m in range(items.shape[1])])
        item_side = np.stack([users.sum(axis=1) @ items[:, m].T for m in range(items.shape[1])])
    score = item_side.sum(axis=0)
    centred = (score - score.mean(axis=1, keepdims=True)) / score.var(axis=1, keepdims=True)
    lift = present * (item_side - item_side.mean(axis=2, keepdims=True, where=present))
    return {
        "alpha": alpha,
        ALPHA: shares(alpha),
        "length of alpha_m u_m, share": shares(lengths),
        "spread of u*_m . i*, share": shares(user_side.std(axis=2).T),
        "spread of u* . i_m, share": shares(item_side.std(axis=2).T),
        SHARE: (item_side * centred).mean(axis=2).T,
        SAME: (same * centred).mean(axis=2).T,
        "lift by u* . i_m of watched items, share": shares(lift.mean(axis=2, where=watched).T),
    }


def likeness(split: Split) -> UserModality:
    """No model: how alike a user's watched items are in each modality's features, as shares."""
    watched, alike = split.matrix("train"), []
    for features in split.dataset.features.values():
        directions = features.values - features.values.mean(axis=0)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        count = (mine := watched[:, features.items]).sum(axis=1)
        length = ((mine @ directions) ** 2).sum(axis=1)
        alike.append((length - count) / np.maximum(count * (count - 1), 1))
    return shares(np.maximum(np.stack(alike, axis=1), 0))


def agreement(found: UserModality, planted: Sample) -> Row:
    """Spearman's rank correlation over users by modality, their mean, and how often the top one is right."""
    ranks = rank_agreement(found, planted)
    right = np.mean(found.argmax(axis=1) == planted.emphasis.argmax(axis=1))
    return {**ranks, "mean": float(np.mean(list(ranks.values()))), "top is right": float(right)}


def quantities(seed: int, quick: bool) -> dict[str, Row]:
    """Which number of the trained model puts users in the planted order, and after how much training?"""
    planted, split = world(seed, quick)
    rows = {"no model: likeness of watched items, share": agreement(likeness(split), planted)}
    for name in (DEFAULT, WEAK):
        model = trained(name, seed, quick)
        found = measures(model, split)
        rows |= {f"{name}: {measure}": agreement(values, planted) for measure, values in found.items()}
        for epoch, then in model.early.items():
            rows |= {f"{name}, epoch {epoch}: {key}": agreement(then[key], planted) for key in (ALPHA, SHARE)}
    return rows


def variants(seed: int, quick: bool) -> dict[str, Row]:
    """Which change brings alpha back? Mean rank correlations with planted emphasis, and other numbers."""
    (planted, split), rows = world(seed, quick), {}
    truth, activity = planted.emphasis, split.matrix("train").sum(axis=1)
    for name in VARIANTS:
        model = trained(name, seed, quick)
        pull, size = model.recorder.pull.numpy(), model.recorder.squares.sqrt().numpy()
        found = measures(model, split) | {"pull": shares(pull), "size": shares(size)}
        rank = {key: agreement(values, planted)["mean"] for key, values in found.items()}
        row = {key: rank[key] for key in ("alpha", ALPHA, SHARE)}
        row |= {"summed gradient of alpha, share": rank["pull"], "size of its gradients, share": rank["size"]}
        row["recall@20"] = recall(model, split)
        row["mean of alpha"], row["its deviation"] = (
            float(np.mean(alpha := found["alpha"])),
            float(alpha.std()),
        )
        row |= activity_apart(alpha, truth, activity)
        row["sum of " + SAME] = float(found[SAME].sum(axis=1).mean())
        row[SHARE + ", planted > 0.6"] = float(found[SHARE][truth > 0.6].mean())
        row[SHARE + ", planted < 0.1"] = float(found[SHARE][truth < 0.1].mean())
        rows[name] = row
    return rows


def activity_apart(alpha: UserModality, truth: UserModality, activity: np.ndarray) -> Row:
    """Mean rank correlations of alpha with activity, and with planted emphasis among users equally active."""
    if np.ptp(alpha) == 0:
        return {"alpha with activity": float("nan"), "alpha given activity": float("nan")}
    triples = [np.stack([a, e, activity], axis=1) for a, e in zip(alpha.T, truth.T, strict=True)]
    ae, ac, ec = np.array([spearmanr(triple).statistic[[0, 0, 1], [1, 2, 2]] for triple in triples]).T
    partial = (ae - ac * ec) / np.sqrt((1 - ac**2) * (1 - ec**2))
    return {"alpha with activity": float(ac.mean()), "alpha given activity": float(partial.mean())}


class Given(nn.Module):
    """Emphasis that is not read from histories; how much a deviation counts for is trained, without a bound.

    Args:
        read: what it stands in for.
        told: of each user, standardised.
    """

    def __init__(self, read: HistoryEmphasis, told: UserModality) -> None:
        super().__init__()
        self.content = read.content
        self.told = torch.from_numpy(told).float()
        self.own = nn.Parameter(torch.full((told.shape[1],), 0.1))

    def forward(self, users: Tensor | None = None, without: Tensor | None = None) -> Tensor:
        """Emphasis of these users, or of all, whatever they watched."""
        return (self.own.abs() * (self.told if users is None else self.told[users])).exp()


class Told(Reelmix):
    """Reelmix that is told what everybody cares about."""

    def __init__(self, told: UserModality) -> None:
        super().__init__()
        self.told = told

    def build(self, split: Split, *, rng: int = 0) -> Self:
        """As Reelmix is built, but for the emphasis."""
        super().build(split, rng=rng)
        self.add_module("emphasis", Given(self.emphasis, self.told))
        return self


def ours(seed: int, quick: bool) -> dict[str, Row]:
    """What does Reelmix's emphasis owe to the history, what to the user graph, and what does it bring?

    And what would it bring to know the planted emphasis, or to know it as well as histories tell it, but by
    errors that have nothing to do with them?
    """
    (planted, split), rows = world(seed, quick), {}
    logarithm = np.log(planted.emphasis + 0.02)
    truth = (logarithm - logarithm.mean(axis=0)) / logarithm.std(axis=0)
    noise = np.random.default_rng(seed).normal(size=truth.shape)
    models: dict[str, Reelmix] = {source: Reelmix(emphasis_from=source) for source in get_args(EmphasisFrom)}
    models |= {"planted": Told(truth), "planted, blurred": Told(truth + noise * (0.45 / 0.55) ** 0.5)}
    for source, model in models.items():
        run = fit(model, split, rng=seed, epochs=5 if quick else 60)
        alpha = run.vectors.emphasis
        assert alpha is not None
        ranked = {key: run.metrics["validation"][key] for key in ("recall@20", "ndcg@20")}
        for name, found in (("alpha", alpha), ("share of score variance", run.recommender().shares)):
            rows[f"{source}: {name}"] = agreement(found, planted) | ranked
    return rows


def show(title: str, by_seed: Sequence[dict[str, Row]], width: int = 8) -> None:
    """Prints a table in markdown, a few columns at a time: mean ± standard deviation over seeds."""
    rows = [row for row in by_seed[0] if all(row in found for found in by_seed)]
    names = list(by_seed[0][rows[0]])
    for columns in (names[start : start + width] for start in range(0, len(names), width)):
        print(f"\n{title}\n\n| | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
        for row in rows:
            values = np.array([[found[row][column] for column in columns] for found in by_seed])
            spread = values.std(axis=0, ddof=min(1, len(values) - 1))
            digits = [4 if "@" in column else 2 for column in columns]
            cells = [
                f"{a:.{n}f} ± {b:.{n}f}" for a, b, n in zip(values.mean(axis=0), spread, digits, strict=True)
            ]
            print(f"| {row} | {' | '.join(cells)} |".replace("nan ± nan", "–"))


def main() -> None:
    """Trains what the chosen tables need, and prints them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of world and training")
    tables = {"quantities": quantities, "variants": variants, "ours": ours}
    parser.add_argument("--tables", nargs="+", choices=tables, default=list(tables), help="which of them")
    parser.add_argument("--quick", action="store_true", help="tiny worlds, five epochs: shows that it runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for title in arguments.tables:
        table = tables[title]
        kind = "tiny worlds: not a result" if arguments.quick else "simulated"
        found = [table(seed, arguments.quick) for seed in arguments.seeds]
        show(f"{title} ({kind}, seeds {arguments.seeds})", found)


if __name__ == "__main__":
    main()

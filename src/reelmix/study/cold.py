"""Two protocols that the paper lacks: items and users that training has never seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array, hstack

from reelmix.data import Split
from reelmix.data.interactions import TRAIN
from reelmix.evaluation import Evaluation, EvaluationConfig, Scorer, VectorScorer, evaluate
from reelmix.evaluation.ranking import top_n
from reelmix.models import FLOORS, MODELS
from reelmix.models.floor import ItemItemFloor
from reelmix.recommender.fit import fit
from reelmix.recommender.item_content import VECTORS
from reelmix.recommender.new_items import NewItems, with_items
from reelmix.recommender.new_users import fold_in
from reelmix.recommender.run import Run
from reelmix.study.outcome import Outcome
from reelmix.training.config import TrainingConfig

ColdProtocol = Literal["cold_items", "cold_users"]
"""``cold_items``: a share of the items is held out of training entirely, content, ids and all; the model then
takes them in and ranks them, among themselves and among all. ``cold_users``: a share of the users is held
out of training entirely; the model is then given their training interactions as histories."""


@dataclass(frozen=True)
class Cold:
    """What is trained and measured by one of the protocols.

    Attributes:
        model: name of a model or floor, or "random", which knows nothing.
        settings: its settings.
        training: how it is trained.
        share: of the items or users, held out.
        rng: seed of the training and of what is held out.
    """

    model: str
    settings: Mapping[str, Any]
    training: TrainingConfig
    share: float
    rng: int

    def trained(self, split: Split, evaluation: EvaluationConfig) -> Run:
        """The model after training on what is not held out."""
        model = MODELS[self.model](**self.settings)
        # all of it is given: nothing is left to presets
        training = TrainingConfig(**self.training.model_dump())
        return fit(model, split, training=training, evaluation=evaluation, preset="none", rng=self.rng)


class RandomScorer:
    """Ranks items at random, each user's anew."""

    def __init__(self, n_users: int, n_items: int, rng: int) -> None:
        self.n_users, self.n_items, self.rng = n_users, n_items, rng

    def score(self, users: Int[np.ndarray, " block"]) -> Float[np.ndarray, "block item"]:
        """Uniform numbers, the same for a user whatever the block."""
        return np.stack(
            [np.random.default_rng([self.rng, int(user)]).random(self.n_items, np.float32) for user in users]
        )


class WithUnknown:
    """A scorer with items appended of which it knows nothing: a score of 0, in random order."""

    def __init__(self, known: Scorer, n_unknown: int, rng: int) -> None:
        self.known, self.n_unknown = known, n_unknown
        self.chance = RandomScorer(known.n_users, n_unknown, rng)

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self.known.n_users

    @property
    def n_items(self) -> int:
        """Number of items, the unknown ones too."""
        return self.known.n_items + self.n_unknown

    def score(self, users: Int[np.ndarray, " block"]) -> Float[np.ndarray, "block item"]:
        """The known items' scores, then numbers next to 0."""
        return np.concatenate([self.known.score(users), 1e-6 * self.chance.score(users)], axis=1)


class Among:
    """A scorer of a part of the items."""

    def __init__(self, whole: Scorer, first: int) -> None:
        self.whole, self.first = whole, first
        self.n_users, self.n_items = whole.n_users, whole.n_items - first

    def score(self, users: Int[np.ndarray, " block"]) -> Float[np.ndarray, "block item"]:
        """The scores of the items from ``first`` on."""
        return self.whole.score(users)[:, self.first :]


# Items


def hold_out_items(split: Split, share: float, rng: int) -> Bool[np.ndarray, " item"]:
    """Which items are held out: ``share`` of those that somebody watched, drawn at random."""
    popularity = sum(
        np.bincount(part.items, minlength=split.dataset.n_items)
        for part in (split.train, split.validation, split.test)
    )
    watched = np.flatnonzero(popularity)
    held = np.zeros(split.dataset.n_items, bool)
    held[np.random.default_rng(rng).permutation(watched)[: round(share * len(watched))]] = True
    return held


def measure_cold_items(cold: Cold, split: Split, evaluation: EvaluationConfig) -> Outcome:
    """Trains without the held-out items, takes them in, and ranks.

    Relevant to a user is every held-out item that they interacted with, in whatever part of the split; users
    without a training interaction among the other items are left out. Metrics: "cold" ranks the held-out
    items alone, "test" ranks them among all items that the user has not interacted with.
    """
    held = hold_out_items(split, cold.share, cold.rng)
    warm = split.take_items(~held)
    rest = np.concatenate([np.flatnonzero(~held), np.flatnonzero(held)])
    parts = [split.matrix("train"), split.matrix("validation"), split.matrix("test")]
    everything = csr_array(parts[0] + parts[1] + parts[2])[:, rest]
    n_warm = int((~held).sum())
    watched, relevant = everything[:, :n_warm], everything[:, n_warm:]
    relevant = _rows_only(relevant, np.diff(warm.matrix("train").indptr) > 0)
    scorer, run = _cold_item_scorer(cold, split, warm, held, evaluation)
    nothing = csr_array(relevant.shape, dtype=np.float32)
    among_cold = evaluate(Among(scorer, n_warm), relevant=relevant, exclude=nothing, config=evaluation)
    among_all = evaluate(
        scorer,
        relevant=_joined(csr_array(watched.shape, dtype=np.float32), relevant),
        exclude=_joined(watched, nothing),
        config=evaluation,
    )
    return _outcome(run, among_cold, {"cold": among_cold.metrics, "test": among_all.metrics})


def _cold_item_scorer(
    cold: Cold, split: Split, warm: Split, held: Bool[np.ndarray, " item"], evaluation: EvaluationConfig
) -> tuple[Scorer, Run | None]:
    """Scores the warm items, then the held-out ones in their order."""
    n_held = int(held.sum())
    if cold.model == "random":
        return RandomScorer(split.dataset.n_users, split.dataset.n_items, cold.rng), None
    if cold.model in FLOORS:
        return WithUnknown(FLOORS[cold.model](**cold.settings).build(warm), n_held, cold.rng), None
    run = cold.trained(warm, evaluation)
    if cold.model not in VECTORS:
        return WithUnknown(VectorScorer(run.vectors.users, run.vectors.items), n_held, cold.rng), run
    more = with_items(run, NewItems.of_dataset(split.dataset.take_items(held), run))
    # an item without any modality is not taken in: its vector is zero
    vectors = np.zeros((split.dataset.n_items, run.vectors.items.shape[1]), np.float32)
    vectors[: len(run.items)] = run.vectors.items
    rows = more.items.rows(split.dataset.take_items(held).items.ids)
    vectors[len(run.items) :][rows >= 0] = more.vectors.items[rows[rows >= 0]]
    return VectorScorer(run.vectors.users, vectors), run


# Users


def hold_out_users(split: Split, share: float, rng: int) -> Bool[np.ndarray, " user"]:
    """Which users are held out: ``share`` of those with interactions in training and test, at random."""
    able = np.intersect1d(split.train.users, split.test.users)
    held = np.zeros(split.dataset.n_users, bool)
    held[np.random.default_rng(rng).permutation(able)[: round(share * len(able))]] = True
    return held


def measure_cold_users(cold: Cold, split: Split, evaluation: EvaluationConfig) -> Outcome:
    """Trains without the held-out users, then ranks for them from their training interactions as histories.

    Metrics: "test" of the held-out users; "overlap" is the mean share that the top-n lists of training users
    have in common with those made from their history alone, for models that can do both.
    """
    held = hold_out_users(split, cold.share, cold.rng)
    warm = replace(
        split,
        **{
            name: part.take(~held[part.users])
            for name in ("train", "validation", "test")
            for part in (getattr(split, name),)
        },
    )
    scorer, run = _cold_user_scorer(cold, split, warm, evaluation)
    found = evaluate(
        scorer,
        relevant=_rows_only(split.matrix("test"), held),
        exclude=csr_array(split.matrix("train") + split.matrix("validation")),
        config=evaluation,
    )
    overlap = history_overlap(run, max(evaluation.at)) if run and run.vectors.passes is not None else {}
    return _outcome(run, found, {"test": found.metrics, "overlap": overlap})


def _cold_user_scorer(
    cold: Cold, split: Split, warm: Split, evaluation: EvaluationConfig
) -> tuple[Scorer, Run | None]:
    """Scores for all users, of whom training has not seen those held out."""
    if cold.model == "random":
        return RandomScorer(split.dataset.n_users, split.dataset.n_items, cold.rng), None
    histories = split.matrix("train")
    if cold.model in FLOORS:
        floor = FLOORS[cold.model](**cold.settings).build(warm)
        if isinstance(floor, ItemItemFloor):  # a user is nothing but their row of interactions
            floor.interactions = histories
        return floor, None
    run = cold.trained(warm, evaluation)
    return VectorScorer(fold_in(run, histories), run.vectors.items), run


def history_overlap(run: Run, n: int) -> dict[str, float]:
    """What share of each training user's top n is also in the list that is made from their history alone.

    The mean over users with training interactions; they are not taken for their own neighbour.
    """
    seen = run.matrix(TRAIN)
    users = np.flatnonzero(np.diff(seen.indptr))
    lists: list[np.ndarray] = []
    for vectors in (run.vectors.users[users], fold_in(run, csr_array(seen[users]), apart_from=users)):
        scores = vectors @ run.vectors.items.T
        rows = np.repeat(np.arange(len(users)), np.diff(seen[users].indptr))
        scores[rows, seen[users].indices] = -np.inf
        lists.append(top_n(scores, n).items)
    common = [len(np.intersect1d(a[a >= 0], b[b >= 0])) / (a >= 0).sum() for a, b in zip(*lists, strict=True)]
    return {f"overlap@{n}": float(np.mean(common))}


def _outcome(run: Run | None, found: Evaluation, metrics: dict[str, Mapping[str, float]]) -> Outcome:
    if run is not None:
        metrics["validation"] = run.metrics["validation"]
    return Outcome(
        metrics=metrics,
        users=found.users,
        per_user=found.per_user,
        epochs=run.manifest["epochs"] if run else 0,
        best_epoch=run.manifest["best_epoch"] if run else 0,
        epoch_seconds=float(np.median([epoch["seconds"] for epoch in run.curve])) if run else 0.0,
        seconds=0.0,
        parameters=sum(weight.size for weight in run.weights.values()) if run else 0,
        vectors={},
    )


def _rows_only(matrix: csr_array, rows: Bool[np.ndarray, " user"]) -> csr_array:
    """The matrix with all other rows empty."""
    kept = csr_array(matrix, copy=True)
    kept.data *= np.repeat(rows, np.diff(kept.indptr))
    kept.eliminate_zeros()
    return kept


def _joined(left: csr_array, right: csr_array) -> csr_array:
    return csr_array(hstack([left, right], format="csr"))

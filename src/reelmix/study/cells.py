"""Cells of a study: a model with its settings, trained and measured once, and kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from reelmix.data import Dataset, Split
from reelmix.data.split import SplitMethod
from reelmix.evaluation import Evaluation, EvaluationConfig, Scorer, VectorScorer, evaluate
from reelmix.files import digest
from reelmix.models import FLOORS, MODELS, Model, model_class
from reelmix.recommender.fit import fit
from reelmix.recommender.shares import modality_shares
from reelmix.study.cold import Cold, ColdProtocol, measure_cold_items, measure_cold_users
from reelmix.study.missing import Pattern, Protocol, lose_modalities, lose_one_modality
from reelmix.study.outcome import Outcome as Outcome
from reelmix.study.workers import Report, work_through
from reelmix.training.config import TrainingConfig


@dataclass(frozen=True)
class Cell:
    """One training run and its measurement.

    Attributes:
        model: name of a model or floor.
        settings: its settings that differ from the defaults.
        training: how it is trained.
        rng: seed of the training.
        modalities: use these alone; None uses all.
        protocol, ratio: what share of the items lost a modality, and how, or what share of the items or users
            is held out of training; None where nothing is.
        modality: the one modality that items lose, for the protocols that are patterns.
        vectors: whether to keep the vectors.
        alone: whether nothing else may run at the same time, because its time is what is measured.
    """

    model: str
    settings: Mapping[str, Any]
    training: TrainingConfig
    rng: int
    modalities: tuple[str, ...] | None = None
    protocol: Protocol | Pattern | ColdProtocol | None = None
    ratio: float = 0.0
    modality: str | None = None
    vectors: bool = False
    alone: bool = False

    def key(self, data: str) -> str:
        """The name of its folder: a hash of all that it depends on, with ``data`` for the split.

        The model's defaults are part of it: where one changes, nothing is taken for what it was before.
        """
        known = (MODELS | FLOORS).get(self.model)
        defaults = known.Config().model_dump(mode="json") if known else {}
        content = {**self.as_dict(), "settings": {**defaults, **self.settings}}
        return digest(data, json.dumps(content, sort_keys=True))[:20]

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return {**asdict(self), "training": self.training.model_dump()}


@dataclass(frozen=True)
class Measuring:
    """Trains and measures cells; what a worker of the study does.

    Attributes:
        data: dataset folder, read once in each process.
        method: how it is split; None as in ``reelmix train``.
        rng: seed of the split.
        out: folder of the finished cells.
        evaluation: what is measured.
    """

    data: Path
    method: SplitMethod | None
    rng: int
    out: Path
    evaluation: EvaluationConfig

    def split(self) -> Split:
        """The data as given."""
        return _split(self.data, self.method, self.rng)

    def identity(self) -> str:
        """A hash of the split, of what is measured, and of the version of the package."""
        split, measured = self.split(), self.evaluation.model_dump_json()
        data = (split.dataset.content_hash, *split.dataset.modalities)
        return digest(version("reelmix"), *data, split.method, str(self.rng), measured)

    def folder(self, cell: Cell) -> Path:
        """Where a cell is kept."""
        return self.out / cell.key(self.identity())

    def __call__(self, cell: Cell, report: Report) -> None:
        """Measures a cell and keeps it."""
        started = time.perf_counter()
        split = self.split()
        if cell.modalities is not None:
            split = replace(split, dataset=split.dataset.only(list(cell.modalities)))
        outcome = self._measured(cell, split)
        replace(outcome, seconds=time.perf_counter() - started).write(self.folder(cell), cell.as_dict())

    def _measured(self, cell: Cell, split: Split) -> Outcome:
        protocol = cell.protocol
        if protocol == "cold_items" or protocol == "cold_users":
            cold = Cold(cell.model, cell.settings, cell.training, cell.ratio, cell.rng)
            measure_cold = measure_cold_items if protocol == "cold_items" else measure_cold_users
            return measure_cold(cold, split, self.evaluation)
        served = split
        if cell.modality is not None:
            pattern = cast(Pattern, protocol)
            served = lose_one_modality(split, cell.modality, cell.ratio, pattern, rng=cell.rng)
            split = split if protocol == "serving" else served
            # of a part, content would be centred and projected anew, unlike in training
            assert protocol != "serving" or cell.ratio == 1.0
        elif protocol is not None:
            split = served = lose_modalities(split, cell.ratio, cast(Protocol, protocol), rng=cell.rng)
        return self._floor(cell, split) if cell.model in FLOORS else self._model(cell, split, served)

    def _model(self, cell: Cell, split: Split, served: Split) -> Outcome:
        model = model_class(cell.model)(**cell.settings)
        # all of it is given: nothing is left to presets
        training = TrainingConfig(**cell.training.model_dump())
        run = fit(model, split, training=training, evaluation=self.evaluation, preset="none", rng=cell.rng)
        metrics, per_user = dict(run.metrics), dict(run.per_user["test"])
        if served is not split:
            found = self._evaluated(_served(model, served), served, "test")
            metrics["test"], per_user = found.metrics, {"users": found.users, **found.per_user}
        kept: dict[str, np.ndarray] = {}
        if cell.vectors:
            kept = {"users": run.vectors.users, "items": run.vectors.items}
            if run.vectors.emphasis is not None:
                kept["emphasis"] = run.vectors.emphasis
            if run.vectors.item_parts:
                kept["shares"] = modality_shares(run.vectors)
        return Outcome(
            metrics=metrics,
            users=per_user.pop("users"),
            per_user=per_user,
            epochs=run.manifest["epochs"],
            best_epoch=run.manifest["best_epoch"],
            epoch_seconds=float(np.median([epoch["seconds"] for epoch in run.curve])),
            seconds=0.0,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            vectors=kept,
        )

    def _floor(self, cell: Cell, split: Split) -> Outcome:
        started = time.perf_counter()
        floor = FLOORS[cell.model](**cell.settings).build(split)
        built = time.perf_counter() - started
        validation = self._evaluated(floor, split, "validation")
        test = self._evaluated(floor, split, "test")
        return Outcome(
            metrics={"validation": validation.metrics, "test": test.metrics},
            users=test.users,
            per_user=test.per_user,
            epochs=0,
            best_epoch=0,
            epoch_seconds=built,
            seconds=0.0,
            parameters=0,
            vectors={},
        )

    def _evaluated(self, scorer: Scorer, split: Split, stage: Any) -> Evaluation:
        hidden = split.matrix("train")
        if stage == "test":
            hidden = hidden + split.matrix("validation")
        return evaluate(scorer, relevant=split.matrix(stage), exclude=hidden, config=self.evaluation)


@torch.no_grad()
def _served(model: Model, split: Split) -> VectorScorer:
    """A trained model on other data of the same users, items and modalities."""
    other = type(model)(model.config).build(split)
    other.load_state_dict(model.state_dict())
    embeddings = other.embed()
    return VectorScorer(embeddings.users.numpy(), embeddings.items.numpy())


@lru_cache(maxsize=1)
def _split(data: Path, method: SplitMethod | None, rng: int) -> Split:
    return Dataset.read(data).split(method, rng=rng)


def measure(
    cells: Iterable[Cell],
    measuring: Measuring,
    *,
    jobs: int,
    threads: int,
    told: Callable[[Cell, Outcome, int, int], None],
) -> dict[str, Outcome]:
    """Measures the cells that are not kept yet, side by side, and gives the outcome of all by their key.

    Args:
        cells: in any order; equal ones are measured once.
        measuring: does it.
        jobs: cells at a time; those whose time is measured come last, one by one.
        threads: threads of each.
        told: is told of each that is done: the cell, its outcome, how many are done, how many there are.
    """
    identity = measuring.identity()
    wanted = {cell.key(identity): cell for cell in cells}
    open_cells = {
        key: cell for key, cell in wanted.items() if not (measuring.out / key / "cell.json").exists()
    }
    finished = len(wanted) - len(open_cells)

    def done(cell: Cell, _: object) -> None:
        nonlocal finished
        finished += 1
        told(cell, Outcome.read(measuring.folder(cell)), finished, len(wanted))

    for alone in (False, True):
        tasks = [cell for cell in open_cells.values() if cell.alone == alone]
        at_once = min(len(tasks), 1 if alone else jobs)
        if tasks:
            work_through(
                tasks, measuring, jobs=at_once, threads=threads, answer=lambda task, report: None, done=done
            )
    return {key: Outcome.read(measuring.out / key) for key in wanted}

"""The same search for every model, on validation alone, that goes on where it was cut off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import tomli_w

from reelmix.data import Dataset, Split
from reelmix.data.split import SplitMethod
from reelmix.errors import ConfigError, DataError, RunError
from reelmix.extras import optional
from reelmix.files import make_folder, write_atomic
from reelmix.models import FLOORS, MODELS
from reelmix.recommender.fit import validation
from reelmix.settings import DataSize, usual_values
from reelmix.study.spaces import KNOWN_GOOD, SPACES, Range
from reelmix.study.workers import Report, work_through
from reelmix.training.checkpoint import Epoch, TrainingState
from reelmix.training.config import TrainingConfig
from reelmix.training.trainer import Ending, Trainer

JOURNAL = "trials.journal"
OF_TRAINING = tuple(TrainingConfig.model_fields)
"""Names of the settings that are the training loop's; the others of a space are the model's own."""


@dataclass(frozen=True)
class Trial:
    """One combination of settings and what came of it.

    Attributes:
        number: its place in the model's search, from 0.
        settings: the model's settings and those of the training loop, as tried.
        metric: the best validation metric; of a pruned trial, the best until then.
        pruned: whether it was given up before its end, or training diverged.
        epochs: how many were trained; 0 for a floor.
        best_epoch: the epoch of ``metric``.
        seconds: how long it took.
    """

    number: int
    settings: dict[str, Any]
    metric: float
    pruned: bool
    epochs: int
    best_epoch: int
    seconds: float


@dataclass(frozen=True)
class Try:
    """What a worker needs to know to try settings."""

    model: str
    number: int
    settings: dict[str, Any]
    training: TrainingConfig
    rng: int


@dataclass
class Trying:
    """Trains with given settings and reports the validation metric after every epoch.

    Attributes:
        data: dataset folder, read once in each process.
        method: how it is split; None as in ``reelmix train``.
        modalities: use these alone; None uses all.
        rng: seed of the split.
    """

    data: Path
    method: SplitMethod | None
    modalities: tuple[str, ...] | None
    rng: int

    @cached_property
    def split(self) -> Split:
        """The data."""
        dataset = Dataset.read(self.data)
        if self.modalities is not None:
            dataset = dataset.only(list(self.modalities))
        return dataset.split(self.method, rng=self.rng)

    def __getstate__(self) -> dict[str, Any]:
        """What a worker is sent: not the data, which it reads itself."""
        return {key: value for key, value in vars(self).items() if key != "split"}

    def __call__(self, task: Try, report: Report) -> list[Epoch]:
        """The epochs that were trained; of a floor, the one moment it was measured at, as epoch 0."""
        validate = validation(self.split, task.training)
        own = {key: value for key, value in task.settings.items() if key not in OF_TRAINING}
        if task.model in FLOORS:
            return [Epoch(0, 0.0, validate(FLOORS[task.model](**own).build(self.split)), 0.0)]
        model = MODELS[task.model](**own).build(self.split, rng=task.rng)
        told = _Reporting(report)
        trainer = Trainer(
            model, self.split, validate=validate, config=task.training, rng=task.rng, progress=told
        )
        # a search goes where training diverges: to a loss that is not finite, or to such vectors
        with suppress(_PrunedError, ConfigError, DataError):
            trainer.fit()
        return told.epochs


class _PrunedError(Exception):
    """Raised inside training to end it."""


class _Reporting:
    """Hands each epoch on, and ends training when told to."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.epochs: list[Epoch] = []

    def start(self, config: TrainingConfig, epochs_done: int) -> None:
        """Training begins."""

    def batch(self, done: int, total: int) -> None:
        """A batch was done."""

    def epoch(self, epoch: Epoch, best_epoch: int) -> None:
        """An epoch was trained and validated."""
        self.epochs.append(epoch)
        if self.report(epoch):
            raise _PrunedError

    def end(self, ending: Ending, state: TrainingState) -> None:
        """Training is over."""


class Search:
    """The searches of several models in one folder.

    ``trials.journal`` keeps everything that was tried, in one file, while it goes on. When a model's budget
    is used up, ``<model>.toml`` has its best settings, for ``reelmix train --config``, and ``<model>.csv``
    its trials.

    Every model has the same number of trials, each of the same number of epochs at most. The settings that
    its paper reports come first; then a tree-structured Parzen estimator chooses (Bergstra et al.,
    "Algorithms for Hyper-Parameter Optimization", NIPS 2011). A trial is pruned when its best metric so far
    is below the median of the others' at the same epoch, from the tenth on. Only validation is looked at:
    the test part is never ranked.

    Args:
        folder: new, empty, or that of a search to go on with.
        trials: combinations of settings for each model.
        training: epochs and patience of a trial; its learning rate is searched.
        rng: seed of the search, and of each trial's first parameters and training.

    Raises:
        ConfigError: optuna is not installed.
    """

    def __init__(self, folder: Path, *, trials: int, training: TrainingConfig, rng: int = 0) -> None:
        self.folder, self.trials, self.training, self.rng = folder, trials, training, rng
        self.optuna = optional("optuna")
        self.optuna.logging.set_verbosity(self.optuna.logging.WARNING)
        self.states = self.optuna.trial.TrialState
        self.usual: dict[str, dict[str, Any]] = {}
        self.studies: dict[str, Any] = {}
        self.running: dict[tuple[str, int], Any] = {}
        self.lock = threading.Lock()

    def run(
        self,
        models: Sequence[str],
        trying: Trying,
        *,
        jobs: int = 1,
        threads: int = 1,
        told: Callable[[str, Trial, Trial], None] = lambda model, trial, best: None,
    ) -> dict[str, list[Trial]]:
        """Searches for each model until its budget is used up.

        Args:
            models: names of models and floors.
            trying: does a trial.
            jobs: trials at a time.
            threads: threads of each.
            told: is told of every trial that ends: the model, the trial, the best one so far.

        Returns:
            All trials of each model, those of earlier runs too, in the order they began.

        Raises:
            StorageError: the folder cannot be made.
            ConfigError: the validation metric does not exist.
            RunError: the folder's search was of other data, or with other settings of training.
        """
        validation(trying.split, self.training)  # what cannot be searched for leaves no folder behind
        make_folder(self.folder)
        backend = self.optuna.storages.journal.JournalFileBackend(str(self.folder / JOURNAL))
        storage = self.optuna.storages.JournalStorage(backend)
        for model in models:
            self.usual[model] = self._usual(model, trying.split.dataset.size)
            self.studies[model] = self._study(model, trying, storage)

        def done(task: Try, epochs: list[Epoch]) -> None:
            self._finish(task, epochs)
            trials = self.tried(task.model)
            trial = next(trial for trial in trials if trial.number == task.number)
            told(task.model, trial, best_of(trials))
            if self._left(task.model) == 0 and not any(model == task.model for model, _ in self.running):
                self._keep(task.model)

        work_through(self._tasks(models), trying, jobs=jobs, threads=threads, answer=self._prune, done=done)
        for model in models:
            self._keep(model)
        return {model: self.tried(model) for model in models}

    def tried(self, model: str) -> list[Trial]:
        """The finished trials of a model, in the order they began."""
        states = (self.states.COMPLETE, self.states.PRUNED)
        finished = self.studies[model].get_trials(deepcopy=False, states=states)
        return [
            Trial(trial.number, **trial.user_attrs["trial"])
            for trial in sorted(finished, key=lambda trial: trial.number)
        ]

    def _usual(self, model: str, size: DataSize) -> dict[str, Any]:
        """What a model has on such data where nobody says otherwise; the space may lack some of it."""
        values = usual_values(model, (MODELS | FLOORS)[model].Config, size)
        return {key: value for key, value in values.items() if key not in self.training.model_fields_set}

    def _study(self, model: str, trying: Trying, storage: Any) -> Any:
        study = self.optuna.create_study(
            study_name=model,
            storage=storage,
            direction="maximize",
            pruner=self.optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=10),
            load_if_exists=True,
        )
        conditions = {
            "modalities": list(trying.split.dataset.modalities),  # before the hash, which differs with them
            "dataset": trying.split.dataset.content_hash,
            "split": trying.split.method,
            "rng": [trying.rng, self.rng],
            "training": self.training.model_dump(mode="json", exclude={"learning_rate", "averaging"}),
        }
        before = study.user_attrs.get("conditions", conditions)
        for key, value in conditions.items():
            if before[key] != value:
                raise RunError(
                    expected=f"the {key} that this search began with: {before[key]}",
                    found=str(value),
                    where=str(self.folder / JOURNAL),
                    fix="Go on with the same, or give another folder.",
                )
        if "conditions" not in study.user_attrs:
            study.set_user_attr("conditions", conditions)
            for settings in _first(model, self.usual[model]):
                study.enqueue_trial(settings)
        for trial in study.get_trials(deepcopy=False, states=(self.states.RUNNING,)):
            study.tell(trial.number, state=self.states.FAIL)  # it was cut off: the same again
            study.enqueue_trial(trial.params)
        return study

    def _left(self, model: str) -> int:
        """How many trials of a model have not begun; one without settings to search has a single trial."""
        states = (self.states.COMPLETE, self.states.PRUNED, self.states.RUNNING)
        begun = len(self.studies[model].get_trials(deepcopy=False, states=states))
        return max(0, (self.trials if SPACES[model] else 1) - begun)

    def _tasks(self, models: Sequence[str]) -> Iterator[Try]:
        for model in models:
            study = self.studies[model]
            distributions = {name: self._distribution(space) for name, space in SPACES[model].items()}
            while self._left(model) > 0:
                with self.lock:
                    # a sampler of its own for each trial: a search that goes on does not begin its dice anew
                    seed = np.random.SeedSequence([self.rng, len(study.get_trials(deepcopy=False))])
                    study.sampler = self.optuna.samplers.TPESampler(seed=int(seed.generate_state(1)[0]))
                    trial = study.ask(distributions)
                self.running[model, trial.number] = trial
                settings = {**self.usual[model], **trial.params}
                ours = {key: value for key, value in settings.items() if key in OF_TRAINING}
                training = self.training.model_copy(update=ours)
                yield Try(model, trial.number, settings, training, self.rng)

    def _distribution(self, space: Range | tuple[Any, ...]) -> Any:
        if isinstance(space, Range):
            return self.optuna.distributions.FloatDistribution(space.low, space.high, log=space.log)
        return self.optuna.distributions.CategoricalDistribution(space)

    def _prune(self, task: Try, epoch: Epoch) -> bool:
        with self.lock:
            trial = self.running[task.model, task.number]
            trial.report(epoch.metric, epoch.epoch)
            return bool(trial.should_prune())

    def _finish(self, task: Try, epochs: list[Epoch]) -> None:
        best = max(epochs, key=lambda epoch: epoch.metric, default=Epoch(0, 0.0, 0.0, 0.0))
        with self.lock:
            study, trial = self.studies[task.model], self.running.pop((task.model, task.number))
            seconds = (datetime.now() - trial.datetime_start).total_seconds()
            stopped = (
                len(epochs) - best.epoch >= self.training.patience or len(epochs) >= self.training.epochs
            )
            pruned = task.model in MODELS and not stopped
            trial.set_user_attr(
                "trial",
                {
                    "settings": task.settings,
                    "metric": best.metric,
                    "pruned": pruned,
                    "epochs": len(epochs) if task.model in MODELS else 0,
                    "best_epoch": best.epoch,
                    "seconds": round(seconds, 1),
                },
            )
            if pruned:
                study.tell(task.number, state=self.states.PRUNED)
            else:
                study.tell(task.number, best.metric)

    def _keep(self, model: str) -> None:
        """Writes a model's best settings and its trials."""
        trials = self.tried(model)
        rows = [{**vars(trial), **trial.settings} for trial in trials]
        table = pl.DataFrame(rows, infer_schema_length=None).drop("settings")
        write_atomic(self.folder / f"{model}.csv", table.write_csv())
        best = best_of(trials)
        settings = dict(best.settings)
        tables: dict[str, Any] = {"model": {"name": model}}
        training = {key: settings.pop(key) for key in OF_TRAINING if key in settings}
        if model in MODELS and "batch_size" in self.training.model_fields_set:
            training["batch_size"] = self.training.batch_size  # no trial chose it, and all had it
        if training:
            tables["training"] = training
        tables["model"] |= settings
        metric = self.training.validation_metric
        head = (
            f"# validation {metric} {best.metric:.4f}, the best of {len(trials)} trials; "
            f"the first of them, with the usual settings: {trials[0].metric:.4f}\n"
        )
        write_atomic(self.folder / f"{model}.toml", head + tomli_w.dumps(tables))


def best_of(trials: Sequence[Trial]) -> Trial:
    """The trial with the best metric of those that came to their end; the earlier of equals.

    One that was given up is the best only if all were: training with its settings may have diverged.
    """
    return max(trials, key=lambda trial: (not trial.pruned, trial.metric, -trial.number))


def _first(model: str, usual: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings that are tried first: the published ones, and the usual ones for others of the space."""
    fields = (MODELS | FLOORS)[model].Config.model_fields | TrainingConfig.model_fields
    defaults = {name: usual.get(name, fields[name].default) for name in SPACES[model]}
    return [{**defaults, **settings} for settings in KNOWN_GOOD.get(model, (defaults,))]

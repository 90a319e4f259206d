"""The training loop: Adam on triples, early stopping, checkpoints, interruption and going on."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from reelmix.data import Split
from reelmix.errors import ConfigError, DataError, RunError
from reelmix.graph.sparse import SparseMatrix
from reelmix.models.base import Batch, Embeddings, Model
from reelmix.training.checkpoint import Epoch, TrainingState, read_checkpoint, write_checkpoint
from reelmix.training.config import TrainingConfig
from reelmix.training.negatives import NegativeSampler
from reelmix.training.team import Team

Ending = Literal["early stopping", "all epochs", "interrupted"]
CHECKPOINT_SECONDS = 5.0


@runtime_checkable
class Progress(Protocol):
    """Is told how training goes."""

    def start(self, config: TrainingConfig, epochs_done: int) -> None:
        """Training begins, or goes on."""
        ...

    def batch(self, done: int, total: int) -> None:
        """A batch was done."""
        ...

    def epoch(self, epoch: Epoch, best_epoch: int) -> None:
        """An epoch was trained and validated."""
        ...

    def end(self, ending: Ending, state: TrainingState) -> None:
        """Training is over."""
        ...


@dataclass(frozen=True)
class Checkpointing:
    """Where to keep checkpoints, and whose they are.

    Attributes:
        path: the file.
        identity: hash of data, settings and seed.
        resume: go on from the file if it is there.
        seconds: time between two checkpoints at least; 0 writes one after every epoch.
    """

    path: Path
    identity: str
    resume: bool = False
    seconds: float = CHECKPOINT_SECONDS


class Trainer:
    """Trains a built model on a split.

    Chance in epoch e comes from a generator seeded with (rng, e) alone: an interrupted run that goes on sees
    what an uninterrupted one would have seen.

    Args:
        model: built on ``split``.
        split: the data; only its training part is looked at here.
        validate: the validation metric of the model as it stands, larger is better.
        config: how to train.
        rng: seed of shuffling and negative sampling.
        progress: is told how it goes.
        device: where to compute, as torch names it.
        team: the processes that train together; None for this one alone.
    """

    def __init__(
        self,
        model: Model,
        split: Split,
        *,
        validate: Callable[[Model | Embeddings], float],
        config: TrainingConfig,
        rng: int = 0,
        progress: Progress | None = None,
        device: str = "cpu",
        team: Team | None = None,
    ) -> None:
        self.team = team or Team()
        self.team.settle(model)
        self.model, self.validate, self.config, self.rng = model.to(device), validate, config, rng
        for module in model.modules():
            if isinstance(module, SparseMatrix):
                module.mixed = config.precision == "mixed"
        self.progress, self.device = progress if self.team.leads else None, device
        self.sampler = NegativeSampler(split.matrix("train"))
        # a user who has interacted with everything has no triple
        usable = self.sampler.unobserved[split.train.users] > 0
        self.users, self.items = split.train.users[usable], split.train.items[usable]
        if len(self.users) == 0:
            raise DataError(
                expected="at least one user with an item that they have not interacted with",
                found="none",
                where="training interactions",
                fix="Add items, or keep fewer interactions for training.",
            )
        self.average: dict[str, Tensor] = {}
        self.optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)

    def fit(
        self, checkpointing: Checkpointing | None = None, state: TrainingState | None = None
    ) -> tuple[TrainingState, Ending]:
        """Trains until validation stops improving, all epochs are done, or Ctrl-C; restores the best weights.

        Ctrl-C gives up the epoch under way and ends like any other ending.

        Args:
            checkpointing: where to keep checkpoints; None keeps none.
            state: what :meth:`begin` said, if it was asked before.
        """
        with _repeatable(self.config.deterministic):
            return self._fit(checkpointing, state or self.begin(checkpointing))

    def _fit(self, checkpointing: Checkpointing | None, state: TrainingState) -> tuple[TrainingState, Ending]:
        if self.progress:
            self.progress.start(self.config, state.epoch)
        written = time.monotonic()
        ending = self._ending(state)
        try:
            while ending is None:
                started = time.perf_counter()
                loss = self._train_epoch(state.epoch + 1)
                with self._averaged():
                    metric, validated = self.team.judge(self.validate, self.model), self._weights()
                seconds = time.perf_counter() - started
                state = self._after_epoch(state, Epoch(state.epoch + 1, loss, metric, seconds), validated)
                if self.progress:
                    self.progress.epoch(state.curve[-1], state.best_epoch)
                ending = self._ending(state)
                due = checkpointing and time.monotonic() - written >= checkpointing.seconds
                if checkpointing and (due or ending):
                    write_checkpoint(checkpointing.path, state, checkpointing.identity)
                    written = time.monotonic()
        except KeyboardInterrupt:
            if self.team.size > 1:  # the others are not to be waited for: a checkpoint is what is left
                raise
            ending = "interrupted"
            if checkpointing:
                write_checkpoint(checkpointing.path, state, checkpointing.identity)
        if self.team.whole:
            self.model.load_state_dict(state.best_weights)
        self.model.eval()  # an epoch that was given up leaves it in training
        if self.progress:
            self.progress.end(ending, state)
        return state, ending

    def begin(self, checkpointing: Checkpointing | None = None) -> TrainingState:
        """Where training begins: with the model as it is, or where it was cut off.

        Raises:
            StorageError: the checkpoint is damaged.
            RunError: it is of another version, other data, settings or seed, or another form of the model.
        """
        state = None
        if checkpointing and checkpointing.resume and checkpointing.path.exists():
            state = read_checkpoint(checkpointing.path, checkpointing.identity)
        state = self.team.agreed(state)
        if state is not None:
            self._load_weights(self.team.part(state.weights), checkpointing)
            self._load_optimiser(self.team.part(state.optimiser))
            return state
        weights = self._weights()
        return TrainingState(weights, weights)

    def _load_weights(self, weights: dict[str, Tensor], checkpointing: Checkpointing | None) -> None:
        """Takes these weights, if they are a model's of this form."""
        expected = {name: tuple(tensor.shape) for name, tensor in self.model.state_dict().items()}
        found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        differ = sorted(name for name, _ in expected.items() ^ found.items())
        if differ:
            raise RunError(
                expected=f"the weights of {self.model.name} as this version of reelmix makes it",
                found="a checkpoint that differs in " + ", ".join(dict.fromkeys(differ)),
                where=str(checkpointing.path if checkpointing else "the checkpoint"),
                fix="Train again from the start, or go on with the version that began.",
            )
        self.model.load_state_dict(weights)

    def _ending(self, state: TrainingState) -> Ending | None:
        if state.epoch - state.best_epoch >= self.config.patience and state.best_epoch:
            return "early stopping"
        return "all epochs" if state.epoch >= self.config.epochs else None

    def _train_epoch(self, epoch: int) -> float:
        """One pass over the training interactions; the mean loss of its triples."""
        self.model.train()
        total = torch.zeros((), device=self.device)
        n_batches = -(-len(self.users) // self.config.batch_size)
        for done, batch in enumerate(self._batches(epoch), start=1):
            self.optimiser.zero_grad(set_to_none=True)
            loss = self.team.backward(self.model, batch)
            self.optimiser.step()
            if self.config.averaging:
                self._average_in((epoch - 1) * n_batches + done)
            total += loss * len(batch.users)
            if self.progress:
                self.progress.batch(done, n_batches)
        self.model.eval()
        mean = float(self.team.total(total)) / len(self.users)
        if not math.isfinite(mean):
            raise ConfigError(
                expected="a finite training loss",
                found=str(mean),
                where=f"epoch {epoch}",
                fix=f"Training diverged: lower learning_rate, which is {self.config.learning_rate:g}.",
            )
        return mean

    def _batches(self, epoch: int) -> Iterator[Batch]:
        rng = np.random.default_rng([self.rng, epoch])
        order = rng.permutation(len(self.users))
        users = self.users[order].astype(np.int64)
        triples = np.stack([users, self.items[order].astype(np.int64), self.sampler.draw(users, rng)])
        here = torch.from_numpy(triples)
        both = (place.split(self.config.batch_size, dim=1) for place in (here.to(self.device), here))
        for triples_there, triples_here in zip(*both, strict=True):
            yield Batch(*triples_there, rng=int(rng.integers(2**63)), here=Batch(*triples_here))

    @torch.no_grad()
    def _average_in(self, step: int) -> None:
        """Takes the weights after a step into their average, of which the first steps are not the half."""
        share = 1 - min(self.config.averaging, (1 + step) / (10 + step))
        for name, parameter in self.model.named_parameters():
            if name not in self.average:
                self.average[name] = parameter.detach().clone()
            self.average[name].lerp_(parameter, share)

    @contextmanager
    def _averaged(self) -> Generator[None]:
        """The model with the averaged weights, if any are averaged; afterwards with its own again."""
        if not self.average:
            yield
            return
        own = {name: parameter.detach().clone() for name, parameter in self.model.named_parameters()}
        self.model.load_state_dict(self.average, strict=False)
        try:
            yield
        finally:
            self.model.load_state_dict(own, strict=False)

    def _after_epoch(self, state: TrainingState, epoch: Epoch, validated: dict[str, Tensor]) -> TrainingState:
        better = epoch.metric > state.best_metric
        return TrainingState(
            self._weights(),
            validated if better else state.best_weights,
            self._optimiser_state(),
            [*state.curve, epoch],
            epoch.epoch if better else state.best_epoch,
        )

    def _weights(self) -> dict[str, Tensor]:
        return self.team.gathered({name: t.detach().clone() for name, t in self.model.state_dict().items()})

    def _optimiser_state(self) -> dict[str, Tensor]:
        found = {}
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                found[f"{key}/{name}"] = value.detach().clone()
        found |= {f"average/{name}": value.clone() for name, value in self.average.items()}
        return self.team.gathered(found)

    def _load_optimiser(self, saved: dict[str, Tensor]) -> None:
        for name, parameter in self.model.named_parameters():
            for key in ("step", "exp_avg", "exp_avg_sq"):
                if f"{key}/{name}" in saved:
                    value = saved[f"{key}/{name}"]
                    self.optimiser.state[parameter][key] = value.to(parameter.device).clone()
            if f"average/{name}" in saved:
                self.average[name] = saved[f"average/{name}"].to(parameter.device).clone()


@contextmanager
def _repeatable(wanted: bool) -> Generator[None]:
    """Has torch use only operations that repeat bit for bit, and refuse others; afterwards as before."""
    before = torch.are_deterministic_algorithms_enabled()
    if wanted:  # what cuBLAS asks for, to be said before it is used
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(before or wanted)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)

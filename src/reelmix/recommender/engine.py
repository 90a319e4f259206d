"""Training by several processes, on one machine or many, which Ray starts, watches and starts again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import torch

from reelmix.data import Dataset, Split
from reelmix.errors import ReelmixError, RunError
from reelmix.extras import optional
from reelmix.files import require_vacant
from reelmix.graph import user_graph
from reelmix.models import model_class
from reelmix.recommender.experiment import Experiment
from reelmix.recommender.fit import fit_member
from reelmix.training.checkpoint import Epoch, TrainingState
from reelmix.training.config import TrainingConfig
from reelmix.training.room import Place, require_memory
from reelmix.training.team import TEAMS, Parallel
from reelmix.training.trainer import CHECKPOINT_SECONDS, Ending, Progress

RESTARTS = 3
"""How often all workers are started again from the last checkpoint after one of them was lost."""


@dataclass(frozen=True)
class Job:
    """What every worker is told to train. All of them see the same folders.

    Attributes:
        experiment: the model and all settings.
        data: dataset folder.
        out: folder of the run.
        modalities: those that are used.
        parallel: whether workers share batches or columns.
        device: cpu, or cuda for a GPU each.
        threads: CPU threads of a worker.
        command: what to write down as the command that made the run.
        draw: whether to draw the map.
        checkpoint_seconds: time between two checkpoints at least.
        check_memory: refuse, before anything is built, what will not fit in this machine's memory, if all
            workers are here.
    """

    experiment: Experiment
    data: Path
    out: Path
    modalities: tuple[str, ...]
    parallel: Parallel = "data"
    device: str = "cpu"
    threads: int = 1
    command: str | None = None
    draw: bool = False
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    check_memory: bool = True

    def split(self) -> Split:
        """The data, divided."""
        dataset = Dataset.read(self.data).only(list(self.modalities))
        return dataset.split(self.experiment.run.split, rng=self.experiment.run.rng)


def fit_on_ray(job: Job, *, workers: int, resume: bool = False, progress: Progress | None = None) -> None:
    """Trains as :func:`reelmix.fit` does, by several processes, into the run folder of the job.

    Ray (Moritz et al., OSDI 2018) starts them: on the cluster that ``RAY_ADDRESS`` names, or else on this
    machine. If one is lost, all start again from the last checkpoint. The user graph is made before, in
    parts, by the same engine; workers find it in reelmix's cache folder.

    Args:
        job: what to train.
        workers: how many.
        resume: go on from the last checkpoint in the run folder.
        progress: is told how it goes.

    Raises:
        RunError: workers were lost again and again.
        ConfigError: Ray is not installed, all workers do not fit in memory, or what :func:`reelmix.fit`
            raises.
    """
    ray: Any = optional("ray", "ray")
    train: Any = optional("ray.train", "ray")
    queues: Any = optional("ray.util.queue", "ray")
    scheduling: Any = optional("ray.util.scheduling_strategies", "ray")
    trainers: Any = optional("ray.train.torch", "ray")
    if not resume:
        require_vacant(job.out, "the run")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    own = not ray.is_initialized()
    if own:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    scratch = job.out.parent / f".{job.out.name}.ray"
    try:
        split = job.split()
        if job.check_memory and len(ray.nodes()) == 1 and job.device == "cpu":
            experiment = job.experiment
            block = experiment.evaluation.block_bytes
            model = model_class(experiment.model)(experiment.settings)
            require_memory(model, split, experiment.training, Place("cpu", block, workers, job.parallel))
        _make_user_graph(ray, job, split, workers)
        here = ray.get_runtime_context().get_node_id()  # a queue elsewhere would be lost with that machine
        stay = scheduling.NodeAffinitySchedulingStrategy(here, soft=False)
        told = queues.Queue(actor_options={"num_cpus": 0, "scheduling_strategy": stay})
        listener = _Listener(told, progress)
        listener.start()
        share = min(1.0, ray.cluster_resources().get("CPU", 1.0) / workers)
        on_gpu = job.device.startswith("cuda")
        trainer = trainers.TorchTrainer(
            _member,
            train_loop_config={"job": job, "told": told},
            scaling_config=train.ScalingConfig(
                num_workers=workers, use_gpu=on_gpu, resources_per_worker=None if on_gpu else {"CPU": share}
            ),
            run_config=train.RunConfig(
                name="train",
                storage_path=str(scratch),
                failure_config=train.FailureConfig(max_failures=RESTARTS),
            ),
        )
        lost: Exception | None = None
        try:
            trainer.fit()
        except train.TrainingFailedError as error:
            lost = error
        finally:
            told.put(("over",))
            listener.join()
        if listener.error:  # what the leader refused also ends those that waited for it
            raise listener.error
        if lost:
            raise RunError(
                expected=f"{workers} workers to the end",
                found=f"one lost more than {RESTARTS} times ({_first_line(lost)})",
                where=str(job.out),
                fix="Free some memory or start fewer; --resume goes on from the last checkpoint.",
            ) from lost
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if own:
            ray.shutdown()


def _member(config: dict[str, Any]) -> None:
    """What each worker does; Ray has set up the process group."""
    job: Job = config["job"]
    torch.set_num_threads(job.threads)
    experiment, device = job.experiment, job.device
    if device.startswith("cuda"):
        device = str(optional("ray.train.torch", "ray").get_device())
    team = TEAMS[job.parallel]()
    try:
        fit_member(
            model_class(experiment.model)(experiment.settings),
            job.split(),
            team,
            training=experiment.training,
            evaluation=experiment.evaluation,
            rng=experiment.run.rng,
            out=job.out,
            resume=True,  # those that start again go on
            progress=_Teller(config["told"]),
            device=device,
            command=job.command,
            checkpoint_seconds=job.checkpoint_seconds,
            draw=job.draw,
        )
    except ReelmixError as error:  # it would be the same again: no reason to start anew
        if team.leads:
            config["told"].put(("error", error))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _make_user_graph(ray: Any, job: Job, split: Split, workers: int) -> None:
    """Puts the user graph that the model will want into the cache, made in parts by the engine."""
    settings = job.experiment.settings
    neighbours = getattr(settings, "neighbours", 0)
    if neighbours and getattr(settings, "user_layers", 0):
        user_graph(split.matrix("train"), neighbours, parts=workers, run=on_ray(ray))


def on_ray(ray: Any) -> Callable[..., Iterable[dict[str, np.ndarray]]]:
    """A ``map`` that Ray does, a task a part."""

    def run(
        work: Callable[[range], dict[str, np.ndarray]], ranges: Sequence[range]
    ) -> list[dict[str, np.ndarray]]:
        shared = ray.put(work)
        task = ray.remote(_do)
        return ray.get([task.remote(shared, part) for part in ranges])

    return run


def _do(work: Callable[[range], dict[str, np.ndarray]], part: range) -> dict[str, np.ndarray]:
    return work(part)


class _Teller:
    """The leader's progress, put into a queue."""

    def __init__(self, told: Any) -> None:
        self._told = told

    def start(self, config: TrainingConfig, epochs_done: int) -> None:
        self._told.put(("start", config, epochs_done))

    def batch(self, done: int, total: int) -> None:
        """Too often to be told."""

    def epoch(self, epoch: Epoch, best_epoch: int) -> None:
        self._told.put(("epoch", epoch, best_epoch))

    def end(self, ending: Ending, state: TrainingState) -> None:
        # the weights stay where they are
        told = TrainingState({}, {}, {}, state.curve, state.best_epoch)
        self._told.put(("end", ending, told))


class _Listener(Thread):
    """Takes progress out of the queue, until it is over."""

    def __init__(self, told: Any, progress: Progress | None) -> None:
        super().__init__(daemon=True)
        self._told, self._progress = told, progress
        self.error: ReelmixError | None = None

    def run(self) -> None:
        while True:
            what, *said = self._told.get()
            if what == "over":
                return
            if what == "error":
                (self.error,) = said
            elif self._progress:
                getattr(self._progress, what)(*said)

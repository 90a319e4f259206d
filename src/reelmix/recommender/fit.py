"""From a model and a split to a run: build, train, evaluate, keep."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array

from reelmix.data import BagFeatures, Split
from reelmix.data.interactions import TEST, TRAIN, VALIDATION, Interactions
from reelmix.errors import ConfigError
from reelmix.evaluation import EvaluationConfig, Scorer, VectorScorer, evaluate
from reelmix.files import digest, require_vacant, write_atomic
from reelmix.models.base import Embeddings, Judged, Model, Settled
from reelmix.models.content import Contents
from reelmix.recommender.experiment import Experiment, RunOptions
from reelmix.recommender.map import draw_map
from reelmix.recommender.run import STAGES, Run, Vectors, write_run
from reelmix.training.checkpoint import TrainingState, read_checkpoint
from reelmix.training.config import TrainingConfig
from reelmix.training.room import Place, can_settle, require_memory
from reelmix.training.team import Team
from reelmix.training.trainer import CHECKPOINT_SECONDS, Checkpointing, Ending, Progress, Trainer

FEWEST, MOST = 100, 10_000
"""Validation users by whom a model chooses what is not trained."""


def fit(
    model: Model,
    split: Split,
    *,
    training: TrainingConfig | None = None,
    evaluation: EvaluationConfig | None = None,
    preset: str | None = None,
    rng: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    device: str = "cpu",
    command: str | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    draw: bool = False,
    check_memory: bool = True,
    **settings: Any,
) -> Run:
    """Trains a model and evaluates it once on the test part, with the weights of the best validation epoch.

    Args:
        model: with its settings; those that a preset has and nobody gave are set, and it is built, here.
        split: training, validation and test interactions.
        training: how to train, and single ``settings`` such as ``epochs=50``, which go before it.
        evaluation: what to measure.
        preset: settings that suit some data, as in ``reelmix train``: a name, ``auto`` or ``none``; by
            default the model's own, ``auto`` for Reelmix. What the model, ``training`` and the single
            settings name goes before it.
        rng: seed of first parameters, shuffling and negative samples.
        out: folder of the run, new or empty; None keeps the run in memory alone.
        resume: go on in ``out`` from the last checkpoint; starts anew if there is none.
        progress: is told how training goes.
        device: where to train, as torch names it.
        command: what to write down as the command that made the run.
        checkpoint_seconds: time between two checkpoints at least.
        draw: whether to draw the map of items and users (:func:`reelmix.recommender.map.draw_map`).
        check_memory: refuse, before anything is built, what will not fit in memory.

    Raises:
        StorageError: ``out`` holds something already and ``resume`` is off, or the disk is full.
        RunError: the checkpoint in ``out`` is of other data, settings or seed.
        ConfigError: an unknown setting or preset, ``resume`` without ``out``, a device that is not there, or
            too little memory.
    """
    chosen = preset or model.config.default_preset or "none"
    usual = {**model.config.training_defaults, **model.take_preset(chosen, split.dataset.size)}
    given = {**(training.model_dump(exclude_unset=True) if training else {}), **settings}
    training = TrainingConfig.read({**usual, **given}, where="fit")
    if check_memory:
        _require_device(device)
        block = (evaluation or EvaluationConfig()).block_bytes
        require_memory(model, split, training, Place(device, block))
    run = fit_member(
        model,
        split,
        Team(),
        training=training,
        evaluation=evaluation,
        rng=rng,
        out=out,
        resume=resume,
        progress=progress,
        device=device,
        command=command,
        checkpoint_seconds=checkpoint_seconds,
        draw=draw,
    )
    assert run is not None
    return run


def fit_member(
    model: Model,
    split: Split,
    team: Team,
    *,
    training: TrainingConfig,
    evaluation: EvaluationConfig | None = None,
    rng: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    device: str = "cpu",
    command: str | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    draw: bool = False,
) -> Run | None:
    """What :func:`fit` does, as one of a team of processes that all do the same.

    Returns:
        The run, where this process leads; the others have none.
    """
    _require_device(device)
    evaluation = evaluation or EvaluationConfig()
    options = RunOptions(rng=rng, split=split.method)
    experiment = Experiment(model.name, model.config, training, evaluation, options)
    checkpointing = _checkpointing(out, resume, checkpoint_seconds, experiment, split) if team.leads else None
    started = datetime.now(UTC)
    model.build(split, rng=rng)
    trainer = Trainer(
        model,
        split,
        validate=validation(split, training, evaluation),
        config=training,
        rng=rng,
        progress=progress,
        device=device,
        team=team,
    )
    state = trainer.begin(checkpointing)
    if checkpointing:  # not before: what the model or a checkpoint refuses changes nothing
        write_atomic(checkpointing.path.with_name("config.toml"), experiment.toml())
    state, ending = trainer.fit(checkpointing, state)
    if not team.leads:
        return None
    if not team.whole:  # what it holds are its columns
        model = type(model)(model.config).build(split, rng=rng)
        model.load_state_dict(state.best_weights)
        model.eval()
    settled = _settled(model, split, training, evaluation, device) if ending != "interrupted" else None
    if settled:
        state = replace(state, best_weights=dict(model.state_dict()))
    manifest = _manifest(experiment, split, state, ending, started, command, device)
    manifest["chosen"] = settled._asdict() if settled else {}
    manifest["content"] = (
        dict(content.key_of) if isinstance(content := getattr(model, "content", None), Contents) else {}
    )
    run = _measured(_run(model, split, experiment, state, manifest), evaluation)
    if draw:
        run = replace(run, map=draw_map(run))
    if out is not None:
        write_run(run, Path(out))
    return run


def _checkpointing(
    out: str | Path | None, resume: bool, seconds: float, experiment: Experiment, split: Split
) -> Checkpointing | None:
    if out is None:
        if resume:
            raise ConfigError(
                expected="the folder of the run to go on with",
                found="none",
                where="resume",
                fix="Give out the folder that training was cut off in.",
            )
        return None
    folder = Path(out)
    if not resume:
        require_vacant(folder, "the run")
    checkpoint = folder / "checkpoint.safetensors"
    identity = _identity(experiment, split)
    for leftover in folder.glob(".*.part"):  # of a process that was killed while it wrote
        leftover.unlink()
    if resume and checkpoint.exists():
        read_checkpoint(checkpoint, identity)  # refused before anything is made
    return Checkpointing(checkpoint, identity, resume, seconds)


def _identity(experiment: Experiment, split: Split) -> str:
    """A hash of all that the weights depend on, but for the number of epochs."""
    pairs = _labelled(split)
    return digest(
        json.dumps(experiment.identity(), sort_keys=True),
        split.dataset.content_hash,
        ",".join(split.dataset.modalities),
        pairs.users,
        pairs.items,
        pairs.labels,
    )


def _require_device(device: str) -> None:
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError):  # torch built without CUDA asserts
        raise ConfigError(
            expected="a device that torch can use here",
            found=repr(device),
            where="device",
            fix="Leave it out to train on the CPU; reelmix doctor lists what there is.",
        ) from None


def validation(
    split: Split, training: TrainingConfig, evaluation: EvaluationConfig | None = None
) -> Callable[[Model | Embeddings | Scorer], float]:
    """What a trainer asks after every epoch: the validation metric of a model, or of any scorer, as it is."""
    config = _of_validation(training, evaluation)
    relevant, exclude = split.matrix("validation"), split.matrix("train")

    def validate(judged: Model | Embeddings | Scorer) -> float:
        scorer = _vector_scorer(judged) if isinstance(judged, Model | Embeddings) else judged
        found = evaluate(scorer, relevant=relevant, exclude=exclude, config=config)
        return found.metrics[training.validation_metric]

    return validate


def _of_validation(
    training: TrainingConfig, evaluation: EvaluationConfig | None, *more: str
) -> EvaluationConfig:
    """The validation metric alone, and ``more`` of the same length."""
    name, _, depth = training.validation_metric.partition("@")
    block_bytes = (evaluation or EvaluationConfig()).block_bytes
    return EvaluationConfig.read(
        {"metrics": (name, *more), "at": (int(depth),), "block_bytes": block_bytes}, where="validation_metric"
    )


def _settled(
    model: Model, split: Split, training: TrainingConfig, evaluation: EvaluationConfig, device: str
) -> Settled | None:
    """What the model chooses by validation, of as many users as tell; see :meth:`Model.settle`.

    Nothing where there are few of them or too little memory; Ctrl-C leaves it as it was trained.
    """
    relevant, exclude = split.matrix("validation"), split.matrix("train")
    asked = np.flatnonzero(np.diff(relevant.indptr))
    place = Place(device, evaluation.block_bytes)
    if len(asked) < FEWEST or not can_settle(model, split, training, place):
        return None
    if len(asked) > MOST:
        spared = np.random.default_rng(0).permutation(asked)[MOST:]
        kept = np.ones(split.dataset.n_users)
        kept[spared] = 0.0
        relevant = csr_array(relevant.multiply(kept[:, None]))
        relevant.eliminate_zeros()
    config = _of_validation(training, evaluation, "ndcg")

    def judge() -> Judged:
        found = evaluate(_vector_scorer(model), relevant=relevant, exclude=exclude, config=config)
        depth = training.validation_metric.partition("@")[2]
        return Judged(found.per_user[training.validation_metric], found.per_user[f"ndcg@{depth}"])

    try:
        return model.settle(split, judge)
    except KeyboardInterrupt:
        return None


def _vector_scorer(judged: Model | Embeddings) -> VectorScorer:
    with torch.no_grad():
        embeddings = judged.embed() if isinstance(judged, Model) else judged
    return VectorScorer(embeddings.users.cpu().numpy(), embeddings.items.cpu().numpy())


def _run(
    model: Model, split: Split, experiment: Experiment, state: TrainingState, manifest: dict[str, Any]
) -> Run:
    dataset = split.dataset
    return Run(
        manifest,
        experiment.tables(),
        dataset.users,
        dataset.items,
        dataset.item_table,
        _labelled(split),
        _vectors(model, split),
        {name: tensor.cpu().numpy() for name, tensor in state.best_weights.items()},
        [asdict(epoch) for epoch in state.curve],
    )


@torch.no_grad()
def _vectors(model: Model, split: Split) -> Vectors:
    """What the model knows, as arrays."""
    dataset, embeddings, induction = split.dataset, model.embed(), model.induction()
    parts = {name: part.cpu().numpy() for name, part in embeddings.item_parts.items()}
    present = [dataset.has(name) for name in parts]
    emphasis, refinement = embeddings.emphasis, induction.refinement if induction else None
    directions = induction.directions if induction else None
    return Vectors(
        embeddings.users.cpu().numpy(),
        embeddings.items.cpu().numpy(),
        parts,
        np.stack(present, axis=1) if present else np.zeros((dataset.n_items, 0), bool),
        None if emphasis is None else emphasis.cpu().numpy(),
        induction.passes.cpu().numpy() if induction else None,
        induction.edges if induction else None,
        None if refinement is None else refinement.cpu().numpy(),
        induction.neighbours if induction else None,
        None if directions is None else directions.cpu().numpy(),
    )


def _labelled(split: Split) -> Interactions:
    parts = ((split.train, TRAIN), (split.validation, VALIDATION), (split.test, TEST))
    return Interactions.of(
        np.concatenate([part.users for part, _ in parts]),
        np.concatenate([part.items for part, _ in parts]),
        labels=np.concatenate([np.full(len(part), label, np.int8) for part, label in parts]),
    )


def _measured(run: Run, evaluation: EvaluationConfig) -> Run:
    metrics, per_user = {}, {}
    for stage in STAGES:
        found = run.evaluate(evaluation, stage=stage)
        metrics[stage] = dict(found.metrics)
        per_user[stage] = {"users": found.users, **found.per_user}
    return replace(run, metrics=metrics, per_user=per_user)


def _manifest(
    experiment: Experiment,
    split: Split,
    state: TrainingState,
    ending: Ending,
    started: datetime,
    command: str | None,
    device: str,
) -> dict[str, Any]:
    dataset = split.dataset
    packages = ("reelmix", "torch", "numpy", "scipy", "polars", "safetensors", "sparse-dot-topn")
    return {
        "model": experiment.model,
        "rng": experiment.run.rng,
        "command": command,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "ending": ending,
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "device": device,
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "platform": platform.platform(),
        "dataset": {
            "name": dataset.card.name,
            "provenance": dataset.card.provenance,
            "simulated": dataset.card.simulated,
            "content_hash": dataset.content_hash,
            "users": dataset.n_users,
            "items": dataset.n_items,
            "interactions": len(dataset.interactions),
            "modalities": list(dataset.modalities),
            "features": {
                name: {
                    "kind": "bag" if isinstance(features, BagFeatures) else "dense",
                    "size": features.size,
                    "encoder": features.encoder,
                }
                for name, features in dataset.features.items()
            },
        },
        "split": {
            "method": split.method,
            "rng": split.rng,
            "train": len(split.train),
            "validation": len(split.validation),
            "test": len(split.test),
            "users_without_training": len(split.untrained_users),
        },
    }

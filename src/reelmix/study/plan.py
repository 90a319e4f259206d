"""What a study trains: every model with its settings, on the same split, with the same seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from jaxtyping import Float

from reelmix.data import Split
from reelmix.errors import RunError
from reelmix.models import FLOORS, MODELS
from reelmix.recommender.experiment import Experiment
from reelmix.settings import DataSize, usual_values
from reelmix.study.cells import Cell, Outcome
from reelmix.study.report import Section
from reelmix.study.statistics import Estimate, paired_bootstrap
from reelmix.training.config import TrainingConfig

NAMES = {
    "popularity": "Popularity",
    "ease": "EASE",
    "gfcf": "GF-CF",
    "vbpr": "VBPR",
    "mmgcn": "MMGCN",
    "star_gcn": "STAR-GCN",
    "lr_gccf": "LR-GCCF",
    "lightgcn": "LightGCN",
    "dualgnn": "DualGNN",
}
"""All models as the paper writes them: floors, its baselines in the order of Table III, DualGNN."""

EVERY_NAME = {**NAMES, "reelmix": "Reelmix"}
"""Those and ours."""

BASELINES = ("vbpr", "mmgcn", "star_gcn", "lr_gccf", "lightgcn")


@dataclass(frozen=True)
class Chosen:
    """The settings of one model in a study.

    Attributes:
        settings: the model's own that differ from its defaults.
        training: how it is trained.
        tuned: whether a search found them.
    """

    settings: Mapping[str, Any]
    training: TrainingConfig
    tuned: bool


@dataclass(frozen=True)
class Plan:
    """What all exhibits of a study have in common.

    Attributes:
        split: the data.
        chosen: the settings of each model.
        seeds: of the trainings; the first one's vectors are kept.
        sweep_seeds: how many of the seeds Figs. 3, 4, 5 and 9 and the control use; None uses all.
        models: multimodal models of what is beyond the paper; None takes every one.
        strategies: ways of treating what is missing that are compared; None takes every one.
        rates: shares of the items that lose a modality, in ``strategies`` and ``missing``; None takes the
            exhibit's own.
    """

    split: Split
    chosen: Mapping[str, Chosen]
    seeds: tuple[int, ...]
    sweep_seeds: int | None = None
    models: tuple[str, ...] | None = None
    strategies: tuple[str, ...] | None = None
    rates: tuple[float, ...] | None = None

    def sweep(self) -> Plan:
        """The same plan with the seeds of the figures with many points."""
        return replace(self, seeds=self.seeds[: self.sweep_seeds])

    def cells(
        self,
        model: str,
        *,
        modalities: tuple[str, ...] | None = None,
        protocol: Any = None,
        ratio: float = 0.0,
        modality: str | None = None,
        **changes: Any,
    ) -> list[Cell]:
        """The cells of a model, one for each seed; a floor leaves nothing to chance and has one.

        Args:
            model: its name.
            modalities: use these alone.
            protocol, ratio: what the items lose.
            modality: the one that they lose, for a protocol that is a pattern.
            changes: settings in place of the chosen ones.
        """
        chosen = self.chosen[model]
        settings = _differing(model, {**chosen.settings, **changes})
        plain = not modalities and protocol is None and settings == chosen.settings
        return [
            Cell(
                model,
                settings,
                chosen.training,
                rng,
                modalities=modalities,
                protocol=protocol,
                ratio=ratio,
                modality=modality,
                vectors=plain and rng == self.seeds[0] and model in MODELS,
            )
            for rng in (self.seeds[:1] if model in FLOORS else self.seeds)
        ]


Found = Callable[[Iterable[Cell]], list[Outcome]]
"""Gives the outcomes of cells."""


@dataclass(frozen=True)
class Exhibit:
    """One table or figure of the paper.

    Attributes:
        title: what it shows.
        cells: what has to be measured for it.
        section: what it shows when that is done.
    """

    title: str
    cells: Callable[[Plan], list[Cell]]
    section: Callable[[Plan, Found], Section]


def estimate(outcomes: Sequence[Outcome], metric: str, *, stage: str = "test") -> Estimate:
    """Mean and spread of a metric over seeds."""
    return Estimate.of([outcome.metrics[stage][metric] for outcome in outcomes])


def decrease(
    whole: Sequence[Outcome], *lost: Sequence[Outcome], metric: str, stage: str = "test"
) -> Estimate | None:
    """What is lost, in percent of what there was, seed by seed; None where there was nothing to lose.

    Args:
        whole: with nothing lost, one for each seed.
        lost: the same seeds, once for each way in which something was lost: the mean is taken.
        metric: of the test part, or of another ``stage``.
    """
    tests = [[outcome.metrics[stage][metric] for outcome in ours] for ours in (whole, *lost)]
    found = [100 * (1 - mean(less) / full) for full, *less in zip(*tests, strict=True) if full]
    return Estimate.of(found) if found else None


def changed(lost: float) -> str:
    """A decrease in percent in words: ``loses 4.1 %``, or ``gains`` where it is below zero."""
    return f"{'gains' if lost < 0 else 'loses'} {abs(lost):.1f} %"


def per_user(outcomes: Sequence[Outcome], metric: str) -> Float[np.ndarray, " user"]:
    """A test metric of each evaluated user, averaged over seeds."""
    return np.mean([outcome.per_user[metric] for outcome in outcomes], axis=0)


def compared(claim: str, better: Sequence[Outcome], worse: Sequence[Outcome], metric: str) -> str:
    """A sentence that holds a claim of the paper against what was measured."""
    first, second = per_user(better, metric), per_user(worse, metric)
    interval = paired_bootstrap(first, second, rng=0)
    verdict = (
        "it holds here"
        if interval.low > 0
        else "the opposite holds here"
        if interval.high < 0
        else "open here"
    )
    return (
        f"{claim}: {verdict}. {written(metric)} differs by {interval.difference:+.4f} "
        f"(95 % interval over users {interval.low:+.4f} to {interval.high:+.4f})."
    )


def whiskers(plan: Plan, drawn: str = "whiskers") -> str:
    """What the whiskers of a figure are, or its bands."""
    if len(plan.seeds) == 1:
        return f"Seed {plan.seeds[0]} alone."
    return f"Mean over {len(plan.seeds)} seeds; {drawn}: standard deviation over them."


def written(metric: str) -> str:
    """A metric as papers write it: ``Recall@10``, ``NDCG@10``."""
    name, _, depth = metric.partition("@")
    return f"{'NDCG' if name == 'ndcg' else name.capitalize()}@{depth}"


def choose(tuned: Path | None, training: TrainingConfig, size: DataSize) -> dict[str, Chosen]:
    """The settings of every model: a search's best where ``tuned`` has them, else those of ``reelmix train``.

    Args:
        tuned: folder of ``reelmix tune``.
        training: epochs, patience and batch size of every model.
        size: of the data, by which default presets are chosen.

    Raises:
        StorageError, ConfigError: a file of ``tuned`` cannot be read or holds what is no setting.
        RunError: ``tuned`` holds no settings.
    """
    models = MODELS | FLOORS
    chosen = {name: _usual(name, training, size) for name in EVERY_NAME}
    for name, model in models.items():
        file = tuned / f"{name}.toml" if tuned else None
        if file and file.exists():
            found = Experiment.read({name: model.Config}, file=file, model=name)
            searched = {key: getattr(found.training, key) for key in ("learning_rate", "averaging")}
            settings = _differing(name, found.settings.model_dump(mode="json"))
            trained = chosen[name].training.model_copy(update=searched)
            chosen[name] = Chosen(settings, trained, tuned=True)
    if tuned and not any(one.tuned for one in chosen.values()):
        raise RunError(
            expected="settings such as dualgnn.toml",
            found="none",
            where=str(tuned),
            fix="Give the folder that reelmix tune wrote, after it has finished a model.",
        )
    return chosen


def _usual(name: str, training: TrainingConfig, size: DataSize) -> Chosen:
    config = (MODELS | FLOORS)[name].Config
    values = usual_values(name, config, size)
    own = {key: value for key, value in values.items() if key in config.model_fields}
    loop = {key: value for key, value in values.items() if key not in own}
    return Chosen(_differing(name, own), training.suited(loop), tuned=False)


def _differing(model: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are not the model's defaults: equal cells are written alike."""
    fields = (MODELS | FLOORS)[model].Config.model_fields
    return {key: value for key, value in settings.items() if value != fields[key].default}

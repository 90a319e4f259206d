"""All settings of one training run, from a TOML file, from flags, or from both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import tomli_w
from pydantic import Field

from reelmix.data.split import SplitMethod
from reelmix.errors import ConfigError, nearest
from reelmix.evaluation import EvaluationConfig
from reelmix.settings import DataSize, ModelSettings, Settings, preset_values, read_toml
from reelmix.training.config import TrainingConfig

TYPICAL = DataSize(interactions=10**5, per_user=10)
"""What is assumed of data that are not known yet."""

SECTIONS = ("run", "model", "training", "evaluation")


class RunOptions(Settings):
    """What is chosen for one run and is no property of the model or of its training."""

    rng: int = Field(0, ge=0, lt=2**63)
    """Seed of the split, the first parameters, the shuffling and the negative samples."""

    split: SplitMethod | None = None
    """How interactions are divided: given, random, leave_one_out or time. By default the labels that came
    with the data, else random."""


@dataclass(frozen=True)
class Experiment:
    """What is trained, and how.

    Attributes:
        model: name of the model.
        settings: the model's own settings.
        training: the training loop's.
        evaluation: what is measured.
        run: seed and split.
    """

    model: str
    settings: Settings
    training: TrainingConfig
    evaluation: EvaluationConfig
    run: RunOptions

    @classmethod
    def read(
        cls,
        configs: Mapping[str, type[ModelSettings]],
        *,
        file: Path | None = None,
        model: str | None = None,
        flags: Mapping[str, Any] | None = None,
        preset: str | None = None,
        size: DataSize = TYPICAL,
    ) -> Experiment:
        """Settings from a TOML file (tables ``run``, ``model``, ``training``, ``evaluation``), then flags.

        Args:
            configs: model names and their settings classes; the first is trained if nobody names one.
            file: the TOML file; None for defaults.
            model: name of the model; it goes before ``name`` in the file's table ``model``.
            flags: settings by their plain names, whatever table they belong to; they go before the file.
            preset: name of one of the model's presets, or auto; the file and the flags go before it.
            size: of the data, by which auto chooses.

        Raises:
            StorageError: the file cannot be read or is not TOML.
            ConfigError: an unknown table, setting or preset (names the nearest one), a value out of range.
        """
        tables = read_toml(file) if file else {}
        where = str(file) if file else "settings"
        for key, table in tables.items():
            if key in SECTIONS and not isinstance(table, dict):
                raise ConfigError(
                    expected=f"a table [{key}]",
                    found=repr(table),
                    where=f"{where}: {key}",
                    fix=f"Write [{key}] on a line of its own, and its settings below.",
                )
            if key not in SECTIONS:
                raise ConfigError(
                    expected=f"the tables {', '.join(SECTIONS)}",
                    found=repr(key),
                    where=where,
                    fix=nearest(key, SECTIONS),
                )
        own = dict(tables.get("model", {}))
        name = model or own.get("name", next(iter(configs)))
        own.pop("name", None)
        if not isinstance(name, str) or name not in configs:
            raise ConfigError(
                expected="a model", found=repr(name), where="model", fix=nearest(str(name), configs)
            )
        classes: dict[str, type[Settings]] = {
            "model": configs[name],
            "training": TrainingConfig,
            "evaluation": EvaluationConfig,
            "run": RunOptions,
        }
        chosen = {section: dict(tables.get(section, {})) for section in classes} | {"model": own}
        chosen["training"] = {**configs[name].training_defaults, **chosen["training"]}
        given = preset_values(name, configs[name], preset, size) if preset else {}
        for key, value in given.items():
            section = "model" if key in configs[name].model_fields else "training"
            chosen[section] = {**chosen[section], key: tables.get(section, {}).get(key, value)}
        for key, value in (flags or {}).items():
            section = next((s for s, c in classes.items() if key in c.model_fields), None)
            if section is None:
                valid = [field for c in classes.values() for field in c.model_fields]
                owners = [other for other, config in configs.items() if key in config.model_fields]
                fix = f"It belongs to {', '.join(owners)}: add --model {owners[0]}." if owners else None
                raise ConfigError(
                    expected=f"a setting of {name}",
                    found=repr(key),
                    where="flags",
                    fix=fix or nearest(key, valid),
                )
            chosen[section][key] = value
        read = {
            section: config.read(chosen[section], where=f"{where}, {section}")
            for section, config in classes.items()
        }
        training, evaluation, run = read["training"], read["evaluation"], read["run"]
        assert isinstance(training, TrainingConfig)
        assert isinstance(evaluation, EvaluationConfig)
        assert isinstance(run, RunOptions)
        return cls(name, read["model"], training, evaluation, run)

    def tables(self) -> dict[str, dict[str, Any]]:
        """The settings as nested tables, without those that are None."""
        return {
            "run": self.run.model_dump(mode="json", exclude_none=True),
            "model": {"name": self.model, **self.settings.model_dump(mode="json", exclude_none=True)},
            "training": self.training.model_dump(mode="json", exclude_none=True),
            "evaluation": self.evaluation.model_dump(mode="json", exclude_none=True),
        }

    def toml(self) -> str:
        """The settings as a TOML file that :meth:`read` takes."""
        return tomli_w.dumps(self.tables())

    def identity(self) -> dict[str, Any]:
        """What must be equal to go on from a checkpoint: all but the epochs and what is measured."""
        tables = self.tables()
        del tables["evaluation"], tables["training"]["epochs"]
        return tables

    def with_split(self, method: SplitMethod) -> Experiment:
        """The same with the split spelt out."""
        assert method in get_args(SplitMethod)
        return replace(self, run=self.run.model_copy(update={"split": method}))

"""The base of every configuration: frozen, typed, closed to unknown keys, read from mappings or TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from reelmix.errors import ConfigError, StorageError, closest, nearest
from reelmix.files import require_file


class Settings(BaseModel):
    """A frozen configuration. The docstring under a field describes it in ``--help`` and in the docs."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, validate_default=True
    )

    @classmethod
    def read(cls, mapping: Mapping[str, Any], *, where: str) -> Self:
        """Builds the configuration from ``mapping``.

        Raises:
            ConfigError: an unknown key (names the nearest valid one) or a value out of range.
        """
        for key in mapping:
            if key not in cls.model_fields:
                raise ConfigError(
                    expected="a known setting",
                    found=f"{key!r}",
                    where=where,
                    fix=nearest(key, cls.model_fields),
                )
        try:
            return cls.model_validate(dict(mapping))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or cls.__name__
            raise ConfigError(
                expected=first["msg"].removeprefix("Input should be ").removeprefix("Value error, "),
                found=repr(first["input"]),
                where=f"{where}: {field}",
                fix=_advice(cls, field, first["input"]),
            ) from None


STEPS = 16
"""Steps that an epoch has with a preset that goes by size, as far as the smallest batch allows. In place of
batches of 4,096 that is worth 7 % of Recall@20 on validation to the sample with five interactions a person,
2 % to MovieLens-100k with six, and -3 % with twelve."""

SMALLEST_BATCH = 256

MOST_STEPS = 256
"""Steps that such an epoch has at most, as far as the largest batch allows: each costs a look at all items. A
sample of 16,000 users has 0.3144 of Recall@20 and 0.1910 of NDCG@20 on validation with 300 steps, and 0.3139
and 0.1915 with 75."""

LARGEST_BATCH = 16_384
"""Bounds the memory of a step: its table of triples and 512 candidates has 34 MB."""


@dataclass(frozen=True)
class DataSize:
    """What presets depend on.

    Attributes:
        interactions: of all users, in every part.
        per_user: what the user in the middle has (the median): half have as many or more.
    """

    interactions: int
    per_user: float


@dataclass(frozen=True)
class Preset:
    """Settings for one kind of data, each with its reason.

    Attributes:
        suits: for which data, in words.
        values: the setting, of the model or of training, to its value and why it is that.
        up_to: interactions of the user in the middle up to which ``auto`` takes it; None where it does not.
    """

    suits: str
    values: Mapping[str, tuple[Any, str]]
    up_to: float | None = None


class ModelSettings(Settings):
    """Settings of a model or floor."""

    presets: ClassVar[Mapping[str, Preset]] = {}
    """Settings that suit some data, by name; ``auto`` chooses by the interactions that most users have."""

    default_preset: ClassVar[str | None] = None
    """The preset that is taken where nobody names one or gives all settings, as a file does."""

    training_defaults: ClassVar[Mapping[str, Any]] = {}
    """Settings of the training loop that are other numbers for this model where nobody says otherwise."""


def preset_by_size(config: type[ModelSettings], size: DataSize) -> str | None:
    """The preset that ``auto`` is for data of this size; None if none goes by size."""
    bounds = {preset.up_to: name for name, preset in config.presets.items() if preset.up_to is not None}
    if not bounds:
        return None
    return bounds[min((bound for bound in bounds if bound >= size.per_user), default=max(bounds))]


def preset_values(model: str, config: type[ModelSettings], name: str, size: DataSize) -> dict[str, Any]:
    """The settings of a preset.

    Batches of those that go by size are halved until an epoch has about :data:`STEPS` steps, or a batch
    :data:`SMALLEST_BATCH` triples: with fewer steps, training stops before it has learned from small data.
    They are doubled until it has no more than :data:`MOST_STEPS`, or a batch :data:`LARGEST_BATCH`.

    Args:
        model: name of the model, for messages.
        config: its settings class.
        name: of the preset, or ``auto``.
        size: of the data.

    Raises:
        ConfigError: there is no such preset, or ``auto`` has none to choose from.
    """
    auto = preset_by_size(config, size)
    chosen = auto if name == "auto" else name
    if chosen is None or chosen not in config.presets:
        valid = [*config.presets, *(["auto"] if auto else [])]
        raise ConfigError(
            expected=f"a preset of {model}" if valid else f"no preset, since {model} has none",
            found=repr(name),
            where="preset",
            fix=nearest(name, valid)
            if valid
            else f"Leave --preset out, or search: reelmix tune --models {model}.",
        )
    values = {key: value for key, (value, _) in config.presets[chosen].values.items()}
    if config.presets[chosen].up_to is not None and "batch_size" in values:
        values["batch_size"] = _by_steps(values["batch_size"], size.interactions)
    return values


def _by_steps(batch: int, interactions: int) -> int:
    """The batch with which an epoch has neither too few steps nor too many."""
    while batch > max(SMALLEST_BATCH, interactions / STEPS):
        batch //= 2
    while batch < min(LARGEST_BATCH, interactions / MOST_STEPS):
        batch *= 2
    return batch


def usual_values(model: str, config: type[ModelSettings], size: DataSize) -> dict[str, Any]:
    """What a model has in place of its fields' and the training loop's defaults where nobody says otherwise.

    That is, its own defaults of the training loop, and its default preset for data of this size.
    """
    preset = preset_values(model, config, config.default_preset, size) if config.default_preset else {}
    return {**config.training_defaults, **preset}


def _advice(cls: type[Settings], field: str, found: object) -> str:
    """The nearest of the words that the field may be, or where to read on."""
    annotation = cls.model_fields[field].annotation if field in cls.model_fields else None
    close = closest(found, get_args(annotation)) if isinstance(found, str) else None
    return (
        f"Did you mean {close!r}?"
        if close
        else f"See the description of {field} in the configuration reference."
    )


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        StorageError: the file does not exist, cannot be read or is not TOML.
    """
    require_file(path, "a TOML file")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise StorageError(
            expected="valid TOML", found=str(error), where=str(path), fix="Correct that line and try again."
        ) from None

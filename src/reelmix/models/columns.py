"""Some of the columns of every table: models whose columns meet in scores alone can be held in parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from reelmix.errors import ConfigError


class Columns:
    """Where a model's columns meet. A model that holds all of them needs nothing of anybody."""

    def summed(self, partial: Tensor) -> Tensor:
        """The sum, over all who hold columns, of what each has of theirs; its gradient passes unchanged."""
        return partial

    def shared(self, parameter: Tensor) -> Tensor:
        """A parameter that all hold whole, where columns use it: its gradient is summed over all of them."""
        return parameter


def keep_columns(model: nn.Module, axes: Mapping[str, int], first: int, last: int) -> None:
    """Leaves a built model the columns from ``first`` to before ``last`` of every table.

    Args:
        model: whose tables.
        axes: the axis of the columns, by the names of the parameters and buffers that have them.
        first, last: which.
    """
    for name, axis in axes.items():
        path, _, leaf = name.rpartition(".")
        owner = model.get_submodule(path)
        tensor = cast(Tensor, getattr(owner, leaf))
        kept = tensor.detach().narrow(axis, first, last - first).clone()
        if isinstance(tensor, nn.Parameter):
            tensor.data = kept
        else:
            setattr(owner, leaf, kept)


def columns_mix(found: str, fix: str) -> ConfigError:
    """The error of a model that cannot be held in parts."""
    return ConfigError(
        expected="columns that meet in the scores alone",
        found=found,
        where="parallel = columns",
        fix=f"{fix}, or set parallel = data.",
    )

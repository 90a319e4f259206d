"""P-values of several tests, adjusted for their number."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from reelmix.errors import DataError

Comparison = TypeVar("Comparison", bound=Hashable)


def holm(p_values: Mapping[Comparison, float]) -> dict[Comparison, float]:
    """P-values adjusted for their number: reject those at most alpha, and any error at all has chance alpha.

    The i-th smallest of m is multiplied by m - i + 1, is at least the one before it, and at most 1. No
    assumption on how the tests depend on each other. Holm, "A simple sequentially rejective multiple test
    procedure", Scandinavian Journal of Statistics 6, 1979.

    Args:
        p_values: of each comparison, between 0 and 1.

    Returns:
        The adjusted ones, in the order of ``p_values``.

    Raises:
        DataError: one is not between 0 and 1.
    """
    for name, p_value in p_values.items():
        if not 0 <= p_value <= 1:
            raise DataError(
                expected="a p-value between 0 and 1",
                found=str(p_value),
                where=str(name),
                fix="Leave out comparisons that were not made.",
            )
    adjusted: dict[Comparison, float] = {}
    largest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}

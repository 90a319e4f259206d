"""Is a difference more than chance? Paired comparisons over users, and the spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any, cast

import numpy as np
from jaxtyping import Float, Float64
from scipy import stats

from reelmix.errors import ConfigError, DataError

_BLOCK_DRAWS = 1 << 16
"""Users drawn at once: their numbers and values stay in a core's level-2 cache. One sample is never cut."""

_BLOCK_SIGNS = 1 << 18
"""Signs drawn at once: as many numbers fill two megabytes. One sample is never cut."""

_DECIMALS = 12
"""0.3 - 0.2 and 0.2 - 0.1 differ in their 17th digit and would not tie; real differences are above 1e-12."""


@dataclass(frozen=True)
class Interval:
    """A mean difference and the interval that holds the true one at the level that was asked for.

    Attributes:
        difference: first minus second, in the unit of the metric.
        low: lower end.
        high: upper end.
    """

    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A number that was measured ``n`` times, as a rule with as many seeds.

    Attributes:
        mean: the mean of the measurements.
        spread: their sample standard deviation (divisor n - 1); None if there is but one.
        n: how many there were.
    """

    mean: float
    spread: float | None
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Estimate:
        """The estimate from these measurements, all in one unit.

        Raises:
            DataError: there is none, or one is not finite.
        """
        numbers = [float(value) for value in values]
        for place, number in enumerate(numbers):
            if not math.isfinite(number):
                raise DataError(
                    expected="finite measurements",
                    found=str(number),
                    where=f"measurement {place}",
                    fix="Look at the run that gave it, or leave it out and say so.",
                )
        if not numbers:
            raise DataError(
                expected="at least one measurement", found="none", fix="Show what was not measured as None."
            )
        return cls(mean(numbers), stdev(numbers) if len(numbers) > 1 else None, len(numbers))


def paired_bootstrap(
    first: Float[np.ndarray, " user"],
    second: Float[np.ndarray, " same_user"],
    *,
    rng: int,
    samples: int = 10_000,
    level: float = 0.95,
) -> Interval:
    """The percentile interval of the mean difference, resampling users (Efron and Tibshirani 1993, ch. 13).

    Users without a difference add nothing to a mean: how many of the others a sample holds is drawn from the
    binomial distribution, and then only those. In most comparisons they are the smaller part.

    Args:
        first: a metric of each user under one model.
        second: the same metric of the same users, in the same order, under another.
        rng: seed.
        samples: how many times the users are drawn anew, at least 1; 10,000 settle both ends to within a
            hundredth of the interval's width.
        level: the share of such intervals that hold the true difference, between 0 and 1.

    Raises:
        ConfigError: ``samples`` or ``level`` is out of range.
        DataError: the vectors differ in length, are shorter than 2 or hold a number that is not finite.
    """
    _require_samples(samples)
    if not 0 < level < 1:
        raise ConfigError(
            expected="a level between 0 and 1",
            found=str(level),
            where="level",
            fix="Write 0.95 for a 95 % interval.",
        )
    differences = _differences(first, second)
    means = _resampled_means(differences, samples, np.random.default_rng(rng))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(differences.mean()), float(low), float(high))


def _resampled_means(
    values: Float64[np.ndarray, " user"], samples: int, generator: np.random.Generator
) -> Float64[np.ndarray, " samples"]:
    """The mean of each sample of as many users, drawn with replacement; in memory are a few at a time."""
    others = values[values != 0]
    means = np.zeros(samples)
    if not len(others):
        return means
    # All the sizes come first: the stream of draws after them is then the same for blocks of any size.
    sizes = generator.binomial(len(values), len(others) / len(values), samples)
    at_once = max(1, _BLOCK_DRAWS // len(values))
    for start in range(0, samples, at_once):
        part = sizes[start : start + at_once]
        drawn = others[generator.integers(0, len(others), part.sum())]
        of_sample = np.repeat(np.arange(len(part)), part)
        means[start : start + at_once] = np.bincount(of_sample, drawn, len(part)) / len(values)
    return means


def paired_randomisation(
    first: Float[np.ndarray, " user"],
    second: Float[np.ndarray, " same_user"],
    *,
    rng: int,
    samples: int = 100_000,
) -> float:
    """The two-sided p-value of the mean difference: how often is it as large if the models change places?

    In each sample every user's two values are exchanged by the toss of a coin; p is the share of samples
    whose mean difference is as far from 0 as the one that was measured, which counts as a sample too. It asks
    about the mean, and assumes nothing of how metrics are distributed. It is advised, and Wilcoxon's test is
    not, by Smucker, Allan & Carterette, "A comparison of statistical significance tests for information
    retrieval evaluation", CIKM 2007, and, for lists of recommendations to thousands of users, by Ihemelandu &
    Ekstrand, "Inference at scale", SIGIR 2023. No difference at all gives 1.

    Args:
        first: a metric of each user under one model.
        second: the same metric of the same users, in the same order, under another.
        rng: seed.
        samples: how many are drawn, at least 1; p is never below 1 / (samples + 1).

    Raises:
        ConfigError: ``samples`` is out of range.
        DataError: the vectors differ in length, are shorter than 2 or hold a number that is not finite.
    """
    _require_samples(samples)
    differences = _differences(first, second).round(_DECIMALS)
    others = differences[differences != 0]
    if not len(others):
        return 1.0
    generator = np.random.default_rng(rng)
    whole, slack = others.sum(), 1e-9 * np.abs(others).sum()
    as_large = 0
    at_once = max(1, _BLOCK_SIGNS // len(others))
    for start in range(0, samples, at_once):
        part = min(at_once, samples - start)
        coins = np.unpackbits(generator.integers(0, 256, (part, -(-len(others) // 8)), np.uint8), axis=1)
        kept = coins[:, : len(others)].astype(np.float64) @ others
        as_large += int((np.abs(2 * kept - whole) >= abs(whole) - slack).sum())
    return (1 + as_large) / (1 + samples)


def wilcoxon(first: Float[np.ndarray, " user"], second: Float[np.ndarray, " same_user"]) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test: are the differences symmetric about 0?

    Users without a difference are ranked with the others and then left out ("pratt"; Pratt, "Remarks on zeros
    and ties in the Wilcoxon signed rank procedures", JASA 54, 1959), for two reasons. With the usual way
    ("wilcox": they are left out first), raising the better model's metric of every user can make its lead
    less significant. And at short cuts both models miss most users: the rank of a difference should be its
    place among all of them. No difference at all gives 1.

    Args:
        first: a metric of each user under one model.
        second: the same metric of the same users, in the same order, under another.

    Raises:
        DataError: the vectors differ in length, are shorter than 2 or hold a number that is not finite.
    """
    differences = _differences(first, second).round(_DECIMALS)
    if not differences.any():
        return 1.0
    return float(cast(Any, stats.wilcoxon(differences, zero_method="pratt")).pvalue)


def _require_samples(samples: int) -> None:
    if samples < 1:
        raise ConfigError(
            expected="at least 1 sample", found=str(samples), where="samples", fix="Ask for 10,000 or so."
        )


def _differences(
    first: Float[np.ndarray, " user"], second: Float[np.ndarray, " same_user"]
) -> Float64[np.ndarray, " user"]:
    """First minus second, once both are known to be the metrics of two or more users."""
    if len(first) != len(second):
        raise DataError(
            expected="a metric of the same users from both models",
            found=f"{len(first):,} and {len(second):,} users",
            where="first and second",
            fix="Evaluate both on one split, and keep the order of the users.",
        )
    if len(first) < 2:
        raise DataError(
            expected="at least 2 users",
            found=str(len(first)),
            where="first and second",
            fix="Compare on a larger test set.",
        )
    for name, values in (("first", first), ("second", second)):
        finite = np.isfinite(values)
        if not finite.all():
            row = int(np.argmin(finite))
            raise DataError(
                expected="a finite metric of every user",
                found=str(values[row]),
                where=f"{name}, row {row}",
                fix="Leave that user out of both vectors.",
            )
    return np.subtract(first, second, dtype=np.float64)

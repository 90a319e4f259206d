"""One model held against others, user by user: differences, their intervals, and whether they are chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reelmix.holm import holm
from reelmix.study.cells import Outcome
from reelmix.study.plan import per_user, written
from reelmix.study.statistics import paired_bootstrap, paired_randomisation, wilcoxon
from reelmix.study.table import Column, Row, Table

Pair = tuple[str, str]
"""The other model, and the metric."""

CONFIRMED = 0.05
"""The p-value below which a difference is called confirmed."""


def paired_tests(
    name: str,
    title: str,
    model: str,
    ours: Sequence[Outcome],
    others: Mapping[str, Sequence[Outcome]],
    metrics: Sequence[str],
) -> Table:
    """The table of paired tests of one model against others, at each of these metrics.

    Two tests, since they ask two things: whether the difference of the means is chance (randomisation), and
    whether differences lie evenly about 0 by their ranks (Wilcoxon). Where metrics are averaged over seeds
    ranks count many users whom one seed served as much as few whom all seeds did, so that one mean can be far
    ahead of another and the ranks be even. Each is corrected by Holm over the models of a metric.

    Args:
        name, title: of the table.
        model: the name to show of the model that is held against the others.
        ours: what was measured of it.
        others: what was measured of the others, by the names to show.
        metrics: as name@P.
    """
    differences: dict[Pair, tuple[float, float, float]] = {}
    of_mean: dict[Pair, float] = {}
    of_ranks: dict[Pair, float] = {}
    pairs = [(other, metric) for other in others for metric in metrics]
    for pair in pairs:
        first, second = per_user(ours, pair[1]), per_user(others[pair[0]], pair[1])
        interval = paired_bootstrap(first, second, rng=0)
        differences[pair] = (interval.difference, interval.low, interval.high)
        of_mean[pair] = paired_randomisation(first, second, rng=0)
        of_ranks[pair] = wilcoxon(first, second)
    p_mean, p_ranks = _of_each_metric(of_mean), _of_each_metric(of_ranks)
    rows = [
        Row((pair[0], written(pair[1]), *differences[pair], p_mean[pair], p_ranks[pair])) for pair in pairs
    ]
    return Table(
        name,
        title,
        (
            Column("Against"),
            Column("Metric"),
            Column("Difference", 4, "number"),
            Column("95 % from", 4, "number"),
            Column("to", 4, "number"),
            Column("p, mean", 4, "number"),
            Column("p, ranks", 4, "number"),
        ),
        tuple(rows),
        (
            f"Each user's metric is averaged over the seeds; differences are {model}'s less the other's. "
            "Intervals by paired bootstrap over users (10,000 samples). p of the mean difference by paired "
            "randomisation (100,000 samples), p of the ranks by the Wilcoxon signed rank test; both "
            f"two-sided and corrected by Holm over the {len(others)} models of a metric. 0.0000 means less "
            "than 0.00005.",
            _altogether(of_mean, of_ranks),
        ),
    )


def _of_each_metric(p_values: Mapping[Pair, float]) -> dict[Pair, float]:
    """Corrected over the models of each metric."""
    found: dict[Pair, float] = {}
    for metric in {metric for _, metric in p_values}:
        found |= holm({pair: p for pair, p in p_values.items() if pair[1] == metric})
    return found


def _altogether(of_mean: Mapping[Pair, float], of_ranks: Mapping[Pair, float]) -> str:
    """How many differences would be confirmed if all of the table were corrected together."""
    by_mean, by_ranks = (
        sum(p < CONFIRMED for p in holm(p_values).values()) for p_values in (of_mean, of_ranks)
    )
    return (
        f"Corrected over all {len(of_mean)} rows together, {by_mean} of them are below {CONFIRMED} by the "
        f"mean and {by_ranks} by the ranks."
    )

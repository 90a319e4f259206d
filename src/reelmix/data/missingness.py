"""Whether the items that lack a modality are others than those that have it: less popular, or older."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Bool, Int, Num
from scipy import stats

from reelmix.data.dataset import Dataset
from reelmix.holm import holm

Quantity = Literal["popularity", "age"]

LEVEL = 0.05
"""A tendency is stated from this p-value downwards."""

TENTHS = 10

_EXACT_ITEMS = 1000
"""Up to here SciPy may count the exact distribution: for eight items against 10,000 that takes a second."""


@dataclass(frozen=True)
class Tendency:
    """Whether having a modality goes with popularity or with age.

    ``chance`` is that of a random item with the modality to exceed a random one without it; a tie counts
    half. This is the common-language effect size (McGraw and Wong, "A common language effect size statistic",
    Psychological Bulletin 111, 1992), which is U over the number of pairs (Mann and Whitney, "On a test of
    whether one of two random variables is stochastically larger than the other", Annals of Mathematical
    Statistics 18, 1947), and the area under the ROC curve.

    Attributes:
        modality: its name.
        quantity: "popularity", in interactions, over all items; or "age", the time of an item's first
            interaction, which stands for that of its upload, over items with interactions. The earliest of
            many times tends to be earlier than that of few: this age partly repeats popularity.
        items_with, items_without: how many items were compared.
        chance: that the one with the modality is more popular or newer, 0 to 1; 0.5 is no tendency.
        median_with, median_without: interactions, or time of the first one in the unit of the timestamps.
        uncorrected_p_value: of the two-sided Mann-Whitney test.
        p_value: the same after Holm's correction over all tendencies of the dataset.
    """

    modality: str
    quantity: Quantity
    items_with: int
    items_without: int
    chance: float
    median_with: float
    median_without: float
    uncorrected_p_value: float
    p_value: float

    def sentence(self) -> str:
        """What was found, for a person."""
        digits = 2 if self.p_value > 0.1 else 3
        p_value = "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.{digits}f}"
        numbers = f"{self.chance:.1%} of pairs".replace("%", " %")
        popularity = self.quantity == "popularity"
        medians = (
            f"; median {self.median_with:,.10g} and {self.median_without:,.10g} interactions" * popularity
        )
        if self.p_value >= LEVEL:
            beats = "is more popular" if popularity else "is newer"
            return (
                f"no sign that missing {self.modality} goes with {self.quantity}: an item with it {beats} "
                f"than one without in {numbers} ({p_value}{medians})"
            )
        high, low = ("more popular", "less popular") if popularity else ("newer", "older")
        beats = "beats" if popularity else "is newer than"
        winner, loser, chance = "with it", "without", self.chance
        if self.chance < 0.5:
            winner, loser, chance = "without it", "with it", 1 - self.chance
        share = f"{chance:.1%} of pairs".replace("%", " %")
        return (
            f"items without {self.modality} are {low if self.chance > 0.5 else high}: "
            f"an item {winner} {beats} one {loser} in {share} ({p_value}{medians})"
        )


@dataclass(frozen=True)
class Tenths:
    """The coverage of each modality in tenths of the items.

    Attributes:
        quantity: what the items are ordered by: "popularity", from the least popular of all items; or "age",
            from the earliest first interaction, of the items with interactions. Ties are in the order of the
            dataset's items.
        items: how many are in each tenth; tenths differ by one at most.
        shares: of each modality, the share of each tenth that has it, 0 to 1; None in an empty tenth.
    """

    quantity: Quantity
    items: tuple[int, ...]
    shares: dict[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class Missingness:
    """What goes with a missing modality.

    Attributes:
        tendencies: of each modality that some but not all items lack: all on popularity, then all on age.
        tenths: by popularity; and by age, if there are timestamps.
    """

    tendencies: tuple[Tendency, ...]
    tenths: tuple[Tenths, ...]


def missingness(dataset: Dataset) -> Missingness:
    """Compares the items that were observed to have a modality with those that lack it."""
    quantities = _quantities(dataset)
    found = [
        tendency
        for quantity, (items, values) in quantities.items()
        for name in dataset.modalities
        for tendency in _tendency(name, quantity, values, dataset.observed(name)[items])
    ]
    keys = [f"{one.quantity} {one.modality}" for one in found]
    adjusted = holm({key: one.uncorrected_p_value for key, one in zip(keys, found, strict=True)})
    return Missingness(
        tuple(replace(one, p_value=adjusted[key]) for key, one in zip(keys, found, strict=True)),
        tuple(_tenths(dataset, quantity, items, values) for quantity, (items, values) in quantities.items()),
    )


def _quantities(
    dataset: Dataset,
) -> Mapping[Quantity, tuple[Int[np.ndarray, " some_item"], Num[np.ndarray, " some_item"]]]:
    """Rows of the items that have the quantity, and how much."""
    pairs = dataset.interactions
    popularity = np.bincount(pairs.items, minlength=dataset.n_items)
    found: dict[Quantity, tuple[np.ndarray, np.ndarray]] = {
        "popularity": (np.arange(dataset.n_items), popularity)
    }
    if pairs.timestamps is not None and len(pairs):
        order = np.lexsort((pairs.timestamps, pairs.items))
        items, first = np.unique(pairs.items[order], return_index=True)
        found["age"] = (items, pairs.timestamps[order][first])
    return found


def _tendency(
    name: str, quantity: Quantity, values: Num[np.ndarray, " item"], has: Bool[np.ndarray, " item"]
) -> Iterator[Tendency]:
    """The tendency with its p-value not yet corrected; none where there is nothing to compare."""
    if has.all() or not has.any():
        return
    distinct, ranks = np.unique(values, return_inverse=True)  # times in nanoseconds are no exact floats
    high, low = ranks[has], ranks[~has]
    chance, p_value = 0.5, 1.0  # of all ties: the test divides by their spread
    if len(distinct) > 1:
        method = "auto" if len(values) <= _EXACT_ITEMS else "asymptotic"
        test = cast(Any, stats.mannwhitneyu(high, low, alternative="two-sided", method=method))
        chance, p_value = float(test.statistic) / (len(high) * len(low)), float(test.pvalue)
    yield Tendency(
        modality=name,
        quantity=quantity,
        items_with=len(high),
        items_without=len(low),
        chance=chance,
        median_with=float(np.median(values[has])),
        median_without=float(np.median(values[~has])),
        uncorrected_p_value=p_value,
        p_value=p_value,
    )


def _tenths(
    dataset: Dataset,
    quantity: Quantity,
    items: Int[np.ndarray, " some_item"],
    values: Num[np.ndarray, " some_item"],
) -> Tenths:
    tenth = np.empty(len(items), np.int64)
    tenth[np.argsort(values, kind="stable")] = np.arange(len(items)) * TENTHS // max(1, len(items))
    counts = np.bincount(tenth, minlength=TENTHS)
    shares: dict[str, tuple[float | None, ...]] = {}
    for name in dataset.modalities:
        having = np.bincount(tenth[dataset.observed(name)[items]], minlength=TENTHS)
        shares[name] = tuple(
            part / whole if whole else None
            for part, whole in zip(having.tolist(), counts.tolist(), strict=True)
        )
    return Tenths(quantity, tuple(counts.tolist()), shares)

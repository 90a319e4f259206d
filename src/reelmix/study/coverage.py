"""Pictures of what a dataset lacks: by combination of modalities, by popularity and by age."""

from __future__ import annotations

from collections.abc import Sequence

from reelmix.data.describe import CombinationDescription, Description
from reelmix.data.missingness import TENTHS, Quantity
from reelmix.study.figure import Bars, Figure, Lines, Series

MOST_COMBINATIONS = 10
"""Bars that can still be read; the rarer combinations share one bar."""

_ORDERS: dict[Quantity, tuple[str, str, str]] = {
    "popularity": (
        "Coverage by popularity",
        "tenth of the items, least to most popular",
        "The items in ten equal parts by their number of interactions; ties in the order of the dataset.",
    ),
    "age": (
        "Coverage by age",
        "tenth of the items, oldest to newest",
        "The items with interactions in ten equal parts by the time of their first one, which stands for "
        "that of their upload; ties in the order of the dataset.",
    ),
}


def coverage_figures(found: Description) -> tuple[Figure, ...]:
    """The figures of a description: without modalities there are no lines, without timestamps no age."""
    figures = [_combinations(found)]
    if found.modalities:
        for tenths in found.missingness.tenths:
            title, x_label, caption = _ORDERS[tenths.quantity]
            series = tuple(
                Series(name, tuple(None if share is None else _percent(share) for share in shares))
                for name, shares in tenths.shares.items()
            )
            x = tuple(float(tenth) for tenth in range(1, TENTHS + 1))
            chart = Lines(x, x_label, series, "items with it, %")
            figures.append(Figure(f"coverage_{tenths.quantity}", f"{title}: {found.name}", caption, chart))
    return tuple(figures)


def _combinations(found: Description) -> Figure:
    shown: Sequence[CombinationDescription] = found.combinations
    rest: Sequence[CombinationDescription] = ()
    if len(shown) > MOST_COMBINATIONS:
        shown, rest = shown[: MOST_COMBINATIONS - 1], shown[MOST_COMBINATIONS - 1 :]
    names = tuple(one.name for one in found.modalities)
    groups = [_name(one.modalities, names) for one in shown]
    items = [_percent(one.item_share) for one in shown]
    interactions = [_percent(one.interaction_share) for one in shown]
    if rest:
        groups.append(f"{len(rest)} others")
        items.append(_percent(sum(one.item_share for one in rest)))
        interactions.append(_percent(sum(one.interaction_share for one in rest)))
    return Figure(
        "coverage_combinations",
        f"Coverage by combination: {found.name}",
        "Each item counts once, in the group that names exactly what it has.",
        Bars(
            tuple(groups),
            (Series("items", tuple(items)), Series("interactions", tuple(interactions))),
            "share, %",
        ),
    )


def _name(has: tuple[str, ...], names: tuple[str, ...]) -> str:
    """A combination in few letters, as under a bar."""
    if not has:
        return "none"
    lacks = [name for name in names if name not in has]
    if not lacks and len(has) > 1:
        return "all"
    if len(lacks) == 1 and len(has) > 1:
        return f"all but {lacks[0]}"
    return " + ".join(has)


def _percent(share: float) -> float:
    """In percent, to the millionth: 13.1 and not 13.100000000000001."""
    return round(100 * share, 6)

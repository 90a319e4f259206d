"""Lookalikes of all items beside the same in double precision, and implicit's similar items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from by_implicit import INSTALLED, LEFT_OUT, implicit_similar
from floor import Ceilings, ranking_floor
from measure import Line, in_turns, uncached
from plain import plain_lookalikes
from reelmix.data import DenseFeatures
from reelmix.graph.lookalikes import directions, similar_items

ITEMS, SIZE, NEIGHBOURS = 20_000, 128, 10


def lines(repeats: int, best: Ceilings) -> list[Line]:
    """Seconds to find the most similar others of every item, none of them from the cache."""
    features = clumps(np.random.default_rng(0), ITEMS, SIZE)
    content = directions(features)
    jobs: dict[str, Callable[[], Any]] = {
        "ours": uncached(lambda: similar_items(features, ITEMS, NEIGHBOURS)),
        "plain": lambda: plain_lookalikes(content, NEIGHBOURS),
    }
    if INSTALLED:
        jobs["implicit"] = implicit_similar(content.astype(np.float32), NEIGHBOURS)
    else:
        print(LEFT_OUT)
    taken = in_turns(jobs, repeats)
    (wall, cpu), what = taken["ours"], f"lookalikes of {ITEMS:,} items x {SIZE}"
    found = [
        Line(what, wall, "s", name, one.wall, "faster", None, note, cpu, one.cpu)
        for name, note, one in (
            ("double precision, argpartition", "", taken["plain"]),
            *([("implicit's similar_items", "ties as they come", taken["implicit"])] if INSTALLED else []),
        )
    ]
    floor = ranking_floor(ITEMS, ITEMS, SIZE, best)
    return [*found, Line(what, wall, "s", "floor", floor, "within", None, "product and one pass", cpu)]


def clumps(rng: np.random.Generator, n_items: int, size: int) -> DenseFeatures:
    """Content in clumps, as that of videos is."""
    centres = rng.normal(size=(50, size))
    values = centres[rng.integers(50, size=n_items)] + 0.3 * rng.normal(size=(n_items, size))
    return DenseFeatures(np.arange(n_items, dtype=np.int32), values.astype(np.float32))

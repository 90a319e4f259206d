"""The best ten of a million items for one person: exact, beside one read and implicit, and by the index.

The items are clumps of random vectors and the users sums of a few items (``serve.made_up``): an index of pure
noise would find nothing near anything, and one of real items is not at hand at this size.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from by_implicit import INSTALLED, LEFT_OUT, implicit_lists
from floor import Ceilings, top_n_floor
from measure import Line, in_turns, timed
from reelmix.extras import optional
from reelmix.recommender import Recommender
from reelmix.recommender.index import Index
from reelmix.recommender.recommender import Taste
from serve import DIM, made_up

ITEMS, USERS, LENGTH = 1_000_000, 20_000, 10
ASKED = 300
"""The first users, who are asked for; by the others the index finds out how many lists are enough."""

WITHIN_READ, RECALL, FASTER_THAN_EXACT = 1.5, 0.95, 10.0


def lines(repeats: int, best: Ceilings, n_items: int = ITEMS) -> list[Line]:
    """Exact and approximate lists of people, made up at random, what they have seen left out."""
    run = made_up(n_items, USERS)
    exact, tastes = Recommender(run), _tastes(Recommender(run))
    items, vector = exact.vectors.items, tastes[0].vector
    whole = torch.from_numpy(items)
    ours, by_id, flat = cycle(tastes), cycle(range(ASKED)), whole.view(-1)
    jobs: dict[str, Callable[[], Any]] = {
        "ours": lambda: exact.recommend_for_taste(next(ours), LENGTH),
        "by id": lambda: exact.recommend(run.users.take(np.array([next(by_id)]))[0], LENGTH),
        "product": lambda: items @ vector,
        "sum": flat.sum,
    }
    if INSTALLED:
        jobs["implicit"] = by_implicit(exact)
    else:
        print(LEFT_OUT)
    taken = in_turns(jobs, 5 * repeats)
    wall, cpu = taken["ours"]
    what, made = f"top {LENGTH} of {n_items:,} x {DIM}", "made up: clumps"
    found = [
        _milliseconds(what, wall, "matrix-vector product", taken["product"].wall, made, cpu, WITHIN_READ),
        _milliseconds(what, wall, "sum over the matrix", taken["sum"].wall, made, cpu),
        _milliseconds(what, wall, "floor", top_n_floor(n_items, DIM, best), "one read", cpu),
        _milliseconds(
            what + ", by user id",
            taken["by id"].wall,
            "matrix-vector product",
            taken["product"].wall,
            "",
            cpu,
        ),
    ]
    if its := taken.get("implicit"):
        found.append(
            Line(
                what,
                1e3 * wall,
                "ms",
                "implicit",
                1e3 * its.wall,
                "faster",
                None,
                made,
                1e3 * cpu,
                1e3 * its.cpu,
            )
        )
    return found + index_lines(exact, tastes, repeats)


def by_implicit(exact: Recommender) -> Callable[[], np.ndarray]:
    """implicit's list of one person after another, once a few have been compared with ours."""
    run, asked = exact.run, cycle(range(ASKED))
    lists = implicit_lists(run.vectors.users, run.vectors.items, exact.seen)
    for row in range(5):
        ours = exact.recommend(run.users.take(np.array([row]))[0], LENGTH)
        theirs = run.items.take(lists(np.array([row]), LENGTH)[0])
        assert {line.id for line in ours} == {*theirs}, "implicit gives other lists"
    return lambda: lists(np.array([next(asked)]), LENGTH)


def index_lines(exact: Recommender, tastes: Sequence[Taste], repeats: int) -> list[Line]:
    """What the index finds of the exact lists, and how many lists it makes in the time of one."""
    try:
        optional("faiss", "serve")
    except Exception as missing:  # whatever optional raises says what to install
        print(f"the lines on the index are left out: {missing}")
        return []
    built: list[Index] = []
    building = timed(lambda: built.append(Index(exact.vectors.items, exact.vectors.users[ASKED:])))
    near = Recommender(exact.run, built[0])
    shares = []
    for taste in tastes:
        true = {line.id for line in exact.recommend_for_taste(taste, LENGTH)}
        lines = near.recommend_for_taste(taste, LENGTH)
        assert len(lines) == LENGTH, "the index gives a shorter list"
        shares.append(sum(line.id in true for line in lines) / LENGTH)
    first, second = cycle(tastes), cycle(tastes)
    taken = in_turns(
        {
            "near": lambda: [near.recommend_for_taste(next(first), LENGTH) for _ in range(10)],
            "exact": lambda: exact.recommend_for_taste(next(second), LENGTH),
        },
        5 * repeats,
    )
    cores = os.cpu_count() or 1
    with threadpool_limits(1), ThreadPoolExecutor(cores) as pool:
        together = in_turns(
            {
                "near": lambda: [*pool.map(near.recommend_for_taste, islice(first, 10 * cores))],
                "exact": lambda: [*pool.map(exact.recommend_for_taste, islice(second, cores))],
            },
            5 * repeats,
        )
    what = f"index of {len(exact.run.items):,}"
    looked = f"{built[0].looked_at} lists looked at, built in {building.wall:.0f} s"
    return [
        Line(
            f"{what}, recall@{LENGTH}",
            float(np.mean(shares)),
            "",
            relation="at least",
            target=RECALL,
            note=f"{len(tastes)} people whom it did not try, seen left out",
        ),
        Line(
            f"{what}, one list",
            100 * taken["near"].wall,
            "ms",
            "exact list",
            1000 * taken["exact"].wall,
            "faster",
            FASTER_THAN_EXACT,
            looked,
        ),
        Line(
            f"{what}, {cores} lists side by side",
            100 * together["near"].wall / cores,
            "ms",
            "exact lists, too",
            1000 * together["exact"].wall / cores,
            "faster",
            FASTER_THAN_EXACT,
            "milliseconds a list; a core for each, as the server does",
        ),
    ]


def _tastes(recommender: Recommender) -> list[Taste]:
    return [recommender.taste(identifier) for identifier in recommender.run.users.take(np.arange(ASKED))]


def _milliseconds(
    what: str,
    wall: float,
    reference: str,
    reference_wall: float,
    note: str,
    cpu: float,
    target: float | None = None,
) -> Line:
    return Line(what, 1000 * wall, "ms", reference, 1000 * reference_wall, "within", target, note, 1000 * cpu)

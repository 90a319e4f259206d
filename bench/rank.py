"""Full-ranking evaluation beside the least that ranks at all, a product and topk, and implicit's lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array

from by_implicit import INSTALLED, LEFT_OUT, implicit_lists
from floor import Ceilings, ranking_floor
from measure import Line, in_turns
from plain import plain_ranking
from reelmix.data import Split
from reelmix.evaluation import EvaluationConfig, VectorScorer, evaluate
from reelmix.evaluation.ranking import top_n

DIM, DEPTH, BLOCK = 64, 20, 1024
SECONDS, WITHIN_PRODUCT = 0.5, 2.0


def lines(split: Split, repeats: int, best: Ceilings) -> list[Line]:
    """Scoring and ranking every test user, with all metrics at 1, 5, 10 and 20 and coverage."""
    rng = np.random.default_rng(0)
    users = rng.normal(size=(split.dataset.n_users, DIM)).astype(np.float32)
    items = rng.normal(size=(split.dataset.n_items, DIM)).astype(np.float32)
    relevant, exclude = split.matrix("test"), split.matrix("train") + split.matrix("validation")
    config = EvaluationConfig()
    found = evaluate(VectorScorer(users, items), relevant=relevant, exclude=exclude, config=config)
    for name, value in plain_ranking(users, items, relevant, exclude, DEPTH).items():
        assert abs(found.metrics[name] - value) < 1e-3, name
    jobs: dict[str, Callable[[], Any]] = {
        "ours": lambda: evaluate(
            VectorScorer(users, items), relevant=relevant, exclude=exclude, config=config
        ),
        "plain": lambda: plain_ranking(users, items, relevant, exclude, DEPTH),
        "product": lambda: product_and_topk(users[found.users], items),
    }
    if INSTALLED:
        jobs["implicit"] = by_implicit(users, items, exclude, found.users)
    else:
        print(LEFT_OUT)
    taken = in_turns(jobs, repeats)
    (wall, cpu), plain, product = taken["ours"], taken["plain"], taken["product"]
    what = f"rank {len(found.users):,} users x {split.dataset.n_items:,} items"
    floor = ranking_floor(len(found.users), split.dataset.n_items, DIM, best)
    timings = [
        Line(what, wall, relation="at most", target=SECONDS, cpu=cpu),
        Line(what, wall, "s", "plain, metrics @20", plain.wall, "faster", cpu=cpu, reference_cpu=plain.cpu),
        Line(
            what,
            wall,
            "s",
            "product + topk",
            product.wall,
            "within",
            WITHIN_PRODUCT,
            "it neither masks nor measures",
            cpu,
            product.cpu,
        ),
        Line(what, wall, "s", "floor", floor, "within", note="product + one pass", cpu=cpu),
    ]
    if its := taken.get("implicit"):
        note = "it does not measure"
        timings.append(Line(what, wall, "s", "implicit", its.wall, "faster", None, note, cpu, its.cpu))
    return timings


def by_implicit(
    users: np.ndarray, items: np.ndarray, exclude: csr_array, rows: np.ndarray
) -> Callable[[], np.ndarray]:
    """implicit's lists of these users, once those of a few have been compared with ours."""
    lists, few = implicit_lists(users, items, exclude), rows[:50]
    scores = np.where(exclude[few].toarray() > 0, -np.inf, users[few] @ items.T)
    assert np.mean(top_n(scores, DEPTH).items == lists(few, DEPTH)) > 0.99, "implicit gives other lists"
    return lambda: lists(rows, DEPTH)


def product_and_topk(users: np.ndarray, items: np.ndarray, n: int = DEPTH, block: int = BLOCK) -> None:
    """Scores of a block of users at a time, and torch's selection from them; nothing masked or measured."""
    left, right = torch.from_numpy(users), torch.from_numpy(items).T
    for start in range(0, len(left), block):
        (left[start : start + block] @ right).topk(n, dim=1)

"""Full-ranking evaluation beside the least that ranks at all: a matrix product and torch's topk."""

from __future__ import annotations

import numpy as np
import torch

from floor import Ceilings, ranking_floor
from measure import Line, in_turns
from plain import plain_ranking
from reelmix.data import Split
from reelmix.evaluation import EvaluationConfig, VectorScorer, evaluate

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
    taken = in_turns(
        {
            "ours": lambda: evaluate(
                VectorScorer(users, items), relevant=relevant, exclude=exclude, config=config
            ),
            "plain": lambda: plain_ranking(users, items, relevant, exclude, DEPTH),
            "product": lambda: product_and_topk(users[found.users], items),
        },
        repeats,
    )
    (wall, cpu), plain, product = taken["ours"], taken["plain"], taken["product"]
    what = f"rank {len(found.users):,} users x {split.dataset.n_items:,} items"
    floor = ranking_floor(len(found.users), split.dataset.n_items, DIM, best)
    return [
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


def product_and_topk(users: np.ndarray, items: np.ndarray, n: int = DEPTH, block: int = BLOCK) -> None:
    """Scores of a block of users at a time, and torch's selection from them; nothing masked or measured."""
    left, right = torch.from_numpy(users), torch.from_numpy(items).T
    for start in range(0, len(left), block):
        (left[start : start + block] @ right).topk(n, dim=1)

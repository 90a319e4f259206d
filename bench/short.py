"""A few ratios in under a minute, compared with kept ones: has something become slow?

    python bench/short.py           exits 1 and names each ratio below half of what is kept
    python bench/short.py --keep    keeps the ratios found

Seconds say little on a machine that others use; how many times faster than a plain reference ours is, both
in turn in one process, says more. Each ratio is of a speed-up by a factor of three and more that comes from
fewer operations, not from more cores, and is the median of the ratios of neighbouring runs; one thread is
used and its CPU seconds are counted, which other programs disturb least.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from scipy.sparse import csr_array
from torch.nn import functional

from alike import clumps
from epoch import ours, require_equal, training
from measure import machine, timed, uncached
from plain import PlainDualGNN, plain_lookalikes, plain_user_graph
from reelmix.data import Card, Split
from reelmix.data.assemble import assemble
from reelmix.evaluation import EvaluationConfig, VectorScorer, evaluate
from reelmix.evaluation.ranking import top_n
from reelmix.graph.cooccurrence import user_graph
from reelmix.graph.lookalikes import directions, similar_items
from reelmix.graph.sparse import Chosen, SparseMatrix
from reelmix.models import DualGNN
from reelmix.training.config import TrainingConfig
from reelmix.training.negatives import NegativeSampler
from reelmix.training.trainer import Trainer
from worlds import power_law_pairs

KEPT = Path(__file__).with_name("ratios.json")
REPEATS = 5
TOLERATED = 0.5
"""Share of a kept ratio below which something has become slow."""

Pair = tuple[Callable[[], Any], Callable[[], Any]]


def run(*, keep: bool = False, kept_in: Path = KEPT) -> int:
    """Measures all ratios; the exit status.

    Args:
        keep: write them down instead of comparing.
        kept_in: the file of kept ratios.
    """
    found = {name: ratio(*pair) for name, pair in pairs().items()}
    if keep:
        content = {"about": machine(), "ratios": {name: round(value, 2) for name, value in found.items()}}
        kept_in.write_text(json.dumps(content, indent=2) + "\n")
        print(*(f"{name}: {value:.1f} times faster, kept" for name, value in found.items()), sep="\n")
        return 0
    kept: dict[str, float] = json.loads(kept_in.read_text())["ratios"]
    slow = [name for name, value in kept.items() if name in found and found[name] < TOLERATED * value]
    for name, value in found.items():
        before = f"kept {kept[name]:.1f}" if name in kept else "none kept"
        print(f"{name}: {value:.1f} times faster ({before}){'  SLOWER' if name in slow else ''}")
    for name in kept.keys() - found.keys():
        print(f"{name}: kept, but no longer measured")
    if slow:
        print(f"below {TOLERATED:g} of what is kept: {', '.join(slow)}", file=sys.stderr)
    return 1 if slow else 0


def ratio(ours: Callable[[], Any], theirs: Callable[[], Any]) -> float:
    """How many times more CPU seconds the reference takes: the median over neighbouring runs."""
    ours()
    theirs()
    found = [(timed(ours).cpu, timed(theirs).cpu) for _ in range(REPEATS)]
    return float(np.median([their / max(our, 1e-9) for our, their in found]))


def pairs() -> dict[str, Pair]:
    """Ours and a plain reference, by what they do."""
    split = small_split(np.random.default_rng(0))
    return training_pairs(split) | {
        "user graph": graph_pair(split),
        "lookalikes": lookalikes_pair(),
        "histories of a batch": histories_pair(),
        "top 10 of a full sort": sorting_pair(),
        "metrics of ranked lists": metrics_pair(),
        "negatives": negatives_pair(split),
    }


def training_pairs(split: Split) -> dict[str, Pair]:
    """A few steps of DualGNN beside plain torch; the ratio to PyTorch Geometric varies too much to keep."""
    model = DualGNN(embedding_size=64, neighbours=50, content="pca").build(split)
    trainer = Trainer(model, split, validate=lambda _: 0.0, config=TrainingConfig(batch_size=2048))
    batches = list(trainer._batches(1))
    references: dict[str, Any] = {"DualGNN, plain torch": PlainDualGNN(model, split)}
    for reference in references.values():
        require_equal(model, reference, batches[0])
    epoch = ours(trainer)
    return {name: (epoch, training(reference, batches)) for name, reference in references.items()}


def graph_pair(split: Split) -> Pair:
    """The user graph, uncached, beside dense blocks and sorted rows."""
    train = split.matrix("train")
    made = uncached(lambda: user_graph(train, 40))
    return made, lambda: plain_user_graph(train, 40, range(split.dataset.n_users))


def lookalikes_pair() -> Pair:
    """Items of similar content, uncached, beside the same in double precision and sorted rows."""
    features = clumps(np.random.default_rng(0), 3_000, 32)
    made = uncached(lambda: similar_items(features, 3_000, 10))
    return made, lambda: plain_lookalikes(directions(features), 10, whole_sort=True)


def histories_pair() -> Pair:
    """What 1,024 of 40,000 people watched, forwards and backwards, beside what everybody watched."""
    rng = np.random.default_rng(0)
    pairs = power_law_pairs(40_000, 2_000, 300_000, rng)
    ones = np.ones(len(pairs), np.float32)
    history = SparseMatrix(csr_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(40_000, 2_000)))
    items = torch.from_numpy(rng.normal(size=(2_000, 192)).astype(np.float32)).requires_grad_()
    users = torch.from_numpy(rng.choice(pairs[:, 0], 1_024))

    def some() -> torch.Tensor:
        return history.rows(Chosen(users, users), items)

    def everybody() -> torch.Tensor:
        return functional.embedding(users, history(items))

    assert torch.equal(some(), everybody())
    return lambda: some().sum().backward(), lambda: everybody().sum().backward()


def sorting_pair() -> Pair:
    """The best ten of 20,000 scores, of 300 people, beside numpy's stable sort of all scores."""
    scores = np.random.default_rng(0).normal(size=(300, 20_000)).astype(np.float32)
    assert np.array_equal(top_n(scores, 10).items, np.argsort(-scores, axis=1, kind="stable")[:, :10])
    return lambda: top_n(scores, 10), lambda: np.argsort(-scores, axis=1, kind="stable")[:, :10]


def metrics_pair() -> Pair:
    """Evaluation of 4,000 people over 1,000 items, beside one person after another."""
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(4_000, 16)), rng.normal(size=(1_000, 16))
    relevant, exclude = (csr_array((rng.random((4_000, 1_000)) < 0.01).astype(np.float32)) for _ in range(2))
    scorer = VectorScorer(users, items)

    def one_by_one() -> None:
        for row in range(4_000):
            scores = users[row] @ items.T
            scores[exclude.indices[exclude.indptr[row] : exclude.indptr[row + 1]]] = -np.inf
            order = np.argsort(-scores, kind="stable")[:20].tolist()
            wanted = set(relevant.indices[relevant.indptr[row] : relevant.indptr[row + 1]].tolist())
            hits = [item in wanted for item in order]
            for at in (1, 5, 10, 20):
                sum(hits[:at]) / max(len(wanted), 1)
                sum(1 / np.log2(rank + 2) for rank, hit in enumerate(hits[:at]) if hit)

    config = EvaluationConfig(metrics=("recall", "ndcg"))
    return lambda: evaluate(scorer, relevant=relevant, exclude=exclude, config=config), one_by_one


def negatives_pair(split: Split) -> Pair:
    """A negative for each interaction, beside drawing in a loop until one is not among the user's own."""
    train = split.matrix("train")
    sampler, rng = NegativeSampler(train), np.random.default_rng(0)
    users = np.repeat(np.arange(train.shape[0]), np.diff(train.indptr))
    seen = [set(row.tolist()) for row in np.split(train.indices, train.indptr[1:-1])]

    def loop() -> None:
        for user in users.tolist():
            while int(rng.integers(train.shape[1])) in seen[user]:
                pass

    return lambda: [sampler.draw(users, rng) for _ in range(5)], loop


def small_split(rng: np.random.Generator) -> Split:
    """3,000 people, 2,000 items, 16,000 interactions for training; two modalities of 64 numbers."""
    pairs = power_law_pairs(3_000, 2_000, 18_000, rng)
    labels = np.full(len(pairs), "train", dtype="<U10")
    chosen = rng.permutation(len(pairs))[:2_000]
    labels[chosen[:1_000]], labels[chosen[1_000:]] = "test", "validation"
    table = pl.DataFrame({"user_id": pairs[:, 0], "item_id": pairs[:, 1], "split": labels})
    ids = pl.Series(range(2_000))
    features = {
        name: (ids, rng.normal(size=(2_000, 64)).astype(np.float32)) for name in ("visual", "acoustic")
    }
    card = Card("small", "random, a power law", simulated=True)
    return assemble(table, pl.DataFrame({"item_id": ids}), features, card=card, where=Path("bench")).split()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keep", action="store_true", help="keep the ratios found")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["REELMIX_CACHE"] = cache
        return run(keep=arguments.keep)


if __name__ == "__main__":
    sys.exit(main())

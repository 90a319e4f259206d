"""An epoch of training: DualGNN beside plain torch, PyTorch Geometric and the floor; the others alone."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from floor import Ceilings, EpochSize, epoch_floor
from measure import Line, Taken, in_process, in_turns
from plain import PlainDualGNN
from pyg import INSTALLED, pyg_dualgnn
from reelmix.data import Dataset, Split
from reelmix.models import LRGCCF, MMGCN, STARGCN, VBPR, DualGNN, LightGCN, Model, Reelmix
from reelmix.models.base import Batch
from reelmix.training.config import TrainingConfig
from reelmix.training.trainer import Trainer
from worlds import shop_shaped

EPOCH, BATCH = "epoch of DualGNN, pca content", 2048
PYG_REPEATS = 3
"""Epochs of PyTorch Geometric's: one takes ten seconds and more."""

CPU_SECONDS = 1.0
FASTER_THAN_PYG, WITHIN_FLOOR, WITHIN_LIGHTGCN = 20.0, 3.0, 2.0


def lines(split: Split, repeats: int, best: Ceilings) -> list[Line]:
    """All lines on training."""
    return [
        *dualgnn(split, repeats, best),
        *with_item_ids(split, repeats),
        *others(split, repeats),
        wide(repeats),
    ]


def dualgnn(split: Split, repeats: int, best: Ceilings) -> list[Line]:
    """DualGNN with d = 64, L = 2, L' = 1, K = 50, pca content, batch 2048, and its references in turn."""
    model, trainer, batches = _dualgnn(split, item_ids=False)
    plain = PlainDualGNN(model, split)
    require_equal(model, plain, batches[0])
    epoch = ours(trainer)
    pyg_lines = beside_pyg(model, split, batches[0], min(repeats, PYG_REPEATS))
    taken = in_turns({"ours": epoch, "plain": training(plain, batches)}, repeats)
    (wall, cpu), theirs = taken["ours"], taken["plain"]
    floor = epoch_floor(epoch_size(model, split), best)
    return [
        Line(EPOCH, cpu, "s cpu", relation="at most", target=CPU_SECONDS, cpu=cpu),
        Line(EPOCH, wall, "s", "plain torch COO", theirs.wall, "faster", None, "", cpu, theirs.cpu),
        *pyg_lines,
        Line(EPOCH, wall, "s", "floor", floor, "within", WITHIN_FLOOR, "memory traffic", cpu),
    ]


def beside_pyg(model: DualGNN, split: Split, batch: Batch, repeats: int) -> list[Line]:
    """DualGNN in turn with PyTorch Geometric's, each in processes of its own; nothing without it.

    Tables of some megabytes come and go in every step, and how long the system takes to hand out their memory
    depends on what the process did before: side by side in one, the first to run would pay for both. Each is
    started as its users start it: ours with the variables that the command line sets, the other without, and
    once more with them.
    """
    if not INSTALLED:
        print("torch_geometric is not installed: the line that compares with it is left out")
        return []
    require_equal(model, pyg_dualgnn(model, split), batch)
    found: dict[str, list[Taken]] = {"ours": [], "pyg": [], "pyg, large pages": []}
    with tempfile.TemporaryDirectory() as folder:
        data = split.dataset.write(Path(folder) / "data")
        for _ in range(repeats):
            for job, taken in found.items():
                name = job.partition(",")[0]
                taken.append(Taken(**in_process("epoch.py", name, data, plainly=job == "pyg")))
    (wall, cpu), plain, ours = (
        Taken(*np.median(np.array(taken), axis=0).tolist()) for taken in found.values()
    )
    note = "each alone in its process, as its users start it"
    return [
        Line(EPOCH, wall, "s", "PyG", plain.wall, "faster", FASTER_THAN_PYG, note, cpu, plain.cpu),
        Line(EPOCH, wall, "s", "PyG, our variables", ours.wall, "faster", None, "", cpu, ours.cpu),
    ]


def with_item_ids(split: Split, repeats: int) -> list[Line]:
    """The same with item ids, beside plain torch."""
    model, trainer, batches = _dualgnn(split, item_ids=True)
    plain = PlainDualGNN(model, split)
    require_equal(model, plain, batches[0])
    taken = in_turns({"ours": ours(trainer), "plain": training(plain, batches)}, repeats)
    (wall, cpu), (plain_wall, plain_cpu) = taken["ours"], taken["plain"]
    what = EPOCH + " + item ids"
    return [Line(what, wall, "s", "plain torch COO", plain_wall, "faster", None, "", cpu, plain_cpu)]


def others(split: Split, repeats: int) -> list[Line]:
    """Every other trained model with its defaults; Reelmix beside our LightGCN."""
    models: list[Model] = [Reelmix(), LightGCN(), MMGCN(), VBPR(), LRGCCF(), STARGCN()]
    taken = in_turns({model.name: ours(_trainer(model, split)) for model in models}, repeats)
    found = [_beside_lightgcn("epoch of reelmix", taken)]
    return found + [
        Line(f"epoch of {name}", taken[name].wall, note="defaults", cpu=taken[name].cpu)
        for name in taken
        if name != "reelmix"
    ]


def wide(repeats: int) -> Line:
    """Reelmix beside our LightGCN where features are 4,096 and 384 wide, and users many."""
    split = shop_shaped(np.random.default_rng(0))
    models: list[Model] = [Reelmix(), LightGCN()]
    taken = in_turns({model.name: ours(_trainer(model, split)) for model in models}, repeats)
    return _beside_lightgcn("epoch of reelmix, 20,000 users, features 4,096 and 384 wide", taken)


def _beside_lightgcn(what: str, taken: dict[str, Taken]) -> Line:
    (wall, cpu), light = taken["reelmix"], taken["lightgcn"]
    return Line(what, wall, "s", "our lightgcn", light.wall, "within", WITHIN_LIGHTGCN, "", cpu, light.cpu)


def epoch_size(model: DualGNN, split: Split) -> EpochSize:
    """What the floor depends on."""
    n_triples, config = len(split.train.users), model.config
    return EpochSize(
        users=split.dataset.n_users,
        items=split.dataset.n_items,
        edges=n_triples,
        steps=-(-n_triples // BATCH),
        batch=BATCH,
        modalities=len(model.modalities),
        dim=config.embedding_size,
        layers=config.layers,
        neighbours=config.neighbours,
    )


def ours(trainer: Trainer) -> Callable[[], float]:
    """One epoch after another of our own."""
    epochs = iter(range(1, 10_000))
    return lambda: trainer._train_epoch(next(epochs))


def training(reference: Any, batches: list[Batch]) -> Callable[[], None]:
    """One epoch after another of a reference, on batches drawn beforehand."""
    optimiser = torch.optim.Adam(reference.parameters(), lr=1e-3)

    def epoch() -> None:
        for batch in batches:
            optimiser.zero_grad()
            reference.loss(batch).backward()
            optimiser.step()

    return epoch


def require_equal(model: DualGNN, reference: Any, batch: Batch) -> None:
    """Stops where a reference does not compute our loss."""
    our, their = model.loss(batch).item(), reference.loss(batch).item()
    assert abs(our - their) <= 1e-4 * abs(their), f"reference computes another loss: {our} and {their}"


def _dualgnn(split: Split, *, item_ids: bool) -> tuple[DualGNN, Trainer, list[Batch]]:
    settings = {"embedding_size": 64, "layers": 2, "user_layers": 1, "neighbours": 50, "content": "pca"}
    model = DualGNN(**settings, item_ids=item_ids)
    trainer = _trainer(model, split, TrainingConfig(batch_size=BATCH))
    return model, trainer, list(trainer._batches(1))


def _trainer(model: Model, split: Split, config: TrainingConfig | None = None) -> Trainer:
    config = config or TrainingConfig().suited(model.config.training_defaults)
    return Trainer(model.build(split), split, validate=lambda _: 0.0, config=config)


def main() -> None:
    """Times epochs of one of the two, after one to warm up: prints median seconds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("job", choices=("ours", "pyg"))
    parser.add_argument("data", type=Path, help="dataset folder")
    arguments = parser.parse_args()
    split = Dataset.read(arguments.data).split()
    model, trainer, batches = _dualgnn(split, item_ids=False)
    epoch = ours(trainer) if arguments.job == "ours" else training(pyg_dualgnn(model, split), batches)
    taken = in_turns({"epoch": epoch}, PYG_REPEATS)["epoch"]
    sys.stdout.write(f"wall={taken.wall} cpu={taken.cpu}\n")


if __name__ == "__main__":
    main()

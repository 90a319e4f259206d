"""Studies small enough to compute every number of every exhibit a second time."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reelmix.data import Split
from reelmix.evaluation import EvaluationConfig
from reelmix.models import FLOORS, MODELS
from reelmix.settings import DataSize
from reelmix.study import paper_figures
from reelmix.study.cells import Cell, Measuring, Outcome, measure
from reelmix.study.ours import OURS
from reelmix.study.plan import Plan
from reelmix.study.report import Section
from reelmix.study.study import BEYOND, EXHIBITS, cells_of
from reelmix.training.config import TrainingConfig

EVERY = EXHIBITS | BEYOND | OURS
TRAINING = TrainingConfig(epochs=2, batch_size=256)
SHORT, LONG = DataSize(10**6, 3), DataSize(10**6, 50)
"""Of data with short histories, and with long ones."""

TUNED = {
    "dualgnn": "embedding_size = 6\nneighbours = 10\n[training]\nlearning_rate = 0.004\n",
    "lightgcn": "embedding_size = 6\nlayers = 2\n[training]\nlearning_rate = 0.02\n",
    "mmgcn": "embedding_size = 5\n",
    "ease": "reg = 30.0\n",
}
"""What a search of some models has found."""


def write_tuned(folder: Path) -> Path:
    """A folder as `reelmix tune` leaves it."""
    folder.mkdir()
    for name, settings in TUNED.items():
        (folder / f"{name}.toml").write_text(f'[model]\nname = "{name}"\n{settings}')
    return folder


@dataclass
class Study:
    """A plan, its cells with their outcomes, and what the exhibits made of them: of these neighbours in
    figure 5, of these ratios in figure 9."""

    plan: Plan
    outcomes: dict[str, tuple[Cell, Outcome]]
    sections: dict[str, Section]
    neighbours: tuple[int, ...]
    ratios: tuple[float, ...]

    def of(self, model, *, alone=False, modalities=None, protocol=None, ratio=0.0, modality=None, **changes):
        """The outcomes of a model by seed, found by what they were trained with: its chosen settings and
        these changes. Neither keys nor plan are asked."""
        kind = (MODELS | FLOORS)[model]
        chosen = {} if alone else self.plan.chosen[model].settings
        config = kind(**{**chosen, **changes}).config
        found = {}
        for cell, outcome in self.outcomes.values():
            if (
                (cell.model, cell.alone, cell.modalities) == (model, alone, modalities)
                and (cell.protocol, cell.ratio, cell.modality) == (protocol, ratio, modality)
                and kind(**cell.settings).config == config
            ):
                assert cell.rng not in found, "measured twice"
                found[cell.rng] = outcome
        seeds = self.plan.seeds[:1] if alone or model in FLOORS else self.plan.seeds
        assert set(found) == set(seeds)
        return [found[seed] for seed in seeds]

    def table(self, exhibit, name=None):
        return next(table for table in self.sections[exhibit].tables if table.name == (name or exhibit))

    def chart(self, exhibit, name=None):
        figures = self.sections[exhibit].figures
        return next(figure.chart for figure in figures if figure.name == (name or exhibit))

    def text(self, exhibit):
        return self.sections[exhibit].text


def shown(plan: Plan, outcomes, names=tuple(EXHIBITS)) -> Study:
    def found(cells):
        return [outcomes[cell.key("data")][1] for cell in cells]

    sections = {name: EVERY[name].section(plan, found) for name in names}
    return Study(plan, outcomes, sections, paper_figures.NEIGHBOURS, paper_figures.RATIOS)


def measured(plan: Plan, data: Path, out: Path, names=tuple(EXHIBITS)) -> Study:
    """What comes of really training."""
    measuring = Measuring(data, None, 0, out, EvaluationConfig())
    cells = cells_of({name: EVERY[name] for name in names}, plan)
    found = measure(cells, measuring, jobs=1, threads=1, told=lambda *_: None)
    by_cell = {cell.key("data"): (cell, found[cell.key(measuring.identity())]) for cell in cells}
    assert len(by_cell) == len(found)
    return shown(plan, by_cell, names)


def imagined(
    plan: Plan, outcome: Callable[[Cell, Split], Outcome], names: tuple[str, ...] = tuple(EXHIBITS)
) -> Study:
    """What would come of outcomes that are made up."""
    cells = cells_of({name: EVERY[name] for name in names}, plan)
    return shown(plan, {cell.key("data"): (cell, outcome(cell, plan.split)) for cell in cells}, names)


def drawn(cell: Cell, split: Split) -> Outcome:
    """An outcome of random numbers, other ones for each cell; models differ more than seeds."""
    cell_rng = np.random.default_rng(zlib.crc32(repr(cell).encode()))
    level = np.random.default_rng(zlib.crc32(repr(cell).partition("rng=")[0].encode())).uniform(0.05, 0.6)
    users = np.unique(split.test.users)
    per_user = {}
    for metric in ("recall", "ndcg", "precision", "hit_rate", "mrr"):
        for at in (1, 5, 10, 20):
            values = cell_rng.beta(4 * level, 4 * (1 - level), len(users))
            per_user[f"{metric}@{at}"] = values * (cell_rng.random(len(users)) < 0.8)
    test = {key: float(values.mean()) for key, values in per_user.items()}
    test |= {f"coverage@{at}": float(cell_rng.uniform(0.1, 1)) for at in (1, 5, 10, 20)}
    vectors = {}
    if cell.vectors:
        vectors["users"] = cell_rng.normal(size=(split.dataset.n_users, 6)).astype(np.float32) + 0.3
        vectors["items"] = cell_rng.normal(size=(split.dataset.n_items, 6)).astype(np.float32) + 0.3
    if cell.vectors and cell.model == "dualgnn":
        shape = split.dataset.n_users, len(split.dataset.modalities)
        vectors["emphasis"] = cell_rng.normal(1, 0.5, shape).astype(np.float32)
        vectors["shares"] = cell_rng.dirichlet(np.ones(shape[1]), shape[0])
    metrics = {"validation": {key: value + 0.1 for key, value in test.items()}, "test": test}
    if cell.protocol in ("cold_items", "cold_users"):
        metrics["cold"] = {key: 2 * value for key, value in test.items()}
        metrics["overlap"] = {"overlap@20": level} if cell.model in ("dualgnn", "reelmix") else {}
    return Outcome(
        metrics=metrics,
        users=users,
        per_user=per_user,
        epochs=0 if cell.model in FLOORS else 2,
        best_epoch=0 if cell.model in FLOORS else 1,
        epoch_seconds=float(cell_rng.uniform(0.1, 3)),
        seconds=float(cell_rng.uniform(1, 100)),
        parameters=int(cell_rng.integers(1000, 10_000)),
        vectors=vectors,
    )

"""Where another package has a model that we have too: the same split, the same judge, one line each.

Every contender has a short list of four settings, chooses among them on the validation part with seed 0, is
then trained with each seed, and judged on the test part by ``reelmix.evaluation.evaluate``. Training stops
early by the same rule wherever it can be stopped; implicit has a list of iterations instead. Packages that
are not installed are left out, and a line says so. What can be compared to the last digit is, in the checks.
See ``docs/peers.md``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # seconds of CPU then mean the same for all

import argparse
import io
import json
import platform
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Self
from unittest import mock

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from scipy.sparse import csr_array, csr_matrix
from torch import Tensor

from reelmix.data import Dataset, Split
from reelmix.errors import ReelmixError
from reelmix.evaluation import Evaluation, EvaluationConfig, Scorer, VectorScorer, evaluate
from reelmix.models.base import Batch, Model
from reelmix.models.ease import EASE
from reelmix.models.lightgcn import LightGCN
from reelmix.models.vbpr import VBPR
from reelmix.training.config import TrainingConfig
from reelmix.training.trainer import Trainer

Settings = dict[str, Any]
PACKAGES = ("torch_geometric", "cornac", "implicit")
JUDGED = EvaluationConfig(at=(20,), metrics=("recall", "ndcg"))
SIZE = 64
LOOP = {"epochs": 100, "batch_size": 2048, "patience": 10}


@dataclass(frozen=True)
class Trained:
    """What came of one training: a scorer, CPU seconds without validation, and how many epochs it had."""

    scorer: Scorer
    seconds: float
    epochs: int | None = None


@dataclass(frozen=True)
class Contender:
    """One line of the table.

    Attributes:
        model: the model's name, shared by those that are compared.
        what: whose it is, and what is special about it.
        package: where it comes from; None for ours.
        grid: the settings to choose from.
        train: from split, settings and seed.
        chance: False where every seed gives the same.
    """

    model: str
    what: str
    package: str | None
    grid: list[Settings]
    train: Callable[[Split, Settings, int], Trained]
    chance: bool = True


def grid(**choices: Iterable[Any]) -> list[Settings]:
    """Every combination of the choices."""
    return [dict(zip(choices, chosen, strict=True)) for chosen in product(*choices.values())]


def contenders() -> list[Contender]:
    """Ours and theirs, the compared ones next to each other."""
    rates = (5e-3, 2e-2)
    weak = grid(learning_rate=rates, reg=(1e-4, 1e-2))
    strong = grid(learning_rate=rates, reg=(1e-2, 1e-1))
    steps = grid(learning_rate=(5e-3, 1e-2), regularization=(1e-4, 1e-2), iterations=(10, 30, 50, 100))
    ridge = (1.0, 10.0, 100.0, 500.0)
    own = [{"batch_size": 100, "learning_rate": 0.005, "lambda_w": 0.01, "lambda_b": 0.01}]
    return [
        Contender("LightGCN", "reelmix", None, weak, ours(LightGCN, layers=3)),
        Contender("LightGCN", "PyG", "torch_geometric", weak, ours(PygLightGCN, layers=3)),
        Contender("VBPR", "reelmix", None, strong, ours(VBPR)),
        Contender("VBPR", "cornac, its defaults", "cornac", own, cornac_vbpr),
        Contender("VBPR", "cornac, mended", "cornac", [as_cornac(s) for s in strong], mended_cornac_vbpr),
        Contender(
            "VBPR",
            "cornac, mended, L2 on the maps",
            "cornac",
            [as_cornac(s) | {"lambda_e": s["reg"] * LOOP["batch_size"]} for s in strong],
            mended_cornac_vbpr,
        ),
        Contender("VBPR", "cornac", "cornac", [as_cornac(s, square=True) for s in strong], cornac_vbpr),
        Contender("BPR", "reelmix", None, strong, ours(LightGCN, layers=0)),
        Contender("BPR", "implicit", "implicit", steps, implicit_bpr),
        Contender("EASE", "reelmix", None, grid(reg=ridge), our_ease, chance=False),
        Contender("EASE", "cornac", "cornac", grid(lamb=ridge, posB=(False,)), cornac_ease, chance=False),
        Contender(
            "EASE", "cornac, posB", "cornac", grid(lamb=ridge, posB=(True,)), cornac_ease, chance=False
        ),
    ]


def as_cornac(settings: Settings, *, square: bool = False) -> Settings:
    """Our settings of VBPR in cornac's words.

    The likelihood of its batch has ``batch_size ** 2`` terms (see ``likelihood_shape``): ``square`` takes
    the weights of the L2 terms times the batch size, which keeps their balance.
    """
    batch = LOOP["batch_size"]
    weight = settings["reg"] * (batch if square else 1)
    rate = settings["learning_rate"]
    return {"learning_rate": rate, "lambda_w": weight, "lambda_b": weight, "batch_size": batch}


# Ours, and PyG's in our loop


class PygLightGCN(LightGCN):
    """PyTorch Geometric's LightGCN: its parameters, propagation and loss, in our training loop."""

    def build(self, split: Split, *, rng: int = 0) -> Self:
        """Makes their model, drawn by its own rule."""
        from torch_geometric.nn import LightGCN as PeerLightGCN
        from torch_geometric.utils import to_torch_csr_tensor, to_undirected

        self.n_users = split.dataset.n_users
        n = self.n_users + split.dataset.n_items
        with torch.random.fork_rng():  # it draws from torch's global generator
            torch.manual_seed(rng)
            self.peer = PeerLightGCN(n, self.config.embedding_size, self.config.layers)
        edges = torch.from_numpy(np.stack([split.train.users, split.train.items]).astype(np.int64))
        edges[1] += self.n_users
        # compressed rows: a third of the time of a list of edges
        with warnings.catch_warnings(action="ignore"):  # torch calls its compressed rows beta
            self.adjacency = to_torch_csr_tensor(to_undirected(edges, num_nodes=n), size=(n, n))
        return self

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Their loss; its weight of the L2 term has no half."""
        users, positives, negatives = (
            batch.users,
            batch.positives + self.n_users,
            batch.negatives + self.n_users,
        )
        pairs = torch.stack([users.repeat(2), torch.cat([positives, negatives])])
        positive, negative = self.peer(self.adjacency, pairs).chunk(2)
        nodes = torch.cat([users, positives, negatives])
        return self.peer.recommendation_loss(positive, negative, nodes, lambda_reg=self.config.reg / 2)

    def _vectors(self) -> tuple[Float[Tensor, "user dim"], Float[Tensor, "item dim"]]:
        vectors = self.peer.get_embedding(self.adjacency)
        return vectors[: self.n_users], vectors[self.n_users :]


def ours(kind: type[Model], **fixed: Any) -> Callable[[Split, Settings, int], Trained]:
    """Training by our loop, with early stopping."""

    def train(split: Split, settings: Settings, rng: int) -> Trained:
        own = {key: value for key, value in settings.items() if key in kind.Config.model_fields}
        loop = {key: value for key, value in settings.items() if key not in own}
        model = kind(embedding_size=SIZE, **own, **fixed).build(split, rng=rng)
        config = TrainingConfig(**LOOP, **loop)
        validating = 0.0

        def validate(model: Model) -> float:
            nonlocal validating
            with cpu() as seconds:
                found = validation(split, vectors_of(model))
            validating += seconds()
            return found

        with cpu() as seconds:
            state, _ = Trainer(model, split, validate=validate, config=config, rng=rng).fit()
        return Trained(vectors_of(model), seconds() - validating, state.best_epoch)

    return train


def vectors_of(model: Model) -> VectorScorer:
    """A trained model as a scorer."""
    with torch.no_grad():
        embeddings = model.embed()
    return VectorScorer(embeddings.users.numpy(), embeddings.items.numpy())


def our_ease(split: Split, settings: Settings, rng: int) -> Trained:
    """Our EASE."""
    with cpu() as seconds:
        model = EASE(**settings).build(split, rng=rng)
    return Trained(model, seconds())


# Theirs


def cornac_data(split: Split, rng: int, *, features: bool) -> Any:
    """The training part as cornac holds it, with our row numbers; content as our VBPR sees it."""
    from cornac.data import Dataset as CornacDataset
    from cornac.data import ImageModality

    n_users, n_items = split.dataset.n_users, split.dataset.n_items
    triples = [
        (u, i, 1.0) for u, i in zip(split.train.users.tolist(), split.train.items.tolist(), strict=True)
    ]
    data = CornacDataset.build(
        triples,
        global_uid_map={row: row for row in range(n_users)},
        global_iid_map={row: row for row in range(n_items)},
        seed=rng,
    )
    if features:
        image = ImageModality(features=scaled_features(split), ids=list(range(n_items)))
        data.add_modalities(item_image=image.build(data.iid_map))
    return data


def scaled_features(split: Split) -> Float32[np.ndarray, "item feature"]:
    """All dense modalities side by side, centred and scaled by our own code; zeros where an item has none."""
    contents = [c for c in VBPR().build(split).content.each() if hasattr(c, "features")]
    table = np.zeros((split.dataset.n_items, sum(c.features.shape[1] for c in contents)), np.float32)
    start = 0
    for content in contents:
        end = start + content.features.shape[1]
        table[content.rows.numpy(), start:end] = content.features.numpy()
        start = end
    return table


def cornac_vbpr(split: Split, settings: Settings, rng: int) -> Trained:
    """cornac's VBPR: its loop, its sampler, its loss; watched, and stopped early by our rule."""
    from cornac import models as peer

    data = cornac_data(split, rng, features=True)
    model = peer.VBPR(k=SIZE, k2=SIZE, n_epochs=LOOP["epochs"], seed=rng, verbose=False, **settings)
    watch = Watch(split, data.item_image.features, data.num_batches(settings["batch_size"]))
    with (
        cpu() as seconds,
        redirect_stdout(io.StringIO()),
        mock.patch("torch.optim.Adam", watch.adam),
        suppress(Enough),
    ):
        model.fit(data)
    return Trained(watch.best, seconds() - watch.seconds, watch.best_epoch)


class Enough(Exception):  # noqa: N818 - nothing went wrong
    """Validation has not become better for long enough."""


class Watch:
    """Looks at cornac's parameters after each epoch, as cornac has no early stopping of its own."""

    def __init__(self, split: Split, features: Float32[np.ndarray, "item feature"], batches: int) -> None:
        self.split, self.features, self.batches = split, torch.from_numpy(features), batches
        self.steps, self.metric, self.best_epoch, self.seconds = 0, -1.0, 0, 0.0
        self.best: VectorScorer | None = None
        self.make = torch.optim.Adam

    def adam(self, parameters: list[Tensor], **options: Any) -> torch.optim.Optimizer:
        """Stands in for ``torch.optim.Adam``."""
        optimiser = self.make(parameters, **options)
        optimiser.register_step_post_hook(lambda *_: self._after_step([p.detach() for p in parameters]))
        return optimiser

    def _after_step(self, parameters: list[Tensor]) -> None:
        self.steps += 1
        epoch, batch = divmod(self.steps, self.batches)
        if batch:
            return
        with cpu() as seconds:
            item_bias, user, item, user_content, weights, content_bias = parameters
            bias = item_bias[:, None] + self.features @ content_bias
            items = torch.cat([item, self.features @ weights, bias], dim=1)
            users = torch.cat([user, user_content, torch.ones(len(user), 1)], dim=1)
            scorer = VectorScorer(users.numpy(), items.numpy())
            found = validation(self.split, scorer)
        self.seconds += seconds()
        if found > self.metric:
            self.metric, self.best_epoch, self.best = found, epoch, scorer
        elif epoch - self.best_epoch >= LOOP["patience"]:
            raise Enough


def mended_cornac_vbpr(split: Split, settings: Settings, rng: int) -> Trained:
    """The same with each triple's likelihood its own: the diagonal of the square that cornac sums."""
    log_sigmoid = torch.nn.functional.logsigmoid
    with mock.patch("torch.nn.functional.logsigmoid", lambda scores: log_sigmoid(scores.diagonal())):
        return cornac_vbpr(split, settings, rng)


def cornac_ease(split: Split, settings: Settings, rng: int) -> Trained:
    """cornac's EASE."""
    from cornac import models as peer

    data = cornac_data(split, rng, features=False)
    model = peer.EASE(verbose=False, **settings)
    with cpu() as seconds:
        model.fit(data)
    return Trained(ItemItemScorer(csr_array(model.U), model.B), seconds())


@dataclass(frozen=True)
class ItemItemScorer:
    """A user's interactions times an item-item matrix."""

    interactions: csr_array
    weights: Float[np.ndarray, "item item"]

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self.interactions.shape[0]

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.weights)

    def score(self, users: Int[np.ndarray, " block"]) -> Float[np.ndarray, "block item"]:
        """The scores of all items for these users."""
        return self.interactions[users] @ self.weights


def implicit_bpr(split: Split, settings: Settings, rng: int) -> Trained:
    """implicit's BPR, on one thread: on more it is not the same twice."""
    model, seconds = fitted_implicit(split, rng, factors=SIZE, **settings)
    return Trained(VectorScorer(model.user_factors, model.item_factors), seconds, settings["iterations"])


def fitted_implicit(split: Split, rng: int, **settings: Any) -> tuple[Any, float]:
    """Their model and its CPU seconds."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(**settings, random_state=rng, num_threads=1)
    with cpu() as seconds:
        model.fit(csr_matrix(split.matrix("train")), show_progress=False)
    return model, seconds()


# What can be compared to the last digit


def same_lightgcn(split: Split) -> dict[str, float]:
    """Our LightGCN and PyG's with the same tables: vectors, loss, gradient, and where an epoch leads both."""
    reg, config = 0.01, TrainingConfig(**LOOP)
    mine, theirs = (
        kind(embedding_size=SIZE, layers=3, reg=reg).build(split) for kind in (LightGCN, PygLightGCN)
    )
    trainers = [Trainer(m, split, validate=lambda _: 0.0, config=config) for m in (mine, theirs)]
    trainers[0]._train_epoch(1)
    tables = torch.cat([mine.user, mine.item])
    theirs.peer.embedding.weight.data.copy_(tables)
    found = {"propagated vectors": difference(torch.cat(mine._vectors()), torch.cat(theirs._vectors()))}
    batch = next(iter(trainers[0]._batches(2)))
    losses = [model.loss(batch) for model in (mine, theirs)]
    for model, loss in zip((mine, theirs), losses, strict=True):
        model.zero_grad()
        loss.backward()
    found["loss of a batch"] = difference(*losses)
    gradient = torch.cat([mine.user.grad, mine.item.grad])
    theirs_gradient = theirs.peer.embedding.weight.grad
    found["gradient, of its largest entry"] = difference(gradient, theirs_gradient) / float(
        gradient.abs().max()
    )
    fresh = [Trainer(m, split, validate=lambda _: 0.0, config=config) for m in (mine, theirs)]
    for trainer in fresh:
        trainer._train_epoch(2)
    found["tables after an epoch on the same batches"] = difference(
        torch.cat([mine.user, mine.item]), theirs.peer.embedding.weight
    )
    return found


def same_vbpr(split: Split) -> dict[str, float]:
    """Our trained VBPR's parameters in cornac's VBPR: the largest difference of a hundred users' scores."""
    from cornac import models as peer

    mine = VBPR(embedding_size=SIZE).build(split)
    Trainer(mine, split, validate=lambda _: 0.0, config=TrainingConfig(learning_rate=5e-3))._train_epoch(1)
    weights = [c.weight for c in mine.content.each() if hasattr(c, "weight")]
    maps = torch.cat([weight.T for weight in weights])
    named = {"Bi": mine.item_bias, "Gu": mine.user_latent, "Gi": mine.item_latent, "Tu": mine.user_content}
    named |= {"E": maps[:, :-1], "Bp": maps[:, -1:]}
    arrays = {name: tensor.detach().numpy().copy() for name, tensor in named.items()}
    theirs = peer.VBPR(k=SIZE, k2=SIZE, trainable=False, init_params=arrays, verbose=False)
    theirs.fit(cornac_data(split, 0, features=True))
    users = np.arange(100)
    expected = vectors_of(mine).score(users)
    return {"scores": float(np.abs(np.stack([theirs.score(u) for u in users]) - expected).max())}


def likelihood_shape(split: Split) -> list[int]:
    """The shape of the scores that cornac's VBPR takes the likelihood of, for its batch of 100 triples."""
    shapes: list[list[int]] = []
    log_sigmoid = torch.nn.functional.logsigmoid

    def seen(scores: Tensor) -> Tensor:
        shapes.append(list(scores.shape))
        return log_sigmoid(scores)

    def no_more(*_: Any, **__: Any) -> None:
        raise Enough

    with mock.patch("torch.nn.functional.logsigmoid", seen), mock.patch.object(Tensor, "backward", no_more):
        cornac_vbpr(split, {"batch_size": 100}, 0)
    return shapes[0]


def same_ease(split: Split) -> dict[str, float]:
    """Our EASE's matrix and cornac's at lambda = 100, and what cornac's default takes out of it."""
    mine = EASE(reg=100.0).build(split).weights
    theirs = cornac_ease(split, {"lamb": 100.0, "posB": False}, 0).scorer.weights
    return {
        "weights": float(np.abs(mine - theirs).max()),
        "largest weight": float(np.abs(theirs).max()),
        "share of weights below zero, which posB removes": float((theirs < 0).mean()),
    }


def popularity_of_negatives(split: Split) -> dict[str, float]:
    """What implicit's negatives are drawn from.

    With a tiny step and no decay, an item's bias moves up by half a step each time that it is a positive,
    and down by as much each time that it is a negative. Over the items' popularity, uniform negatives leave a
    slope near 1, and negatives by popularity one near 0.
    """
    step = 1e-4
    still, moved = (
        fitted_implicit(split, 0, factors=SIZE, iterations=1, learning_rate=rate, regularization=0.0)[0]
        for rate in (0.0, step)
    )
    change = (moved.item_factors[:, -1].astype(float) - still.item_factors[:, -1]) / (step / 2)
    popularity = np.bincount(split.train.items, minlength=split.dataset.n_items)
    return {"slope of positives less negatives on popularity": float(np.polyfit(popularity, change, 1)[0])}


CHECKS: list[tuple[str, str, Callable[[Split], Any]]] = [
    ("torch_geometric", "LightGCN, reelmix and PyG, same tables: largest difference", same_lightgcn),
    ("cornac", "VBPR, reelmix and cornac, same parameters: largest difference", same_vbpr),
    ("cornac", "VBPR, cornac: shape of the likelihood of 100 triples", likelihood_shape),
    ("cornac", "EASE, reelmix and cornac, lambda = 100: largest difference", same_ease),
    ("implicit", "BPR, implicit: are negatives uniform (1) or by popularity (0)?", popularity_of_negatives),
]


def difference(mine: Tensor, theirs: Tensor) -> float:
    """The largest absolute difference."""
    return float((mine - theirs).detach().abs().max())


# Judging


@contextmanager
def cpu() -> Iterator[Callable[[], float]]:
    """CPU seconds of what is inside, once it is over."""
    taken, start = [0.0], time.process_time()
    yield lambda: taken[0]
    taken[0] = time.process_time() - start


def validation(split: Split, scorer: Scorer) -> float:
    """Recall@20 on the validation part; test items stay candidates."""
    relevant, exclude = split.matrix("validation"), split.matrix("train")
    return evaluate(scorer, relevant=relevant, exclude=exclude, config=JUDGED).metrics["recall@20"]


def test(split: Split, scorer: Scorer) -> Evaluation:
    """The test part; nothing that a user has in training or validation is recommended."""
    exclude = split.matrix("train") + split.matrix("validation")
    return evaluate(scorer, relevant=split.matrix("test"), exclude=exclude, config=JUDGED)


def judged(contender: Contender, split: Split, seeds: int) -> tuple[Settings, Float[np.ndarray, " user"]]:
    """Chooses, trains with each seed and judges; also each user's Recall@20, the mean over the seeds."""
    best, tried = None, []
    for settings in contender.grid:
        trained = contender.train(split, settings, 0)
        found = validation(split, trained.scorer)
        tried.append({**settings, "recall@20": found})
        say(f"{contender.model}, {contender.what}: {settings} -> {found:.4f} ({trained.seconds:.0f} s)")
        if best is None or found > best[0]:
            best = found, settings, trained
    chosen, first = best[1], best[2]
    seeds = seeds if contender.chance else 1
    runs = [first, *(contender.train(split, chosen, seed) for seed in range(1, seeds))]
    found = [test(split, run.scorer) for run in runs]
    row = {
        "model": contender.model,
        "what": contender.what,
        "package": contender.package,
        "chosen": chosen,
        "validation recall@20": spread(validation(split, run.scorer) for run in runs),
        "test recall@20": spread(f.metrics["recall@20"] for f in found),
        "test ndcg@20": spread(f.metrics["ndcg@20"] for f in found),
        "distinct items in the lists": spread(f.distinct_items[20] for f in found),
        "cpu seconds of training": spread(run.seconds for run in runs),
        "epochs": [run.epochs for run in runs],
        "tried": tried,
    }
    return row, np.mean([f.per_user["recall@20"] for f in found], axis=0)


def spread(values: Iterable[float]) -> dict[str, Any]:
    """Mean and standard deviation over the seeds, and the values themselves."""
    values = [float(value) for value in values]
    return {"mean": mean(values), "sd": stdev(values) if len(values) > 1 else None, "values": values}


def compared(row: Settings, theirs: np.ndarray, mine: np.ndarray) -> None:
    """Writes down the mean over users of theirs less ours, and its standard error."""
    less = theirs - mine
    error = less.std(ddof=1) / len(less) ** 0.5
    row["recall@20 less ours"] = {"mean": float(less.mean()), "standard error over users": float(error)}


# Reporting


def markdown(rows: list[Settings]) -> str:
    """The table to paste."""
    lines = [
        "| model | whose | settings chosen | Recall@20 validation | Recall@20 test | NDCG@20 test "
        "| Recall@20 less ours ± s.e. | items recommended | training, CPU s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        less = row.get("recall@20 less ours")
        cells = [
            row["model"],
            row["what"],
            ", ".join(f"{key} {value:g}" for key, value in row["chosen"].items()),
            *(number(row[key], 4) for key in ("validation recall@20", "test recall@20", "test ndcg@20")),
            f"{less['mean']:+.4f} ± {less['standard error over users']:.4f}" if less else "",
            number(row["distinct items in the lists"], 0),
            number(row["cpu seconds of training"], 1),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def number(value: Settings, digits: int) -> str:
    """Mean ± standard deviation."""
    text = f"{value['mean']:,.{digits}f}"
    return text if value["sd"] is None else f"{text} ± {value['sd']:,.{digits}f}"


def about(split: Split, seeds: int) -> Settings:
    """What was compared where."""
    packages = ["reelmix", "torch", "numpy", "scipy", *(name for name in PACKAGES if find_spec(name))]
    return {
        "data": split.dataset.card.name,
        "simulated": split.dataset.card.simulated,
        "users": split.dataset.n_users,
        "items": split.dataset.n_items,
        "interactions": {part: len(getattr(split, part)) for part in ("train", "validation", "test")},
        "seeds": seeds,
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }


def say(line: str) -> None:
    """A line of the log, at once."""
    print(line, flush=True)


def main() -> None:
    """Compares, prints a table, and keeps all in a file."""
    arguments = _arguments()
    torch.set_num_threads(1)
    try:
        split = Dataset.read(arguments.data).split()
    except ReelmixError as error:
        raise SystemExit(str(error)) from None
    result: Settings = {"about": about(split, arguments.seeds), "left out": [], "checks": {}, "rows": []}
    if arguments.only and arguments.out.exists():
        before = json.loads(arguments.out.read_text())
        if before["about"] == result["about"]:  # the other models' results stay
            result["checks"] = before["checks"]
            result["rows"] = [row for row in before["rows"] if row["model"] != arguments.only]

    def keep() -> None:
        order = [(contender.model, contender.what) for contender in contenders()]
        result["rows"].sort(key=lambda row: order.index((row["model"], row["what"])))
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")

    here = [name for name in PACKAGES if find_spec(name)]
    for name in PACKAGES:
        if name not in here:
            result["left out"].append(name)
            say(f"{name} is not installed and left out; to have it compared: pip install {name}")
    for package, title, check in CHECKS:
        if package in here and title.startswith(arguments.only):
            result["checks"][title] = check(split)
            say(f"{title}: {json.dumps(result['checks'][title])}")
            keep()
    mine: dict[str, np.ndarray] = {}
    for contender in contenders():
        if contender.package in (None, *here) and arguments.only in ("", contender.model):
            row, users = judged(contender, split, arguments.seeds)
            if contender.package:
                compared(row, users, mine[contender.model])
            else:
                mine[contender.model] = users
            result["rows"].append(row)
            keep()
    say("\n" + markdown(result["rows"]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="dataset folder")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to this less one (default 3)")
    parser.add_argument("--out", type=Path, default=Path("bench/peers.json"), help="keep the results here")
    parser.add_argument(
        "--only",
        default="",
        choices=("LightGCN", "VBPR", "BPR", "EASE"),
        help="one model; the rest of --out stays",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()

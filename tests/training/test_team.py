"""Teams of processes end where one process does, and send what the formula says."""

import multiprocessing
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from team_member import USERS, Order, member, trained, world

from reelmix.errors import ConfigError
from reelmix.models import MODELS, Model

pytestmark = pytest.mark.skipif(os.name != "posix", reason="gloo by a file")
SEVERAL = (2, 4)
STEPS = {"epochs": 8, "patience": 8}

SPLIT = {
    "dualgnn": Order("dualgnn", settings={"embedding_size": 8, "neighbours": 4}, training=STEPS),
    "every trained table": Order(
        "dualgnn",
        settings={
            "embedding_size": 7,  # does not divide evenly
            "neighbours": 4,
            "content": "linear",
            "item_ids": True,
            "construction": "maximum",
            "missing": "mask",
            "modality_dropout": 0.3,
        },
        training=STEPS | {"averaging": 0.9},
    ),
    "no emphasis, no user graph": Order(
        "dualgnn", settings={"embedding_size": 8, "emphasis": "mean", "user_layers": 0}, training=STEPS
    ),
    "lightgcn": Order("lightgcn", settings={"embedding_size": 8}, training=STEPS),
}
"""What can be held in columns."""

LEARNED = sorted(name for name, model in MODELS.items() if issubclass(model, Model))
SHARED = {
    **{name: Order(name, settings={"embedding_size": 8}, training=STEPS) for name in LEARNED},
    **{
        f"{name} by softmax": Order(
            name, settings={"embedding_size": 8, "loss": "softmax", "candidates": 10}, training=STEPS
        )
        for name in ("dualgnn", "mmgcn", "vbpr")
    },
    "reelmix, where some have no evidence": Order(
        "reelmix", settings={"embedding_size": 8}, training=STEPS | {"batch_size": 30}, lone=5
    ),
    "lightgcn, averaged": Order(
        "lightgcn", settings={"embedding_size": 8}, training=STEPS | {"averaging": 0.9, "batch_size": 41}
    ),
}


def with_parallel(order, parallel):
    return replace(order, parallel=parallel)


ORDERS = {
    **{("columns", name): with_parallel(order, "columns") for name, order in SPLIT.items()},
    **{("data", name): with_parallel(order, "data") for name, order in SHARED.items()},
}
REFUSED = {
    "loss 'softmax'": {"loss": "softmax"},
    "concatenation": {"construction": "concatenation"},
    "mlp": {"content": "mlp"},
    "length 1": {"unit_content": True},
    "at most as many workers as columns": {"embedding_size": 1},
}
for refused, changes in REFUSED.items():
    ORDERS["refused", refused] = Order("dualgnn", "columns", {"embedding_size": 8} | changes, STEPS)
ORDERS["refused", "vbpr"] = Order("vbpr", "columns", {"embedding_size": 8}, STEPS)


@pytest.fixture(scope="module")
def teams(tmp_path_factory):
    """What the leader of each team found, by its size and the order."""
    folder = tmp_path_factory.mktemp("teams")
    context = multiprocessing.get_context("spawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        processes = [
            context.Process(
                target=member,
                args=(
                    rank,
                    size,
                    str(folder / f"meeting{size}"),
                    list(ORDERS.values()),
                    str(folder / str(size)),
                ),
            )
            for size in SEVERAL
            for rank in range(size)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            assert process.exitcode == 0
    return {
        size: dict(zip(ORDERS, pickle.loads((folder / str(size)).read_bytes()), strict=True))
        for size in SEVERAL
    }


@pytest.fixture(scope="module")
def alone():
    found = {}
    for key, order in ORDERS.items():
        if key[0] != "refused":
            found[key] = trained(order)[0]
    return found


@pytest.mark.parametrize("size", SEVERAL)
@pytest.mark.parametrize("key", [key for key in ORDERS if key[0] != "refused"], ids=" ".join)
def test_several_train_the_weights_of_one(teams, alone, key, size):
    found = teams[size][key]
    if isinstance(found, Exception):
        raise found
    (state, sent), expected = found, alone[key]
    assert state.epoch == expected.epoch == 8
    steps = state.optimiser[next(name for name in state.optimiser if name.startswith("step/"))]
    assert steps >= 50
    for group in ("weights", "best_weights", "optimiser"):
        ours, theirs = getattr(state, group), getattr(expected, group)
        assert ours.keys() == theirs.keys()
        for name, tensor in theirs.items():
            torch.testing.assert_close(
                ours[name], tensor, rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}"
            )
    for ours, theirs in zip(state.curve, expected.curve, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
        assert ours.metric == pytest.approx(theirs.metric, rel=1e-4)
    assert sent[0] == sent[1] > 0


@pytest.mark.parametrize("key", [key for key in ORDERS if key[0] == "refused"], ids=" ".join)
def test_what_cannot_be_split_is_refused(teams, key):
    found = teams[4][key]
    assert isinstance(found, ConfigError), found
    assert key[1] in str(found)


def test_what_columns_send_is_what_the_equations_say(teams):
    sent = {}
    for name in ("lightgcn", "dualgnn"):
        _, (sent[name], _) = teams[2]["columns", name]
    triples = len(world().train)
    steps = 8 * -(-triples // 37)
    # a margin a triple and a number for the L2 term, of four bytes each; alpha has 2 modalities a user
    assert sent["lightgcn"] == 4 * (8 * triples + steps)
    assert sent["dualgnn"] - sent["lightgcn"] == 4 * steps * USERS * 2

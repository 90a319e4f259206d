"""Datasets small enough to follow by eye, and what tests of models do with them."""

from pathlib import Path

import numpy as np
import polars as pl
import torch

from reelmix.data import Card
from reelmix.data.assemble import assemble
from reelmix.data.feature_files import FeatureTable
from reelmix.models import Batch

# primes, and unlike any size of a parameter: an axis of this length is an axis of users or of items
N_USERS, N_ITEMS = 13, 11
LACK_ACOUSTIC = (2, 5, 9)


def split_of(rows, features, n_items=N_ITEMS):
    """A split from (user, item, label) and, by modality, the items that have it and their values."""
    pairs = pl.DataFrame(rows, schema=["user_id", "item_id", "split"], orient="row")
    items = pl.DataFrame({"item_id": range(n_items)})
    given = {
        name: table
        if isinstance(table, FeatureTable)
        else (pl.Series(table[0], dtype=pl.Int64), np.asarray(table[1], float))
        for name, table in features.items()
    }
    return assemble(pairs, items, given, card=Card("small"), where=Path()).split("given")


def labelled_pairs(seed=0):
    """About half of all pairs; user 3 and item 7 have none in training, everybody else some."""
    rng = np.random.default_rng(seed)
    watched = rng.random((N_USERS, N_ITEMS)) < 0.45
    watched[:, 0] = watched[0] = True
    watched[3] = watched[:, 7] = False
    rows = [(int(user), int(item), "train") for user, item in np.argwhere(watched)]
    return [*rows, (3, 7, "validation"), (4, 7, "test")]


def two_modalities(seed=1):
    rng = np.random.default_rng(seed)
    has = [item for item in range(N_ITEMS) if item not in LACK_ACOUSTIC]
    return {
        "visual": (range(N_ITEMS), rng.normal(size=(N_ITEMS, 5))),
        "acoustic": (has, rng.normal(size=(len(has), 6))),
    }


def without_item(gone, *names):
    """The features of the small world, of which these modalities lack one item more."""
    features = two_modalities()
    for name in names:
        items, rows = features[name]
        kept = [place for place, item in enumerate(items) if item != gone]
        features[name] = ([items[place] for place in kept], rows[kept])
    return features


def world():
    """13 users, 11 items, two modalities of which three items lack one."""
    return split_of(labelled_pairs(), two_modalities())


def moved_world(user_to, item_to):
    """The same world under other ids: user u is called user_to[u], item i item_to[i]."""
    rows = [(int(user_to[user]), int(item_to[item]), label) for user, item, label in labelled_pairs()]
    features = {
        name: ([int(item_to[item]) for item in items], values)
        for name, (items, values) in two_modalities().items()
    }
    return split_of(rows, features)


def checkerboard():
    """Even users watch even items, odd users odd ones; of its kind, each user has one item in validation and
    one in test. The content knows nothing of it."""
    rows = []
    for user in range(16):
        for place in range(8):
            label = {user // 2: "validation", (user // 2 + 1) % 8: "test"}.get(place, "train")
            rows.append((user, 2 * place + user % 2, label))
    content = np.random.default_rng(2).normal(size=(16, 5))
    return split_of(rows, {"visual": (range(16), content)}, n_items=16)


# What a split and a model are to a dense reference


def interactions_of(split):
    """The training pairs (user, item)."""
    return list(zip(split.train.users.tolist(), split.train.items.tolist(), strict=True))


def tokens_of(features, n_items=N_ITEMS):
    """The tokens of every item; none of those that lack the modality."""
    tokens = [[] for _ in range(n_items)]
    for row, item in enumerate(features.items):
        tokens[item] = features.tokens[features.starts[row] : features.starts[row + 1]].tolist()
    return tokens


def triples_of(split, seed):
    """Random triples; one twice, one of the isolated user 3 and item 7, one of an item with itself."""
    rng = np.random.default_rng(seed)
    triples = [(user, item, int(rng.integers(N_ITEMS))) for user, item in interactions_of(split)[::3]]
    return [*triples, triples[0], (3, 7, 0), (4, 0, 7), (5, 1, 1)]


def batch_of(triples, rng=0):
    return Batch(*torch.tensor(triples).T, rng=rng)


def away_from_the_start(model, seed=0):
    """The model with random parameters: at the start some are all 0 or all 1."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw))
    return model


def leaves(model):
    """Copies of the parameters, by name, that gather gradients of their own."""
    return {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}


def embedded(model):
    with torch.no_grad():
        return model.embed()


def assert_close(found, expected, what="numbers"):
    """Equal in shape, type and, but for rounding in double precision, in every number."""
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-10, msg=lambda text: f"{what}: {text}")

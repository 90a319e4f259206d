"""Datasets small enough to follow by eye, for tests of models."""

from pathlib import Path

import numpy as np
import polars as pl

from reelmix.data import Card
from reelmix.data.assemble import assemble
from reelmix.data.feature_files import FeatureTable

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

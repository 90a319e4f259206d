"""Data to time with: the shape of known datasets, filled by chance with a power law."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from reelmix.data import Card, Dataset, Split
from reelmix.data.assemble import assemble


def power_law_pairs(n_users: int, n_items: int, n_pairs: int, rng: np.random.Generator) -> np.ndarray:
    """Distinct (user, item) pairs, shape (pair, 2), both sides long-tailed, every user at least once."""

    def chances(n: int, exponent: float) -> np.ndarray:
        weight = rng.permutation(np.arange(1, n + 1) ** -exponent)
        return weight / weight.sum()

    user_chance, item_chance = chances(n_users, 0.6), chances(n_items, 0.8)
    pairs = np.arange(n_users) * n_items + rng.choice(n_items, n_users, p=item_chance)
    while len(pairs) < n_pairs:
        missing = int(1.2 * (n_pairs - len(pairs))) + 100
        users = rng.choice(n_users, missing, p=user_chance)
        drawn = np.unique(users * n_items + rng.choice(n_items, missing, p=item_chance))
        new = np.setdiff1d(drawn, pairs)
        pairs = np.concatenate([pairs, rng.permutation(new)[: n_pairs - len(pairs)]])
    return np.stack([pairs // n_items, pairs % n_items], axis=1)


def tiktok_shaped(rng: np.random.Generator) -> Split:
    """9,308 users, 6,710 items, V and A of 128; 59,541 training, 3,051 validation, 6,130 test pairs."""
    sizes = {"visual": 128, "acoustic": 128}
    return _shaped("TikTok-shaped", 9_308, 6_710, (59_541, 3_051, 6_130), sizes, rng)


def shop_shaped(rng: np.random.Generator) -> Split:
    """As the reviews that models are compared on: 20,000 users, 7,000 items, V of 4,096 and T of 384.

    120,000 training, 10,000 validation and 20,000 test pairs.
    """
    sizes = {"visual": 4_096, "textual": 384}
    return _shaped("shop-shaped", 20_000, 7_000, (120_000, 10_000, 20_000), sizes, rng)


def _shaped(
    name: str,
    n_users: int,
    n_items: int,
    parts: tuple[int, int, int],
    sizes: Mapping[str, int],
    rng: np.random.Generator,
) -> Split:
    """Each of as many users as there are test pairs has one of them."""
    _, n_validation, n_test = parts
    pairs = power_law_pairs(n_users, n_items, sum(parts), rng)
    labels = np.full(len(pairs), "train", dtype="<U10")
    _, first = np.unique(pairs[:, 0], return_index=True)
    chosen = rng.permutation(first)
    labels[chosen[:n_test]] = "test"
    labels[rng.permutation(np.flatnonzero(labels == "train"))[:n_validation]] = "validation"
    table = pl.DataFrame({"user_id": pairs[:, 0], "item_id": pairs[:, 1], "split": labels})
    ids = pl.Series(range(n_items))
    features = {
        modality: (ids, rng.normal(size=(n_items, size)).astype(np.float32))
        for modality, size in sizes.items()
    }
    card = Card(name, "random, a power law", simulated=True)
    return assemble(table, pl.DataFrame({"item_id": ids}), features, card=card, where=Path("bench")).split()


def dataset_or_shape(folder: Path | None) -> Split:
    """The split of a dataset folder, or of the TikTok-shaped random data."""
    return Dataset.read(folder).split() if folder else tiktok_shaped(np.random.default_rng(0))


def movielens_shaped(rng: np.random.Generator) -> csr_array:
    """55,485 users, 5,986 items, 1,239,508 interactions: the paper's MovieLens."""
    pairs = power_law_pairs(55_485, 5_986, 1_239_508, rng)
    ones = np.ones(len(pairs), np.float32)
    return csr_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(55_485, 5_986))

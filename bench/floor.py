"""What this machine can do at best, measured in the same run, and the least work of each hot path.

A floor is a time that no implementation of the same algorithm goes below by much: its bytes over the
bandwidth, its operations over the rate of a matrix product, of counting or of hashing. Rates are the best of
several tries, times are medians, so that the ratio of a time to its floor errs on the large side. An epoch's
tables of a few megabytes may stay in a cache; rates for them are therefore measured on arrays of that size.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array

from measure import timed

TRIES = 15
FLOAT = 4
"""Bytes of a single-precision number, and of an index."""

LARGE = 1 << 26
"""Numbers in an array that no cache holds: 256 MiB."""

TABLE = 9_308 * 128
"""Numbers in a table such as an epoch works on: TikTok's users, two modalities, d = 64."""


@dataclass(frozen=True)
class Ceilings:
    """The best rates of this machine with all its threads.

    Attributes:
        copy: bytes a second, read and written, when a large array is copied.
        copy_table: the same for an array of TikTok's size, 4.8 MB.
        read: bytes a second when a large array is summed.
        flops: operations a second (a multiplication and an addition are two) of a single-precision product.
        gather: bytes a second, read and written, when rows of so many bytes are fetched in random order from
            a table of 9,308 rows into a block that stays in cache.
    """

    copy: float
    copy_table: float
    read: float
    flops: float
    gather: dict[int, float]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        rows = ", ".join(f"{size} B {rate / 1e9:.1f}" for size, rate in self.gather.items())
        return (
            f"copy {self.copy / 1e9:.1f} GB/s, of a table {self.copy_table / 1e9:.1f} GB/s, "
            f"read {self.read / 1e9:.1f} GB/s, "
            f"product {self.flops / 1e9:.0f} Gflop/s, gather of rows of {rows} GB/s"
        )


def ceilings(tries: int = TRIES, device: str = "cpu") -> Ceilings:
    """Measures them; a second or two."""
    source = torch.rand(LARGE, device=device)
    target = torch.empty_like(source)
    copying = _least(lambda: target.copy_(source), tries, device)
    table, its_copy = source[:TABLE], target[:TABLE]
    copying_table = _least(lambda: its_copy.copy_(table), 10 * tries, device)
    reading = _least(source.sum, tries, device)
    n = 2048
    left, right = source[: n * n].view(n, n), target[: n * n].view(n, n)
    product = torch.empty(n, n, device=device)
    multiplying = _least(lambda: torch.mm(left, right, out=product), tries, device)
    return Ceilings(
        copy=2 * FLOAT * LARGE / copying,
        copy_table=2 * FLOAT * TABLE / copying_table,
        read=FLOAT * LARGE / reading,
        flops=2 * n**3 / multiplying,
        gather={size: _gather(size, tries, device) for size in (256, 512, 1024)},
    )


def _gather(row_bytes: int, tries: int, device: str, table_rows: int = 9_308, block: int = 1024) -> float:
    """Bytes a second, read and written, of rows fetched in random order, a block after another."""
    table = torch.rand(table_rows, row_bytes // FLOAT, device=device)
    blocks = torch.randint(table_rows, (60, block), device=device)
    target = torch.empty(block, table.shape[1], device=device)

    def fetch() -> None:
        for rows in blocks:
            torch.index_select(table, 0, rows, out=target)

    return 2 * blocks.numel() * row_bytes / _least(fetch, tries, device)


def _least(job: Callable[[], Any], tries: int, device: str) -> float:
    """Seconds of the fastest of several runs; on a GPU until it is done."""

    def done() -> None:
        job()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)

    return min(timed(done).wall for _ in range(tries))


@dataclass(frozen=True)
class EpochSize:
    """What the least work of an epoch of DualGNN depends on: pca content, sum construction, L' = 1.

    Attributes:
        users, items, edges: of the training graph.
        steps, batch: steps in an epoch, triples in a step.
        modalities, dim, layers, neighbours: m, d, L, K.
    """

    users: int
    items: int
    edges: int
    steps: int
    batch: int
    modalities: int
    dim: int
    layers: int
    neighbours: int


def epoch_floor(size: EpochSize, best: Ceilings) -> float:
    """Seconds of an epoch of DualGNN, if nothing cost but its memory traffic.

    With w = 4 m d bytes a row (all modalities side by side) and v = 4 d bytes a fused row, each step moves

    - gathers: 2 L E w (L products over E edges, of the users' parameters alone since content is fixed,
      forward and backward), 2 B K v (the user graph's rows of the batch, forward and backward), B (2 v + w)
      for the users and items of the batch and the L2 term, and 4 B v for their gradients' scattering;
    - streams: 2 L (U + I) w / 2 (what the products write, alternating between users and items), 2 U (w + v)
      (alpha's weighing of all users: read w and write v, and back), and Adam's 7 * 4 P bytes (reads
      parameter, gradient and two moments, writes all but the gradient), P = U m (d + 1).

    Gathers go at the gather rate of rows of w bytes, which counts what is read and written, though a product
    reads alone; streams go at the copy rate of a table.
    """
    gathers, streams = step_bytes(size)
    row = FLOAT * size.modalities * size.dim
    rate = best.gather[min(best.gather, key=lambda known: abs(known - row))]
    return size.steps * (gathers / rate + streams / best.copy_table)


def step_bytes(size: EpochSize) -> tuple[int, int]:
    """What a step of an epoch gathers, and what it streams; see :func:`epoch_floor`."""
    row, fused = FLOAT * size.modalities * size.dim, FLOAT * size.dim
    gathers = (
        2 * size.layers * size.edges * row
        + 2 * size.batch * size.neighbours * fused
        + size.batch * (2 * fused + row)
        + 4 * size.batch * fused
    )
    streams = (
        size.layers * (size.users + size.items) * row
        + 2 * size.users * (row + fused)
        + 7 * FLOAT * size.users * size.modalities * (size.dim + 1)
    )
    return gathers, streams


def ranking_floor(users: int, items: int, dim: int, best: Ceilings) -> float:
    """Seconds to rank all items for these users: the product, and one pass of selection over its scores.

    2 U I d operations at the product's rate, and 4 U I bytes read at the read rate.
    """
    return 2 * users * items * dim / best.flops + FLOAT * users * items / best.read


def top_n_floor(items: int, dim: int, best: Ceilings) -> float:
    """Seconds to find one user's best items exactly: 4 I d bytes of the item matrix read once."""
    return FLOAT * items * dim / best.read


def user_graph_floor(interactions: csr_array, tries: int = TRIES) -> float:
    """Seconds to count what users have in common: one addition for each item that two of them share.

    The n watchers of an item make n (n - 1) / 2 pairs, each counted once, since counts are symmetric.
    Additions go at the rate of numpy's ``bincount`` into one user's row of counts, which stays in cache,
    times the cores. Choosing the K largest of each row is not counted.
    """
    watchers = np.diff(csr_array(interactions).tocsc().indptr).astype(np.int64)
    pairs = int((watchers * (watchers - 1) // 2).sum())
    n_users, n = interactions.shape[0], 1 << 20
    others = np.random.default_rng(0).integers(0, n_users, n)
    counting = _least(lambda: np.bincount(others, minlength=n_users), tries, "cpu")
    return pairs / (n / counting * (os.cpu_count() or 1))


def checked_loading_floor(n_bytes: int, tries: int = TRIES) -> float:
    """Seconds to hash what is loaded, byte by byte on one core, as the content hash asks."""
    block = np.random.default_rng(0).bytes(1 << 24)
    return n_bytes / len(block) * _least(lambda: hashlib.blake2b(block, digest_size=16), tries, "cpu")

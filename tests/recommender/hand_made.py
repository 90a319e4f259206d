"""Runs written by hand, whose right answers need no training."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl

from reelmix.data.interactions import Interactions
from reelmix.data.vocabulary import Vocabulary
from reelmix.files import digest
from reelmix.recommender import Run
from reelmix.recommender.run import Vectors

COMMAND = "reelmix train data --out run --rng 3"
CHECKED = [
    "config.toml",
    "curve.jsonl",
    "interactions.safetensors",
    "items.parquet",
    "metrics.json",
    "per_user.safetensors",
    "users.parquet",
    "vectors.safetensors",
    "weights.safetensors",
]
"""The files of a run that its manifest vouches for."""


def hand_made(
    users,
    parts,
    *,
    present=None,
    emphasis=None,
    watched=(),
    titles=None,
    user_ids=None,
    item_ids=None,
    settings=None,
    weights=None,
    **learned,
) -> Run:
    """A run with these vectors, and whatever else :class:`Vectors` is ``learned``.

    ``parts`` maps modalities to item vectors, or is the item vectors of one modality; ``watched`` holds
    (user row, item row, label).
    """
    parts = parts if isinstance(parts, dict) else {"visual": parts}
    users = np.asarray(users, np.float32)
    parts = {name: np.asarray(part, np.float32) for name, part in parts.items()}
    items = np.sum(list(parts.values()), axis=0)
    if present is None:
        present = np.ones((len(items), len(parts)), bool)
    item_ids = item_ids or [f"i{row:02}" for row in range(len(items))]
    table = pl.DataFrame({"item_id": item_ids})
    if titles:
        table = table.with_columns(title=pl.Series(titles, dtype=pl.String))
    who, what, label = np.array(list(watched), np.int32).reshape(-1, 3).T
    return Run(
        {"model": "dualgnn", "dataset": {"name": "hand-made", "simulated": True}},
        {"evaluation": {}, "model": settings or {}},
        Vocabulary(pl.Series(user_ids or [f"u{row:02}" for row in range(len(users))]), "user"),
        Vocabulary(pl.Series(item_ids), "item"),
        table,
        Interactions.of(who, what, labels=label.astype(np.int8)),
        Vectors(users, items, parts, np.asarray(present, bool), emphasis, **learned),
        weights or {"weight": np.zeros((2, 2), np.float32)},
        [],
    )


def integers(rng, *shape):
    """Small whole numbers: float32 products of them are exact, and scores tie often."""
    return rng.integers(-2, 3, shape).astype(np.float32)


def random_run(seed, n_users=9, n_items=17) -> Run:
    """Vectors of small whole numbers, and interactions of all three labels; everyone has a training one."""
    rng = np.random.default_rng(seed)
    watched = {(user, int(rng.integers(n_items))): 0 for user in range(n_users)}
    for _ in range(3 * n_users):
        pair = int(rng.integers(n_users)), int(rng.integers(n_items))
        watched.setdefault(pair, int(rng.integers(3)))
    return hand_made(
        integers(rng, n_users, 4),
        {"visual": integers(rng, n_items, 4), "textual": integers(rng, n_items, 4)},
        watched=[(*pair, label) for pair, label in watched.items()],
    )


def watched_rows(run: Run, user: int, *labels: int) -> set[int]:
    """Items that a user interacted with, found by looking at every interaction."""
    pairs = run.interactions
    return {
        int(item)
        for who, item, label in zip(pairs.users, pairs.items, pairs.labels, strict=True)
        if who == user and (not labels or label in labels)
    }


def best(scores: dict[int, float], n: int) -> list[tuple[int, float]]:
    """The n largest, ties by row."""
    return sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))[:n]


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder and what is in it."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def rewrite_manifest(folder: Path, **changes) -> None:
    """Changes a manifest as somebody would who also repairs its checksum."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) | changes
    del manifest["checksum"]
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    checked = manifest | {"checksum": digest(text)}
    path.write_text(json.dumps(checked), encoding="utf-8")


def assert_same_run(one: Run, other: Run) -> None:
    """Everything that a run holds is equal, to the last bit."""
    added = {"run_version", "files"}
    assert {k: v for k, v in one.manifest.items() if k not in added} == {
        k: v for k, v in other.manifest.items() if k not in added
    }
    for name in ("settings", "curve", "metrics"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("users", "items"):
        ids, others = getattr(one, name).ids, getattr(other, name).ids
        assert (ids.dtype, ids.to_list()) == (others.dtype, others.to_list())
        assert getattr(one, name).kind == getattr(other, name).kind
    assert one.item_table.equals(other.item_table)
    for name in ("users", "items", "labels"):
        _same(getattr(one.interactions, name), getattr(other.interactions, name))
    for name in ("users", "items", "present", "emphasis", "passes", "edges", "refinement"):
        _same(getattr(one.vectors, name), getattr(other.vectors, name))
    graphs = (one.vectors.neighbours, other.vectors.neighbours)
    assert [graph is None for graph in graphs] in ([True, True], [False, False])
    if graphs[0] is not None:
        assert graphs[0].shape == graphs[1].shape
        for name in ("indptr", "indices", "data"):
            _same(*(getattr(graph, name) for graph in graphs))
    assert list(one.vectors.item_parts) == list(other.vectors.item_parts)  # the order matters to ``present``
    _same_mappings(one.vectors.item_parts, other.vectors.item_parts)
    _same_mappings(one.weights, other.weights)
    assert one.per_user.keys() == other.per_user.keys()
    for stage in one.per_user:
        _same_mappings(one.per_user[stage], other.per_user[stage])


def _same_mappings(one, other):
    assert one.keys() == other.keys()
    for name in one:
        _same(one[name], other[name])


def _same(one, other):
    assert (one is None) == (other is None)
    if one is not None:
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_array_equal(one, other)

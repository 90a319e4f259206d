"""A run: what training leaves behind; it evaluates, serves and explains without data or torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import tomli_w
from jaxtyping import Bool, Float
from scipy.sparse import csr_array

from reelmix.data.interactions import TEST, TRAIN, VALIDATION, Interactions
from reelmix.data.tables import read_table, write_table
from reelmix.data.vocabulary import Vocabulary
from reelmix.errors import ConfigError, RunError, nearest
from reelmix.evaluation import Evaluation, EvaluationConfig, VectorScorer, evaluate
from reelmix.files import (
    digest,
    file_digest,
    new_folder,
    read_arrays,
    require_file,
    require_folder,
    storage_error,
    write_arrays,
    write_atomic,
)
from reelmix.settings import read_toml

if TYPE_CHECKING:
    from reelmix.recommender.recommender import Recommender

RUN_VERSION = 1
OPTIONAL = ("emphasis", "passes", "edges", "refinement", "directions")
"""What of :class:`Vectors` only some models have."""

STAGES = {"validation": (VALIDATION, (TRAIN,)), "test": (TEST, (TRAIN, VALIDATION))}


@dataclass(frozen=True, eq=False)
class Vectors:
    """What a trained model knows: score = user . item.

    Attributes:
        users, items: the vectors, float32.
        item_parts: what each modality adds to the item vectors; they add up to ``items``, less what belongs
            to no modality.
        present: which items have which modality, in the order of ``item_parts``.
        emphasis: how much each user cares about each modality; None for models without.
        passes, edges: what a new user hears from each item, and which items have edges, in each modality's
            graph, or in the one graph of a model without modalities
            (:class:`reelmix.models.base.Induction`); None for models that know only their own users.
        refinement, neighbours: the vector of a user is their own plus ``neighbours[user] @ refinement``; None
            for models whose user graph, if any, refines no vectors.
        directions: of each item's content, from which emphasis follows; None for models where it is trained.
    """

    users: Float[np.ndarray, "user dim"]
    items: Float[np.ndarray, "item dim"]
    item_parts: Mapping[str, Float[np.ndarray, "item dim"]]
    present: Bool[np.ndarray, "item modality"]
    emphasis: Float[np.ndarray, "user modality"] | None = None
    passes: Float[np.ndarray, "item graph heard"] | None = None
    edges: Bool[np.ndarray, "item graph"] | None = None
    refinement: Float[np.ndarray, "user dim"] | None = None
    neighbours: csr_array | None = None
    directions: Float[np.ndarray, "item modality content"] | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it by name, for one file."""
        arrays = {"users": self.users, "items": self.items, "present": self.present}
        arrays |= {f"item_parts/{name}": part for name, part in self.item_parts.items()}
        optional = {name: getattr(self, name) for name in OPTIONAL}
        arrays |= {name: array for name, array in optional.items() if array is not None}
        if self.neighbours is not None:
            graph = self.neighbours
            arrays |= {
                "neighbours/starts": graph.indptr,
                "neighbours/rows": graph.indices,
                "neighbours/weights": graph.data,
            }
        return arrays

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray], modalities: list[str]) -> Vectors:
        """What :meth:`arrays` gave."""
        graph = None
        if "neighbours/starts" in arrays:
            parts = (arrays[f"neighbours/{name}"] for name in ("weights", "rows", "starts"))
            graph = csr_array(tuple(parts), shape=(len(arrays["users"]),) * 2)
        return cls(
            arrays["users"],
            arrays["items"],
            {name: arrays[f"item_parts/{name}"] for name in modalities},
            arrays["present"],
            **{name: arrays.get(name) for name in OPTIONAL},
            neighbours=graph,
        )


@dataclass(frozen=True, eq=False)
class Run:
    """The result of training.

    Attributes:
        manifest: versions, seed, dataset, command, how training ended.
        settings: the tables of config.toml.
        users, items: the caller's ids.
        item_table: one row an item: ``item_id``, optionally ``title`` and anything else.
        interactions: training, validation and test, by their labels.
        vectors: what the model knows.
        weights: the model's parameters by name, of the best epoch.
        curve: the epochs, each with loss, metric and seconds.
        metrics: of validation and test, such as ``metrics["test"]["recall@20"]``.
        per_user: the same for each evaluated user, and their rows under ``users``.
        map: places on a plane (:func:`reelmix.recommender.map.draw_map`), if it was drawn.
    """

    manifest: Mapping[str, Any]
    settings: Mapping[str, Any]
    users: Vocabulary
    items: Vocabulary
    item_table: pl.DataFrame
    interactions: Interactions
    vectors: Vectors
    weights: Mapping[str, np.ndarray]
    curve: list[dict[str, int | float]]
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    per_user: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    map: pl.DataFrame | None = None

    @property
    def test_metrics(self) -> Mapping[str, float]:
        """Metrics on the test part, with the weights of the best validation epoch."""
        return self.metrics["test"]

    def recommender(self) -> Recommender:
        """The trained model at work."""
        from reelmix.recommender.recommender import Recommender

        return Recommender(self)

    def matrix(self, *labels: int) -> csr_array:
        """The interactions with these labels as a (user, item) matrix of ones; all of them without labels."""
        pairs = self.interactions
        if labels:
            assert pairs.labels is not None
            pairs = pairs.take(np.isin(pairs.labels, labels))
        return pairs.matrix(len(self.users), len(self.items))

    @cached_property
    def training(self) -> csr_array:
        """The interactions of training as a (user, item) matrix of ones."""
        return self.matrix(TRAIN)

    @cached_property
    def trained_items(self) -> Bool[np.ndarray, " item"]:
        """Which items somebody watched in training."""
        return np.bincount(self.training.indices, minlength=len(self.items)) > 0

    def evaluate(self, config: EvaluationConfig | None = None, *, stage: str = "test") -> Evaluation:
        """Ranks all items for the users of a stage and measures; see :func:`reelmix.evaluation.evaluate`.

        Raises:
            ConfigError: ``stage`` is neither validation nor test.
        """
        if stage not in STAGES:
            raise ConfigError(
                expected="validation or test", found=repr(stage), where="stage", fix=nearest(stage, STAGES)
            )
        judged, hidden = STAGES[stage]
        return evaluate(
            VectorScorer(self.vectors.users, self.vectors.items),
            relevant=self.matrix(judged),
            exclude=self.matrix(*hidden),
            config=config or EvaluationConfig(),
        )

    def write(self, folder: str | Path) -> Path:
        """Writes the run into a new or empty folder, whole or not at all.

        Raises:
            StorageError: the folder holds something already, cannot be written, or the disk is full.
        """
        with new_folder(Path(folder), "the run") as inside:
            write_run(self, inside)
        return Path(folder)

    @classmethod
    def read(cls, folder: str | Path) -> Run:
        """Reads a run folder and checks every byte that it reads against the manifest.

        Raises:
            StorageError: the folder or a file is missing or damaged.
            RunError: training has not finished, the folder is of another version, or a file was changed.
        """
        return read_run(Path(folder))

    @cached_property
    def titles(self) -> list[str] | None:
        """Titles of the items by row, if there are any."""
        if "title" not in self.item_table.columns:
            return None
        return [title or "" for title in self.item_table["title"].cast(pl.String).to_list()]


def write_run(run: Run, folder: Path) -> Path:
    """Writes ``run`` into ``folder``, over what training left there; the manifest comes last."""
    try:
        (folder / "manifest.json").unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error
    pairs = run.interactions
    assert pairs.labels is not None
    arrays = {"users": pairs.users, "items": pairs.items, "labels": pairs.labels}
    modalities = json.dumps(list(run.vectors.item_parts))
    write_arrays(folder / "vectors.safetensors", run.vectors.arrays(), {"modalities": modalities})
    write_arrays(folder / "weights.safetensors", run.weights)
    write_arrays(folder / "interactions.safetensors", arrays)
    per_user = {f"{stage}/{key}": v for stage, values in run.per_user.items() for key, v in values.items()}
    write_arrays(folder / "per_user.safetensors", per_user)
    write_table(folder / "users.parquet", pl.DataFrame({"user_id": run.users.ids}))
    write_table(folder / "items.parquet", run.item_table)
    if run.map is not None:
        write_table(folder / "map.parquet", run.map)
    write_atomic(folder / "config.toml", tomli_w.dumps(run.settings))
    write_atomic(folder / "metrics.json", _json(run.metrics))
    write_atomic(folder / "curve.jsonl", "".join(json.dumps(epoch) + "\n" for epoch in run.curve))
    files = {
        name: file_digest(folder / name)
        for name in (
            "config.toml",
            "curve.jsonl",
            "interactions.safetensors",
            "items.parquet",
            "metrics.json",
            "per_user.safetensors",
            "users.parquet",
            "vectors.safetensors",
            "weights.safetensors",
            *(["map.parquet"] if run.map is not None else []),
        )
    }
    manifest = {**run.manifest, "run_version": RUN_VERSION, "files": files}
    write_atomic(folder / "manifest.json", _json({**manifest, "checksum": digest(_json(manifest))}))
    return folder


def read_run(folder: Path) -> Run:
    """Reads a run folder; see :meth:`Run.read`."""
    require_folder(folder, "a run folder")
    manifest = _manifest(folder)
    for name, expected in manifest["files"].items():
        _verify(folder / name, expected)
    arrays, metadata = read_arrays(folder / "vectors.safetensors", verified=True)
    vectors = Vectors.of_arrays(arrays, json.loads(metadata["modalities"]))
    pairs, _ = read_arrays(folder / "interactions.safetensors", verified=True)
    items = read_table(folder / "items.parquet", "the table of items")
    users = read_table(folder / "users.parquet", "the table of users")
    per_user: dict[str, dict[str, np.ndarray]] = {}
    for key, values in read_arrays(folder / "per_user.safetensors", verified=True)[0].items():
        stage, _, name = key.partition("/")
        per_user.setdefault(stage, {})[name] = values
    curve = (folder / "curve.jsonl").read_text().splitlines()
    return Run(
        manifest,
        read_toml(folder / "config.toml"),
        Vocabulary(users["user_id"], "user"),
        Vocabulary(items["item_id"], "item"),
        items,
        Interactions(pairs["users"], pairs["items"], labels=pairs["labels"]),
        vectors,
        read_arrays(folder / "weights.safetensors", verified=True)[0],
        [json.loads(line) for line in curve],
        json.loads((folder / "metrics.json").read_text()),
        per_user,
        read_table(folder / "map.parquet", "the map") if "map.parquet" in manifest["files"] else None,
    )


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not path.exists():
        unfinished = (folder / "checkpoint.safetensors").exists()
        raise RunError(
            expected="a finished run",
            found="one whose training was cut off" if unfinished else "a folder without manifest.json",
            where=str(folder),
            fix="Go on with reelmix train, the same data and settings, --out this folder and --resume."
            if unfinished
            else "Give the folder that reelmix train wrote to.",
        )
    require_file(path, "a manifest")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version, checksum = manifest["run_version"], manifest.pop("checksum")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise _changed(path) from None
    if version != RUN_VERSION:
        raise RunError(
            expected=f"run version {RUN_VERSION}",
            found=str(version),
            where=str(path),
            fix="Train again with this version of reelmix, or open the run with the version that made it.",
        )
    if digest(_json(manifest)) != checksum:
        raise _changed(path)
    return manifest


def _verify(path: Path, expected: str) -> None:
    require_file(path, "a file of the run")
    if file_digest(path) != expected:
        raise _changed(path)


def _changed(path: Path) -> RunError:
    return RunError(
        expected="the file as it was written",
        found="other bytes",
        where=str(path),
        fix="Restore the run folder from a copy, or train again.",
    )


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

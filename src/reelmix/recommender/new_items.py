"""Vectors of items that were not in training, from their content alone: nobody has watched them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from reelmix.data.dataset import Dataset
from reelmix.data.features import BagFeatures, DenseFeatures, Features, bag_features, dense_features
from reelmix.data.vocabulary import UserOrItemId, Vocabulary
from reelmix.errors import ConfigError, DataError, nearest
from reelmix.recommender.item_content import VECTORS, ItemVectors, Parts, content_vectors
from reelmix.recommender.run import Run, Vectors

Content = Mapping[UserOrItemId, Sequence[float] | Sequence[int] | np.ndarray]
"""Item id to its vector (dense) or token numbers (bag) in a modality; an item that is not named lacks it."""


@dataclass(frozen=True, eq=False)
class NewItems:
    """Items and what is known of their content.

    Attributes:
        table: one row an item: ``item_id``, optionally ``title`` and anything else.
        features: modality to the features that exist, in rows of ``table``.
    """

    table: pl.DataFrame
    features: Mapping[str, Features]

    @classmethod
    def of(
        cls,
        features: Mapping[str, Content],
        *,
        titles: Mapping[UserOrItemId, str] | None = None,
        encoders: Mapping[str, str] | None = None,
        run: Run,
    ) -> NewItems:
        """From content by item id, for a run.

        Raises:
            DataError: an id that cannot be one, or features of another kind, size or encoder than the run's.
        """
        named = dict.fromkeys(identifier for content in features.values() for identifier in content)
        named |= dict.fromkeys(titles or {})
        items = Vocabulary.of(list(named), "item")
        table = pl.DataFrame({"item_id": items.ids})
        if titles:
            table = table.with_columns(
                title=pl.Series(
                    [titles.get(identifier) for identifier in items.ids.to_list()], dtype=pl.String
                )
            )
        made = {
            name: _features(name, content, items, (encoders or {}).get(name, "unknown"), run)
            for name, content in features.items()
        }
        return cls(table, made)

    @classmethod
    def of_dataset(cls, dataset: Dataset, run: Run) -> NewItems:
        """The items of a dataset that a run does not have, with the modalities that it was trained with.

        Those that have none of these are left out.
        """
        known = [name for name in dataset.modalities if name in run.manifest["dataset"]["features"]]
        having = np.zeros(dataset.n_items, bool)
        for name in known:
            having |= dataset.has(name)
        new = having & (run.items.rows(dataset.items.ids) < 0)
        features = {name: dataset.features[name].take(new) for name in known}
        return cls(dataset.item_table.filter(pl.Series(new)), features)


def with_items(run: Run, new: NewItems) -> Run:
    """The run with more items, whose vectors are what the model's equations give an item without watchers.

    Reelmix: layer 0, ``sum_m W_m f``, and that of the items of training that it looks like; their mean
    regression, and what its own content says in one that knows content; and the mean bias of the items that
    somebody watched.
    DualGNN: ``i_m = content_m(f)`` (layer 0, no trained id). MMGCN: its maps with nothing heard from
    neighbours and no id. VBPR: ``E f`` and ``c . f`` without latent vector or bias. A modality that an item
    lacks takes no part, or is filled with zeros or the mean if the model was trained so; graphs of who
    watched what know nothing of a new item.

    Raises:
        ConfigError: the model knows no content.
        DataError: no item, one that the run has already or that has no modality, an unknown modality, or
            features of another kind, size or encoder than those of the training.
        RunError: an earlier version made the run, and kept too little.
    """
    model = str(run.manifest["model"])
    if model not in VECTORS:
        raise ConfigError(
            expected=f"a model that knows content: {', '.join(VECTORS)}",
            found=model,
            where="add_items",
            fix="Train one of these on a dataset with features.",
        )
    ids = new.table["item_id"]
    _require_new(run, ids)
    present = np.zeros((len(ids), len(run.vectors.item_parts)), bool)
    contents: Parts = {}
    taking: dict[str, np.ndarray] = {}
    for name, features in new.features.items():
        _require_same_features(run, name, features)
        present[features.items, list(run.vectors.item_parts).index(name)] = True
    _require_content(ids, present)
    for place, name in enumerate(run.vectors.item_parts):
        contents[name], taking[name] = content_vectors(run, name, new.features.get(name), len(ids))
        taking[name] |= present[:, place]
    takes_part = np.stack(list(taking.values()), axis=1)
    vectors = VECTORS[model](run, contents, takes_part, new.features)
    items = pl.concat([run.items.ids, ids.rename("id").cast(run.items.ids.dtype)])
    table = new.table.with_columns(pl.col("item_id").cast(run.item_table["item_id"].dtype))
    return replace(
        run,
        manifest={**run.manifest, "added_items": int(run.manifest.get("added_items", 0)) + len(ids)},
        items=Vocabulary(items, "item"),
        item_table=pl.concat([run.item_table, table], how="diagonal_relaxed"),
        vectors=_extended(run.vectors, vectors, present),
    )


def _extended(known: Vectors, new: ItemVectors, present: np.ndarray) -> Vectors:
    return replace(
        known,
        items=np.concatenate([known.items, new.items]),
        item_parts={name: np.concatenate([part, new.parts[name]]) for name, part in known.item_parts.items()},
        present=np.concatenate([known.present, present]),
        passes=_joined(known.passes, new.passes),
        edges=_joined(known.edges, new.edges),
        directions=_joined(known.directions, new.directions),
    )


def _joined(known: np.ndarray | None, new: np.ndarray | None) -> np.ndarray | None:
    return None if known is None or new is None else np.concatenate([known, new])


# What cannot be taken in


def _features(
    name: str, content: Content, items: Vocabulary, encoder: str, run: Run
) -> DenseFeatures | BagFeatures:
    known = _known(run, name)
    rows = items.rows(list(content))
    where = f"features, modality {name!r}"
    try:
        if known["kind"] == "bag":
            lengths = [len(tokens) for tokens in content.values()]
            flat = np.concatenate([np.asarray(tokens) for tokens in content.values()])
            return bag_features(
                np.repeat(rows, lengths), flat, where=where, n_tokens=known["size"], encoder=encoder
            )
        values = np.stack([np.asarray(vector, np.float32) for vector in content.values()])
    except ValueError:
        raise DataError(
            expected=f"one vector of {known['size']} numbers an item",
            found="vectors of different lengths, or something else than numbers",
            where=where,
            fix="Extract the features of all items with one encoder.",
        ) from None
    return dense_features(rows, values, where=where, encoder=encoder)


def _known(run: Run, name: str) -> Mapping[str, Any]:
    """What is known of a modality's features in training."""
    known: Mapping[str, Any] = run.manifest["dataset"]["features"]
    if name not in known:
        raise DataError(
            expected="a modality that the model was trained with",
            found=repr(name),
            where="features",
            fix=nearest(name, known),
        )
    return known[name]


def _require_same_features(run: Run, name: str, features: Features) -> None:
    known = _known(run, name)
    kind = "bag" if isinstance(features, BagFeatures) else "dense"
    for what, ours, theirs in (
        ("kind", known["kind"], kind),
        ("size", known["size"], features.size),
        ("encoder", known["encoder"], features.encoder),
    ):
        if ours != theirs and "unknown" not in (ours, theirs):
            raise DataError(
                expected=f"{name} features of {what} {ours}, as in training",
                found=str(theirs),
                where=f"features, modality {name!r}",
                fix="Extract them with the encoder that made the training features.",
            )


def _require_new(run: Run, ids: pl.Series) -> None:
    if not len(ids):
        raise DataError(
            expected="at least one new item with a modality",
            found="none",
            where="add_items",
            fix="Give items that the run does not have, with the features of at least one modality.",
        )
    if ids.dtype != run.items.ids.dtype:
        raise DataError(
            expected=f"item ids of the run's type, such as {run.items.ids[0]!r}",
            found=repr(ids[0]),
            where="add_items",
            fix="Write them like the ids of the run.",
        )
    known = run.items.rows(ids) >= 0
    if known.any():
        raise DataError(
            expected="items that the run does not have",
            found=repr(ids[int(known.argmax())]),
            where="add_items",
            fix="Leave it out; to change what is known of an item, train again.",
        )


def _require_content(ids: pl.Series, present: np.ndarray) -> None:
    bare = ~present.any(axis=1)
    if bare.any():
        raise DataError(
            expected="at least one modality for every new item",
            found=f"none for {ids[int(bare.argmax())]!r}",
            where="add_items",
            fix="Give it features, or leave it out: nothing is known of it.",
        )

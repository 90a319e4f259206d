"""A dataset from tables in the caller's ids: what every importer ends with, and what every check lives in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Int, Num

from reelmix.data.columns import labels_of, require_columns, timestamps_of, weights_of
from reelmix.data.dataset import Card, Dataset
from reelmix.data.feature_files import FeatureTable
from reelmix.data.features import Features, bag_features, dense_features
from reelmix.data.interactions import Interactions
from reelmix.data.stretches import Stretches
from reelmix.data.vocabulary import Vocabulary, as_ids
from reelmix.errors import DataError

MODALITY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def assemble(
    pairs: pl.DataFrame | Stretches,
    item_table: pl.DataFrame | None,
    features: Mapping[str, tuple[pl.Series, np.ndarray] | FeatureTable],
    *,
    card: Card,
    where: Path,
    encoders: Mapping[str, str] | None = None,
) -> Dataset:
    """A dataset from tables in the caller's ids: what every importer ends with.

    Args:
        pairs: columns ``user_id``, ``item_id``, optional ``timestamp``, ``weight`` and ``split`` (train,
            validation, test); or the same in stretches, with ids of settled types.
        item_table: column ``item_id``, each item once, anything else; None takes the items of ``pairs``
            and of ``features``.
        features: modality to the ids and the (item, feature) values of the items that have it, or to a
            :class:`FeatureTable`.
        card: provenance.
        where: the file that ``pairs`` came from, for messages.
        encoders: modality to what made its features.

    Raises:
        DataError: an item twice, an interaction with an unknown item, or a bad id, label, number or feature.
    """
    if isinstance(pairs, pl.DataFrame):
        require_columns(pairs, ["user_id", "item_id"], where)
        n_rows, user_ids, item_ids = pairs.height, pairs["user_id"], pairs["item_id"]
    else:
        n_rows, user_ids, item_ids = pairs.n_rows, pairs.users, pairs.items
    if n_rows == 0:
        raise DataError(
            expected="at least one interaction", found="none", where=str(where), fix="Check the file."
        )
    tables = {name: _table(name, given, encoders or {}) for name, given in features.items()}
    user_ids = as_ids(user_ids, "user", f"{where}, column user_id")
    item_ids = as_ids(item_ids, "item", f"{where}, column item_id")
    users = Vocabulary.of(user_ids, "user")
    if item_table is None:
        every = [item_ids, *(as_ids(table.ids, "item", table.where) for table in tables.values())]
        items = Vocabulary.of(_concatenated(every, where), "item")
        item_table = pl.DataFrame({"item_id": items.ids})
    else:
        items, item_table = _item_vocabulary(item_table)
    columns = partial(_columns, users, items, where)
    interactions = (
        Interactions.of(**columns(pairs, 0))
        if isinstance(pairs, pl.DataFrame)
        else pairs.interactions(users.rows(user_ids), columns)
    )
    checked = {name: _checked(items, table) for name, table in tables.items()}
    card = _noted(card, n_rows - len(interactions))
    return Dataset(users, items, interactions, checked, item_table, card)


def _columns(
    users: Vocabulary, items: Vocabulary, where: Path, pairs: pl.DataFrame, first: int
) -> dict[str, Num[np.ndarray, " row"]]:
    """Row numbers, and the other columns that there are, of a table or a stretch of one."""
    item_ids = as_ids(pairs["item_id"], "item", f"{where}, column item_id", first)
    expected, otherwise = "interactions with known items", "drop the interaction"
    found = {
        "users": users.rows(pairs["user_id"]),
        "items": _rows_of(items, item_ids, str(where), expected, otherwise, first),
        "timestamps": timestamps_of(pairs, where, first),
        "weights": weights_of(pairs, where, first),
        "labels": labels_of(pairs, where, first),
    }
    return {name: column for name, column in found.items() if column is not None}


def _noted(card: Card, repeated: int) -> Card:
    if not repeated:
        return card
    note = f"{repeated:,} repeated interactions merged, training before validation before test"
    return replace(card, notes=(*card.notes, note))


def _table(
    name: str, given: tuple[pl.Series, np.ndarray] | FeatureTable, encoders: Mapping[str, str]
) -> FeatureTable:
    if not MODALITY_NAME.fullmatch(name):
        raise DataError(
            expected="a modality name of letters, digits, - and _ that begins with a letter",
            found=repr(name),
            where="features",
            fix="Rename it.",
        )
    if isinstance(given, FeatureTable):
        return given
    return FeatureTable(*given, f"{name} features", encoder=encoders.get(name, "unknown"))


def _checked(items: Vocabulary, table: FeatureTable) -> Features:
    ids, values, where = table.ids, table.values, table.where
    if values.ndim == 2 and len(ids) != len(values):
        # said before ids are looked up, so that the count is what the caller sees
        dense_features(np.arange(len(ids)), values, where=where)
    rows = feature_rows(items, ids, where)
    if table.kind == "bag":
        return bag_features(rows, values, where=where, n_tokens=table.n_tokens, encoder=table.encoder)
    return dense_features(rows, values, where=where, encoder=table.encoder)


def feature_rows(items: Vocabulary, ids: pl.Series, where: str) -> Int[np.ndarray, " row"]:
    """Rows of the items that features belong to.

    Raises:
        DataError: a feature of an item that does not exist.
    """
    return _rows_of(
        items, as_ids(ids, "item", where), where, "features of known items", "leave its feature out"
    )


def _rows_of(
    items: Vocabulary, ids: pl.Series, where: str, expected: str, otherwise: str, first: int = 0
) -> Int[np.ndarray, " row"]:
    _require_type(items, ids, where)
    rows = items.rows(ids)
    unknown = np.flatnonzero(rows < 0)
    if unknown.size:
        raise DataError(
            expected=expected,
            found=f"item {ids[int(unknown[0])]!r}",
            where=f"{where}, row {first + unknown[0]}",
            fix=f"Add the item to the table of items, or {otherwise}.",
        )
    return rows


def _require_type(items: Vocabulary, ids: pl.Series, where: str) -> None:
    if len(ids) and ids.dtype != items.ids.dtype:
        raise DataError(
            expected=f"item ids as {_kind(items.ids)}, as in the table of items",
            found=_kind(ids),
            where=where,
            fix="Write the ids the same way in both.",
        )


def _kind(ids: pl.Series) -> str:
    return "whole numbers" if ids.dtype == pl.Int64 else "texts"


def _concatenated(series: list[pl.Series], where: Path) -> pl.Series:
    kinds = {_kind(one) for one in series if len(one)}
    if len(kinds) > 1:
        raise DataError(
            expected="item ids of one type",
            found="whole numbers and texts",
            where=f"{where} and the features",
            fix="Write the ids the same way in both.",
        )
    return pl.concat([one.rename("id") for one in series if len(one)])


def _item_vocabulary(table: pl.DataFrame) -> tuple[Vocabulary, pl.DataFrame]:
    where = "the table of items"
    ids = as_ids(table["item_id"], "item", where)
    repeated = ids.is_duplicated()
    if repeated.any():
        raise DataError(
            expected="each item once",
            found=f"item {ids.filter(repeated)[0]!r} more than once",
            where=where,
            fix="Keep one row for each item.",
        )
    table = table.with_columns(ids.rename("item_id")).sort("item_id")
    return Vocabulary(table["item_id"], "item"), table

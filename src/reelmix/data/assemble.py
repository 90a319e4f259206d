"""A dataset from tables in the caller's ids: what every importer ends with, and what every check lives in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Int

from reelmix.data.dataset import Card, Dataset
from reelmix.data.features import dense_features
from reelmix.data.interactions import LABEL_NAMES, Interactions
from reelmix.data.vocabulary import Vocabulary, as_ids
from reelmix.errors import DataError

MODALITY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def feature_rows(items: Vocabulary, ids: pl.Series, where: str) -> Int[np.ndarray, " present"]:
    """Rows of the items that features belong to.

    Raises:
        DataError: a feature of an item that does not exist.
    """
    rows = items.rows(ids)
    unknown = np.flatnonzero(rows < 0)
    if unknown.size:
        raise DataError(
            expected="features of known items",
            found=f"item {ids[int(unknown[0])]!r}",
            where=f"{where}, row {unknown[0]}",
            fix="Add the item to the table of items, or leave its feature out.",
        )
    return rows


def require_columns(table: pl.DataFrame, names: list[str], where: Path) -> None:
    """Raises DataError unless ``table`` has all these columns."""
    for name in names:
        if name not in table.columns:
            raise DataError(
                expected=f"a column {name}",
                found=", ".join(table.columns) or "no columns",
                where=str(where),
                fix=f"Rename the column that holds it to {name}.",
            )


def assemble(
    pairs: pl.DataFrame,
    item_table: pl.DataFrame | None,
    features: Mapping[str, tuple[pl.Series, np.ndarray]],
    *,
    card: Card,
    where: Path,
    encoders: Mapping[str, str] | None = None,
) -> Dataset:
    """A dataset from tables in the caller's ids: what every importer ends with.

    Args:
        pairs: columns ``user_id``, ``item_id``, optional ``timestamp``, ``weight`` and ``split`` (train,
            validation, test).
        item_table: column ``item_id``, each item once, anything else; None takes the items of ``pairs``
            and of ``features``.
        features: modality to the ids and the (item, feature) values of the items that have it.
        card: provenance.
        where: the file that ``pairs`` came from, for messages.
        encoders: modality to what made its features.

    Raises:
        DataError: a repeated item, an interaction with an unknown item, a bad id, label, timestamp or feature.
    """
    require_columns(pairs, ["user_id", "item_id"], where)
    if pairs.height == 0:
        raise DataError(
            expected="at least one interaction", found="none", where=str(where), fix="Check the file."
        )
    users = Vocabulary.of(pairs["user_id"], "user")
    item_ids = as_ids(pairs["item_id"], "item")
    if item_table is None:
        every = [item_ids, *(as_ids(ids, "item") for ids, _ in features.values())]
        items = Vocabulary.of(_concatenated(every, where), "item")
        item_table = pl.DataFrame({"item_id": items.ids})
    else:
        items, item_table = _item_vocabulary(item_table)
    rows = items.rows(item_ids)
    unknown = np.flatnonzero(rows < 0)
    if unknown.size:
        raise DataError(
            expected="interactions with known items",
            found=f"item {item_ids[int(unknown[0])]!r}",
            where=f"{where}, row {unknown[0]}",
            fix="Add the item to the table of items, or drop the interaction.",
        )
    interactions = Interactions.of(
        users.rows(pairs["user_id"]),
        rows,
        _timestamps(pairs, where),
        _weights(pairs, where),
        _labels(pairs, where),
    )
    checked = {}
    for name, (ids, values) in features.items():
        if not MODALITY_NAME.fullmatch(name):
            raise DataError(
                expected="a modality name of letters, digits, - and _ that begins with a letter",
                found=repr(name),
                where="features",
                fix="Rename it.",
            )
        at = f"{name} features"
        encoder = (encoders or {}).get(name, "unknown")
        if values.ndim == 2 and len(ids) != len(values):
            # said before ids are looked up, so that the count is what the caller sees
            dense_features(np.arange(len(ids)), values, where=at)
        checked[name] = dense_features(feature_rows(items, ids, at), values, where=at, encoder=encoder)
    repeated = pairs.height - len(interactions)
    if repeated:
        note = f"{repeated:,} repeated interactions merged, training before validation before test"
        card = Card(card.name, card.provenance, card.simulated, (*card.notes, note))
    return Dataset(users, items, interactions, checked, item_table, card)


def _concatenated(series: list[pl.Series], where: Path) -> pl.Series:
    types = {one.dtype for one in series}
    if len(types) > 1:
        raise DataError(
            expected="item ids of one type",
            found=" and ".join(sorted(str(one) for one in types)),
            where=f"{where} and the features",
            fix="Write the ids the same way in both.",
        )
    return pl.concat([one.rename("id") for one in series])


def _item_vocabulary(table: pl.DataFrame) -> tuple[Vocabulary, pl.DataFrame]:
    ids = as_ids(table["item_id"], "item")
    repeated = ids.is_duplicated()
    if repeated.any():
        raise DataError(
            expected="each item once",
            found=f"item {ids.filter(repeated)[0]!r} more than once",
            where="the table of items",
            fix="Keep one row for each item.",
        )
    table = table.with_columns(ids.rename("item_id")).sort("item_id")
    return Vocabulary(table["item_id"], "item"), table


def _timestamps(pairs: pl.DataFrame, where: Path) -> np.ndarray | None:
    if "timestamp" not in pairs.columns:
        return None
    column = pairs["timestamp"]
    if column.dtype.is_temporal():
        column = column.cast(pl.Datetime("us")).dt.timestamp("us")
    if (
        not column.dtype.is_numeric()
        or column.null_count()
        or column.cast(pl.Float64).is_finite().not_().any()
    ):
        raise DataError(
            expected="a finite number or a time in every row of timestamp",
            found=f"{column.null_count()} empty cells in a column of {column.dtype}",
            where=str(where),
            fix="Fill or drop those rows, or leave the column out.",
        )
    return column.cast(pl.Int64 if column.dtype.is_integer() else pl.Float64).to_numpy()


def _weights(pairs: pl.DataFrame, where: Path) -> np.ndarray | None:
    if "weight" not in pairs.columns:
        return None
    column = pairs["weight"]
    if (
        not column.dtype.is_numeric()
        or column.null_count()
        or column.cast(pl.Float64).is_finite().not_().any()
    ):
        raise DataError(
            expected="a finite number in every row of weight",
            found=f"{column.null_count()} empty cells in a column of {column.dtype}",
            where=str(where),
            fix="Fill or drop those rows, or leave the column out.",
        )
    return column.cast(pl.Float32).to_numpy()


def _labels(pairs: pl.DataFrame, where: Path) -> np.ndarray | None:
    if "split" not in pairs.columns:
        return None
    labels = pairs["split"].cast(pl.String)
    odd = labels.is_in(LABEL_NAMES).fill_null(value=False).not_()
    if odd.any():
        row = int(odd.arg_max() or 0)
        raise DataError(
            expected="train, validation or test",
            found=repr(labels[row]),
            where=f"{where}, column split, row {row}",
            fix="Correct the label.",
        )
    return labels.replace_strict(
        dict(zip(LABEL_NAMES, range(3), strict=True)), return_dtype=pl.Int8
    ).to_numpy()

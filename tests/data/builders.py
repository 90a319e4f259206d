"""Small datasets: by hand, and drawn by Hypothesis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import strategies as st

from reelmix.data import Card, Dataset, DenseFeatures
from reelmix.data.assemble import assemble
from reelmix.data.feature_files import FeatureTable
from reelmix.data.vocabulary import as_ids

WHERE = Path("pairs.csv")


def build(pairs, item_table=None, features=None, **columns) -> Dataset:
    """A dataset of (user, item) pairs."""
    table = pl.DataFrame(
        {"user_id": as_ids([u for u, _ in pairs], "user"), "item_id": as_ids([i for _, i in pairs], "item")}
    )
    table = table.with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    return assemble(table, item_table, features or {}, card=Card("hand-made"), where=WHERE)


def assert_same(one: Dataset, other: Dataset) -> None:
    """Everything that a dataset holds is equal."""
    for name in ("users", "items"):
        ids, others = getattr(one, name).ids, getattr(other, name).ids
        assert ids.dtype == others.dtype
        assert ids.to_list() == others.to_list()
    for name in ("users", "items", "timestamps", "weights", "labels"):
        _same_arrays(getattr(one.interactions, name), getattr(other.interactions, name))
    assert one.modalities == other.modalities
    for name in one.modalities:
        features, others = one.features[name], other.features[name]
        assert type(features) is type(others)
        fields = ("items", "values") if isinstance(features, DenseFeatures) else ("items", "starts", "tokens")
        for field in fields:
            _same_arrays(getattr(features, field), getattr(others, field))
        assert (features.size, features.encoder) == (others.size, others.encoder)
    assert one.item_table.equals(other.item_table)
    assert one.card == other.card
    assert one.content_hash == other.content_hash


def _same_arrays(one, other) -> None:
    assert (one is None) == (other is None)
    if one is not None:
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(min_size=1, max_size=8)
HUGE = st.integers(2**63, 2**70)


def ids():
    """Lists of distinct ids of one kind: integers, texts, or numbers of which some are huge."""
    kinds = (INTEGERS, TEXTS, st.one_of(HUGE, st.integers(-5, 5)))
    return st.sampled_from(kinds).flatmap(lambda kind: st.lists(kind, min_size=1, max_size=8, unique=True))


@st.composite
def recipes(draw) -> dict:
    """Datasets of every shape: any ids, optional columns, items that nobody watched, features with holes."""
    users, items = draw(ids()), draw(ids())
    pair = st.tuples(st.integers(0, len(users) - 1), st.integers(0, len(items) - 1))
    pairs = draw(st.lists(pair, min_size=1, max_size=25))
    n = len(pairs)
    finite = st.floats(allow_nan=False, allow_infinity=False)
    columns = {
        "timestamp": draw(st.sampled_from([INTEGERS, finite])),
        "weight": st.floats(-9, 9, width=32),
        "split": st.sampled_from(["train", "validation", "test"]),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(columns))))
    titles = st.lists(st.none() | st.text(max_size=4), min_size=len(items), max_size=len(items))
    return {
        "pairs": pairs,
        "users": users,
        "items": items,
        "titles": draw(titles),
        "features": draw(st.dictionaries(st.sampled_from("vat"), _features(len(items)))),
        "columns": {name: draw(st.lists(columns[name], min_size=n, max_size=n)) for name in sorted(chosen)},
    }


@st.composite
def _features(draw, n_items) -> dict:
    rows = draw(st.lists(st.integers(0, n_items - 1), unique=True))
    n = len(rows)
    if draw(st.booleans()):
        dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
        numbers = draw(st.lists(st.floats(-9, 9, width=16), min_size=2 * n, max_size=2 * n))
        return {"rows": rows, "values": np.array(numbers, dtype).reshape(n, 2), "encoder": "é"}
    rows = rows + rows[::2]
    tokens = draw(st.lists(st.integers(0, 5), min_size=len(rows), max_size=len(rows)))
    n_tokens = draw(st.integers(6, 9))
    return {"rows": rows, "values": np.array(tokens, np.int32), "kind": "bag", "n_tokens": n_tokens}


def follow(recipe) -> Dataset:
    """Makes the dataset. Not while drawing: the run-time checks use random numbers of their own."""
    user_ids, item_ids = as_ids(recipe["users"], "user"), as_ids(recipe["items"], "item")
    pairs = [(user_ids[user], item_ids[item]) for user, item in recipe["pairs"]]
    table = pl.DataFrame({"item_id": item_ids, "title": pl.Series(recipe["titles"], dtype=pl.String)})
    features = {
        name: FeatureTable(
            item_ids.gather(one["rows"]),
            where=name,
            **{field: value for field, value in one.items() if field != "rows"},
        )
        for name, one in recipe["features"].items()
    }
    return build(pairs, table, features, **recipe["columns"])

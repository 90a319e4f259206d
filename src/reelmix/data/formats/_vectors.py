"""Features kept in the cells of a table: a list of numbers or of tokens, or one column a number."""

from __future__ import annotations

import numpy as np
import polars as pl

from reelmix.data.feature_files import FeatureTable
from reelmix.data.features import require_finite
from reelmix.errors import DataError


def vectors_in_cells(ids: pl.Series, cells: pl.Series, where: str) -> FeatureTable:
    """Features from a column of lists, or of texts such as "0.1 0.2 0.3"; an empty cell means none.

    Raises:
        DataError: a cell holds something else than numbers, or vectors differ in length.
    """
    given = cells.is_not_null() & (cells.str.strip_chars() != "" if cells.dtype == pl.String else True)
    rows = np.flatnonzero(given.fill_null(value=False).to_numpy())
    ids, cells = ids.gather(rows), cells.gather(rows)
    lists = cells
    if cells.dtype == pl.String:
        words = cells.str.strip_chars("[] \t").str.replace_all(r"[\s,]+", " ").str.split(" ")
        lists = words.cast(pl.List(pl.Float32), strict=False)
    elif isinstance(cells.dtype, pl.Array):
        lists = cells.arr.to_list()
    elif not isinstance(cells.dtype, pl.List):
        raise DataError(
            expected="a list of numbers in every row",
            found=f"{cells.dtype} values",
            where=where,
            fix="Write one list for each item, or one column for each number.",
        )
    lengths = lists.list.len().to_numpy()
    different = np.flatnonzero(lengths != lengths[:1])
    if different.size:
        raise DataError(
            expected=f"{lengths[0]} numbers, as in row {rows[0]}",
            found=str(lengths[different[0]]),
            where=f"{where}, row {rows[different[0]]}",
            fix="Give vectors of one length; leave the cell empty if the item has none.",
        )
    size = int(lengths[0]) if len(lengths) else 1
    numbers = lists.explode() if len(lists) else pl.Series([], dtype=pl.Float32)
    if numbers.null_count() or not numbers.dtype.is_numeric():
        row = int(numbers.is_null().arg_max() or 0) // max(size, 1)
        raise DataError(
            expected="numbers",
            found=repr(cells[row] if cells.dtype == pl.String else cells[row].to_list())[:80],
            where=f"{where}, row {rows[row]}",
            fix="Correct the cell; leave it empty if the item has no features.",
        )
    values = numbers.to_numpy().reshape(-1, size)
    if values.dtype.kind == "f":
        require_finite(values, where, rows)
    return FeatureTable(ids, values, where)


def vectors_in_columns(ids: pl.Series, columns: pl.DataFrame, where: str) -> FeatureTable:
    """Features from numeric columns, one a number; an item whose cells are all empty lacks them.

    Raises:
        DataError: a column is not numeric, or some cells of a row are empty and others not.
    """
    for name in columns.columns:
        if not columns[name].dtype.is_numeric():
            raise DataError(
                expected="a column of lists, or columns of numbers",
                found=f"{columns[name].dtype} values in {name}",
                where=where,
                fix="Keep item_id and the features only.",
            )
    empty = columns.select(pl.all_horizontal(pl.all().is_null())).to_series()
    rows = np.flatnonzero((~empty).to_numpy())
    ids, columns = ids.gather(rows), columns[rows]
    half = columns.select(pl.any_horizontal(pl.all().is_null())).to_series()
    if half.any():
        raise DataError(
            expected="a number in every cell",
            found=f"an empty one for item {ids.filter(half)[0]!r}",
            where=where,
            fix="Leave the item out if it has no features.",
        )
    values = columns.to_numpy()
    values = values if values.dtype.kind == "f" else values.astype(np.float32)
    require_finite(values, where, rows)
    return FeatureTable(ids, values, where)


def tokens_in_cells(ids: pl.Series, cells: pl.Series, where: str) -> FeatureTable:
    """Features from a column of tokens between spaces, such as "comedy drama"; an empty cell means none.

    The tokens get numbers in the order of their code points.
    """
    words = pl.DataFrame({"item": ids, "token": cells.cast(pl.String).fill_null("").str.split(" ")})
    words = words.explode("token").filter(pl.col("token") != "")
    known = words["token"].unique().sort()
    numbers = known.search_sorted(words["token"]).to_numpy().astype(np.int64)
    return FeatureTable(words["item"], numbers, where, kind="bag", n_tokens=len(known))

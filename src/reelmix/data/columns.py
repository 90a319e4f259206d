"""The columns of a table of interactions, or of a stretch of one, checked value by value.

``first`` is the row of the file that a stretch begins with, for messages.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float, Int, Num

from reelmix.data.interactions import LABEL_NAMES
from reelmix.errors import DataError, nearest


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


def timestamps_of(pairs: pl.DataFrame, where: Path, first: int = 0) -> Num[np.ndarray, " row"] | None:
    """The column ``timestamp``: int64, float64, or microseconds since 1970 if it holds dates or times.

    Raises:
        DataError: a cell is empty, not a number or not finite.
    """
    if "timestamp" not in pairs.columns:
        return None
    column = pairs["timestamp"]
    if column.dtype == pl.Date or column.dtype == pl.Datetime:
        column = column.dt.timestamp("us")
    _require_finite(column, "timestamp", where, first)
    if column.dtype.is_integer():
        whole = column.cast(pl.Int64, strict=False)
        if not whole.null_count():
            return whole.to_numpy()
    return column.cast(pl.Float64).to_numpy()


def weights_of(pairs: pl.DataFrame, where: Path, first: int = 0) -> Float[np.ndarray, " row"] | None:
    """The column ``weight``, float32.

    Raises:
        DataError: a cell is empty, not a number or not finite.
    """
    if "weight" not in pairs.columns:
        return None
    column = pairs["weight"]
    _require_finite(column, "weight", where, first)
    return column.cast(pl.Float32).to_numpy()


def _require_finite(column: pl.Series, name: str, where: Path, first: int) -> None:
    expected = f"a finite number in every row of {name}"
    fix = "Correct or drop those rows, or leave the column out."
    if column.null_count():
        row = int(column.is_null().arg_max() or 0)
        raise DataError(
            expected=expected, found="an empty cell", where=f"{where}, row {first + row}", fix=fix
        )
    if not column.dtype.is_numeric():
        example = f" such as {column[0]!r}" if len(column) else ""
        raise DataError(expected=expected, found=f"{column.dtype} values{example}", where=str(where), fix=fix)
    # what a 32-bit float cannot hold is as useless as infinity where one is wanted
    odd = column.cast(pl.Float32 if name == "weight" else pl.Float64).is_finite().not_()
    if odd.any():
        row = int(odd.arg_max() or 0)
        raise DataError(
            expected=expected, found=str(column[row]), where=f"{where}, row {first + row}", fix=fix
        )


def labels_of(pairs: pl.DataFrame, where: Path, first: int = 0) -> Int[np.ndarray, " row"] | None:
    """The column ``split`` as 0 train, 1 validation, 2 test, int8.

    Raises:
        DataError: another word.
    """
    if "split" not in pairs.columns:
        return None
    labels = pairs["split"].cast(pl.String, strict=False)
    odd = labels.is_in(LABEL_NAMES).fill_null(value=False).not_()
    if odd.any():
        row = int(odd.arg_max() or 0)
        word: str | None = labels[row]
        raise DataError(
            expected="train, validation or test",
            found="an empty cell" if word is None else repr(word),
            where=f"{where}, column split, row {first + row}",
            fix=f"Correct the label. {nearest(word or '', LABEL_NAMES)}",
        )
    numbers = dict(zip(LABEL_NAMES, range(3), strict=True))
    return labels.replace_strict(numbers, return_dtype=pl.Int8).to_numpy()

"""The evaluation protocol: every item that a user has not consumed is ranked, block by block of users."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float, Float64, Int
from pydantic import Field, field_validator
from scipy.sparse import csr_array

from reelmix.errors import ConfigError, DataError, nearest
from reelmix.evaluation.metrics import METRICS, Hits, coverage, find_hits
from reelmix.evaluation.ranking import row_bytes, tie_bytes, top_n
from reelmix.evaluation.scorer import Scorer
from reelmix.settings import Settings

_MIB = 1 << 20


class EvaluationConfig(Settings):
    """What is measured, and how much memory that may take."""

    at: tuple[int, ...] = (1, 5, 10, 20)
    """Cuts P of the ranked lists, in items, each at least 1; papers in this field print 1, 5, 10 and 20."""

    metrics: tuple[str, ...] = ("recall", "ndcg", "precision", "hit_rate", "mrr")
    """Names of metrics: recall, ndcg, precision, hit_rate, mrr, ndcg_hits. The default leaves out ndcg_hits
    alone, which repeats a fault of published code, to compare with tables made that way."""

    block_bytes: int = Field(default=256 * _MIB, ge=1)
    """Bytes, at least 1: a bound for all temporary arrays while a block of users is scored and ranked. The
    default fits any laptop, and is near the size from which on a larger one gains no time."""

    @field_validator("at")
    @classmethod
    def _cuts_are_positive(cls, at: tuple[int, ...]) -> tuple[int, ...]:
        if not at or min(at) < 1:
            raise ConfigError(
                expected="one or more list lengths of at least 1",
                found=str(list(at)),
                where="at",
                fix="Write for example at = [1, 5, 10, 20].",
            )
        return at

    @field_validator("metrics")
    @classmethod
    def _metrics_exist(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        for name in metrics:
            if name not in METRICS:
                raise ConfigError(
                    expected="the name of a metric",
                    found=repr(name),
                    where="metrics",
                    fix=nearest(name, METRICS),
                )
        return metrics


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of ``evaluate``.

    Attributes:
        metrics: the mean over ``users`` of each metric by name and cut ("recall@10"), and "coverage@10": the
            share of all items that stand in at least one list.
        per_user: the metric of each evaluated user, in the order of ``users``, for paired tests.
        users: the evaluated user rows, ascending: those with at least one relevant item.
        distinct_items: by cut, how many distinct items stand in the lists of all evaluated users.
        n_items: number of items that were ranked.
    """

    metrics: Mapping[str, float]
    per_user: Mapping[str, Float64[np.ndarray, " user"]]
    users: Int[np.ndarray, " user"]
    distinct_items: Mapping[int, int]
    n_items: int


_DEFAULT = EvaluationConfig()


def evaluate(
    scorer: Scorer, *, relevant: csr_array, exclude: csr_array, config: EvaluationConfig = _DEFAULT
) -> Evaluation:
    """Ranks all items that are not excluded for each user with a relevant item, and measures the lists.

    The caller chooses the stage. For validation, ``relevant`` is the validation part and ``exclude`` the
    training part alone: test items stay candidates, or the choice of the best epoch would learn from them.
    For test, ``relevant`` is the test part and ``exclude`` training and validation together.

    Excluded cells score -inf, so they never enter a list. A relevant item that is excluded too still counts
    as relevant, and can never be hit. Equal scores are ranked by item row. Not within the bound
    ``config.block_bytes``: the result, what the scorer needs beside the block that it returns, and a copy of
    each matrix that has unsorted, repeated or zero cells.

    Args:
        scorer: scores (user, item); see ``Scorer``.
        relevant: (user, item); a cell other than 0 is an item that should be found.
        exclude: (user, item); a cell other than 0 is no candidate.
        config: metrics, cuts and memory.

    Raises:
        DataError: a matrix is not (users, items) of the scorer, no user has a relevant item, or scores are of
            another shape or type, or NaN where not excluded.
        ConfigError: ``block_bytes`` does not suffice for one user.
    """
    relevant = _tidy(relevant, scorer, "relevant")
    exclude = _tidy(exclude, scorer, "exclude")
    n_relevant = np.diff(relevant.indptr)
    users = _evaluated(n_relevant)
    values = {f"{name}@{at}": np.empty(len(users)) for name in config.metrics for at in config.at}
    shown = {at: np.zeros(scorer.n_items, bool) for at in config.at}
    for part in _blocks(len(users), _users_a_block(scorer.n_items, relevant, exclude, config)):
        rows = users[part]
        lists = top_n(_masked_scores(scorer, rows, exclude), max(config.at), user_rows=rows).items
        hits = Hits(find_hits(lists, relevant[rows]), n_relevant[rows])
        for name in config.metrics:
            for at in config.at:
                values[f"{name}@{at}"][part] = METRICS[name](hits, at)
        for at, seen in shown.items():
            listed = lists[:, :at]
            seen[listed[listed >= 0]] = True
    return Evaluation(
        metrics={key: float(value.mean()) for key, value in values.items()}
        | {f"coverage@{at}": coverage(seen) for at, seen in shown.items()},
        per_user=values,
        users=users,
        distinct_items={at: int(seen.sum()) for at, seen in shown.items()},
        n_items=scorer.n_items,
    )


def _evaluated(n_relevant: Int[np.ndarray, " user"]) -> Int[np.ndarray, " evaluated"]:
    """The rows of the users who have a relevant item."""
    if not n_relevant.any():
        raise DataError(
            expected="at least one user with a relevant item",
            found="none",
            where="relevant",
            fix="Give a validation or test part that holds interactions.",
        )
    return np.flatnonzero(n_relevant)


def _masked_scores(
    scorer: Scorer, users: Int[np.ndarray, " block"], exclude: csr_array
) -> Float[np.ndarray, "block item"]:
    """The scores of a block with -inf in the excluded cells; a copy, as they may be the scorer's own data."""
    scores = scorer.score(users)
    if scores.shape != (len(users), scorer.n_items) or not np.issubdtype(scores.dtype, np.floating):
        raise DataError(
            expected=f"floating-point scores of shape {(len(users), scorer.n_items)}",
            found=f"{scores.dtype} of shape {scores.shape}",
            where=f"{type(scorer).__name__}.score",
            fix="Return one row for each user asked for and one column for each item.",
        )
    masked = scores.copy(order="C")
    excluded = exclude[users]
    masked[np.repeat(np.arange(len(users)), np.diff(excluded.indptr)), excluded.indices] = -np.inf
    return masked


def _blocks(n_users: int, size: int) -> Iterator[slice]:
    """The users in consecutive blocks."""
    return (slice(start, start + size) for start in range(0, n_users, size))


def _users_a_block(n_items: int, relevant: csr_array, exclude: csr_array, config: EvaluationConfig) -> int:
    """How many users may be scored and ranked together with all temporary arrays inside ``block_bytes``."""
    n = max(config.at)
    scores_and_copy = 2 * 8 * n_items  # counted as float64
    rows_of_matrices = 48 * sum(int(np.diff(matrix.indptr).max()) for matrix in (relevant, exclude))
    lists_and_hits = 64 * n
    a_user = scores_and_copy + rows_of_matrices + lists_and_hits + row_bytes(n_items, n)
    once = tie_bytes(n_items) + len(config.at) * n_items + 64 * n
    if a_user + once > config.block_bytes:
        raise ConfigError(
            expected=f"at least {a_user + once} bytes, for one user and {n_items} items",
            found=str(config.block_bytes),
            where="block_bytes",
            fix="Raise it, or ask for shorter lists.",
        )
    return (config.block_bytes - once) // a_user


def _tidy(matrix: csr_array, scorer: Scorer, name: str) -> csr_array:
    """The matrix with each non-zero cell stored once, sorted by item; a copy only where it was not so."""
    expected, found = (scorer.n_users, scorer.n_items), cast("tuple[int, int]", matrix.shape)
    if found != expected:
        raise DataError(
            expected=f"(users, items) = {expected} as in the scorer",
            found=str(found),
            where=name,
            fix="Build it from the dataset that the model was trained on.",
        )
    if matrix.has_canonical_format and matrix.data.all():
        return matrix
    matrix = matrix.copy()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix

"""implicit's ``recommend`` and ``similar_items`` by given vectors: exact lists, what was seen left out.

implicit is a peer to measure against, not a dependency: ``pip install --no-deps implicit tqdm``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from scipy.sparse import csr_array, csr_matrix

INSTALLED = find_spec("implicit") is not None
LEFT_OUT = "implicit is not installed: the line that compares with it is left out"


def implicit_lists(
    users: np.ndarray, items: np.ndarray, seen: csr_array
) -> Callable[[np.ndarray, int], np.ndarray]:
    """A function of rows of users and n that gives the rows of their best n items, (user, n)."""
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import ThreadpoolController

    with warnings.catch_warnings(action="ignore"):  # that products have threads of their own: see below
        model = AlternatingLeastSquares(factors=items.shape[1])
    model.user_factors, model.item_factors = users, items
    hidden, threads = csr_matrix(seen), ThreadpoolController()

    def lists(rows: np.ndarray, n: int) -> np.ndarray:
        # as its makers advise: many users are shared out over its own threads, each product has one
        with threads.limit(limits=1 if len(rows) > 1 else None, user_api="blas"):
            return model.recommend(rows, hidden[rows], N=n, filter_already_liked_items=True)[0]

    return lists


def implicit_similar(items: np.ndarray, n: int) -> Callable[[], np.ndarray]:
    """A function that gives each item's n most similar others by cosine, and itself: (item, n + 1)."""
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import ThreadpoolController

    with warnings.catch_warnings(action="ignore"):
        model = AlternatingLeastSquares(factors=items.shape[1])
    model.item_factors, threads = items, ThreadpoolController()

    def similar() -> np.ndarray:
        with threads.limit(limits=1, user_api="blas"):
            return model.similar_items(np.arange(len(items)), N=n + 1)[0]

    return similar

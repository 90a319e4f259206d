"""A plane on which items that are alike lie near one another, and each user near what suits them."""

from __future__ import annotations

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from reelmix.extras import optional
from reelmix.recommender.run import Run

LANDMARKS = 3000
"""Items whose places t-SNE finds, at most; its time grows with their number."""

NEAREST = 5
"""Landmarks, or items, whose mean another item, or a user, is placed at."""

CLUSTERS = 12
BLOCK = 512


def draw_map(run: Run, *, landmarks: int = LANDMARKS, rng: int = 0) -> pl.DataFrame:
    """Places of items and users, by t-SNE (van der Maaten & Hinton, JMLR 2008) on the cosine of vectors.

    t-SNE places the most watched items. Any other item is at the mean of the ``NEAREST`` of them by cosine,
    and a user at the mean of the ``NEAREST`` items by score, what they watched among them: vectors of users
    themselves would lie apart from those of items. Clusters are k-means on the items' unit vectors; a user
    belongs to that of their nearest item.

    Args:
        run: a finished run.
        landmarks: items that t-SNE places, at most.
        rng: seed of t-SNE and k-means.

    Returns:
        ``kind`` (item or user), ``id`` as text, ``x``, ``y`` (float32, within -1 and 1), ``cluster``; without
        items that nothing is known of and users that have no vector.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    items, users = run.vectors.items, run.vectors.users
    known = np.flatnonzero(items.any(axis=1))
    people = np.flatnonzero(users.any(axis=1))
    unit = items[known] / np.linalg.norm(items[known], axis=1, keepdims=True)
    places, clusters = _places(unit, _watchers(run)[known], landmarks, rng)
    if len(known):
        nearest = _nearest(users[people], items[known], min(NEAREST, len(known)))
        people_places, people_clusters = places[nearest].mean(axis=1), clusters[nearest[:, 0]]
    else:
        people_places, people_clusters = np.zeros((0, 2), np.float32), np.zeros(0, np.int32)
        people = people[:0]
    both = np.concatenate([places, people_places]).astype(np.float32)
    return pl.DataFrame(
        {
            "kind": ["item"] * len(known) + ["user"] * len(people),
            "id": pl.concat(
                [
                    run.items.ids.gather(known).cast(pl.String),
                    run.users.ids.gather(people).cast(pl.String),
                ]
            ),
            "x": both[:, 0],
            "y": both[:, 1],
            "cluster": np.concatenate([clusters, people_clusters]).astype(np.int32),
        }
    )


def _places(
    unit: Float[np.ndarray, "item dim"], watchers: Int[np.ndarray, " item"], landmarks: int, rng: int
) -> tuple[Float[np.ndarray, "item xy"], Int[np.ndarray, " item"]]:
    """Where items are, scaled to -1 and 1, and their clusters."""
    manifold, cluster = optional("sklearn.manifold", "serve"), optional("sklearn.cluster", "serve")
    if len(unit) < 4:  # too few for t-SNE: on a line
        line = np.linspace(-1, 1, len(unit), dtype=np.float32)
        return np.stack([line, np.zeros_like(line)], axis=1), np.zeros(len(unit), np.int32)
    chosen = np.sort(np.lexsort((np.arange(len(unit)), -watchers))[:landmarks])
    found = manifold.TSNE(
        metric="cosine",
        init="random" if unit.shape[1] < 2 else "pca",
        perplexity=min(30.0, (len(chosen) - 1) / 3),
        max_iter=500,
        random_state=rng,
    ).fit_transform(unit[chosen])
    found = found - (found.max(axis=0) + found.min(axis=0)) / 2
    found /= np.abs(found).max() or 1
    nearest = _nearest(unit, unit[chosen], min(NEAREST, len(chosen)))
    places = found[nearest].mean(axis=1)
    places[chosen] = found
    groups = cluster.KMeans(min(CLUSTERS, len(chosen)), n_init=3, random_state=rng).fit(unit[chosen])
    return places, groups.predict(unit)


def _nearest(
    of: Float[np.ndarray, "row dim"], among: Float[np.ndarray, "choice dim"], n: int
) -> Int[np.ndarray, "row n"]:
    """The choices with the largest product with each row, the largest first."""
    found = []
    for start in range(0, len(of), BLOCK):
        scores = of[start : start + BLOCK] @ among.T
        best = np.argpartition(-scores, n - 1, axis=1)[:, :n]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        found.append(np.take_along_axis(best, order, axis=1))
    return np.concatenate(found) if found else np.zeros((0, n), np.int64)


def _watchers(run: Run) -> Int[np.ndarray, " item"]:
    return np.bincount(run.interactions.items, minlength=len(run.items))

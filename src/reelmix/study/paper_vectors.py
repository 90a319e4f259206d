"""The paper's figures of what the vectors look like, 6 to 8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from reelmix.extras import optional
from reelmix.graph import user_graph
from reelmix.study.figure import Bars, Chart, Figure, HeatMaps, HeatPanel, Scatter, ScatterPanel, Series
from reelmix.study.plan import NAMES, Exhibit, Found, Plan
from reelmix.study.report import Section
from reelmix.study.statistics import Estimate
from reelmix.study.table import Column, Row, Table

DRAWS = 200
"""Draws of five users over which silhouettes are averaged."""


# Fig. 6


def _figure6(plan: Plan, found: Found) -> Section:
    split = plan.split
    watched = split.dataset.interactions.matrix(split.dataset.n_users, split.dataset.n_items)
    counts = np.diff(watched.indptr)
    able = np.flatnonzero(counts >= min(5, int(counts.max())))
    draws = np.random.default_rng(plan.seeds[0])
    users = np.sort(draws.choice(able, size=min(5, len(able)), replace=False))
    others = [draws.choice(able, size=min(5, len(able)), replace=False) for _ in range(DRAWS)]
    panels: list[ScatterPanel] = []
    rows: list[Row] = []
    for name in ("lightgcn", "dualgnn"):
        vectors = found(plan.cells(name)[:1])[0].vectors
        panel, seen = _map(plan, NAMES[name], users, watched, vectors, rng=plan.seeds[0])
        panels.append(panel)
        many = [_silhouette(*_items_of(some, watched, vectors["items"])) for some in others]
        rows.append(
            Row(
                (
                    NAMES[name],
                    seen,
                    _silhouette(*_items_of(users, watched, vectors["items"])),
                    Estimate.of([one for one in many if one is not None]),
                )
            )
        )
    table = Table(
        "fig6_silhouettes",
        "Do a user's items lie together? Silhouettes of the items by their user",
        (
            Column("Model"),
            Column("On the map", 3, "number"),
            Column("In the vectors", 3, "number"),
            Column(f"In the vectors, {DRAWS} draws of 5 users", 3, "number"),
        ),
        tuple(rows),
        (
            "From -1 (items lie nearer to another user's items) to 1 (each user's items lie apart). "
            "Cosine distance "
            "in the vectors. Items of several of the users are left out of the numbers. The last column: "
            "mean and "
            "standard deviation over draws.",
        ),
    )
    figure = Figure(
        "fig6",
        "Fig. 6. Five users and all their items",
        "t-SNE of the vectors of five users drawn at random and of all items they watched, LightGCN beside "
        "DualGNN. A large marker is a user; small ones are that user's items.",
        Scatter(tuple(panels)),
    )
    first, second = (row.cells[3] for row in rows)
    assert isinstance(first, Estimate)
    assert isinstance(second, Estimate)
    verdict = "higher" if second.mean > first.mean else "not higher"
    text = (
        "The paper reads from such a map that DualGNN separates users better than LightGCN. The eye can be "
        f"helped by a number: over {DRAWS} draws of five users, the silhouette of their items is "
        f"{first.mean:.3f} for LightGCN and {second.mean:.3f} for DualGNN: {verdict}.",
    )
    return Section("fig6", "Fig. 6: five users on a map", text, (table,), (figure,))


def _items_of(
    users: Int[np.ndarray, " drawn"], watched: Any, items: Float[np.ndarray, "item dim"]
) -> tuple[Float[np.ndarray, "point dim"], Int[np.ndarray, " point"]]:
    """The vectors of the items that exactly one of the users watched, and which user that is."""
    rows = [watched.indices[watched.indptr[user] : watched.indptr[user + 1]] for user in users]
    item, owner = np.concatenate(rows), np.repeat(np.arange(len(users)), [len(row) for row in rows])
    once = np.bincount(item, minlength=len(items))[item] == 1
    return items[item[once]].astype(np.float64), owner[once]


def _silhouette(
    points: Float[np.ndarray, "point _"], owner: Int[np.ndarray, " point"], metric: str = "cosine"
) -> float | None:
    """The mean silhouette coefficient (Rousseeuw 1987); None for fewer than two users or points apart."""
    if not 2 <= len(np.unique(owner)) < len(owner):
        return None
    return float(optional("sklearn.metrics").silhouette_score(points, owner, metric=metric))


def _map(
    plan: Plan,
    title: str,
    users: Int[np.ndarray, " drawn"],
    watched: Any,
    vectors: Mapping[str, np.ndarray],
    rng: int,
) -> tuple[ScatterPanel, float | None]:
    rows = [watched.indices[watched.indptr[user] : watched.indptr[user + 1]] for user in users]
    owner = np.concatenate(
        [np.arange(len(users)), np.repeat(np.arange(len(users)), [len(row) for row in rows])]
    )
    is_user = np.arange(len(owner)) < len(users)
    points = np.concatenate([vectors["users"][users], *(vectors["items"][row] for row in rows)])
    # users and items differ in length: their directions are what ranks
    points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    tsne = optional("sklearn.manifold").TSNE(
        perplexity=min(15, (len(points) - 1) / 3), init="pca", random_state=rng, metric="cosine"
    )
    x, y = tsne.fit_transform(points.astype(np.float64)).astype(np.float64).T
    item = np.concatenate([np.full(len(users), -1), *rows])
    once = ~is_user & (np.bincount(item[~is_user], minlength=watched.shape[1])[item] == 1)
    seen = _silhouette(np.stack([x[once], y[once]], axis=1), owner[once], "euclidean")
    names = [str(name) for name in plan.split.dataset.users.take(users)]
    panel = ScatterPanel(
        title,
        "silhouette of the items: none" if seen is None else f"silhouette of the items {seen:.2f}",
        tuple(x.tolist()),
        tuple(y.tolist()),
        tuple(names[place] for place in owner),
        tuple(bool(one) for one in is_user),
    )
    return panel, seen


# Fig. 7


def _figure7(plan: Plan, found: Found) -> Section:
    train = plan.split.matrix("train")
    graph = user_graph(train, 10)
    lengths = np.diff(graph.starts)
    draws = np.random.default_rng(plan.seeds[0])
    user = int(draws.choice(np.flatnonzero(lengths == lengths.max())))
    neighbours = graph.neighbours[graph.starts[user] : graph.starts[user + 1]]
    chosen = np.concatenate([[user], neighbours]).astype(np.int64)
    names = plan.split.dataset.users.take(chosen)
    labels = tuple(str(name) for name in names)
    pairs = np.repeat(np.arange(len(lengths)), lengths), graph.neighbours.astype(np.int64)
    strangers = draws.permutation(len(lengths))[pairs[1]]
    strangers = np.where(strangers == pairs[0], (strangers + 1) % len(lengths), strangers)
    panels: list[HeatPanel] = []
    rows: list[Row] = []
    for name in ("mmgcn", "dualgnn"):
        users = found(plan.cells(name)[:1])[0].vectors["users"].astype(np.float64)
        users = users / np.maximum(np.linalg.norm(users, axis=1, keepdims=True), 1e-12)
        together = _mean_cosine(users, pairs[0], pairs[1])
        apart = _mean_cosine(users, pairs[0], strangers)
        here = float((users[chosen[1:]] @ users[user]).mean())
        rows.append(Row((NAMES[name], here, together, apart, together - apart)))
        note = f"mean cosine to the user {here:.2f}"
        panels.append(HeatPanel(NAMES[name], note, labels, tuple(map(tuple, users[chosen].tolist()))))
    table = Table(
        "fig7_cosines",
        "Mean cosine of a user to the 10 users that share most items with them",
        (
            Column("Model"),
            Column("The user shown", 3, "number"),
            Column("All users", 3, "number"),
            Column("All users, to strangers", 3, "number"),
            Column("Difference", 3, "number"),
        ),
        tuple(rows),
        (
            "Strangers: as many users at random. A model in which all users are alike has high cosines "
            "to both.",
        ),
    )
    figure = Figure(
        "fig7",
        "Fig. 7. A user and the users that share most items with them",
        "Vectors scaled to length 1, one row a user, one column a dimension; the first row is the user. "
        "MMGCN above DualGNN.",
        HeatMaps(tuple(panels)),
    )
    gaps = [row.cells[4] for row in rows]
    text = (
        "The paper shows that co-occurring users look more alike under DualGNN than under MMGCN. What "
        "counts is how "
        f"much more alike they are than strangers: {gaps[0]:.3f} for MMGCN, {gaps[1]:.3f} for DualGNN.",
    )
    return Section("fig7", "Fig. 7: co-occurring users", text, (table,), (figure,))


def _mean_cosine(
    users: Float[np.ndarray, "user dim"], first: Int[np.ndarray, " pair"], second: Int[np.ndarray, " pair"]
) -> float:
    total = 0.0
    for start in range(0, len(first), 1 << 16):  # bounded memory
        part = slice(start, start + (1 << 16))
        total += float((users[first[part]] * users[second[part]]).sum())
    return total / len(first)


# Fig. 8


def _figure8(plan: Plan, found: Found) -> Section:
    vectors = found(plan.cells("dualgnn")[:1])[0].vectors
    modalities = plan.split.dataset.modalities
    trained = np.flatnonzero(np.diff(plan.split.matrix("train").indptr))
    draws = np.random.default_rng(plan.seeds[0])
    users = np.sort(draws.choice(trained, size=min(12, len(trained)), replace=False))
    names = tuple(str(name) for name in plan.split.dataset.users.take(users))
    alpha, shares = vectors["emphasis"].astype(np.float64), vectors["shares"]
    figures = [
        Figure(
            "fig8",
            "Fig. 8. The emphasis alpha that twelve users put on each modality",
            "The learned weights exactly as the score uses them; they begin at 1 and may be negative.",
            _by_user(names, modalities, alpha[users], "alpha"),
        )
    ]
    if np.isfinite(shares[users]).all():
        figures.append(
            Figure(
                "fig8_shares",
                "Beside Fig. 8. What each modality decides for the same users",
                "The share of each modality in the spread of a user's scores over all items; a user's shares "
                "add up to 1.",
                _by_user(names, modalities, shares[users], "share of score variance"),
            )
        )
    rows = [
        Row(
            (
                name,
                float(alpha[trained, m].mean()),
                float(alpha[trained, m].std()),
                float(np.nanmean(shares[trained, m])),
            )
        )
        for m, name in enumerate(modalities)
    ]
    table = Table(
        "fig8_emphasis",
        "Alpha and share of each modality, over all users with training interactions",
        (
            Column("Modality"),
            Column("Mean alpha", 3, "number"),
            Column("Its deviation over users", 3, "number"),
            Column("Mean share", 3, "number"),
        ),
        tuple(rows),
    )
    text = (
        "The paper reads tastes from alpha. On simulated users whose tastes are known, alpha does not "
        "recover "
        "them and the share of score variance does, so both are shown.",
    )
    return Section("fig8", "Fig. 8: emphasis", text, (table,), tuple(figures))


def _by_user(
    names: tuple[str, ...], modalities: Sequence[str], values: Float[np.ndarray, "user modality"], label: str
) -> Chart:
    series = tuple(Series(name, tuple(values[:, m].tolist())) for m, name in enumerate(modalities))
    return Bars(names, series, label)


VECTOR_FIGURES: dict[str, Exhibit] = {
    "fig6": Exhibit(
        "five users on a map", lambda plan: plan.cells("lightgcn")[:1] + plan.cells("dualgnn")[:1], _figure6
    ),
    "fig7": Exhibit(
        "co-occurring users", lambda plan: plan.cells("mmgcn")[:1] + plan.cells("dualgnn")[:1], _figure7
    ),
    "fig8": Exhibit("emphasis", lambda plan: plan.cells("dualgnn")[:1], _figure8),
}
"""The paper's figures of vectors by the name that ``reelmix study`` takes."""

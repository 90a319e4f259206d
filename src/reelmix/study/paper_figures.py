"""The paper's figures, 3 to 9."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from reelmix.graph import user_graph
from reelmix.study.cells import Cell, Outcome
from reelmix.study.extra import optional
from reelmix.study.figure import (
    Bars,
    Chart,
    Figure,
    HeatMaps,
    HeatPanel,
    Lines,
    Scatter,
    ScatterPanel,
    Series,
)
from reelmix.study.missing import Protocol
from reelmix.study.plan import NAMES, Exhibit, Found, Plan, compared, estimate, written
from reelmix.study.published import PUBLISHED_FIG9_DECREASE
from reelmix.study.report import Section
from reelmix.study.statistics import Estimate
from reelmix.study.table import Column, Row, Table

METRICS = ("recall@10", "ndcg@10")
CONSTRUCTIONS = {"Dual-CM": "concatenation", "Dual-M": "maximum", "Dual-WS": "sum"}
NEIGHBOURS = (10, 20, 30, 40, 50, 60)
AGGREGATIONS = {"DualGNN-Mean": "mean", "DualGNN-Softmax": "softmax"}
RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)
LOSING: Mapping[Protocol, tuple[str, ...]] = {
    "edges": ("mmgcn", "dualgnn"),
    "features": ("vbpr", "mmgcn", "dualgnn"),
}
"""Fig. 9: the models that each protocol can take something from; VBPR has no edges."""
DRAWS = 200


def _bars(plan: Plan, outcomes: Mapping[str, Sequence[Outcome]]) -> Bars:
    """One group of bars a metric, one bar a variant, with the spread over seeds."""
    series: list[Series] = []
    for name, ours in outcomes.items():
        estimates = [estimate(ours, metric) for metric in METRICS]
        spread = tuple(one.spread for one in estimates) if len(plan.seeds) > 1 else None
        series.append(Series(name, tuple(one.mean for one in estimates), spread))
    return Bars(tuple(written(metric) for metric in METRICS), tuple(series), "metric (0 to 1)")


# Fig. 3


def _single(plan: Plan) -> dict[str, list[Cell]]:
    modalities = plan.split.dataset.modalities
    alone = {f"Dual/{name}": plan.cells("dualgnn", modalities=(name,)) for name in modalities}
    return {**(alone if len(modalities) > 1 else {}), "DualGNN": plan.cells("dualgnn")}


def _figure3(plan: Plan, found: Found) -> Section:
    outcomes = {name: found(cells) for name, cells in _single(plan).items()}
    singles = {name: ours for name, ours in outcomes.items() if name != "DualGNN"}
    text: tuple[str, ...] = ()
    if singles:
        best = max(singles, key=lambda name: estimate(singles[name], "recall@10").mean)
        claim = f"The paper finds the fusion above every single modality; the best one here is {best}"
        text = (compared(claim, outcomes["DualGNN"], singles[best], "recall@10"),)
    figure = Figure(
        "fig3",
        "Fig. 3. One modality alone, and all of them",
        "DualGNN with one modality in the whole process, user graph included, beside DualGNN with all. "
        "Whiskers: standard deviation over seeds.",
        _bars(plan, outcomes),
    )
    return Section("fig3", "Fig. 3: single modalities", text, figures=(figure,))


# Fig. 4


def _constructed(plan: Plan) -> dict[str, list[Cell]]:
    return {name: plan.cells("dualgnn", construction=how) for name, how in CONSTRUCTIONS.items()}


def _figure4(plan: Plan, found: Found) -> Section:
    outcomes = {name: found(cells) for name, cells in _constructed(plan).items()}
    text = tuple(
        compared(f"The paper finds Dual-WS above {name}", outcomes["Dual-WS"], outcomes[name], "recall@10")
        for name in ("Dual-CM", "Dual-M")
    )
    figure = Figure(
        "fig4",
        "Fig. 4. How the modalities of a user become one vector",
        "DualGNN with concatenation (Dual-CM), maximum (Dual-M) and weighted sum (Dual-WS). "
        "Whiskers: standard deviation over seeds.",
        _bars(plan, outcomes),
    )
    return Section("fig4", "Fig. 4: construction", text, figures=(figure,))


# Fig. 5


def _neighbours(plan: Plan) -> dict[str, list[list[Cell]]]:
    return {
        name: [plan.cells("dualgnn", neighbours=k, aggregation=how) for k in NEIGHBOURS]
        for name, how in AGGREGATIONS.items()
    }


def _figure5(plan: Plan, found: Found) -> Section:
    outcomes = {name: [found(cells) for cells in row] for name, row in _neighbours(plan).items()}
    figures = tuple(
        Figure(
            f"fig5_{metric.partition('@')[0]}",
            f"Fig. 5. {written(metric)} against the number of neighbours",
            "DualGNN with the K users that share most items, weighed alike (Mean) or by a softmax over the "
            "number of common items (Softmax). Whiskers: standard deviation over seeds.",
            _lines(NEIGHBOURS, "neighbours K", outcomes, metric, len(plan.seeds) > 1),
        )
        for metric in METRICS
    )
    mean, softmax = (max(row, key=lambda ours: estimate(ours, "recall@10").mean) for row in outcomes.values())
    text = (
        compared("The paper finds Softmax above Mean; at the best K of each", softmax, mean, "recall@10"),
        *(_rise_and_fall(name, row) for name, row in outcomes.items()),
    )
    return Section("fig5", "Fig. 5: neighbours", text, figures=figures)


def _lines(
    x: Sequence[float],
    label: str,
    outcomes: Mapping[str, Sequence[Sequence[Outcome]]],
    metric: str,
    spread: bool,
    percent: bool = False,
) -> Lines:
    series: list[Series] = []
    for name, row in outcomes.items():
        estimates = [estimate(ours, metric) for ours in row]
        whiskers = tuple(one.spread for one in estimates) if spread else None
        series.append(Series(name, tuple(one.mean for one in estimates), whiskers))
    return Lines(tuple(float(one) for one in x), label, tuple(series), written(metric), percent_x=percent)


def _rise_and_fall(name: str, row: Sequence[Sequence[Outcome]]) -> str:
    means = [estimate(ours, "recall@10").mean for ours in row]
    best = int(np.argmax(means))
    return (
        f"{name}: Recall@10 is highest at K = {NEIGHBOURS[best]} ({means[best]:.4f}), and {means[0]:.4f} at "
        f"K = {NEIGHBOURS[0]}, {means[-1]:.4f} at K = {NEIGHBOURS[-1]}; the paper sees a slow rise to 40 "
        "(MovieLens) or 50 (TikTok) and then a fall."
    )


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
        tuple(f"user {names[place]}" for place in owner),
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
    labels = tuple(f"user {name}" if place == 0 else str(name) for place, name in enumerate(names))
    pairs = np.repeat(np.arange(len(lengths)), lengths), graph.neighbours.astype(np.int64)
    strangers = draws.permutation(len(lengths))[pairs[1]]
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


# Fig. 9


def _losing(plan: Plan, protocol: Protocol) -> dict[str, list[list[Cell]]]:
    return {
        name: [
            plan.cells(name, protocol=protocol, ratio=ratio) if ratio else plan.cells(name)
            for ratio in RATIOS
        ]
        for name in LOSING[protocol]
    }


def _figure9(plan: Plan, found: Found) -> Section:
    tables: list[Table] = []
    figures: list[Figure] = []
    text: list[str] = []
    for protocol in LOSING:
        outcomes = {name: [found(cells) for cells in row] for name, row in _losing(plan, protocol).items()}
        named = {NAMES[name]: row for name, row in outcomes.items()}
        figures.append(
            Figure(
                f"fig9_{protocol}",
                f"Fig. 9, protocol {protocol!r}. Recall@10 when items lose modalities",
                f"{_LOST[protocol]} At 100 % every item lacks one modality. Whiskers: standard deviation "
                "over "
                "seeds.",
                _lines(RATIOS, "items that lost a modality", named, "recall@10", len(plan.seeds) > 1, True),
            )
        )
        tables.append(_decreases(protocol, outcomes))
        lost = {name: _decrease(row[0], row[-1], "recall@10") for name, row in outcomes.items()}
        text.append(
            f"Protocol {protocol!r}: at 100 % "
            + ", ".join(
                f"{NAMES[name]} loses {one.mean:.1f} % of its Recall@10" for name, one in lost.items()
            )
            + (
                ". The paper: MMGCN 15.61 and 29.7 %, DualGNN 1.45 and 4.12 % (MovieLens, TikTok)."
                if protocol == "edges"
                else "."
            )
        )
    return Section("fig9", "Fig. 9: missing modalities", tuple(text), tuple(tables), tuple(figures))


_LOST = {
    "edges": "An item that loses a modality keeps its content at layer 0 and loses its edges in that modality's "
    "graph, as in the paper.",
    "features": "An item that loses a modality has neither its content nor edges in that modality's graph.",
}


def _decrease(whole: Sequence[Outcome], lost: Sequence[Outcome], metric: str) -> Estimate:
    """What is lost, in percent of what there was, seed by seed."""
    pairs = zip(whole, lost, strict=True)
    return Estimate.of(
        [100 * (1 - less.metrics["test"][metric] / full.metrics["test"][metric]) for full, less in pairs]
    )


def _decreases(protocol: Protocol, outcomes: Mapping[str, Sequence[Sequence[Outcome]]]) -> Table:
    rows = [
        Row(
            (
                NAMES[name],
                written(metric),
                *(_decrease(row[0], ours, metric) for ours in row[1:]),
                *(
                    PUBLISHED_FIG9_DECREASE[data].get(name) if protocol == "edges" else None
                    for data in ("tiktok", "movielens")
                ),
            )
        )
        for name, row in outcomes.items()
        for metric in METRICS
    ]
    columns = [Column(f"{ratio:.0%}", 2, "number") for ratio in RATIOS[1:]]
    if protocol == "edges":
        published = (
            Column("100%, paper's TikTok", 2, "number"),
            Column("100%, paper's MovieLens", 2, "number"),
        )
    else:
        published = ()
    return Table(
        f"fig9_{protocol}",
        f"Relative decrease in percent, protocol {protocol!r}",
        (Column("Model"), Column("Metric"), *columns, *published),
        tuple(Row(row.cells[: 2 + len(columns) + len(published)]) for row in rows),
        (_LOST[protocol], "Negative: better than with all modalities. The paper does not name its metric."),
    )


def _flat(rows: Mapping[str, Sequence[Sequence[Cell]]]) -> list[Cell]:
    return [cell for row in rows.values() for cells in row for cell in cells]


FIGURES: dict[str, Exhibit] = {
    "fig3": Exhibit("single modalities", lambda plan: _flat({"": list(_single(plan).values())}), _figure3),
    "fig4": Exhibit("construction", lambda plan: _flat({"": list(_constructed(plan).values())}), _figure4),
    "fig5": Exhibit("number of neighbours", lambda plan: _flat(_neighbours(plan)), _figure5),
    "fig6": Exhibit(
        "five users on a map", lambda plan: plan.cells("lightgcn")[:1] + plan.cells("dualgnn")[:1], _figure6
    ),
    "fig7": Exhibit(
        "co-occurring users", lambda plan: plan.cells("mmgcn")[:1] + plan.cells("dualgnn")[:1], _figure7
    ),
    "fig8": Exhibit("emphasis", lambda plan: plan.cells("dualgnn")[:1], _figure8),
    "fig9": Exhibit(
        "missing modalities",
        lambda plan: [cell for protocol in LOSING for cell in _flat(_losing(plan, protocol))],
        _figure9,
    ),
}
"""The paper's figures by the name that ``reelmix study`` takes."""

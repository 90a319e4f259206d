"""A slow DualGNN to judge the fast one by: dense, float64, one Python loop for each sum of the paper.

Wang et al., "DualGNN: Dual Graph Neural Network for Multimedia Recommendation", IEEE TMM 2023, section IV:

    eq. 1      u_m^(l+1) = sum_{i in N_u} i_m^(l) / sqrt(|N_u| |N_i|), and the same for items
    eq. 2      u_m = sum_{l=0..L} u_m^(l), and the same for items
    eq. 3      u_mul = W [alpha_{u,1} u_1 || alpha_{u,2} u_2 || ...] + b     construction "concatenation"
    eq. 4      u_mul = sum_m alpha_{u,m} u_m                                 construction "sum"
    eq. 5      u_mul = max_m alpha_{u,m} u_m, element-wise                   construction "maximum"
    eq. 6      u <- u + mean_{u' in N_{u,c}} u'                              aggregation "mean"
    eq. 7      u <- u + sum_{u' in N_{u,c}} softmax(C[u, .])_{u'} u'         aggregation "softmax"
    eq. 8, 9   u* = u_mul^(L'), i* = sum_m i_m, y_ui = u* . i*
    eq. 10, 11 BPR over triples (user, observed item, unobserved item), plus an L2 term

Every vector is one row of length d, every graph a list of sets: nothing here is sparse, batched or broadcast
over users or items, so each line can be held against its equation. Autograd gives the reference gradients.

What the paper leaves open is settled so:

* An item that lacks modality m has no edge in that modality's graph, its vector there is exactly zero at
  every layer, and nothing of it (feature row, token list, id row) is read. Degrees count that graph's own
  edges; a node without edges receives zero, but keeps its layer 0.
* The co-occurrence C counts all training items, whatever modality they lack. Its top-K graph is directed.
* Emphasis "mean" has no alpha: every alpha_{u,m} is 1 / modalities, in all three constructions.
* A layer of eq. 6 or 7 reads the previous layer of every neighbour, never a row that it already updated.
* The losses of a batch are averaged; the L2 term is squared and halved: see `dense_loss`.

Where two modalities tie for the maximum of eq. 5, the gradient is one of several subgradients: compare
gradients on numbers without ties.

Parameter names, all float64 (<m> is a modality's name):

    user.<m>             (user, dim)
    alpha                (user, modality)         emphasis "learned"; columns in the order of the modalities
    item.<m>             (item, dim)              with item_ids
    content.<m>.weight   (dim, feature)           content "linear"; content.<m>.bias (dim)
    content.<m>.weight1  (4 dim, feature)         content "mlp"; content.<m>.bias1 (4 dim)
    content.<m>.weight2  (dim, 4 dim)             content "mlp"; content.<m>.bias2 (dim)
    content.<m>.tokens   (token, dim)             kind "bag"
    fusion.weight        (dim, modality * dim)    construction "concatenation"; fusion.bias (dim)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

Construction = Literal["sum", "concatenation", "maximum"]
Aggregation = Literal["mean", "softmax"]
Emphasis = Literal["learned", "mean"]

LEAKY_SLOPE = 0.01


@dataclass
class DenseModality:
    """One modality: what is known of each item, and how that becomes the item's layer 0."""

    name: str
    kind: Literal["dense", "bag"]
    present: list[bool]
    """For each item, whether it has this modality. Nothing of an absent item is read."""
    content: Literal["identity", "pca", "linear", "mlp"] | None = None
    """Kind "dense" only. For "identity" and "pca" the features are the finished d-dimensional vectors."""
    features: Tensor | None = None
    """Kind "dense" only: (item, feature), float64."""
    tokens: list[list[int]] | None = None
    """Kind "bag" only: each item's token ids. A token listed twice counts twice in the mean."""
    item_ids: bool = False
    """Whether a trained vector of each item is added to its content."""
    cut: list[int] = field(default_factory=list)
    """Items that have this modality, and keep their layer 0, but have no edge in its graph."""
    unit: bool = False
    """Whether every content vector is divided by its length."""


@dataclass
class DenseResult:
    """What the model says about every user and item."""

    user_vectors: Tensor
    """u*, (user, dim)."""
    item_vectors: Tensor
    """i*, (item, dim)."""
    scores: Tensor
    """y, (user, item)."""


def dense_dualgnn(
    parameters: dict[str, Tensor],
    *,
    n_users: int,
    n_items: int,
    interactions: list[tuple[int, int]],
    modalities: list[DenseModality],
    construction: Construction,
    aggregation: Aggregation,
    layers: int,
    user_layers: int,
    neighbours: int,
    emphasis: Emphasis,
) -> DenseResult:
    """Compute eqs. 1 to 9 for every user and item.

    `interactions` are the training pairs (user, item); a pair listed twice counts once. `layers` is L,
    `user_layers` is L' (0: no user graph), `neighbours` is K.
    """
    if not modalities:
        raise ValueError("DualGNN needs at least one modality, found none")
    if construction not in ("sum", "concatenation", "maximum"):
        raise ValueError(f"unknown construction {construction!r}")
    if emphasis not in ("learned", "mean"):
        raise ValueError(f"unknown emphasis {emphasis!r}")
    if aggregation not in ("mean", "softmax"):
        raise ValueError(f"unknown aggregation {aggregation!r}")
    for name, value in parameters.items():
        if value.dtype != torch.float64:
            raise TypeError(f"parameter {name!r}: expected float64, found {value.dtype}")

    user_rows_by_modality = []  # one list of user rows a modality: u_m
    item_rows_by_modality = []  # one list of item rows a modality: i_m
    for modality in modalities:
        user_rows, item_rows = _propagate(parameters, modality, n_users, n_items, interactions, layers)
        user_rows_by_modality.append(user_rows)
        item_rows_by_modality.append(item_rows)

    # Eqs. 3 to 5.
    users = []
    for user in range(n_users):
        single_modal = [user_rows[user] for user_rows in user_rows_by_modality]
        users.append(_construct(parameters, user, single_modal, construction, emphasis))

    # Eqs. 6 and 7.
    if user_layers > 0:
        kept = cooccurrence_neighbours(interactions, n_users, neighbours)
        for _ in range(user_layers):
            updated = []
            for user in range(n_users):
                total = users[user]
                weights = _aggregation_weights([count for _, count in kept[user]], aggregation)
                for (neighbour, _), weight in zip(kept[user], weights, strict=True):
                    total = total + weight * users[neighbour]
                updated.append(total)
            users = updated

    # Eq. 8.
    items = []
    for item in range(n_items):
        total = item_rows_by_modality[0][item]
        for item_rows in item_rows_by_modality[1:]:
            total = total + item_rows[item]
        items.append(total)

    # Eq. 9.
    scores = [torch.stack([torch.dot(users[u], items[i]) for i in range(n_items)]) for u in range(n_users)]
    return DenseResult(torch.stack(users), torch.stack(items), torch.stack(scores))


def dense_loss(
    parameters: dict[str, Tensor],
    result: DenseResult,
    triples: list[tuple[int, int, int]],
    reg: float,
    *,
    modalities: list[DenseModality],
    construction: Construction,
    emphasis: Emphasis,
) -> Tensor:
    """Compute eq. 11 on a batch of triples (user, positive item, negative item).

    mean over triples of -ln sigmoid(y_ui - y_uj)
    + reg / 2 * mean over triples of the squared norms of the rows that the triple uses
    + reg / 2 * the squared norms of the maps that all rows share

    The rows of a triple are u_m^(0) of its user in every modality, alpha of its user (emphasis "learned"),
    and for each of its two items, in every modality which that item has, its id row (with item_ids) and the
    mean of its token embeddings (kind "bag"). The shared maps are the weights and biases of "linear" and
    "mlp" content and of the concatenation. A row is counted once for each triple that uses it.
    """
    if not triples:
        raise ValueError("expected at least one triple, found none")
    ranking = _zero()
    rows = _zero()
    for user, positive, negative in triples:
        margin = result.scores[user, positive] - result.scores[user, negative]
        # -ln sigmoid(x) = ln(1 + exp(-x)). torch's softplus drops the 1 + beyond 20, which float64 can see.
        ranking = ranking + torch.logaddexp(_zero(), -margin)
        for modality in modalities:
            rows = rows + _squared_norm(parameters[f"user.{modality.name}"][user])
        if emphasis == "learned":
            rows = rows + _squared_norm(parameters["alpha"][user])
        for item in (positive, negative):
            for modality in modalities:
                if not modality.present[item]:
                    continue
                if modality.item_ids:
                    rows = rows + _squared_norm(parameters[f"item.{modality.name}"][item])
                if modality.kind == "bag":
                    rows = rows + _squared_norm(content_of(parameters, modality, item))

    shared = _zero()
    for modality in modalities:
        if modality.content == "linear":
            names = ["weight", "bias"]
        elif modality.content == "mlp":
            names = ["weight1", "bias1", "weight2", "bias2"]
        else:
            names = []
        for name in names:
            shared = shared + _squared_norm(parameters[f"content.{modality.name}.{name}"])
    if construction == "concatenation":
        shared = shared + _squared_norm(parameters["fusion.weight"])
        shared = shared + _squared_norm(parameters["fusion.bias"])

    return ranking / len(triples) + reg / 2 * rows / len(triples) + reg / 2 * shared


def cooccurrence_neighbours(
    interactions: list[tuple[int, int]], n_users: int, neighbours: int
) -> list[list[tuple[int, int]]]:
    """Keep each user's top-K co-occurring users as (user, count): larger count first, then smaller index.

    `neighbours` is K. The count is the number of items that both interacted with in `interactions`.
    """
    items_of_user = [set() for _ in range(n_users)]
    for user, item in interactions:
        items_of_user[user].add(item)
    kept = []
    for user in range(n_users):
        candidates = []
        for other in range(n_users):
            count = len(items_of_user[user] & items_of_user[other])
            if other != user and count > 0:
                candidates.append((other, count))
        candidates.sort(key=lambda candidate: (-candidate[1], candidate[0]))
        kept.append(candidates[:neighbours])
    return kept


def _propagate(
    parameters: dict[str, Tensor],
    modality: DenseModality,
    n_users: int,
    n_items: int,
    interactions: list[tuple[int, int]],
    layers: int,
) -> tuple[list[Tensor], list[Tensor]]:
    """Compute eqs. 1 and 2 in one modality: a row u_m for each user and a row i_m for each item."""
    if len(modality.present) != n_items:
        raise ValueError(
            f"{modality.name!r}: expected present for {n_items} items, found {len(modality.present)}"
        )
    items_of_user = [set() for _ in range(n_users)]
    users_of_item = [set() for _ in range(n_items)]
    for user, item in interactions:
        if modality.present[item] and item not in modality.cut:
            items_of_user[user].add(item)
            users_of_item[item].add(user)

    user_parameter = parameters[f"user.{modality.name}"]
    nothing = torch.zeros(user_parameter.shape[1], dtype=torch.float64)

    user_layer = [user_parameter[user] for user in range(n_users)]
    item_layer = []
    for item in range(n_items):
        if not modality.present[item]:
            item_layer.append(nothing)
            continue
        row = content_of(parameters, modality, item)
        if modality.unit:
            row = row / _squared_norm(row).sqrt()
        if modality.item_ids:
            row = row + parameters[f"item.{modality.name}"][item]
        item_layer.append(row)

    user_sum = list(user_layer)
    item_sum = list(item_layer)
    for _ in range(layers):
        next_user_layer = []
        for user in range(n_users):
            row = nothing
            for item in sorted(items_of_user[user]):
                norm = math.sqrt(len(items_of_user[user])) * math.sqrt(len(users_of_item[item]))
                row = row + item_layer[item] / norm
            next_user_layer.append(row)
        next_item_layer = []
        for item in range(n_items):
            row = nothing
            for user in sorted(users_of_item[item]):
                norm = math.sqrt(len(users_of_item[item])) * math.sqrt(len(items_of_user[user]))
                row = row + user_layer[user] / norm
            next_item_layer.append(row)
        user_layer = next_user_layer
        item_layer = next_item_layer
        for user in range(n_users):
            user_sum[user] = user_sum[user] + user_layer[user]
        for item in range(n_items):
            item_sum[item] = item_sum[item] + item_layer[item]
    return user_sum, item_sum


def content_of(parameters: dict[str, Tensor], modality: DenseModality, item: int) -> Tensor:
    """Bring the content of an item that has this modality to d dimensions, before it is scaled."""
    prefix = f"content.{modality.name}"
    if modality.kind == "bag":
        bag = modality.tokens[item]
        if not bag:
            raise ValueError(f"{modality.name!r}: item {item} is present but has no token")
        total = parameters[f"{prefix}.tokens"][bag[0]]
        for token in bag[1:]:
            total = total + parameters[f"{prefix}.tokens"][token]
        return total / len(bag)

    if modality.features.dtype != torch.float64:
        raise TypeError(f"{modality.name!r}: expected float64 features, found {modality.features.dtype}")
    feature = modality.features[item]
    if modality.content in ("identity", "pca"):
        return feature
    if modality.content == "linear":
        return parameters[f"{prefix}.weight"] @ feature + parameters[f"{prefix}.bias"]
    if modality.content == "mlp":
        hidden = parameters[f"{prefix}.weight1"] @ feature + parameters[f"{prefix}.bias1"]
        hidden = torch.where(hidden > 0, hidden, LEAKY_SLOPE * hidden)
        return parameters[f"{prefix}.weight2"] @ hidden + parameters[f"{prefix}.bias2"]
    raise ValueError(f"{modality.name!r}: unknown content {modality.content!r}")


def _construct(
    parameters: dict[str, Tensor],
    user: int,
    single_modal: list[Tensor],
    construction: Construction,
    emphasis: Emphasis,
) -> Tensor:
    """Compute eq. 3, 4 or 5 for one user from its row in each modality."""
    weighted = []
    for column, row in enumerate(single_modal):
        if emphasis == "learned":
            weighted.append(parameters["alpha"][user, column] * row)
        else:
            weighted.append(row / len(single_modal))

    if construction == "concatenation":
        return parameters["fusion.weight"] @ torch.cat(weighted) + parameters["fusion.bias"]
    combined = weighted[0]
    for row in weighted[1:]:
        combined = combined + row if construction == "sum" else torch.maximum(combined, row)
    return combined


def _aggregation_weights(counts: list[int], aggregation: Aggregation) -> list[float]:
    """Weigh the kept neighbours of one user by eq. 6 or 7; no neighbour, no weight."""
    if not counts:
        return []
    if aggregation == "mean":
        return [1 / len(counts) for _ in counts]
    # exp overflows float64 at 710, and counts of several hundred are usual: shift by the maximum first.
    largest = max(counts)
    exponentials = [math.exp(count - largest) for count in counts]
    return [exponential / sum(exponentials) for exponential in exponentials]


def _squared_norm(value: Tensor) -> Tensor:
    return (value * value).sum()


def _zero() -> Tensor:
    return torch.zeros((), dtype=torch.float64)

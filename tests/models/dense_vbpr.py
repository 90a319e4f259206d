"""A slow VBPR to judge the fast one by: one Python loop for each sum, float64, autograd for gradients.

He & McAuley, "VBPR: Visual Bayesian Personalized Ranking from Implicit Feedback", AAAI 2016, with several
modalities and without what is equal for all items of a user:

    y_ui = b_i + g_u . g_i + t_u . (sum_m E_m f_mi) + sum_m c_m . f_mi

f_mi is item i's feature in modality m: centred over the items that have m, then divided by the mean over
these items of the centred rows' Euclidean norm. Where i lacks m, the modality adds nothing and nothing is
read. A modality of tokens has no f: E_m f_mi and c_m . f_mi are the first dim and the last number of the mean
of the item's token vectors.

Parameter names, all float64 (<m> is a modality's name):

    user_latent          g  (user, dim)
    user_content         t  (user, dim)
    item_latent          g  (item, dim)
    item_bias            b  (item)
    content.<m>.weight   (dim + 1, feature)     features: the rows of E_m, and below them c_m
    content.<m>.tokens   (token, dim + 1)       tokens

What is known of the items is a dict from modality to one entry an item: a float64 feature, a list of token
numbers (one listed twice counts twice), or None where the item lacks the modality.
"""

from __future__ import annotations

import torch
from dense_dualgnn import DenseResult
from dense_lightgcn import bpr
from torch import Tensor

Known = dict[str, list[Tensor | list[int] | None]]


def dense_vbpr(parameters: dict[str, Tensor], known: Known) -> DenseResult:
    """Vectors [g_u, t_u, 1] and [g_i, sum E f, b_i + sum c . f], and their dot products."""
    latent = parameters["user_latent"]
    one = torch.ones(1, dtype=torch.float64)
    users = [torch.cat([latent[u], parameters["user_content"][u], one]) for u in range(len(latent))]
    prepared = {name: _prepared(entries) for name, entries in known.items()}
    items = []
    for item, item_latent in enumerate(parameters["item_latent"]):
        content = torch.zeros(latent.shape[1] + 1, dtype=torch.float64)
        for name, entries in prepared.items():
            if entries[item] is not None:
                content = content + _mapped(parameters, name, entries[item])
        bias = parameters["item_bias"][item] + content[-1]
        items.append(torch.cat([item_latent, content[:-1], bias.reshape(1)]))
    scores = torch.stack([torch.stack([torch.dot(user, item) for item in items]) for user in users])
    return DenseResult(torch.stack(users), torch.stack(items), scores)


def dense_vbpr_loss(
    parameters: dict[str, Tensor],
    known: Known,
    scores: Tensor,
    triples: list[tuple[int, int, int]],
    reg: float,
) -> Tensor:
    """The loss of a batch of triples (user, positive item, negative item).

    mean over triples of -ln sigmoid(y_ui - y_uj)
    + reg / 2 * mean over triples of |g_u|^2 + |t_u|^2 + |g_i|^2 + |g_j|^2 + b_i^2 + b_j^2,
                and of the squared norms of both items' mean token vectors
    + reg / 2 * the squares of every content.<m>.weight
    """
    ranking = torch.zeros((), dtype=torch.float64)
    rows = torch.zeros((), dtype=torch.float64)
    for user, positive, negative in triples:
        ranking = ranking + bpr(scores, user, positive, negative)
        rows = rows + parameters["user_latent"][user].square().sum()
        rows = rows + parameters["user_content"][user].square().sum()
        for item in (positive, negative):
            rows = rows + parameters["item_latent"][item].square().sum()
            rows = rows + parameters["item_bias"][item].square()
            for name, entries in known.items():
                if isinstance(entries[item], list):
                    rows = rows + _mapped(parameters, name, entries[item]).square().sum()
    shared = torch.zeros((), dtype=torch.float64)
    for name, value in parameters.items():
        if name.endswith(".weight"):
            shared = shared + value.square().sum()
    return ranking / len(triples) + reg / 2 * (rows / len(triples) + shared)


def _prepared(entries: list[Tensor | list[int] | None]) -> list[Tensor | list[int] | None]:
    """Features centred and in the common scale; lists of tokens as they are."""
    features = [entry for entry in entries if isinstance(entry, Tensor)]
    if not features:
        return entries
    mean = sum(features) / len(features)
    size = sum(float((feature - mean).norm()) for feature in features) / len(features)
    if size == 0:  # all alike, so all zero once centred
        size = 1
    return [None if entry is None else (entry - mean) / size for entry in entries]


def _mapped(parameters: dict[str, Tensor], name: str, entry: Tensor | list[int]) -> Tensor:
    """E f and, in the last place, c . f."""
    if isinstance(entry, Tensor):
        return parameters[f"content.{name}.weight"] @ entry
    return sum(parameters[f"content.{name}.tokens"][token] for token in entry) / len(entry)

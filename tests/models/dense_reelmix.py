"""A slow Reelmix to judge the fast one by: dense matrices, loops over pairs, float64, autograd for gradients.

    z_i  = e_i + sum_m W_m f_im                       e_i only where somebody watched i
    y_u  = sum_{j in N_u} z_j / sqrt(|N_u| |N_j|)
    c_i  = z_i + omega sum_{u in N_i} y_u / sqrt(|N_u| |N_i|)
    p_im = sum_j S_m[i, j] z_j
    x_i  = c_i + sum_m p_im
    x_u  = sum_{i in N_u} (c_i + sum_m alpha_um p_im)
    s    = cos(x_u, x_i) / tau + b_i

Left out of a triple's own score is the interaction itself: everything is computed again without it, with the
degrees that it had. The loss compares with the sampled items as they are.

Parameter names, all float64: item (item, dim), bias (item), emphasis.learned (modality), and for each
modality content.<name>.weight (dim, feature).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class DenseContent:
    """One modality: which items have it, their mapped features, what they look like, and who is alike."""

    name: str
    present: list[bool]
    features: Tensor  # (item, feature), what W_m maps; zeros where the item lacks it
    directions: Tensor  # (item, feature), length 1; zeros where the item lacks it
    similar: Tensor  # (item, item)


@dataclass
class DenseReelmix:
    parameters: dict[str, Tensor]
    interactions: set[tuple[int, int]]
    contents: list[DenseContent]
    n_users: int
    user_graph: float
    temperature: float

    def __post_init__(self):
        self.n_items = len(self.parameters["item"])
        self.user_degree = [sum(user == u for user, _ in self.interactions) for u in range(self.n_users)]
        self.item_degree = [sum(item == i for _, item in self.interactions) for i in range(self.n_items)]
        spread = [[self.alike(u, m, self.interactions) for u in range(self.n_users) if self.user_degree[u]]
                  for m in range(len(self.contents))]  # fmt: skip
        self.mean = [sum(values) / len(values) for values in spread]
        self.deviation = [
            math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
            for values, mean in zip(spread, self.mean, strict=True)
        ]

    def layer0(self):
        watched = torch.tensor([float(degree > 0) for degree in self.item_degree], dtype=torch.float64)
        z = self.parameters["item"] * watched[:, None]
        for content in self.contents:
            z = z + content.features @ self.parameters[f"content.{content.name}.weight"].T
        return z

    def alike(self, user, place, interactions):
        """The mean cosine of all pairs of what a user watched, shrunk."""
        content = self.contents[place]
        items = [i for u, i in interactions if u == user and content.present[i]]
        n = len(items)
        if n < 2:
            return 0.0
        cosines = [
            float(content.directions[i] @ content.directions[j]) for i in items for j in items if i != j
        ]
        return sum(cosines) / len(cosines) * (n - 1) / (n - 1 + 3)

    def alpha(self, user, place, interactions):
        score = (self.alike(user, place, interactions) - self.mean[place]) / self.deviation[place]
        return (self.parameters["emphasis.learned"][place].abs() * max(-3.0, min(3.0, score))).exp()

    def parts(self, interactions):
        """c (item, dim) and p_m (item, dim) for each modality, from these interactions."""
        z, edge = self.layer0(), torch.zeros(self.n_users, self.n_items, dtype=torch.float64)
        for user, item in interactions:
            edge[user, item] = 1 / math.sqrt(self.user_degree[user] * self.item_degree[item])
        return z + self.user_graph * edge.T @ (edge @ z), [content.similar @ z for content in self.contents]

    def item(self, item, interactions):
        own, alike = self.parts(interactions)
        return own[item] + sum(part[item] for part in alike)

    def user(self, user, interactions):
        own, alike = self.parts(interactions)
        total = torch.zeros_like(own[0])
        for u, i in interactions:
            if u == user:
                total = total + own[i]
                for place, part in enumerate(alike):
                    total = total + self.alpha(user, place, interactions) * part[i]
        return total

    def bias(self, item):
        if self.item_degree[item]:
            return self.parameters["bias"][item]
        fewest = min(degree for degree in self.item_degree if degree)
        biases = [self.parameters["bias"][i] for i, degree in enumerate(self.item_degree) if degree == fewest]
        return sum(biases) / len(biases)

    def score(self, user, item, left_out=False):
        of_user = self.interactions - ({(user, item)} if left_out else set())
        first, second = self.user(user, of_user), self.item(item, of_user)
        return self.cosine(first, second) / self.temperature + self.bias(item)

    @staticmethod
    def cosine(first, second):
        lengths = first.norm() * second.norm()
        return first @ second / lengths if lengths > 0 else first @ second

    def loss(self, triples, candidates):
        """Mean over the triples whose user watched something else; sampled items are compared as they are."""
        watched = [item for item in range(self.n_items) if self.item_degree[item]]
        losses = []
        for user, positive, _ in triples:
            if self.user_degree[user] < 2:
                continue
            evidence = self.user(user, self.interactions - {(user, positive)})
            own = self.score(user, positive, left_out=True)
            total = torch.zeros((), dtype=torch.float64)
            for item in candidates:
                if item != positive and self.item_degree[item]:
                    vector = self.item(item, self.interactions)
                    total = total + (self.cosine(evidence, vector) / self.temperature + self.bias(item)).exp()
            losses.append((own.exp() + total * len(watched) / len(candidates)).log() - own)
        return sum(losses) / len(losses)

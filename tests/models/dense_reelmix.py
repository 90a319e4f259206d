"""A slow Reelmix to judge the fast one by: dense matrices, loops over pairs, float64, autograd for gradients.

    z_i  = e_i + sum_m W_m f_im                       e_i only where somebody watched i
    p_im = c_m sum_j S_m[i, j] z_j
    x_i  = z_i + sum_m p_im
    x_u  = sum_{i in N_u} (z_i + sum_m alpha_um p_im)
    s    = cos(x_u, x_i) / tau + b_i + r_ui

    alpha_um = exp(phi_m z(q_um) + psi_m z(g_um)), phi and psi 0.4 tanh(|w| / 0.4) of what is trained
    q_um     = the mean cosine of all pairs of what u watched, times (n - 1) / (n - 1 + 3)
    g_um     = the mean over what u watched of the mean over its watchers of z(q_um)

    r_ui     = rho sum_{j in N_u} P_ji / (1 - P_ii), P = V diag(g / (g + lambda)) V^T of R^T R's largest
               eigenvalues; for the score alone, not the loss

Left out of a triple's own score is the interaction itself: everything is computed again without it, but for
the means and deviations by which z standardises, and c_m.

Parameter names, all float64: item (item, dim), bias (item), emphasis.own and emphasis.graph (modality; w
of phi and of psi), and for each modality content.<name>.weight (dim, feature).
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
    similar: Tensor  # (item, item), times c_m


@dataclass
class DenseReelmix:
    parameters: dict[str, Tensor]
    interactions: set[tuple[int, int]]
    contents: list[DenseContent]
    n_users: int
    first_temperature: float
    regression: float = 0.0
    ridge: float = 1.0

    def __post_init__(self):
        self.n_items = len(self.parameters["item"])
        self.item_degree = [sum(item == i for _, item in self.interactions) for i in range(self.n_items)]
        self.user_degree = [sum(user == u for user, _ in self.interactions) for u in range(self.n_users)]
        self.own_scale = self.scale(self.alike)
        self.graph_scale = self.scale(self.heard)

    def temperature(self):
        return self.first_temperature * (0.1 * self.parameters["warmth"]).exp()

    def scale(self, measure):
        """Mean and deviation over the users who watched something, for each modality."""
        found = []
        for place in range(len(self.contents)):
            values = [
                measure(u, place, self.interactions) for u in range(self.n_users) if self.user_degree[u]
            ]
            mean = sum(values) / len(values)
            found.append((mean, math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))))
        return found

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

    def own(self, user, place, interactions):
        return standard(self.alike(user, place, interactions), self.own_scale[place])

    def heard(self, user, place, interactions):
        """What a walk over a watched item to one of its watchers finds on average."""
        found = []
        for u, item in interactions:
            if u == user:
                watchers = [v for v, i in interactions if i == item]
                found.append(sum(self.own(v, place, interactions) for v in watchers) / len(watchers))
        return sum(found) / max(len(found), 1)

    def alpha(self, user, place, interactions):
        exponent = bounded(self.parameters["emphasis.own"][place]) * self.own(user, place, interactions)
        heard = standard(self.heard(user, place, interactions), self.graph_scale[place])
        return (exponent + bounded(self.parameters["emphasis.graph"][place]) * heard).exp()

    def parts(self):
        """z (item, dim) and p_m (item, dim) for each modality."""
        z = self.layer0()
        return z, [content.similar @ z for content in self.contents]

    def item(self, item):
        own, alike = self.parts()
        return own[item] + sum(part[item] for part in alike)

    def user(self, user, interactions):
        own, alike = self.parts()
        alphas = [self.alpha(user, place, interactions) for place in range(len(alike))]
        total = torch.zeros_like(own[0])
        for u, i in interactions:
            if u == user:
                total = total + own[i]
                for alpha, part in zip(alphas, alike, strict=True):
                    total = total + alpha * part[i]
        return total

    def bias(self, item):
        if self.item_degree[item]:
            return self.parameters["bias"][item]
        fewest = min(degree for degree in self.item_degree if degree)
        biases = [self.parameters["bias"][i] for i, degree in enumerate(self.item_degree) if degree == fewest]
        return sum(biases) / len(biases)

    def score(self, user, item, left_out=False):
        of_user = self.interactions - ({(user, item)} if left_out else set())
        first, second = self.user(user, of_user), self.item(item)
        return self.cosine(first, second) / self.temperature() + self.bias(item)

    def regressed(self):
        """r (user, item), by the whole matrix."""
        watched = torch.zeros(self.n_users, self.n_items, dtype=torch.float64)
        for user, item in self.interactions:
            watched[user, item] = 1
        values, vectors = torch.linalg.eigh(watched.T @ watched)
        dim = self.parameters["item"].shape[1]
        values, vectors = values[-dim:], vectors[:, -dim:]
        predicts = vectors @ torch.diag(values / (values + self.ridge)) @ vectors.T
        return self.regression * watched @ (predicts / (1 - predicts.diag())[None, :])

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
                    vector = self.item(item)
                    total = (
                        total + (self.cosine(evidence, vector) / self.temperature() + self.bias(item)).exp()
                    )
            losses.append((own.exp() + total * len(watched) / len(candidates)).log() - own)
        return sum(losses) / len(losses)


def bounded(weight):
    """For positive numbers tanh is 1 - 2 / (exp(2x) + 1)."""
    return 0.4 * (1 - 2 / ((weight.abs() / 0.2).exp() + 1))


def standard(value, scale):
    mean, deviation = scale
    return max(-3.0, min(3.0, (value - mean) / max(deviation, 1e-6)))

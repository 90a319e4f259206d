"""How much each user cares about each modality, read from how alike the things are that they watched."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse.linalg import svds
from torch import Tensor, nn

from reelmix.data import Dataset
from reelmix.data.features import Features
from reelmix.graph import SparseMatrix
from reelmix.graph.lookalikes import directions

PAIRS = 3.0
"""A history is believed by half when it has this many items more than one."""

LIMIT = 3.0
"""Standard deviations beyond which a history says no more."""


class HistoryEmphasis(nn.Module):
    r"""A user's emphasis on each modality, from their history alone.

    With f the direction of an item's content and n the number of watched items that have modality m,

    .. math::
        q_{u,m} = \frac{n - 1}{n - 1 + 3} \cdot \frac{|\sum_i f_{i,m}|^2 - n}{n (n - 1)} \qquad
        \alpha_{u,m} = \exp\Big( |\phi_m| \frac{q_{u,m} - \bar q_m}{\sigma_m} \Big)

    q is the mean cosine of what they watched, shrunk to 0 where there is little of it; mean and deviation are
    those of the training users, and three deviations are the most that count. Someone whose videos look no
    more alike than others' do has an emphasis of about 1. How much such likeness matters is learned: one
    number :math:`\phi_m` a modality. New users have an emphasis as everybody has.

    Args:
        dataset: whose content.
        history: the training interactions, (user, item), ones.
        size: dimensions that directions are reduced to.

    Attributes:
        content: (item, modality, dim), unit length; zero where an item lacks the modality.
    """

    def __init__(self, dataset: Dataset, history: SparseMatrix, size: int) -> None:
        super().__init__()
        content = np.zeros((dataset.n_items, len(dataset.modalities), size))
        for place, features in enumerate(dataset.features.values()):
            content[features.items, place] = reduced(features, size)
        self.content: Tensor
        self.sums: Tensor
        self.counts: Tensor
        self.register_buffer("content", _working(content), persistent=False)
        self.register_buffer(
            "sums", history(self.content.flatten(1)).unflatten(1, (-1, size)), persistent=False
        )
        self.register_buffer("counts", history(self._known(self.content)), persistent=False)
        self.learned = nn.Parameter(torch.full((len(dataset.modalities),), 0.1))
        active = torch.from_numpy(history.scipy().sum(axis=1) > 0)
        alike = self._alike(self.sums, self.counts)[active]
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", alike.mean(dim=0))
        self.register_buffer("deviation", alike.std(dim=0, correction=0).clamp(min=1e-6))

    def forward(
        self, users: Int[Tensor, " row"] | None = None, without: Int[Tensor, " row"] | None = None
    ) -> Float[Tensor, "row modality"]:
        """Emphasis of these users, or of all; ``without`` an item of each one's history."""
        sums, counts = (self.sums, self.counts) if users is None else (self.sums[users], self.counts[users])
        if without is not None:
            left_out = self.content[without]
            sums, counts = sums - left_out, counts - self._known(left_out)
        found = ((self._alike(sums, counts) - self.mean) / self.deviation).clamp(-LIMIT, LIMIT)
        return (self.learned.abs() * found).exp()

    @staticmethod
    def _known(content: Float[Tensor, "row modality dim"]) -> Float[Tensor, "row modality"]:
        return content.any(dim=2).to(content.dtype)

    @staticmethod
    def _alike(
        sums: Float[Tensor, "row modality dim"], counts: Float[Tensor, "row modality"]
    ) -> Float[Tensor, "row modality"]:
        others = (counts - 1).clamp(min=0)
        pairs = (counts * others).clamp(min=1)
        return (sums.square().sum(dim=2) - counts) / pairs * others / (others + PAIRS)


def reduced(features: Features, size: int) -> Float[np.ndarray, "present dim"]:
    """Directions of the content in their ``size`` strongest dimensions, at length 1, filled up with zeros."""
    found = directions(features)
    smaller = min(cast(tuple[int, int], found.shape))
    if size < smaller:
        start = np.random.default_rng(0).normal(size=smaller)  # any will do, the same every time
        axes = cast(np.ndarray, svds(found, k=size, v0=start)[2])
    else:
        axes = np.linalg.svd(
            found if isinstance(found, np.ndarray) else found.toarray(), full_matrices=False
        )[2]
    projected = np.zeros((len(features.items), size))
    projected[:, : len(axes)] = found @ axes.T
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    return np.divide(projected, lengths, out=np.zeros_like(projected), where=lengths > 1e-12)


def _working(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).to(torch.get_default_dtype())

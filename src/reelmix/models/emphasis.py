"""How much each user cares about each modality, read from how alike the things are that they watched."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse.linalg import svds
from torch import Tensor, nn

from reelmix.data import Dataset
from reelmix.data.features import DenseFeatures, Features
from reelmix.graph.components import principal_components
from reelmix.graph.lookalikes import centre, directions, token_weights
from reelmix.graph.sparse import SparseMatrix

PAIRS = 3.0
"""A history is believed by half when it has this many items more than one."""

LIMIT = 3.0
"""Standard deviations beyond which a history says no more."""

STRENGTH = 0.4
"""The most that a standard deviation can count for. Without a bound training lets it count for 2 and more
where a few people have most of the interactions, and what suits them decides everybody's lists."""


class HistoryEmphasis(nn.Module):
    r"""A user's emphasis on each modality: from how alike the things are that they watched, and from the
    user graph, how alike those are that the watchers of the same watched.

    With f the direction of an item's content and n the number of watched items that have modality m,

    .. math::
        q_{u,m} = \frac{n - 1}{n - 1 + 3} \cdot \frac{|\sum_i f_{i,m}|^2 - n}{n (n - 1)}, \qquad
        g_{u,m} = \frac{1}{|N_u|} \sum_{i \in N_u} \frac{1}{|N_i|} \sum_{u' \in N_i} z(q_{u',m}), \qquad
        \alpha_{u,m} = \exp\big( \phi_m z(q_{u,m}) + \psi_m z(g_{u,m}) \big)

    q is the mean cosine of what they watched, shrunk to 0 where there is little of it; g is what a walk from
    u over a watched item to one of its watchers finds: each co-watcher counts for more the more they have in
    common and the fewer people watched that. z standardises over the training users and stops at three
    deviations. Someone whose videos look no more alike than others' do has an emphasis of about 1. How much
    such likeness matters is learned: two numbers a modality, :math:`\phi_m` and :math:`\psi_m`, between 0 and
    0.4. New users have an emphasis as everybody has.

    Parameters: ``own`` and ``graph`` (modality), of any size; phi and psi are 0.4 tanh(|w| / 0.4) of them.
    The bound is kept with them as ``strength``.

    Args:
        dataset: whose content.
        history: the training interactions, (user, item), ones.
        size: dimensions that directions are reduced to.
        user_graph: whether co-watchers count; if not, there is no psi.
        at_most: principal components by which wider features are compared.

    Attributes:
        content: (item, modality, dim), unit length; zero where an item lacks the modality.
        of_watchers: (item, modality), the mean of z(q) over an item's watchers; zero where there are none.
        centre0, axes0, centre1, ...: of each modality, what brings a new item to the same space.
    """

    def __init__(
        self, dataset: Dataset, history: SparseMatrix, size: int, *, user_graph: bool, at_most: int
    ) -> None:
        super().__init__()
        content = np.zeros((dataset.n_items, len(dataset.modalities), size))
        for place, features in enumerate(dataset.features.values()):
            content[features.items, place], axes = reduced(features, size, at_most)
            self.register_buffer(f"axes{place}", _working(axes))
            self.register_buffer(f"centre{place}", _working(centre(features)))
        self.user_graph = user_graph
        self.content: Tensor
        self.sums: Tensor
        self.counts: Tensor
        self.register_buffer("content", _working(content), persistent=False)
        self.register_buffer(
            "sums", history(self.content.flatten(1)).unflatten(1, (-1, size)), persistent=False
        )
        self.known: Tensor
        self.register_buffer("known", self.content.any(dim=2).to(self.content.dtype), persistent=False)
        self.register_buffer("counts", history(self.known), persistent=False)
        self.own = nn.Parameter(torch.full((len(dataset.modalities),), 0.1))
        self.strength: Tensor
        self.register_buffer("strength", _working(np.array(STRENGTH)))
        active = torch.from_numpy(history.scipy().sum(axis=1) > 0)
        alike = self._alike(self.sums, self.counts)
        self.own_scale: Tensor
        self.register_buffer("own_scale", _scale(alike[active]))
        own = _standard(alike, self.own_scale)
        self.own_measure: Tensor
        self.register_buffer("own_measure", own, persistent=False)
        if not user_graph:
            return
        self.graph = nn.Parameter(torch.full((len(dataset.modalities),), 0.1))
        ones = _working(np.ones((dataset.n_users, 1)))
        watchers = history.transposed(ones)
        self.of_watchers: Tensor
        self.share: Tensor
        self.register_buffer("of_watchers", history.transposed(own) / watchers.clamp(min=1))
        self.register_buffer("share", (watchers > 0) / watchers.clamp(min=1), persistent=False)
        for name, of_items in (("said", self.of_watchers), ("shares", self.share), ("length", watchers > 0)):
            self.register_buffer(name, history(of_items.to(own.dtype)), persistent=False)
        self.said: Tensor
        self.shares: Tensor
        self.length: Tensor
        self.graph_scale: Tensor
        self.register_buffer("graph_scale", _scale((self.said / self.length.clamp(min=1))[active]))

    def forward(
        self, users: Int[Tensor, " row"] | None = None, without: Int[Tensor, " row"] | None = None
    ) -> Float[Tensor, "row modality"]:
        """Emphasis of these users, or of all; ``without`` an item of each one's history."""
        own = before = _rows(self.own_measure, users)
        if without is not None:
            sums = _rows(self.sums, users) - _rows(self.content, without)
            counts = _rows(self.counts, users) - _rows(self.known, without)
            own = _standard(self._alike(sums, counts), self.own_scale)
        exponent = self._bounded(self.own) * own
        if self.user_graph:
            said, length = _rows(self.said, users), _rows(self.length, users)
            if without is not None:
                # the user is among the watchers of the other items too, where they now say something else
                said = said - _rows(self.of_watchers, without)
                said = said + (_rows(self.shares, users) - _rows(self.share, without)) * (own - before)
                length = length - 1
            heard = _standard(said / length.clamp(min=1), self.graph_scale)
            exponent = exponent + self._bounded(self.graph) * heard
        return exponent.exp()

    def _bounded(self, weight: Float[Tensor, " modality"]) -> Float[Tensor, " modality"]:
        """phi and psi: from 0 to the bound, and near 0 the weight's own size."""
        return self.strength * (weight.abs() / self.strength).tanh()

    @staticmethod
    def _alike(
        sums: Float[Tensor, "row modality dim"], counts: Float[Tensor, "row modality"]
    ) -> Float[Tensor, "row modality"]:
        others = (counts - 1).clamp(min=0)
        pairs = (counts * others).clamp(min=1)
        return (sums.square().sum(dim=2) - counts) / pairs * others / (others + PAIRS)


def _rows(table: Float[Tensor, "_ ..."], chosen: Int[Tensor, " row"] | None) -> Float[Tensor, "row ..."]:
    """These rows, or all; on a CPU many times faster than ``table[chosen]``."""
    return table if chosen is None else table.index_select(0, chosen)


def _scale(values: Float[Tensor, "row modality"]) -> Float[Tensor, "2 modality"]:
    """Mean and deviation."""
    return torch.stack([values.mean(dim=0), values.std(dim=0, correction=0).clamp(min=1e-6)])


def _standard(
    values: Float[Tensor, "row modality"], scale: Float[Tensor, "2 modality"]
) -> Float[Tensor, "row modality"]:
    return ((values - scale[0]) / scale[1]).clamp(-LIMIT, LIMIT)


def reduced(
    features: Features, size: int, at_most: int
) -> tuple[Float[np.ndarray, "present dim"], Float[np.ndarray, "feature dim"]]:
    """Directions of the content in their ``size`` strongest dimensions, at length 1, filled up with zeros.

    And the dimensions: less the :func:`centre`, dense features times these point the same way, and the sum of
    the rows of a list's tokens does. Of features wider than ``at_most``, within so many principal components.
    """
    found, within = directions(features), None
    if isinstance(features, DenseFeatures) and features.size > at_most:
        within = principal_components(features, at_most)
        found = found @ within.T
    smaller = min(cast(tuple[int, int], found.shape))
    if within is not None:
        axes = np.linalg.eigh(found.T @ found)[1][:, ::-1][:, :size].T
    elif size < smaller:
        start = np.random.default_rng(0).normal(size=smaller)  # any will do, the same every time
        axes = cast(np.ndarray, svds(found, k=size, v0=start)[2])
    else:
        axes = np.linalg.svd(
            found if isinstance(found, np.ndarray) else found.toarray(), full_matrices=False
        )[2]
    projected, kept = np.zeros((len(features.items), size)), np.zeros((features.size, size))
    projected[:, : len(axes)] = found @ axes.T
    kept[:, : len(axes)] = axes.T if within is None else within.T @ axes.T
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    unit = np.divide(projected, lengths, out=np.zeros_like(projected), where=lengths > 1e-12)
    return unit, kept if isinstance(features, DenseFeatures) else kept * token_weights(features)[:, None]


def _working(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).to(torch.get_default_dtype())

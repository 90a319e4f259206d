"""The paper's own numbers, to stand beside ours.

Wang et al., "DualGNN: Dual Graph Neural Network for Multimedia Recommendation", IEEE Transactions on
Multimedia, 2023, doi 10.1109/TMM.2021.3138298. Read from the text of its PDF, where no digit of these tables
is in doubt. What the paper gives twice agrees (tests/study/test_published.py): its gains are those of the
rows of DualGNN and LightGCN, and DualGNN's row is one in Tables III and IV. The other rows stand there once.

They were measured on versions of the data sets that are not public, so they are for orientation: a difference
from ours is no finding by itself. The paper does not say how it computes NDCG; the authors' program computes
what we call ``ndcg_hits``.

Names of data sets: "movielens" and "tiktok". Names of models are those of ``reelmix train --model``; variants
that are no model of their own keep the paper's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class PublishedStatistics:
    """One row of Table II.

    Attributes:
        interactions: number of (user, item) pairs.
        items: number of micro-videos.
        users: number of users.
        sparsity: the share of all pairs that were not observed, in percent, as printed.
        feature_sizes: numbers in the feature vector of an item, by modality.
    """

    interactions: int
    items: int
    users: int
    sparsity: float
    feature_sizes: Mapping[str, int]


def _by(names: tuple[str, ...], *values: float) -> Mapping[str, float]:
    """A row of a table, its values by the names of their columns."""
    return MappingProxyType(dict(zip(names, values, strict=True)))


PUBLISHED_TABLE2: Mapping[str, PublishedStatistics] = MappingProxyType(
    {
        "movielens": PublishedStatistics(
            interactions=1_239_508,
            items=5_986,
            users=55_485,
            sparsity=99.63,
            feature_sizes=MappingProxyType({"visual": 2_048, "acoustic": 128, "textual": 100}),
        ),
        # 726,065 of 66,456 x 32,309 pairs leave 99.966 %, which would round to 99.97.
        "tiktok": PublishedStatistics(
            interactions=726_065,
            items=66_456,
            users=32_309,
            sparsity=99.96,
            feature_sizes=MappingProxyType({"visual": 128, "acoustic": 128, "textual": 128}),
        ),
    }
)
"""Table II, statistics of the data sets, by data set."""

_TABLE3 = ("recall@10", "ndcg@10", "recall@5", "ndcg@5", "recall@1", "ndcg@1")

PUBLISHED_TABLE3: Mapping[str, Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        "movielens": MappingProxyType(
            {
                "vbpr": _by(_TABLE3, 0.2180, 0.2389, 0.1324, 0.2028, 0.0362, 0.0997),
                "mmgcn": _by(_TABLE3, 0.2305, 0.2529, 0.1506, 0.2140, 0.0451, 0.1102),
                "star_gcn": _by(_TABLE3, 0.2413, 0.2653, 0.1598, 0.2260, 0.0496, 0.1193),
                "lr_gccf": _by(_TABLE3, 0.2445, 0.2720, 0.1596, 0.2325, 0.0497, 0.1259),
                "lightgcn": _by(_TABLE3, 0.2658, 0.2941, 0.1792, 0.2553, 0.0595, 0.1421),
                "dualgnn": _by(_TABLE3, 0.2822, 0.3131, 0.1911, 0.2745, 0.0661, 0.1579),
            }
        ),
        "tiktok": MappingProxyType(
            {
                "vbpr": _by(_TABLE3, 0.0428, 0.0426, 0.0267, 0.0325, 0.0084, 0.0149),
                "mmgcn": _by(_TABLE3, 0.0786, 0.0710, 0.0475, 0.0540, 0.0134, 0.0236),
                "star_gcn": _by(_TABLE3, 0.0833, 0.0748, 0.0500, 0.0565, 0.0148, 0.0248),
                "lr_gccf": _by(_TABLE3, 0.0779, 0.0732, 0.0477, 0.0552, 0.0129, 0.0227),
                "lightgcn": _by(_TABLE3, 0.1208, 0.1081, 0.0763, 0.0840, 0.0234, 0.0383),
                "dualgnn": _by(_TABLE3, 0.1318, 0.1151, 0.0842, 0.0901, 0.0250, 0.0403),
            }
        ),
    }
)
"""Table III, all models: the metric by data set, model and name of the metric; between 0 and 1."""

PUBLISHED_TABLE3_IMPROVEMENT: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "movielens": _by(_TABLE3, 6.17, 6.46, 6.64, 7.52, 11.09, 11.12),
        "tiktok": _by(_TABLE3, 9.11, 6.48, 10.35, 7.26, 6.84, 5.22),
    }
)
"""Table III, last row: what DualGNN gains over the best baseline, in percent, by data set and metric."""

_TABLE4 = ("recall@10", "ndcg@10")

PUBLISHED_TABLE4: Mapping[str, Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        "movielens": MappingProxyType(
            {
                "Dual-A-U": _by(_TABLE4, 0.2467, 0.2692),
                "Dual-A": _by(_TABLE4, 0.2660, 0.2890),
                "Dual-U": _by(_TABLE4, 0.2766, 0.3068),
                "dualgnn": _by(_TABLE4, 0.2822, 0.3131),
            }
        ),
        "tiktok": MappingProxyType(
            {
                "Dual-A-U": _by(_TABLE4, 0.1026, 0.0897),
                "Dual-A": _by(_TABLE4, 0.1136, 0.0995),
                "Dual-U": _by(_TABLE4, 0.1242, 0.1101),
                "dualgnn": _by(_TABLE4, 0.1318, 0.1151),
            }
        ),
    }
)
"""Table IV, the parts of DualGNN: the metric by data set, variant and name of the metric; between 0 and 1."""

PUBLISHED_FIG9_DECREASE: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "movielens": MappingProxyType({"mmgcn": 15.61, "dualgnn": 1.45}),
        "tiktok": MappingProxyType({"mmgcn": 29.7, "dualgnn": 4.12}),
    }
)
"""Section V-H, on Fig. 9: what a model loses when every item lacks a modality, in percent of what it had.

By data set and model, at a drop ratio of 100 %. The paper does not say of which metric; the points of the
figure itself are not printed as numbers.
"""

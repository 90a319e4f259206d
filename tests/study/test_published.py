"""The published numbers against each other and against what the paper says of them."""

import pytest

from reelmix.study.published import (
    PUBLISHED_FIG9_DECREASE,
    PUBLISHED_TABLE2,
    PUBLISHED_TABLE3,
    PUBLISHED_TABLE3_IMPROVEMENT,
    PUBLISHED_TABLE4,
)

METRICS = ("recall@10", "ndcg@10", "recall@5", "ndcg@5", "recall@1", "ndcg@1")


@pytest.mark.parametrize("dataset", ["movielens", "tiktok"])
def test_gains_are_those_over_the_best_baseline(dataset):
    rows = dict(PUBLISHED_TABLE3[dataset])
    ours = rows.pop("dualgnn")
    assert list(rows) == ["vbpr", "mmgcn", "star_gcn", "lr_gccf", "lightgcn"]
    for metric in METRICS:
        best = max(row[metric] for row in rows.values())
        gain = 100 * (ours[metric] / best - 1)
        assert PUBLISHED_TABLE3_IMPROVEMENT[dataset][metric] == pytest.approx(gain, abs=0.00501), metric


@pytest.mark.parametrize("dataset", ["movielens", "tiktok"])
def test_metrics_are_possible(dataset):
    """A longer list finds no fewer items, and recall at 1 is a share of what NDCG at 1 counts in full."""
    for row in PUBLISHED_TABLE3[dataset].values():
        assert tuple(row) == METRICS
        assert 0 < row["recall@1"] < row["recall@5"] < row["recall@10"] < 1
        assert row["recall@1"] <= row["ndcg@1"] < 1


@pytest.mark.parametrize("dataset", ["movielens", "tiktok"])
def test_table_4_ends_with_the_row_of_table_3(dataset):
    rows = PUBLISHED_TABLE4[dataset]
    assert list(rows) == ["Dual-A-U", "Dual-A", "Dual-U", "dualgnn"]
    for metric in ("recall@10", "ndcg@10"):
        values = [row[metric] for row in rows.values()]
        assert values == sorted(values)  # section V-F says so of each step
        assert rows["dualgnn"][metric] == PUBLISHED_TABLE3[dataset]["dualgnn"][metric]


@pytest.mark.parametrize(("dataset", "rounded"), [("movielens", 99.63), ("tiktok", 99.97)])
def test_sparsity_follows_from_the_counts(dataset, rounded):
    row = PUBLISHED_TABLE2[dataset]
    sparsity = 100 * (1 - row.interactions / (row.items * row.users))
    assert round(sparsity, 2) == rounded
    assert row.sparsity == int(sparsity * 100) / 100 or row.sparsity == rounded  # tiktok's is cut off
    assert row.feature_sizes.keys() == {"visual", "acoustic", "textual"}


def test_fig_9():
    assert PUBLISHED_FIG9_DECREASE == {
        "movielens": {"mmgcn": 15.61, "dualgnn": 1.45},
        "tiktok": {"mmgcn": 29.7, "dualgnn": 4.12},
    }


def test_nothing_can_be_changed_by_accident():
    for mapping in (PUBLISHED_TABLE2, PUBLISHED_TABLE3, PUBLISHED_TABLE3["tiktok"]["vbpr"], PUBLISHED_TABLE4):
        with pytest.raises(TypeError):
            mapping["mine"] = 1.0

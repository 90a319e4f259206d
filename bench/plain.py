"""The plain references: the same results by the means that most published code uses."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch.nn import functional

from reelmix.data import Split
from reelmix.graph import normalised, user_graph
from reelmix.models import Batch, DualGNN


class PlainDualGNN(nn.Module):
    """DualGNN with torch COO products on the (user + item) graph, one product a modality and layer.

    Sum construction, L' = 1, fixed content, optional item ids: the loss that ``DualGNN`` computes, from the
    same parameters, without anything taken out of the loop.
    """

    def __init__(self, model: DualGNN, split: Split) -> None:
        super().__init__()
        self.config, self.modalities = model.config, model.modalities
        self.n_users = split.dataset.n_users
        train = split.matrix("train")
        self.graphs = [self._graph(train, split.dataset.has(name)) for name in self.modalities]
        weights = user_graph(train, self.config.neighbours).weights(self.config.aggregation)
        self.users = _coo(weights)
        self.contents = [model.content[name]().detach() for name in self.modalities]
        self.preferences = nn.ParameterList(
            nn.Parameter(model.preference.detach()[:, place].clone()) for place in range(len(self.modalities))
        )
        if self.config.item_ids:
            self.item_ids = nn.ParameterList(
                nn.Parameter(model.item_id.detach()[:, place].clone())
                for place in range(len(self.modalities))
            )
        self.alpha = nn.Parameter(model.alpha.detach().clone())

    @staticmethod
    def _graph(train: csr_array, has: np.ndarray) -> Tensor:
        half = normalised(train, has).tocoo()
        n_users, n_items = half.shape
        rows = np.concatenate([half.row, half.col + n_users])
        columns = np.concatenate([half.col + n_users, half.row])
        values = np.concatenate([half.data, half.data]).astype(np.float32)
        size = (n_users + n_items, n_users + n_items)
        return torch.sparse_coo_tensor(
            np.stack([rows, columns]), values, size, check_invariants=True
        ).coalesce()

    def loss(self, batch: Batch) -> Tensor:
        """BPR plus the L2 term, as ``DualGNN.loss``."""
        fused: Tensor | float = 0.0
        items: Tensor | float = 0.0
        for place, (graph, content) in enumerate(zip(self.graphs, self.contents, strict=True)):
            layer_0 = content + self.item_ids[place] if self.config.item_ids else content
            x = total = torch.cat([self.preferences[place], layer_0])
            for _ in range(self.config.layers):
                x = torch.sparse.mm(graph, x)
                total = total + x
            fused = fused + self.alpha[:, place : place + 1] * total[: self.n_users]
            items = items + total[self.n_users :]
        assert isinstance(fused, Tensor)
        assert isinstance(items, Tensor)
        fused = fused + torch.sparse.mm(self.users, fused)
        users, positives, negatives = batch.users, batch.positives, batch.negatives
        chosen = fused[users]
        difference = (chosen * items[positives]).sum(1) - (chosen * items[negatives]).sum(1)
        loss = functional.softplus(-difference).mean()
        squares = self.alpha[users].square().sum() + sum(p[users].square().sum() for p in self.preferences)
        if self.config.item_ids:
            both = torch.cat([positives, negatives])
            squares = squares + sum(p[both].square().sum() for p in self.item_ids)
        return loss + 0.5 * self.config.reg * squares / len(users)


def _coo(matrix: csr_array) -> Tensor:
    entries = matrix.tocoo()
    index = np.stack([entries.row, entries.col])
    return torch.sparse_coo_tensor(
        index, entries.data.astype(np.float32), entries.shape, check_invariants=True
    ).coalesce()


def plain_ranking(
    users: np.ndarray, items: np.ndarray, relevant: csr_array, exclude: csr_array, n: int
) -> dict[str, float]:
    """Recall and NDCG at ``n``: one dense score matrix, torch's topk, a Python loop over users."""
    rows = np.flatnonzero(np.diff(relevant.indptr))
    scores = torch.from_numpy(users[rows]) @ torch.from_numpy(items).T
    for place, row in enumerate(rows):
        scores[place, exclude.indices[exclude.indptr[row] : exclude.indptr[row + 1]]] = -torch.inf
    lists = scores.topk(n, dim=1).indices.tolist()
    recall, ndcg = [], []
    for place, row in enumerate(rows):
        wanted = set(relevant.indices[relevant.indptr[row] : relevant.indptr[row + 1]].tolist())
        hits = [item in wanted for item in lists[place]]
        recall.append(sum(hits) / len(wanted))
        gain = sum(1 / np.log2(rank + 2) for rank, hit in enumerate(hits) if hit)
        ndcg.append(gain / sum(1 / np.log2(rank + 2) for rank in range(min(n, len(wanted)))))
    return {f"recall@{n}": float(np.mean(recall)), f"ndcg@{n}": float(np.mean(ndcg))}


def plain_user_graph(
    interactions: csr_array, neighbours: int, rows: range, block: int = 500
) -> list[np.ndarray]:
    """The same neighbours by dense blocks of R @ R.T and a full stable sort of each row."""
    matrix = csr_array(interactions, dtype=np.float32)
    transpose = csr_array(matrix.T)
    found = []
    for start in range(rows.start, rows.stop, block):
        chosen = np.arange(start, min(start + block, rows.stop))
        counts = (matrix[chosen] @ transpose).toarray()
        counts[np.arange(len(chosen)), chosen] = 0
        for row in counts:
            order = np.argsort(-row, kind="stable")[:neighbours]
            found.append(order[row[order] > 0])
    return found


def plain_lookalikes(
    content: np.ndarray, neighbours: int, *, whole_sort: bool = False, block: int = 500
) -> np.ndarray:
    """The most similar others of every item, by products of double precision, nearest first.

    Args:
        content: vectors of length 1.
        neighbours: how many.
        whole_sort: sort whole rows, as one does who has not heard of partitions.
        block: items at a time.
    """
    found = []
    for start in range(0, len(content), block):
        cosines = content[start : start + block] @ content.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -np.inf
        if whole_sort:
            found.append(np.argsort(-cosines, axis=1)[:, :neighbours])
            continue
        best = np.argpartition(-cosines, neighbours, axis=1)[:, :neighbours]
        order = np.argsort(-np.take_along_axis(cosines, best, axis=1), axis=1)
        found.append(np.take_along_axis(best, order, axis=1))
    return np.concatenate(found)

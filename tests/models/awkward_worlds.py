"""A world with one of every hole, and a DualGNN on it in the terms of the dense reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import torch
from dense_dualgnn import DenseModality
from small_worlds import tokens_of

from reelmix.data import BagFeatures, Card, Dataset, DenseFeatures, Split
from reelmix.data.assemble import assemble
from reelmix.models import DualGNN

N_USERS, N_ITEMS, D = 9, 8, 3


def awkward_split(seed: int, *, bag: bool = False) -> Split:
    """Few users and items: one user and one item isolated, users with few neighbours, items with holes."""
    rng = np.random.default_rng(seed)
    users, items = np.nonzero(rng.random((N_USERS, N_ITEMS)) < 0.35)
    train = (users != N_USERS - 1) & (items != N_ITEMS - 1) & ~((users == 0) ^ (items == 0))
    pairs = [(int(u), int(i)) for u, i in zip(users[train], items[train], strict=True)]
    pairs.append((0, 0))  # user 0 and item 0 know each other alone: no neighbour
    pairs = sorted(set(pairs))
    held_out = [(N_USERS - 1, N_ITEMS - 1, "validation"), (1, N_ITEMS - 1, "test")]
    rows = [(u, i, "train") for u, i in pairs] + held_out
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "split"], orient="row")
    dataset = assemble(
        table, pl.DataFrame({"item_id": range(N_ITEMS)}), {}, card=Card("awkward"), where=Path()
    )
    features: dict[str, DenseFeatures | BagFeatures] = {
        "visual": DenseFeatures(np.arange(N_ITEMS, dtype=np.int32), rng.normal(size=(N_ITEMS, 5))),
        "acoustic": DenseFeatures(np.array([0, 1, 3, 4, 7], np.int32), rng.normal(size=(5, 4))),
        "textual": DenseFeatures(np.arange(N_ITEMS, dtype=np.int32), rng.normal(size=(N_ITEMS, D))),
    }
    if bag:
        words = BagFeatures(
            np.array([1, 2, 5], np.int32), np.array([0, 2, 3, 6]), np.array([0, 1, 1, 2, 2, 4], np.int32), 5
        )
        features["words"] = words
    return Dataset(dataset.users, dataset.items, dataset.interactions, features, dataset.item_table).split(
        "given"
    )


def as_dense(model: DualGNN, split: Split) -> tuple[dict[str, torch.Tensor], list[DenseModality]]:
    """The model's parameters and modalities in the reference's terms."""
    parameters: dict[str, torch.Tensor] = {}

    def leaf(name: str, value: torch.Tensor) -> None:
        parameters[name] = value.detach().double().clone().requires_grad_()

    modalities = []
    for place, (name, features) in enumerate(split.dataset.features.items()):
        present = split.dataset.has(name)
        leaf(f"user.{name}", model.preference[:, place])
        if model.config.item_ids:
            leaf(f"item.{name}", model.item_id[:, place])
        for key, value in model.content[name].named_parameters():
            leaf(f"content.{name}.{key}", value)
        if isinstance(features, BagFeatures):
            modality = DenseModality(name, "bag", present.tolist(), tokens=tokens_of(features, N_ITEMS))
        else:
            content = model.config.content
            own = model.content[name]
            given = own.features if content in ("linear", "mlp") else own.present_rows().detach()
            rows = torch.full((N_ITEMS, given.shape[1]), torch.nan, dtype=torch.float64)
            rows[features.items.astype(np.int64)] = given.double()
            modality = DenseModality(name, "dense", present.tolist(), content=content, features=rows)
        modality.item_ids, modality.unit = model.config.item_ids, model.config.unit_content
        modality.cut = list(split.cut.get(name, []))
        modalities.append(modality)
    if model.config.emphasis == "learned":
        leaf("alpha", model.alpha)
    if model.config.construction == "concatenation":
        leaf("fusion.weight", model.fusion.weight)
        leaf("fusion.bias", model.fusion.bias)
    return parameters, modalities

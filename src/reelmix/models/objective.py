"""What models of vectors are trained for: each item before one other, or before a sample of all."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from reelmix.graph.sparse import Chosen, sent
from reelmix.models.base import Batch, Embeddings
from reelmix.models.columns import Columns, columns_mix
from reelmix.models.losses import Pairs, bpr, sampled_softmax
from reelmix.settings import ModelSettings

Loss = Literal["bpr", "softmax"]
WHOLE = Columns()


class ObjectiveSettings(ModelSettings):
    """The loss of a model whose papers know only BPR, so that no gain is one of the loss alone."""

    loss: Loss = "bpr"
    """What is trained for: bpr, each item before one other, by dot products, as in the papers; or softmax,
    each item before a sample of all, by cosines, as Reelmix."""

    temperature: float = Field(0.15, gt=0)
    """What cosines are divided by before the softmax: the smaller, the more the nearest items matter."""

    candidates: int = Field(512, ge=1)
    """Items that the softmax of a step compares each observed one with, the same for the whole batch, at
    most. With 1,024 an epoch costs a third more, and validates alike."""


def ranking_loss(
    config: ObjectiveSettings,
    users: Float[Tensor, "triple dim"],
    items: Float[Tensor, "item dim"],
    batch: Batch,
    n_items: int | None = None,
    columns: Columns = WHOLE,
) -> Float[Tensor, ""]:
    """The loss of a batch.

    Args:
        config: which loss.
        users: the vectors of the triples' users.
        items: those of all items, or of as many as the batch has rows of.
        batch: the triples; for softmax, the first ``candidates`` of their negatives are the sample.
        n_items: how many items there are, if ``items`` is not a table of all.
        columns: which columns the vectors have; bpr alone can do with some.
    """
    if config.loss == "bpr":
        both = functional.embedding(torch.cat([batch.positives, batch.negatives]), items)
        positives, negatives = both.chunk(2)
        return bpr(columns.summed((users * (positives - negatives)).sum(dim=1)))
    positives, chosen = functional.embedding(batch.positives, items), batch.sample(config.candidates)
    losses = sampled_softmax(
        functional.normalize(users) / config.temperature,
        functional.normalize(positives),
        functional.normalize(functional.embedding(chosen, items)),
        own_item(batch, config.candidates),
        len(items) if n_items is None else n_items,
    )
    return losses.mean()


class Distinct(NamedTuple):
    """What the loss of a batch needs, each once.

    Attributes:
        users: its users.
        items: its items: the observed ones, and those that they are held against.
        places: the batch as places among these.
    """

    users: Chosen
    items: Chosen
    places: Batch


def distinct(config: ObjectiveSettings, batch: Batch) -> Distinct:
    """The users and items of a batch, for models that make a vector at a cost: each of them once.

    Args:
        config: which loss: bpr needs every negative, softmax those that are its sample.
        batch: the triples; they are counted on the CPU, so that no device is waited for.
    """
    here, device = batch.here or batch, batch.users.device
    others = here.negatives if config.loss == "bpr" else here.sample(config.candidates)
    users, user_places = here.users.unique(return_inverse=True)
    items, item_places = torch.cat([here.positives, others]).unique(return_inverse=True)
    places_here = Batch(user_places, *item_places.split([len(here.positives), len(others)]))
    users_there, positives, negatives = (sent(column, device) for column in places_here[:3])
    places = Batch(users_there, positives, negatives, here=places_here)
    return Distinct(Chosen.sent(users, device), Chosen.sent(items, device), places)


def require_bpr(config: ObjectiveSettings) -> None:
    """Refuses to hold a model in parts whose loss needs the lengths of whole vectors."""
    if config.loss != "bpr":
        raise columns_mix(f"loss {config.loss!r}, by cosines of whole vectors", "Set loss = bpr")


def own_item(batch: Batch, candidates: int) -> Pairs:
    """Triples, and the sampled candidates that are the triple's own item; found on the CPU, and few."""
    here, device = batch.here or batch, batch.users.device
    sample, order = here.sample(candidates).sort(stable=True)
    items = here.positives.contiguous()
    first = torch.searchsorted(sample, items)
    counts = torch.searchsorted(sample, items, right=True) - first
    triples = torch.arange(len(counts)).repeat_interleave(counts)
    nth = torch.arange(len(triples)) - (counts.cumsum(0) - counts)[triples]
    return sent(triples, device), sent(order[first[triples] + nth], device)


def scored(config: ObjectiveSettings, embeddings: Embeddings) -> Embeddings:
    """The vectors whose dot products rank as the loss does: for softmax, items at length 1.

    Users stay as they are: their length changes no order.
    """
    if config.loss == "bpr":
        return embeddings
    length = embeddings.items.norm(dim=1, keepdim=True).clamp(min=1e-12)
    parts = {name: part / length for name, part in embeddings.item_parts.items()}
    return replace(embeddings, items=embeddings.items / length, item_parts=parts)

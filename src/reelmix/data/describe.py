"""What a dataset holds: the paper's Table II row, and how much of each modality is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from reelmix.data.dataset import Dataset
from reelmix.data.features import BagFeatures, DenseFeatures
from reelmix.data.interactions import LABEL_NAMES
from reelmix.data.missingness import Missingness, missingness


@dataclass(frozen=True)
class ModalityDescription:
    """One modality of a dataset.

    Attributes:
        name: its name.
        kind: "dense" (a vector an item) or "bag" (a list of tokens an item).
        size: length of a vector, or number of distinct tokens.
        encoder: what made the features.
        items: how many items have it; what was filled in does not count.
        item_share: those, of all items, 0 to 1.
        interactions: how many interactions are with such items.
        interaction_share: those, of all interactions, 0 to 1.
        zero_items: how many of its vectors are zero throughout: perhaps missing, and saved as zeros.
        lift: how many times as often people watched two items that are alike in it as chance would have it
            (:func:`reelmix.graph.lookalikes.lifts`); None if that was not worked out, or
            there is too little to tell.
    """

    name: str
    kind: str
    size: int
    encoder: str
    items: int
    item_share: float
    interactions: int
    interaction_share: float
    zero_items: int
    lift: float | None = None


@dataclass(frozen=True)
class CombinationDescription:
    """The items that have exactly these modalities.

    Attributes:
        modalities: names, in the dataset's order; empty for items that have none.
        items: how many items.
        item_share: those, of all items, 0 to 1.
        interactions: how many interactions with them.
        interaction_share: those, of all interactions, 0 to 1.
    """

    modalities: tuple[str, ...]
    items: int
    item_share: float
    interactions: int
    interaction_share: float


@dataclass(frozen=True)
class Description:
    """A dataset in numbers.

    The first five are its row of the paper's Table II; the feature sizes are in ``modalities``.

    Attributes:
        name: the dataset's name.
        interactions: distinct pairs of a user and an item.
        items: all items, whether or not someone interacted with them.
        users: all users.
        sparsity: pairs without an interaction, of all pairs of a user and an item, in percent.
        items_without_interactions: items that nobody interacted with.
        modalities: what there is of each, in the dataset's order.
        combinations: what there is of each combination that occurs, the most frequent first.
        missingness: whether what items lack goes with their popularity or age.
        split: interactions labelled train, validation and test; None if the data came without a split.
        provenance: where the data come from.
        simulated: made by a program, not by people.
        notes: what was dropped or changed on the way in.
    """

    name: str
    interactions: int
    items: int
    users: int
    sparsity: float
    items_without_interactions: int
    modalities: tuple[ModalityDescription, ...]
    combinations: tuple[CombinationDescription, ...]
    missingness: Missingness
    split: dict[str, int] | None
    provenance: str
    simulated: bool
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as mappings, tuples and plain values, for JSON."""
        return asdict(self)


def describe(dataset: Dataset, lifts: Mapping[str, float] | None = None) -> Description:
    """Counts what a dataset holds; ``lifts`` of its modalities are taken as they are."""
    pairs = dataset.interactions
    popularity = np.bincount(pairs.items, minlength=dataset.n_items)
    labels = pairs.labels
    return Description(
        name=dataset.card.name,
        interactions=len(pairs),
        items=dataset.n_items,
        users=dataset.n_users,
        sparsity=100 * (1 - _share(len(pairs), dataset.n_users * dataset.n_items)),
        items_without_interactions=int((popularity == 0).sum()),
        modalities=tuple(
            _modality(dataset, name, popularity, (lifts or {}).get(name)) for name in dataset.modalities
        ),
        combinations=_combinations(dataset, popularity),
        missingness=missingness(dataset),
        split=None
        if labels is None
        else {name: int((labels == label).sum()) for label, name in enumerate(LABEL_NAMES)},
        provenance=dataset.card.provenance,
        simulated=dataset.card.simulated,
        notes=dataset.card.notes,
    )


def _modality(
    dataset: Dataset, name: str, popularity: Int[np.ndarray, " item"], lift: float | None
) -> ModalityDescription:
    features = dataset.features[name]
    items = features.items[features.observed]
    interactions = int(popularity[items].sum())
    zero = 0
    if isinstance(features, DenseFeatures):
        zero = int((~features.values[features.observed].any(axis=1)).sum())
    return ModalityDescription(
        name=name,
        kind="bag" if isinstance(features, BagFeatures) else "dense",
        size=features.size,
        encoder=features.encoder,
        items=len(items),
        item_share=_share(len(items), dataset.n_items),
        interactions=interactions,
        interaction_share=_share(interactions, len(dataset.interactions)),
        zero_items=zero,
        lift=lift,
    )


def _combinations(
    dataset: Dataset, popularity: Int[np.ndarray, " item"]
) -> tuple[CombinationDescription, ...]:
    names = np.array(dataset.modalities)
    present: Bool[np.ndarray, "item modality"] = np.zeros((dataset.n_items, len(names)), bool)
    for column, name in enumerate(dataset.modalities):
        present[:, column] = dataset.observed(name)
    found, which = np.unique(present, axis=0, return_inverse=True)
    which = which.reshape(-1)  # NumPy 2.0 gave it a second axis
    items = np.bincount(which, minlength=len(found)).tolist()
    interactions = np.bincount(which, weights=popularity, minlength=len(found)).astype(np.int64).tolist()
    described = [
        CombinationDescription(
            modalities=tuple(names[mask].tolist()),
            items=items[row],
            item_share=_share(items[row], dataset.n_items),
            interactions=interactions[row],
            interaction_share=_share(interactions[row], len(dataset.interactions)),
        )
        for row, mask in enumerate(found)
    ]
    return tuple(sorted(described, key=lambda one: (-one.items, -len(one.modalities), one.modalities)))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0

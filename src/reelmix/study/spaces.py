"""Where the search looks for each model's settings: the paper's grid and wider, the same where shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, evenly by their logarithm or by themselves."""

    low: float
    high: float
    log: bool = True


Space = Mapping[str, Range | tuple[Any, ...]]
"""Settings by name: a range of numbers, or the choices there are."""

# The paper searches learning rate and reg in {0.1, 0.01, 0.001, 0.0001, 0.00001}. No model here learns at
# 0.1 or 0.00001, and some want more reg than 0.1.
_TRAINED: Space = {
    "learning_rate": Range(1e-4, 3e-2),
    "reg": Range(1e-6, 3.0),
    "embedding_size": (64, 128),
}

# The loss of Reelmix, and the averaging that goes with it, are open to what it is held against.
_OBJECTIVE: Space = {
    "loss": ("bpr", "softmax"),
    "temperature": Range(0.05, 0.5),
    "averaging": (0.0, 0.99),
}

SPACES: Mapping[str, Space] = {
    "reelmix": {
        "learning_rate": Range(3e-3, 1e-1),
        "embedding_size": (64, 128),
        "lookalikes": (5, 10, 20),
        "dropout": Range(0.0, 0.6, log=False),
        "averaging": (0.0, 0.99),
        "regression": (0.0, 2.0, 4.0, 8.0),
    },
    "dualgnn": {
        **_TRAINED,
        **_OBJECTIVE,
        "layers": (1, 2, 3),
        "neighbours": (10, 20, 40, 50),
        "aggregation": ("softmax", "mean"),
        "content": ("pca", "linear", "mlp"),
        "unit_content": (False, True),
        "item_ids": (True, False),
    },
    "lightgcn": {**_TRAINED, **_OBJECTIVE, "layers": (1, 2, 3, 4)},
    "lr_gccf": {**_TRAINED, **_OBJECTIVE, "layers": (1, 2, 3, 4)},
    "mmgcn": {
        **_TRAINED,
        **_OBJECTIVE,
        "layers": (1, 2),
        "combination": ("sum", "concatenation"),
        "content": ("linear", "mlp", "pca"),
    },
    "star_gcn": {
        **_TRAINED,
        **_OBJECTIVE,
        "blocks": (1, 2),
        "shared_blocks": (False, True),
        "masked": (0.0, 0.1, 0.2),
        "reconstruction": Range(0.01, 1.0),
    },
    "vbpr": {**_TRAINED, **_OBJECTIVE},
    "popularity": {},
    "ease": {"reg": Range(1.0, 5000.0)},
    "gfcf": {"weight": Range(0.05, 1.0, log=False), "rank": (64, 128, 256), "exponent": (0.0, 0.25, 0.5)},
}
"""The search space of every model and floor. What is not in it keeps its default."""

# One try of the other loss, as with LightGCN; what is not named keeps its default.
_SOFTMAX: Mapping[str, Any] = {
    "learning_rate": 1e-2,
    "reg": 1e-4,
    "embedding_size": 64,
    "loss": "softmax",
    "averaging": 0.99,
}

KNOWN_GOOD: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "dualgnn": (
        {"learning_rate": 1e-3, "reg": 0.1, "embedding_size": 64, "layers": 2, "neighbours": 40},
        {
            "learning_rate": 1e-3,
            "reg": 0.1,
            "embedding_size": 128,
            "layers": 2,
            "neighbours": 50,
            "item_ids": False,
        },
        {**_SOFTMAX, "layers": 2, "neighbours": 40, "item_ids": True},
    ),
    "lightgcn": (
        {"learning_rate": 1e-3, "reg": 1e-4, "embedding_size": 64, "layers": 3},
        {**_SOFTMAX, "layers": 2},
    ),
    "lr_gccf": (
        {"learning_rate": 1e-3, "reg": 1e-2, "embedding_size": 64, "layers": 3},
        {**_SOFTMAX, "layers": 2},
    ),
    "mmgcn": (
        {"learning_rate": 5e-4, "reg": 0.1, "embedding_size": 64, "layers": 2},
        {"learning_rate": 1e-4, "reg": 1e-4, "embedding_size": 64, "layers": 2},
        {**_SOFTMAX, "layers": 2},
    ),
    "star_gcn": ({"learning_rate": 1e-3, "reg": 1e-4, "embedding_size": 64}, _SOFTMAX),
    "vbpr": ({"learning_rate": 1e-3, "reg": 1e-2, "embedding_size": 64}, _SOFTMAX),
}
"""What their papers report, and one try of the other loss, come first; they count into the same budget."""

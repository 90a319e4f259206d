"""How a model is trained, apart from what the model is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator

from reelmix.settings import Settings


class TrainingConfig(Settings):
    """Settings of the training loop. A model may have other defaults, which its own settings tell."""

    epochs: int = Field(200, ge=1)
    """Passes over the training interactions at most; early stopping usually ends before."""

    learning_rate: float = Field(1e-3, gt=0)
    """Step size of Adam. The paper searches 0.00001 to 0.1."""

    batch_size: int = Field(2048, ge=1)
    """Triples in a step. The paper uses 1024; larger batches make an epoch cheaper."""

    precision: Literal["single", "mixed"] = "single"
    """single; or mixed: while training, products with the graphs read numbers of 16 bits (bfloat16) and add
    up in 32, which is faster where the graphs are large. Weights, losses and all that is measured stay in
    single precision."""

    deterministic: bool = False
    """On a GPU: only operations that repeat bit for bit, which are slower. A CPU's always do."""

    averaging: float = Field(0.0, ge=0, lt=1)
    """Decay of a moving average of the weights, a step: it is validated and kept in place of the last
    weights. 0 keeps the last; 0.99 averages over about the last hundred steps."""

    patience: int = Field(20, ge=1)
    """Epochs without a better validation metric after which training stops."""

    validation_metric: str = "recall@20"
    """Validation metric that chooses the best epoch, as name@P."""

    def suited(self, defaults: Mapping[str, Any]) -> Self:
        """The same with a model's own defaults for whatever was not given."""
        open_to_them = {key: value for key, value in defaults.items() if key not in self.model_fields_set}
        return self.model_copy(update=open_to_them)

    @field_validator("validation_metric")
    @classmethod
    def _known_metric(cls, value: str) -> str:
        name, _, depth = value.partition("@")
        if not name or not depth.isdigit() or int(depth) < 1:
            raise ValueError("a metric and a depth such as recall@20")
        return value

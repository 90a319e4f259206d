"""VGGish, the paper's encoder of sound, by the state-dict names under which its weights are published."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from reelmix.media.encoder import Provenance, require_published, versions
from reelmix.media.encoders.weights import downloaded, fill, read_state, read_weights
from reelmix.media.limits import Absent
from reelmix.media.logmel import log_mel, patches

PUBLISHED = {"10086976": "AudioSet"}
PUBLISHED_PCA = {"970ea276": "its principal components"}
RELEASE = "https://github.com/harritaylor/torchvggish/releases/download/v0.1/"
BATCH = 16
CLIP = 2.0
"""Components beyond this count as this, before they become whole numbers from 0 to 255."""


class VGGish:
    """The 128 numbers that VGGish makes of each 0.96 s of sound, the mean over a clip.

    Hershey et al., CNN Architectures for Large-Scale Audio Classification, 2017. The numbers are rotated into
    principal components and made whole from 0 to 255, as those published with AudioSet are.

    Args:
        weights: file of the network's weights, ``vggish-10086976.pth``, with
            ``vggish_pca_params-970ea276.pth`` beside it; None downloads both, unless they have been
            downloaded before.

    Raises:
        StorageError, DataError: the weights cannot be read or are others than those published.
        ConfigError: they could not be downloaded.
    """

    modality: Literal["acoustic"] = "acoustic"
    picture = None
    whole = False

    def __init__(self, weights: Path | None = None) -> None:
        self.network, self.components = Network().eval(), Components()
        hashes = [read_weights(self.network, weights, f"{RELEASE}vggish-10086976.pth", PUBLISHED)]
        name = "vggish_pca_params-970ea276.pth"
        beside = downloaded(RELEASE + name) if weights is None else weights.with_name(name)
        hashes.append(require_published(beside, PUBLISHED_PCA))
        fill(self.components, read_state(beside), beside)
        self._hash = "+".join(hashes)

    @property
    def provenance(self) -> Provenance:
        """What its vectors come from."""
        return Provenance(
            "vggish",
            self._hash,
            "mono, 16 kHz; log-mel, 25 ms Hann window, 10 ms hop, 64 bands from 125 to 7500 Hz; patches of "
            "0.96 s; principal components as 0 to 255; mean over patches",
            versions("torch"),
        )

    def encode(
        self, inputs: Sequence[Float[np.ndarray, " _sample"]]
    ) -> list[Float[np.ndarray, " 128"] | Absent]:
        """A vector for each sound."""
        return [self._encode(sound) for sound in inputs]

    def _encode(self, sound: Float[np.ndarray, " sample"]) -> Float[np.ndarray, " 128"] | Absent:
        parts = patches(log_mel(sound))
        if not len(parts):
            return Absent("less than 0.96 s of sound")
        with torch.inference_mode():
            vectors = torch.cat(
                [
                    self.components(self.network(torch.from_numpy(parts[start : start + BATCH])[:, None]))
                    for start in range(0, len(parts), BATCH)
                ]
            )
        return vectors.numpy().mean(axis=0, dtype=np.float64).astype(np.float32)


class Network(nn.Module):
    """The network: (patch, 1, 96, 64) to (patch, 128)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        for outputs in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool"):
            if isinstance(outputs, str):
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                inputs = outputs
        self.features = nn.Sequential(*layers)
        sizes = (512 * 6 * 4, 4096, 4096, 128)
        dense = [part for size, next_ in pairwise(sizes) for part in (nn.Linear(size, next_), nn.ReLU())]
        self.embeddings = nn.Sequential(*dense)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(patch, 1, frame, band) to (patch, 128); channels are flattened last, as in training."""
        return self.embeddings(self.features(x).permute(0, 2, 3, 1).flatten(1))


class Components(nn.Module):
    """The rotation into principal components, and their whole numbers from 0 to 255."""

    pca_eigen_vectors: torch.Tensor
    pca_means: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("pca_eigen_vectors", torch.empty(128, 128))
        self.register_buffer("pca_means", torch.empty(128, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(patch, 128) to the same."""
        turned = (self.pca_eigen_vectors @ (x.T - self.pca_means)).T
        return ((turned.clamp(-CLIP, CLIP) + CLIP) * (255 / (2 * CLIP))).round()

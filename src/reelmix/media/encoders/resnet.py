"""ResNet-50, the paper's encoder of pictures, by the names under which its weights are published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import nn

from reelmix.media.encoder import Provenance, versions
from reelmix.media.encoders.weights import normalised, read_weights
from reelmix.media.limits import Absent

PUBLISHED = {"0676ba61": "ImageNet, version 1", "11ad3fa6": "ImageNet, version 2"}
ADDRESS = "https://download.pytorch.org/models/resnet50-0676ba61.pth"
BATCH = 4
"""Pictures at a time. On a core, eight take a third longer each than four: they do not fit its cache."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the pictures that it was trained on: red, green, blue."""


class ResNet50:
    """The 2,048 numbers before the last layer of ResNet-50, the mean over a clip's pictures.

    He, Zhang, Ren and Sun, Deep Residual Learning for Image Recognition, 2016, trained on ImageNet.

    Args:
        weights: file of the published weights (``.pth`` or ``.safetensors``); None downloads version 1,
            unless it has been downloaded before.

    Raises:
        StorageError, DataError: the weights cannot be read or are others than those published.
        ConfigError: they could not be downloaded.
    """

    modality: Literal["visual"] = "visual"
    picture = (224, 256)
    whole = False

    def __init__(self, weights: Path | None = None) -> None:
        self.network = Network().eval()
        self._hash = read_weights(self.network, weights, ADDRESS, PUBLISHED)

    @property
    def provenance(self) -> Provenance:
        """What its vectors come from."""
        return Provenance(
            "resnet50",
            self._hash,
            "shorter side 256 (bicubic), square of 224 from the middle, ImageNet's mean and deviation; mean "
            "over pictures",
            versions("torch"),
        )

    def encode(
        self, inputs: Sequence[UInt8[np.ndarray, "_frame side side 3"]]
    ) -> list[Float[np.ndarray, " 2048"] | Absent]:
        """A vector for each clip."""
        return mean_over_pictures(self.network, inputs, MEAN, DEVIATION)


def mean_over_pictures(
    network: Callable[[torch.Tensor], torch.Tensor],
    clips: Sequence[UInt8[np.ndarray, "_frame side side 3"]],
    mean: Sequence[float],
    deviation: Sequence[float],
) -> list[Float[np.ndarray, " size"] | Absent]:
    """What a network makes of the pictures of all clips, in batches, averaged over each clip."""
    pictures = np.concatenate(list(clips))
    with torch.inference_mode():
        parts = [
            network(normalised(pictures[start : start + BATCH], mean, deviation))
            for start in range(0, len(pictures), BATCH)
        ]
        vectors = torch.cat(parts).numpy()
    ends = np.cumsum([len(clip) for clip in clips])[:-1]
    return [part.mean(axis=0, dtype=np.float64).astype(np.float32) for part in np.split(vectors, ends)]


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut; the stride is at the second, as in the published weights."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(picture, channel, row, column) to the same with other sizes."""
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        return (self.bn3(self.conv3(y)) + self.downsample(x)).relu()


class Network(nn.Module):
    """ResNet-50 up to its last layer, which stays for the sake of the published weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(64, 64, 3, 1)
        self.layer2 = _stage(256, 128, 4, 2)
        self.layer3 = _stage(512, 256, 6, 2)
        self.layer4 = _stage(1024, 512, 3, 2)
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(picture, 3, row, column) to (picture, 2048)."""
        x = self.pool(self.bn1(self.conv1(x)).relu())
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3))


def _stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    later = [Bottleneck(4 * width, width, 1) for _ in range(blocks - 1)]
    return nn.Sequential(Bottleneck(inputs, width, stride), *later)

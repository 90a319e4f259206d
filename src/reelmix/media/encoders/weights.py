"""Published weights, from a file or an address, checked by their hash; pictures as networks take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import nn

from reelmix.errors import ConfigError, DataError
from reelmix.files import damaged
from reelmix.media.encoder import require_published


def read_weights(network: nn.Module, path: Path | None, address: str, published: Mapping[str, str]) -> str:
    """Fills a network with published weights, and gives their SHA-256.

    Raises:
        StorageError: the file is missing or damaged.
        DataError: its hash is not one of ``published``, or it does not fit the network.
        ConfigError: there is no file, and it could not be downloaded.
    """
    path = path or downloaded(address)
    found = require_published(path, published)
    fill(network, read_state(path), path)
    return found


def downloaded(address: str) -> Path:
    """The file of an address, in torch's folder of downloads; its name ends in its hash, which is checked.

    Raises:
        ConfigError: it could not be downloaded.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / address.rpartition("/")[2]
    if path.is_file():
        return path
    digits = path.stem.rpartition("-")[2]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(path), hash_prefix=digits, progress=False)
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            expected=f"weights from {address}",
            found=str(error).splitlines()[0] or type(error).__name__,
            where="weights",
            fix="Download them elsewhere and give the file, or choose an encoder that brings its weights.",
        ) from None
    return path


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a ``.safetensors`` or ``.pth`` file by name; no other objects are read.

    Raises:
        StorageError: the file is damaged.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise many kinds
        raise damaged("weights", error, path) from None
    if not isinstance(found, dict):
        raise damaged("weights", "it does not hold tensors by name", path)
    return found


def fill(network: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Copies tensors into a network by name.

    Raises:
        DataError: names or shapes differ.
    """
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise DataError(
            expected=f"the weights of {type(network).__module__.rpartition('.')[2]}",
            found=str(error).splitlines()[-1].strip(),
            where=str(path),
            fix="Give the file of the published weights.",
        ) from None


def normalised(
    pictures: UInt8[np.ndarray, "picture side side 3"], mean: Sequence[float], deviation: Sequence[float]
) -> Float[torch.Tensor, "picture 3 side side"]:
    """Pictures from 0 to 1, less the mean of each colour, over its deviation."""
    values = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255
    return (values - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[:, None, None]

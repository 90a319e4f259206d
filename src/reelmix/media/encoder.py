"""What turns pictures, sound and texts into vectors: one small interface, and encoders by name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float

from reelmix.errors import ConfigError, DataError, nearest
from reelmix.files import require_file
from reelmix.media.limits import Absent

Modality = Literal["visual", "acoustic", "textual"]
Input = TypeVar("Input", contravariant=True)

GROUP = "reelmix.encoders"
"""Entry points by which a package offers an encoder: its name, and a callable of the weights' path."""


@dataclass(frozen=True)
class Provenance:
    """What made a vector.

    Attributes:
        encoder: its name.
        weights: SHA-256 of what it has learned; empty if it has learned nothing beforehand.
        preprocessing: what is done to its input before it.
        libraries: name to version.
    """

    encoder: str
    weights: str
    preprocessing: str
    libraries: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.encoder} {self.weights[:12]}".strip()


@runtime_checkable
class Encoder(Protocol[Input]):
    """Turns what is in a file into vectors.

    Attributes:
        modality: what it takes. "visual": the pictures of a clip, uint8 (frame, side, side, 3), red, green
            and blue. "acoustic": sound at 16 kHz, float32 (sample,), 1.0 being full scale. "textual": a text.
        picture: side of the square that a visual encoder takes, and length to which a picture's shorter side
            is scaled before that square is cut from its middle; None of others.
        whole: whether its vectors depend on all inputs together, so that it wants them at once.
    """

    modality: Modality
    picture: tuple[int, int] | None
    whole: bool

    @property
    def provenance(self) -> Provenance:
        """What its vectors come from."""
        ...

    def encode(self, inputs: Sequence[Input]) -> list[Float[np.ndarray, " size"] | Absent]:
        """A vector, float32, for each input, or the reason why it has none."""
        ...


BUILT_IN = {
    "efficientnet-lite0": "reelmix.media.encoders.efficientnet:EfficientNetLite0",
    "resnet50": "reelmix.media.encoders.resnet:ResNet50",
    "speech-embedding": "reelmix.media.encoders.speech:SpeechEmbedding",
    "vggish": "reelmix.media.encoders.vggish:VGGish",
    "minilm": "reelmix.media.encoders.minilm:MiniLM",
    "sif": "reelmix.media.encoders.words:SIF",
}


def make_encoder(name: str, modality: Modality, weights: Path | None = None) -> Encoder:
    """An encoder by its name.

    Args:
        name: of one that comes with the package, or that an installed package offers as an entry point of
            ``reelmix.encoders``.
        modality: that it is wanted for.
        weights: what it has learned, if it does not bring that itself.

    Raises:
        ConfigError: there is none of this name, it is for something else, or it lacks a package or weights.
    """
    from importlib.metadata import EntryPoint

    offered = {one.name: one for one in entry_points(group=GROUP)}
    known = {one: EntryPoint(one, place, GROUP) for one, place in BUILT_IN.items()} | offered
    if name not in known:
        raise ConfigError(
            expected="the name of an encoder", found=repr(name), where=modality, fix=nearest(name, known)
        )
    encoder = known[name].load()(weights)
    if not isinstance(encoder, Encoder) or encoder.modality != modality:
        raise ConfigError(
            expected=f"an encoder for the {modality} modality",
            found=f"{name}, for {getattr(encoder, 'modality', 'nothing')}",
            where=modality,
            fix="reelmix extract --help names those for each modality.",
        )
    return encoder


def hash_of(*paths: Path) -> str:
    """SHA-256 of one file, or of several after each other."""
    state = hashlib.sha256()
    for path in paths:
        with require_file(path, "weights").open("rb") as file:
            while block := file.read(1 << 20):
                state.update(block)
    return state.hexdigest()


def require_published(path: Path, published: Mapping[str, str]) -> str:
    """The SHA-256 of weights, if it is one of those that were published.

    Args:
        path: of the file.
        published: the first eight digits of a hash to what has it.

    Raises:
        StorageError: the file cannot be read.
        DataError: it is another.
    """
    found = hash_of(path)
    if found[:8] not in published:
        known = ", ".join(f"{digits} ({what})" for digits, what in published.items())
        raise DataError(
            expected=f"weights whose SHA-256 begins with one of {known}",
            found=found[:8],
            where=str(path),
            fix="Download them again: they are damaged, or others.",
        )
    return found


def versions(*packages: str) -> dict[str, str]:
    """The versions of installed packages."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

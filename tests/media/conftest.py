"""An encoder that a package offers, small enough to be made in no time."""

import sys

import pytest

TOY = """
import numpy as np
from reelmix.media.encoder import Provenance
from reelmix.media.limits import Absent


class Colour:
    modality, picture, whole = "visual", (8, 8), False
    provenance = Provenance("colour", "", "mean of each colour", {"toy": "1.0"})

    def __init__(self, weights=None):
        pass

    def encode(self, inputs):
        return [clip.mean(axis=(0, 1, 2)).astype(np.float32) for clip in inputs]


class Loudness:
    modality, picture, whole = "acoustic", None, False
    provenance = Provenance("loudness", "", "root mean square, and length", {"toy": "1.0"})

    def __init__(self, weights=None):
        pass

    def encode(self, inputs):
        return [np.array([np.sqrt(np.mean(sound**2)), len(sound)], np.float32) for sound in inputs]


class Letters:
    modality, picture, whole = "textual", None, False
    provenance = Provenance("letters", "", "how often a to z", {"toy": "1.0"})

    def __init__(self, weights=None):
        pass

    def encode(self, inputs):
        if any("bomb" in text for text in inputs):
            import os
            os.abort()
        return [np.array([text.lower().count(chr(97 + k)) for k in range(26)], np.float32) for text in inputs]


class Sleeper(Colour):
    def encode(self, inputs):
        import time
        time.sleep(60)


class Glutton(Colour):
    def encode(self, inputs):
        return [np.ones((1 << 33,), np.float32)]


class Faulty(Colour):
    def encode(self, inputs):
        raise ZeroDivisionError("of its own")


class Nothing(Colour):
    def encode(self, inputs):
        return [np.zeros(3, np.float32) for _ in inputs]
"""

OFFERED = """[reelmix.encoders]
colour = toy_encoders:Colour
loudness = toy_encoders:Loudness
letters = toy_encoders:Letters
sleeper = toy_encoders:Sleeper
glutton = toy_encoders:Glutton
nothing = toy_encoders:Nothing
faulty = toy_encoders:Faulty
"""


@pytest.fixture(scope="session", autouse=True)
def toys(tmp_path_factory):
    """A package with encoders, installed for the session."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "toy_encoders.py").write_text(TOY, encoding="utf-8")
    information = folder / "toy-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n", encoding="utf-8"
    )
    (information / "entry_points.txt").write_text(OFFERED, encoding="utf-8")
    sys.path.append(str(folder))
    yield folder
    sys.path.remove(str(folder))

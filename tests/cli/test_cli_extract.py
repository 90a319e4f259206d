"""From video files to features, as typed; and the sample to be seen and heard."""

import sys
from pathlib import Path

import av
import numpy as np
import pytest

from reelmix.data import Dataset
from reelmix.data.sample import sample
from reelmix.media.simulated.clips import Clip, render
from reelmix.media.simulated.filmed import planted_structure


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    render(Clip(folder / "a.m4a", None, 0, 1))
    render(Clip(folder / "b.mp4", 3, None, 2))
    (folder / "c.mp4").write_bytes(b"nothing")
    return folder


SOUND_ALONE = ("--visual", "none", "--textual", "none", "--workers", "1")


def test_what_is_said(reelmix, videos, tmp_path):
    out = tmp_path / "out"
    done = reelmix("extract", videos, out, *SOUND_ALONE)
    assert (done.status, done.err) == (0, "")
    head, row, files, *rest = done.out.splitlines()
    assert head.split() == ["modality", "items", "missing", "most", "often", "because"]
    assert row.split()[:3] == ["acoustic", "1", "2"]
    assert "no sound track in the file (1)" in row
    assert files.startswith("3 files in ")
    assert "with 1 worker: " in files
    assert files.endswith("of the work is decoding")
    assert rest == [
        f"features: {out}",
        f"next: put interactions.csv beside them, and reelmix import table {out} DATA",
    ]
    again = reelmix("extract", videos, out, *SOUND_ALONE)
    assert again.out.splitlines()[2] == f"features: {out}"  # nothing was read
    (out / "interactions.csv").write_text("user_id,item_id\nu,a\nv,b\nv,a\n", encoding="utf-8")
    assert reelmix("import", "table", out, tmp_path / "data").status == 0
    assert Dataset.read(tmp_path / "data").features["acoustic"].encoder.startswith("speech-embedding ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--visual", "resnet51"), "visual: expected the name of an encoder, found 'resnet51'. Did you mean"),
        (("--textual", "sif"), "textual: expected a file of word vectors, found none."),
        (("--items", "none.csv"), "none.csv: expected a table of items, found nothing."),
    ],
)
def test_a_mistake(refused, videos, tmp_path, words, message):
    assert message in refused("extract", videos, tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("package", ["av", "pebble", "onnxruntime"])
def test_without_the_extra(refused, videos, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    message = refused("extract", videos, tmp_path / "out", *SOUND_ALONE)
    assert message.endswith("found none installed. Run: pip install 'reelmix[media]'")
    assert not (tmp_path / "out").exists()


def test_the_sample_is_seen_and_heard(reelmix, tmp_path, monkeypatch):
    world = sample(n_users=60, n_items=72)
    served = []
    monkeypatch.setattr("reelmix.cli.demo.sample", lambda: world)
    monkeypatch.setattr("reelmix.cli.demo.serve", lambda run, **options: served.append((run, options)))
    out = tmp_path / "demo"
    done = reelmix("demo", "--media", "--out", out, "--epochs", "2", "--open")
    assert done.status == 0, done.err
    clips = out / "media" / "clips"
    assert served == [(out / "run", {"media": clips, "port": 0, "show": True})]
    dataset = Dataset.read(out / "data")
    assert dataset.card.simulated
    assert dataset.features["visual"].encoder.startswith("efficientnet-lite0 ")
    for name, planted in planted_structure(world, dataset).items():
        assert planted.share > 5 * planted.chance, name
        assert f"{name}: {planted.share:.0%} of nearest neighbours share the planted" in done.out
        np.testing.assert_array_equal(dataset.has(name), world.dataset.has(name))
    for row, name in enumerate(dataset.item_table["media"].to_list()):
        if name is not None:
            with av.open(clips / Path(name)) as file:
                assert bool(file.streams.video) == world.dataset.has("visual")[row]
                assert bool(file.streams.audio) == world.dataset.has("acoustic")[row]

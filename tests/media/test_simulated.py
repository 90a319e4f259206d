"""The simulated sample as clips: what was planted is in what encoders see, hear and read."""

import av
import numpy as np
import pytest

from reelmix.cli.demo import _filmed
from reelmix.data.sample import sample
from reelmix.data.sample_words import LOOKS, SOUNDS
from reelmix.media.simulated.clips import Clip, render
from reelmix.media.simulated.filmed import planted_structure
from reelmix.media.simulated.looks import pictures
from reelmix.media.simulated.sounds import RATE, sound


@pytest.mark.parametrize("look", range(len(LOOKS)))
def test_a_look_moves_and_is_the_same_again(look):
    first, again = (pictures(look, np.random.default_rng(3), frames=5, side=48, rate=8) for _ in range(2))
    assert first.shape == (5, 48, 48, 3)
    np.testing.assert_array_equal(first, again)
    assert first[0].std() > 5
    assert (first[0] != first[4]).any()
    other = pictures(look, np.random.default_rng(4), frames=1, side=48, rate=8)
    assert (other[0] != first[0]).any()


@pytest.mark.parametrize("kind", range(len(SOUNDS)))
def test_a_sound_is_heard_and_is_the_same_again(kind):
    first, again = (sound(kind, np.random.default_rng(5), seconds=1.0) for _ in range(2))
    assert first.shape == (RATE,)
    np.testing.assert_array_equal(first, again)
    assert 0.03 < np.sqrt(np.mean(first**2)) < 0.2
    assert np.abs(first).max() <= 1


def test_a_clip_has_the_tracks_it_should(tmp_path):
    render(Clip(tmp_path / "both.mp4", 3, 2, 7))
    with av.open(tmp_path / "both.mp4") as file:
        assert (len(file.streams.video), len(file.streams.audio)) == (1, 1)
        assert file.duration / av.time_base == pytest.approx(2, abs=0.2)
    render(Clip(tmp_path / "heard.m4a", None, 2, 7))
    with av.open(tmp_path / "heard.m4a") as file:
        assert (len(file.streams.video), len(file.streams.audio)) == (0, 1)


def test_what_was_planted_is_found_again(tmp_path, capsys):
    world = sample(n_users=60, n_items=72)
    dataset = _filmed(world, tmp_path)
    said = capsys.readouterr().out
    for name, planted in planted_structure(world, dataset).items():
        assert planted.share > 5 * planted.chance, name
        assert f"{name}: {planted.share:.0%} of nearest neighbours share the planted" in said
        np.testing.assert_array_equal(dataset.has(name), world.dataset.has(name))
    assert dataset.card.simulated
    assert dataset.features["visual"].encoder.startswith("efficientnet-lite0 ")
    files = dataset.item_table["media"].drop_nulls().to_list()
    assert all((tmp_path / "clips" / name).is_file() for name in files)
    assert "is decoding" in said

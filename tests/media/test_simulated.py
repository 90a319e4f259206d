"""The simulated sample as clips: what each looks and sounds like."""

import av
import numpy as np
import pytest

from reelmix.data.sample_words import LOOKS, SOUNDS
from reelmix.media.simulated.clips import Clip, render
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

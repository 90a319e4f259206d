"""Pictures and sound of real clips, or the reason why there are none."""

import numpy as np
import pytest
from clips import clip

from reelmix.media.folder import opened
from reelmix.media.limits import Absent, Limits
from reelmix.media.video import evenly_spaced, key_frames, waveform


def reason(read):
    with pytest.raises(Absent) as caught:
        read()
    return str(caught.value)


def pictures(path, **limits):
    with opened(path.parent, path.name) as file:
        return key_frames(file, Limits(**limits), side=32, shorter=36)


def heard(path, **limits):
    with opened(path.parent, path.name) as file:
        return waveform(file, Limits(**limits))


def test_pictures_are_those_in_the_middles_of_equal_parts(tmp_path):
    found = pictures(clip(tmp_path / "a.mp4"), frames=4)
    assert found.shape == (4, 32, 32, 3)
    expected = [40 + 8 * k for k in (2, 7, 12, 17)]
    # the codec loses some; pictures are 8 apart
    np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), expected, atol=3.9)


def test_sound_is_the_mean_of_the_channels_at_16_khz(tmp_path):
    found = heard(clip(tmp_path / "a.mp4"))
    assert found.dtype == np.float32
    assert abs(len(found) - 32_000) < 2_100  # a codec fills up its last frame
    spectrum = np.abs(np.fft.rfft(found[8_000:24_000]))
    assert spectrum.argmax() == 440
    assert np.sqrt(2 * np.mean(found[8_000:24_000] ** 2)) == pytest.approx(0.5, rel=0.05)


def test_a_clip_may_lack_either(tmp_path):
    silent = clip(tmp_path / "silent.mp4", sound=False)
    assert pictures(silent).shape == (8, 32, 32, 3)
    assert reason(lambda: heard(silent)) == "no sound track in the file"
    dark = clip(tmp_path / "dark.mp4", picture=False)
    assert reason(lambda: pictures(dark)) == "no pictures in the file"
    assert len(heard(dark))


def test_files_that_are_none(tmp_path):
    whole = clip(tmp_path / "a.mp4").read_bytes()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n" * 20, encoding="utf-8")
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "link.mp4").symlink_to(tmp_path / "a.mp4")
    assert reason(lambda: pictures(tmp_path / "none.mp4")) == "no such file or directory"
    assert reason(lambda: pictures(tmp_path / "empty.mp4")) == "the file is empty"
    assert reason(lambda: pictures(tmp_path / "text.mp4")).startswith("cannot be read: ")
    assert reason(lambda: heard(tmp_path / "half.mp4")).startswith("cannot be read: ")
    assert reason(lambda: pictures(tmp_path / "link.mp4")) == "a symbolic link"
    assert reason(lambda: pictures(tmp_path)) == "not a file"


def test_limits(tmp_path):
    path = clip(tmp_path / "a.mp4")
    assert reason(lambda: pictures(path, max_seconds=1)).endswith("s long, more than 1 s")
    assert reason(lambda: heard(path, max_seconds=1)) == "sound of more than 1 s"
    assert reason(lambda: pictures(path, max_pixels=1000)) == "pictures of 96 x 64, more than 1000 pixels"
    assert reason(lambda: pictures(path, max_pictures=19)) == "more than 19 pictures"


@pytest.mark.parametrize(
    ("n", "found"), [(1, [5]), (2, [2, 7]), (10, list(range(10))), (99, list(range(10)))]
)
def test_even_spacing(n, found):
    assert evenly_spaced(list(range(10)), n) == found

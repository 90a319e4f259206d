"""Words of files: subtitles beside a video and within it, and what a file says of itself."""

from fractions import Fraction

import av
import numpy as np
import pytest
from clips import clip

from reelmix.media.folder import subtitle_files
from reelmix.media.limits import Absent, Limits
from reelmix.media.subtitles import words_of_event, words_of_subtitles
from reelmix.media.video import words
from reelmix.media.worker import read

VTT = """WEBVTT - made by hand

STYLE
::cue { color: red }

NOTE nothing to see

00:01.000 --> 00:02.500 align:start
<v Ann>Hello, <b>you</b>

01:00:02.500 --> 01:00:04.000
Hello, you
and me
"""


def test_webvtt():
    assert words_of_subtitles(VTT) == "Hello, you\nand me"  # a caption that rolls counts once


def test_srt_with_all_that_programs_write():
    lines = [
        "\ufeff1",
        "00:00:01,000 --> 00:00:02,000",
        "{\\an8}- Who?",
        "",
        "2",
        "00:00:03,000 --> 00:00:04,000",
        "",
    ]
    text = "\r\n".join(lines)
    assert words_of_subtitles(text) == "- Who?"
    assert words_of_subtitles("no subtitles at all\n\n--> nor here") == ""


def test_events():
    assert words_of_event("0,0,Default,,0,0,0,,{\\i1}one\\Ntwo, three") == "one\ntwo, three"
    assert words_of_event("plain") == "plain"


def test_subtitles_beside_a_video(tmp_path):
    clip(tmp_path / "a" / "one.mp4", tags={"title": "One", "comment": "A comment"})
    (tmp_path / "a" / "one.en.vtt").write_text(VTT, encoding="utf-8")
    (tmp_path / "a" / "one.srt").symlink_to("/etc/passwd")
    (tmp_path / "a" / "other.srt").write_text(VTT, encoding="utf-8")
    assert list(subtitle_files(tmp_path, "a/one.mp4")) == ["a/one.en.vtt", "a/one.srt"]
    assert read(tmp_path, "a/one.mp4", Limits()).text == "One\nA comment\nHello, you\nand me"


def test_subtitles_within_a_video(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(path, "w") as file:
        pictures = file.add_stream("mpeg4", rate=10)
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        lines = file.add_stream("ass")
        for _ in range(20):
            file.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        file.mux(pictures.encode())
        for k, text in enumerate(("one", "{\\i1}two, too")):
            packet = av.Packet(f"{k},0,Default,,0,0,0,,{text}".encode())
            packet.stream, packet.pts, packet.dts, packet.duration = lines, 500 * k, 500 * k, 400
            packet.time_base = Fraction(1, 1000)
            file.mux(packet)
    with path.open("rb") as file:
        assert words(file, Limits()) == "one\ntwo, too"
    with path.open("rb") as file:
        assert words(file, Limits(letters=5)) == "one\nt"


def test_a_file_that_says_nothing(tmp_path):
    with clip(tmp_path / "a.mp4").open("rb") as file, pytest.raises(Absent, match="no title"):
        words(file, Limits())

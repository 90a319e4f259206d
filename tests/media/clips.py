"""Small real clips, made when a test wants them."""

from fractions import Fraction

import av
import numpy as np


def clip(
    path, *, seconds=2.0, picture=True, sound=True, hue=0, pitch=440, size=(96, 64), tags=None, codec="mpeg4"
):
    """A clip that grows brighter, at 10 pictures a second, with a tone in both channels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w") as file:
        file.metadata.update(tags or {})
        if picture:
            track = file.add_stream(codec, rate=10)
            (track.width, track.height), track.pix_fmt = size, "yuv420p"
        if sound:
            voice = file.add_stream("aac", rate=44_100, layout="stereo")
        for k in range(round(seconds * 10) if picture else 0):
            plain = np.full((size[1], size[0], 3), (40 + 8 * k) % 256, np.uint8)
            plain[..., hue % 3] |= 128 if hue else 0
            file.mux(track.encode(av.VideoFrame.from_ndarray(plain)))
        if picture:
            file.mux(track.encode())
        if sound:
            tone = 0.5 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * 44_100)) / 44_100)
            frame = av.AudioFrame.from_ndarray(np.stack([tone] * 2).astype(np.float32), "fltp", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = 44_100, 0, Fraction(1, 44_100)
            file.mux(voice.encode(frame))
            file.mux(voice.encode())
    return path

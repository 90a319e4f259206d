"""The simulated micro-videos as files: picture and sound of each, as its clusters say."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from reelmix.data.sample import Sample
from reelmix.extras import optional
from reelmix.files import make_folder, replacing
from reelmix.media.simulated.looks import pictures
from reelmix.media.simulated.sounds import RATE, sound


@dataclass(frozen=True)
class Clip:
    """A file to be made.

    Attributes:
        path: of it.
        look, sound: which; None leaves the track out.
        seed: of what differs between clips of one look and sound.
    """

    path: Path
    look: int | None
    sound: int | None
    seed: int


SECONDS, FRAME_RATE, SIDE = 2.0, 8, 192


def render_sample(
    world: Sample,
    folder: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> pl.DataFrame:
    """Makes a clip of each simulated micro-video, and the table that ``reelmix extract --items`` reads.

    An item that lacks look or sound gets a file without that track; one that lacks words has no title there.

    Args:
        world: of which.
        folder: gets ``clips/<item id>.mp4`` (or ``.m4a``) and ``items.csv``.
        workers: processes.
        progress: is told how many have been made, of how many.

    Returns:
        The table: ``item_id``, ``file``, ``title``.

    Raises:
        ConfigError: a package that is needed is not installed.
        StorageError: the folder cannot be written.
    """
    optional("av", "media")
    make_folder(folder / "clips")
    dataset = world.dataset
    has = {name: dataset.has(name) for name in dataset.modalities}
    looks, sounds, _ = world.clusters
    ids = dataset.items.ids.to_list()
    files: list[str | None] = [None] * len(ids)
    clips = []
    for row, identifier in enumerate(ids):
        look = int(looks[row]) if has["visual"][row] else None
        heard = int(sounds[row]) if has["acoustic"][row] else None
        if look is None and heard is None:
            continue
        files[row] = f"{identifier}.m4a" if look is None else f"{identifier}.mp4"
        clips.append(Clip(folder / "clips" / str(files[row]), look, heard, row))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for done, made in enumerate(as_completed([pool.submit(render, clip) for clip in clips]), 1):
            made.result()
            progress(done, len(clips))
    titles = dataset.item_table["title"].to_list()
    table = pl.DataFrame(
        {
            "item_id": ids,
            "file": files,
            "title": [title if told else None for title, told in zip(titles, has["textual"], strict=True)],
        },
        schema_overrides={"file": pl.String, "title": pl.String},
    )
    with replacing(folder / "items.csv") as path:
        table.write_csv(path)
    return table


def render(clip: Clip) -> None:
    """Makes one file: H.264 and AAC in MP4, which every browser plays."""
    av = optional("av", "media")
    rng = np.random.default_rng(clip.seed)
    with replacing(clip.path) as path, av.open(str(path), "w", format="mp4") as container:
        # all tracks are named before the first is written
        picture = None if clip.look is None else _picture_track(container)
        voice = None if clip.sound is None else container.add_stream("aac", rate=RATE, layout="mono")
        if clip.look is not None and picture is not None:
            frames = round(SECONDS * FRAME_RATE)
            for one in pictures(clip.look, rng, frames=frames, side=SIDE, rate=FRAME_RATE):
                container.mux(picture.encode(av.VideoFrame.from_ndarray(one, "rgb24")))
            container.mux(picture.encode(None))
        if clip.sound is not None and voice is not None:
            frame = av.AudioFrame.from_ndarray(sound(clip.sound, rng, seconds=SECONDS)[None], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(voice.encode(frame))
            container.mux(voice.encode(None))


def _picture_track(container: Any) -> Any:
    stream = container.add_stream("libx264", rate=FRAME_RATE)
    stream.width = stream.height = SIDE
    stream.pix_fmt, stream.options = "yuv420p", {"preset": "veryfast", "crf": "26"}
    stream.thread_count = 1
    return stream

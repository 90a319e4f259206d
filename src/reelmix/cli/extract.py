"""``reelmix extract``: a folder of videos into features."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from reelmix.cli.terminal import console, count, duration, say
from reelmix.media.encoder import Modality
from reelmix.media.extract import Extraction, extract
from reelmix.media.limits import Limits
from reelmix.media.worker import EncoderChoice

DEFAULTS = (
    EncoderChoice("efficientnet-lite0", "visual"),
    EncoderChoice("speech-embedding", "acoustic"),
    EncoderChoice("minilm", "textual"),
)
"""Encoders whose weights come in packages, so that nothing is to be downloaded."""


def command(
    folder: Annotated[Path, typer.Argument(help="Folder of videos and sounds.", show_default=False)],
    out: Annotated[
        Path, typer.Argument(help="Folder to write: new, or of an earlier run.", show_default=False)
    ],
    items: Annotated[
        Path | None,
        typer.Option(
            help="Table with item_id, file (from FOLDER) and optionally title and description. Without it "
            "each file is an item.",
            show_default=False,
        ),
    ] = None,
    visual: Annotated[
        str, typer.Option(help="Encoder of pictures: efficientnet-lite0, resnet50 or none.")
    ] = DEFAULTS[0].name,
    acoustic: Annotated[
        str, typer.Option(help="Encoder of sound: speech-embedding, vggish or none.")
    ] = DEFAULTS[1].name,
    textual: Annotated[str, typer.Option(help="Encoder of words: minilm, sif or none.")] = DEFAULTS[2].name,
    visual_weights: Annotated[
        Path | None, typer.Option(help="What resnet50 has learned.", show_default=False)
    ] = None,
    acoustic_weights: Annotated[
        Path | None, typer.Option(help="What vggish has learned.", show_default=False)
    ] = None,
    textual_weights: Annotated[
        Path | None, typer.Option(help="Word vectors for sif.", show_default=False)
    ] = None,
    frames: Annotated[int, typer.Option(min=1, max=256, help="Pictures taken of a video.")] = 8,
    max_seconds: Annotated[float, typer.Option(min=0.1, help="Longest video or sound.")] = 600.0,
    seconds_per_file: Annotated[
        float, typer.Option(min=0.1, help="Time that a file may take; then it is given up.")
    ] = 120.0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. [default: one a core]", show_default=False)
    ] = None,
) -> None:
    """Turn video files into features: what each item looks, sounds and reads like.

    OUT gets items.parquet and features/, which reelmix import table reads once interactions.csv lies beside
    them; extract.toml, which says what made the features; and extract.log.parquet: for each item and modality
    why it is missing, if it is. A file that cannot be read never ends the run. Run it again to go on, or to
    take in new files.
    """
    chosen: tuple[tuple[Modality, str, Path | None], ...] = (
        ("visual", visual, visual_weights),
        ("acoustic", acoustic, acoustic_weights),
        ("textual", textual, textual_weights),
    )
    encoders = [EncoderChoice(name, modality, path) for modality, name, path in chosen if name != "none"]
    limits = Limits.read(
        {"frames": frames, "max_seconds": max_seconds, "seconds_per_file": seconds_per_file}, where="extract"
    )
    with ExtractionProgress() as progress:
        found = extract(folder, out, encoders, table=items, limits=limits, workers=workers, progress=progress)
    show_extraction(found, workers or os.cpu_count() or 1)
    say(f"features: {out}")
    say(f"next: put interactions.csv beside them, and reelmix import table {out} DATA")


class ExtractionProgress:
    """How far an extraction is, and how long it will take; on a terminal alone."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> ExtractionProgress:
        """Begins to draw."""
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it."""
        self._bars.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Notes how much has been done."""
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done)


def show_extraction(found: Extraction, workers: int) -> None:
    """What each modality has, what it lacks and why, and how fast it went."""
    table = Table(box=None, header_style="bold")
    for name in ("modality", "items", "missing", "most often because"):
        table.add_column(name, justify="right" if name in ("items", "missing") else "left")
    for modality, reasons in found.missing.items():
        lacking = sum(reasons.values())
        why = "; ".join(f"{reason} ({number:,})" for reason, number in list(reasons.items())[:2])
        table.add_row(modality, f"{found.items - lacking:,}", f"{lacking:,}", why)
    console.print(table)
    if found.files:
        busy = found.decoding + found.encoding
        share = found.decoding / busy if busy else 0.0
        say(
            f"{count(found.files, 'file')} in {duration(found.seconds)} with {count(workers, 'worker')}: "
            f"{found.files / found.seconds:.1f} a second; {share:.0%} of the work is decoding"
        )

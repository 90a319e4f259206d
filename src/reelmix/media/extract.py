"""A folder of videos into features: what each item looks, sounds and reads like, or why it does not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from reelmix.data.vocabulary import UserOrItemId
from reelmix.errors import StorageError
from reelmix.extras import optional
from reelmix.files import digest, make_folder, require_folder
from reelmix.media.encoder import Encoder, Modality, Provenance, make_encoder, versions
from reelmix.media.folder import fingerprint, subtitle_files
from reelmix.media.items import Item, items_of
from reelmix.media.ledger import Found, Ledger
from reelmix.media.limits import Limits
from reelmix.media.output import write_extracted
from reelmix.media.pool import Died, Task, run_tasks
from reelmix.media.worker import EncoderChoice, look, prepare, read, write_out

LEDGER = "extract.sqlite"
TEXTS = 32
"""Texts that are encoded in one task."""


@dataclass
class Extraction:
    """How it went.

    Attributes:
        items: how many there are.
        missing: by modality, reasons and how many items lack it for that.
        files: that were read now, and not in an earlier run.
        seconds: it took.
        decoding, encoding: seconds of all processes that went into reading files, and into the encoders.
    """

    items: int = 0
    missing: dict[str, dict[str, int]] = field(default_factory=dict)
    files: int = 0
    seconds: float = 0.0
    decoding: float = 0.0
    encoding: float = 0.0


Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it has been and how much there is."""


def extract(
    folder: Path,
    out: Path,
    encoders: Sequence[EncoderChoice],
    *,
    table: Path | None = None,
    limits: Limits | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Reads videos and writes features, as ``reelmix import table`` takes them.

    ``out`` gets ``items.parquet``, ``features/<modality>.safetensors``, ``extract.toml`` (what made them) and
    ``extract.log.parquet``: for each item and modality the reason why it is missing, if it is. What is in the
    way of a file never ends the run. A run that was ended goes on where it was.

    Args:
        folder: of videos and sounds.
        out: folder to write, new or of an earlier run.
        encoders: at most one for each modality.
        table: CSV, TSV, JSONL or Parquet with ``item_id``, ``file`` (from the folder), and optionally
            ``title`` and ``description``. Without it each file is an item, and its
            path without the suffix its id.
        limits: what a file may be, and take.
        workers: processes; as many as cores by default.
        progress: is told how far it is.

    Raises:
        StorageError: a folder or file cannot be read or written.
        DataError: the table lacks a column, or names an item twice.
        ConfigError: an encoder is unknown, or lacks a package or weights.
    """
    started, limits = time.monotonic(), limits or Limits()
    for package in ("av", "pebble"):
        optional(package, "media")  # now, and not in another process
    require_folder(folder, "the folder of videos")
    items = items_of(folder, table)
    _require_ours(out)
    made: dict[Modality, Encoder] = {
        one.modality: make_encoder(one.name, one.modality, one.weights) for one in encoders
    }
    provenance: dict[Modality, Provenance] = {name: encoder.provenance for name, encoder in made.items()}
    make_folder(out / "features")
    ledger = Ledger(out / LEDGER)
    try:
        work = _Work(folder, limits, workers or os.cpu_count() or 1, ledger, progress or (lambda *_: None))
        for choice in encoders:
            work.whole |= choice.modality == "textual" and made["textual"].whole
            work.marks[choice.modality] = digest(
                str(asdict(provenance[choice.modality])), limits.model_dump_json(), *versions("av").values()
            )
        found = work.all(items, encoders)
    finally:
        ledger.close()
    write_extracted(out, items, found, provenance, limits)
    work.extraction.items = len(items)
    work.extraction.missing = {name: _reasons(results.values()) for name, results in found.items()}
    work.extraction.seconds = time.monotonic() - started
    return work.extraction


class _Work:
    """All that is to be done, but for what an earlier run has done."""

    def __init__(
        self, folder: Path, limits: Limits, workers: int, ledger: Ledger, progress: Progress
    ) -> None:
        self.folder, self.limits, self.workers, self.ledger = folder, limits, workers, ledger
        self.progress = progress
        self.marks: dict[Modality, str] = {}
        self.whole = False
        self.extraction = Extraction()

    def all(
        self, items: Sequence[Item], encoders: Sequence[EncoderChoice]
    ) -> dict[Modality, dict[UserOrItemId, Found]]:
        """By modality and item, what was found."""
        names = list(dict.fromkeys(item.file for item in items if item.file is not None))
        of_files = self._files(names, encoders)
        nothing = Found(reason="no file")
        result: dict[Modality, dict[UserOrItemId, Found]] = {}
        for choice in encoders:
            if choice.modality == "textual":
                result["textual"] = self._texts(items, of_files["textual"], choice)
            else:
                results = of_files[choice.modality]
                result[choice.modality] = {
                    item.id: nothing if item.file is None else results[item.file] for item in items
                }
        return result

    def _files(
        self, names: Sequence[str], encoders: Sequence[EncoderChoice]
    ) -> dict[Modality, dict[str, Found]]:
        result: dict[Modality, dict[str, Found]] = {choice.modality: {} for choice in encoders}
        todo: list[Task[tuple[Modality, str, str]]] = []
        for name in names:
            state = fingerprint(self.folder, name)
            for choice in encoders:
                mark = digest(state, self._mark(choice.modality, name))
                known = self.ledger.get(name, choice.modality, mark)
                if known is not None:
                    result[choice.modality][name] = known
                    continue
                call, arguments = (
                    (read, (self.folder, name, self.limits))
                    if choice.modality == "textual"
                    else (look, (choice, self.folder, name, self.limits))
                )
                todo.append(Task((choice.modality, name, mark), call, arguments))
        eyes = [choice for choice in encoders if choice.modality != "textual"]
        for (modality, name, mark), found in self._run(todo, eyes, "files"):
            self.ledger.put(name, modality, mark, found)
            result[modality][name] = found
        self.extraction.files = len({task.key[1] for task in todo})
        return result

    def _mark(self, modality: Modality, name: str) -> str:
        if modality != "textual":
            return self.marks[modality]
        beside = [fingerprint(self.folder, other) for other in subtitle_files(self.folder, name)]
        return " ".join([str(self.limits.letters), *beside])

    def _texts(
        self, items: Sequence[Item], of_files: Mapping[str, Found], choice: EncoderChoice
    ) -> dict[UserOrItemId, Found]:
        result: dict[UserOrItemId, Found] = {}
        todo: list[tuple[UserOrItemId, str, str]] = []
        for item in items:
            told = Found(reason="no title or description") if item.file is None else of_files[item.file]
            parts = (item.title, item.description, told.text)
            text = "\n".join(part for part in parts if part and part.strip())
            if not text:
                result[item.id] = Found(reason=told.reason)
                continue
            mark = digest(text, self.marks["textual"])
            known = None if self.whole else self.ledger.get(f"item {item.id}", "text", mark)
            if known is None:
                todo.append((item.id, text[: self.limits.letters], mark))
            else:
                result[item.id] = known
        size = len(todo) if self.whole else TEXTS
        chunks = [todo[start : start + size] for start in range(0, len(todo), size or 1)]
        tasks = [
            Task(place, write_out, (choice, [text for _, text, _ in chunk]))
            for place, chunk in enumerate(chunks)
        ]
        for place, found in self._run(tasks, [choice], "texts", many=max(1, size // 8)):
            chunk = chunks[place]
            each = [found] * len(chunk) if isinstance(found, Found) else found
            for (identifier, _, mark), one in zip(chunk, each, strict=True):
                result[identifier] = one
                if not self.whole:
                    self.ledger.put(f"item {identifier}", "text", mark, one)
        return result

    def _run(
        self, tasks: Sequence[Task], choices: Sequence[EncoderChoice], what: str, many: int = 1
    ) -> Iterator[tuple]:
        if not tasks:
            return
        self.progress(what, 0, len(tasks))
        answers = run_tasks(
            tasks,
            workers=min(self.workers, len(tasks)),
            seconds=many * self.limits.seconds_per_file,
            prepare=prepare,
            arguments=(choices, many * self.limits.memory_per_file),
        )
        for done, (key, answer) in enumerate(answers, 1):
            found = Found(reason=answer.reason) if isinstance(answer, Died) else answer
            for one in found if isinstance(found, list) else [found]:
                self.extraction.decoding += one.decoding
                self.extraction.encoding += one.encoding
            yield key, found
            self.progress(what, done, len(tasks))


def _require_ours(out: Path) -> None:
    """Refuses a folder that holds something else."""
    if out.is_dir() and any(out.iterdir()) and not (out / LEDGER).is_file():
        raise StorageError(
            expected="a new or empty folder, or one of an earlier run",
            found="other files in it",
            where=str(out),
            fix="Choose another folder.",
        )


def _reasons(results: Iterable[Found]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for found in results:
        if found.reason is not None:
            counts[found.reason] = counts.get(found.reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))

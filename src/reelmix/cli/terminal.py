"""What a person sees: tables, progress and errors, on a terminal in colour, in a log as plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from reelmix.training.checkpoint import Epoch, TrainingState
    from reelmix.training.config import TrainingConfig
    from reelmix.training.trainer import Ending

# Titles and ids are the user's own words: [b] and :fire: in them are printed as they stand.
# Where nobody looks at a terminal, lines are as long as they are.
console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 1000)
errors = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)


def fail(message: str, code: int = 1) -> int:
    """Prints an error and returns the exit status."""
    errors.print("[bold red]error:[/]", end=" ")
    errors.print(message, markup=False)
    return code


def warn(message: str) -> None:
    """Prints something that the user should know but need not act on."""
    errors.print("[yellow]note:[/]", end=" ")
    errors.print(message, markup=False)


def say(message: str) -> None:
    """Prints a line as it is."""
    console.print(message, markup=False, soft_wrap=True)


def count(number: int, noun: str) -> str:
    """A number and its noun: ``1 user``, ``6,130 users``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    left: int = 1,
    texts: Container[str] = (),
) -> None:
    """Prints a table; the first ``left`` columns and ``texts`` are texts, the others numbers, right."""
    drawn = Table(header_style="dim", box=None, pad_edge=False)
    for place, column in enumerate(columns):
        is_text = place < left or column in texts
        drawn.add_column(Text(column), justify="left" if is_text else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(str(cell)) for cell in row))
    console.print(Text(title, "bold"))  # on its own: a table would fold its title to its width
    console.print(drawn)


def duration(seconds: float) -> str:
    """A time span as a person says it: ``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class TrainingProgress:
    """Shows training as a bar on a terminal, and as one line an epoch (at most one a second) in a log."""

    def __init__(self) -> None:
        self.bar: Bar | None = None
        self.last_line = float("-inf")
        self.seconds: list[float] = []

    def start(self, config: TrainingConfig, epochs_done: int) -> None:
        """Training begins, or goes on."""
        self.config, self.epochs_done = config, epochs_done
        if epochs_done:
            say(f"going on after epoch {epochs_done}")
        if console.is_terminal:
            self.bar = Bar(
                TextColumn("training"),
                BarColumn(bar_width=24),
                TextColumn("epoch {task.completed:.0f}/{task.total}"),
                TextColumn("{task.fields[report]}"),
                console=console,
                transient=True,
            )
            self.bar.start()
            self.task = self.bar.add_task("training", total=config.epochs, completed=epochs_done, report="")

    def batch(self, done: int, total: int) -> None:
        """A batch was done."""
        if self.bar:
            self.bar.update(self.task, completed=self.epochs_done + done / total)

    def epoch(self, epoch: Epoch, best_epoch: int) -> None:
        """An epoch was trained and validated."""
        self.seconds.append(epoch.seconds)
        self.epochs_done = epoch.epoch
        recent = self.seconds[-5:]
        left = (self.config.epochs - epoch.epoch) * sum(recent) / len(recent)
        report = (
            f"loss {epoch.loss:.4f}  {self.config.validation_metric} {epoch.metric:.4f}  "
            f"best at {best_epoch}  at most {duration(left)} left"
        )
        if self.bar:
            self.bar.update(self.task, completed=epoch.epoch, report=report)
        elif time.monotonic() - self.last_line >= 1:
            self.last_line = time.monotonic()
            say(f"epoch {epoch.epoch}/{self.config.epochs}  {report}")

    def end(self, ending: Ending, state: TrainingState) -> None:
        """Training is over."""
        if self.bar:
            self.bar.stop()
        if not state.best_epoch:
            say("stopped before the first epoch ended: the run holds untrained weights")
            return
        say(
            f"trained {count(state.epoch, 'epoch')} ({ending}); best {self.config.validation_metric} "
            f"{state.best_metric:.4f} in epoch {state.best_epoch}, whose weights are kept"
        )

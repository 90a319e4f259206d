"""``reelmix``: which commands there are. A command's file is imported when it is used, not before."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, cast

# Idle OpenMP threads spin on cores that others need: on few or busy ones that costs up to five times the CPU.
# The variable is read when numpy and torch are loaded, so it stands before any such import.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Large tables come and go in every step: in pages of 2 MB, where Linux has them, a step of a set of 100,000
# users takes three quarters of the time. PyTorch reads the variable when it first allocates.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from reelmix.cli.terminal import fail
from reelmix.errors import ReelmixError, nearest

# From click, of which newer releases of typer carry a copy of their own.
UsageError = cast("type[Exception]", typer.BadParameter.__bases__[0])

COMMANDS = {
    "demo": ("demo", "Sample data, training, evaluation, one user's list with reasons: a minute or two."),
    "import": ("import_", "Turn interactions and features into a dataset folder."),
    "extract": ("extract", "Turn video files into features: what items look, sound and read like."),
    "describe": ("describe", "Show a dataset: its size, and the coverage of each modality."),
    "sample": ("sample", "Write the simulated sample as a dataset folder."),
    "train": ("train", "Train a model on a dataset folder."),
    "tune": ("tune", "Search good settings for each model, on validation alone."),
    "study": ("study", "Measure the tables and figures of the DualGNN paper on your data."),
    "evaluate": ("evaluate", "Show the metrics of a run, or measure others."),
    "recommend": ("recommend", "List the items that a user should see next."),
    "similar": ("similar", "List the items or users that are most alike."),
    "add": ("add", "Add new items to a run, without training."),
    "explain": ("explain", "Split a score into the parts of its modalities."),
    "serve": ("serve", "Answer over HTTP, and show the explorer, from a run."),
    "export": ("export", "Write a run's vectors for other programs."),
    "doctor": ("doctor", "Check this installation and say what could be better."),
}
"""Command name to its module in ``reelmix.cli`` and its one-line help."""


def load(name: str) -> Any:
    """The command of this name, with its module imported."""
    module, summary = COMMANDS[name]
    application = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    application.command(name, help=None)(import_module(f"reelmix.cli.{module}").command)
    command = get_command(application)
    command.name, command.short_help = name, summary
    return command


class _Deferred(TyperCommand):
    """Stands in a group's help by name and summary, and becomes the real command when it is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        assert self.name is not None
        return load(self.name).make_context(info_name, args, parent, **extra)


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            ctx.fail(f"No such command: {cmd_name}. {nearest(cmd_name, COMMANDS)}")
        return _Deferred(cmd_name, help=COMMANDS[cmd_name][1], rich_markup_mode="markdown")


def _version(wanted: bool) -> bool:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"reelmix {version('reelmix')}")
        raise typer.Exit
    return wanted


application = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", name="reelmix"
)


@application.callback()
def main(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """A recommender for micro-videos that learns how much each person cares about look, sound and words."""


def _misused(error: Any) -> int:
    """Says what is wrong with the command as typed, and returns the exit status."""
    message = error.format_message().replace("Value error, ", "")
    if not message:  # the bare word reelmix: its help is printed by now
        return error.exit_code
    typed = error.ctx.command_path if error.ctx else "reelmix"
    stop = "" if message.endswith((".", "?")) else "."
    return fail(f"{message}{stop} See {typed} --help.", code=error.exit_code)


def _heard(command: Any) -> Any:
    """What the command returns; on Ctrl-C typer returns 130 without a word, which is said here."""
    status = command(prog_name="reelmix", standalone_mode=False)
    if status == 130:
        raise KeyboardInterrupt
    return status


def run() -> None:
    """What the installed program calls: the user's own mistakes end in one line, never in a traceback."""
    try:
        sys.exit(_heard(get_command(application)))
    except ReelmixError as error:
        sys.exit(fail(str(error)))
    except UsageError as error:
        sys.exit(_misused(error))
    except BrokenPipeError:
        # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(fail("interrupted.", code=130))
    except MemoryError:
        sys.exit(
            fail("expected enough memory, found none left. Set a smaller block_bytes or embedding_size.")
        )


if __name__ == "__main__":
    run()

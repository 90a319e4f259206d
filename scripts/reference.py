"""Generates docs/reference: the command line from its own help, the settings from their own classes.

    python scripts/reference.py            write the pages
    python scripts/reference.py --check    exit with 1 if a page is not what would be written

Nothing in docs/reference is written by hand, but for the page that shows CHANGELOG.md.
"""

from __future__ import annotations

import os

# Read when typer is loaded: help must not depend on the terminal that this runs in.
os.environ.update(TERMINAL_WIDTH="80", NO_COLOR="1", FORCE_COLOR="", PY_COLORS="", GITHUB_ACTIONS="")

import argparse
import difflib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from typer.main import get_command
from typer.testing import CliRunner

from reelmix.cli.main import COMMANDS, application, load
from reelmix.evaluation import EvaluationConfig
from reelmix.media.limits import Limits
from reelmix.models import FLOORS, MODELS
from reelmix.recommender.experiment import Experiment, RunOptions
from reelmix.settings import Preset, Settings
from reelmix.training.config import TrainingConfig

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTE = "<!-- made by scripts/reference.py: change the help or the settings, then run make docs -->\n"


def main() -> int:
    """The exit status."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--check", action="store_true", help="compare, write nothing")
    pages = {"cli.md": "".join(command_line()), "configuration.md": "".join(configuration())}
    if not arguments.parse_args().check:
        REFERENCE.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            (REFERENCE / name).write_text(text, encoding="utf-8")
        return 0
    stale = [name for name, text in pages.items() if not is_current(name, text)]
    for name in stale:
        print(f"docs/reference/{name} is not current: run make docs")
    return 1 if stale else 0


def is_current(name: str, text: str) -> bool:
    """Whether the page holds this text; prints the difference if not."""
    page = REFERENCE / name
    found = page.read_text(encoding="utf-8") if page.is_file() else ""
    difference = difflib.unified_diff(
        found.splitlines(), text.splitlines(), f"{name} as it is", f"{name} as it should be", lineterm="", n=1
    )
    print("\n".join(difference), end="\n" if found != text else "")
    return found == text


def command_line() -> Iterator[str]:
    """The page of the command line, in pieces."""
    yield "# Command line\n\n" + NOTE
    yield from command_help([], get_command(application), level=2)
    for name in COMMANDS:
        yield from command_help([name], load(name), level=2)


def command_help(path: list[str], command: Any, level: int) -> Iterator[str]:
    """A command's help, then that of the commands below it, if it has any that are not in COMMANDS."""
    result = CliRunner().invoke(application, [*path, "--help"], prog_name="reelmix")
    if result.exit_code:
        raise SystemExit(f"reelmix {' '.join(path)} --help: {result.output}")
    lines = [line.rstrip() for line in result.output.strip("\n").splitlines()]
    title = " ".join(["reelmix", *path])
    yield f"\n{'#' * level} {title}\n\n```text\n" + "\n".join(lines) + "\n```\n"
    for name, below in getattr(command, "commands", {}).items() if path else ():
        yield from command_help([*path, name], below, level + 1)


def configuration() -> Iterator[str]:
    """The page of the settings, in pieces."""
    yield f"""# Configuration

{NOTE}
Settings are flags of `reelmix train`, keys of the TOML file that its `--config` takes, and arguments of the
classes below in Python. A setting that is not given has its default; a setting that does not exist is an
error. Every run folder holds the `config.toml` that repeats it.

All defaults, as such a file:

```toml
{default_toml()}```
"""
    yield section("[run]", RunOptions)
    for name, model in MODELS.items():
        yield section(f'[model] with name = "{name}"', model.Config)
    yield section("[training]", TrainingConfig)
    yield section("[evaluation]", EvaluationConfig)
    for name, floor in FLOORS.items():
        if floor.Config.model_fields:
            yield section(f"the floor {name}, in Python", floor.Config)
    yield section("Extraction", Limits)


def default_toml() -> str:
    """A configuration file that changes nothing, its lists in one line each."""
    text = Experiment.read({name: model.Config for name, model in MODELS.items()}).toml()
    return re.sub(r"\[\n(.*?),\n\]", lambda m: f"[{' '.join(m[1].split())}]", text, flags=re.DOTALL)


def section(title: str, config: type[Settings]) -> str:
    """The table of one class."""
    rows = [
        f"| `{name}` | {type_name(field.annotation)} | {shown(field.default)} | {allowed(field)} "
        f"| {' '.join((field.description or '').split())} |\n"
        for name, field in config.model_fields.items()
    ]
    words = " ".join((config.__doc__ or "").replace("``", "`").split())
    head = "| setting | type | default | allowed | meaning |\n|---|---|---|---|---|\n"
    own = f"\n## {title}\n\n`{config.__module__}.{config.__name__}`. {words}\n\n{head}{''.join(rows)}"
    return own + "".join(presets(getattr(config, "presets", {})))


def presets(known: Mapping[str, Preset]) -> Iterator[str]:
    """A table for each preset: what it sets, and why."""
    for name, preset in known.items():
        rows = [f"| `{key}` | {shown(value)} | {why} |\n" for key, (value, why) in preset.values.items()]
        head = "| setting | value | why |\n|---|---|---|\n"
        yield f"\n`--preset {name}`, for {preset.suits}:\n\n{head}{''.join(rows)}"


def type_name(annotation: Any) -> str:
    """The type in words that TOML knows."""
    names = {int: "integer", float: "number", bool: "true or false", str: "text"}
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return " or ".join(type_name(part) for part in get_args(annotation) if part is not NoneType)
    if origin is tuple:
        return f"list of {type_name(get_args(annotation)[0])}s"
    if origin is Literal:
        return type_name(type(get_args(annotation)[0]))
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def shown(default: Any) -> str:
    """A default as it stands in a TOML file."""
    if default is None:
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return ", ".join(f"`{part}`" for part in default)
    return f"`{default}`"


def allowed(field: FieldInfo) -> str:
    """The values that a setting takes, where the class says it by a bound or a list."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [
        f"{sign} {getattr(bound, name):g}"
        for bound in field.metadata
        for name, sign in signs.items()
        if getattr(bound, name, None) is not None
    ]
    return ", ".join(bounds + [f"`{value}`" for value in choices(field.annotation)])


def choices(annotation: Any) -> list[Any]:
    """The values of a Literal, on its own or beside None."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [
        value
        for part in get_args(annotation)
        if get_origin(annotation) in (Union, UnionType)
        for value in choices(part)
    ]


if __name__ == "__main__":
    sys.exit(main())

"""Runs the commands that the documentation shows, as they stand there.

    python scripts/readme_commands.py            README.md and docs/guide.md
    python scripts/readme_commands.py FILE ...

A block of code is run if the line before it is <!-- run -->. In bash blocks every line is a command, in
console blocks those after "$ " (and what follows a backslash); python blocks are run as one program. The
blocks of one file share a folder, empty at first, in which they find what the blocks before them wrote. The
first command that fails ends all.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/guide.md")
MARK = re.compile(r"^<!-- run -->\s*\n+```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Code to run, and where it stands."""

    page: str
    line: int
    language: str
    text: str

    def arguments(self) -> list[str]:
        """The program that runs it."""
        if self.language == "python":
            return [sys.executable, "-c", self.text]
        commands = typed(self.text) if self.language == "console" else self.text
        return ["bash", "-euxo", "pipefail", "-c", commands]


def main() -> int:
    """The exit status."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("pages", nargs="*", default=PAGES, help="by default README.md and docs/guide.md")
    total = 0
    for page in arguments.parse_args().pages:
        with tempfile.TemporaryDirectory() as folder:
            for block in blocks(page):
                if status := run(block, Path(folder)):
                    return status
                total += 1
    print(f"{total} blocks of the documentation ran" if total else "no block is marked with <!-- run -->")
    return 0 if total else 1


def blocks(page: str) -> Iterator[Block]:
    """The marked blocks of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for match in MARK.finditer(text):
        if match[1] not in ("bash", "sh", "console", "python"):
            raise SystemExit(f"{page}: expected bash, console or python after <!-- run -->, found {match[1]}")
        yield Block(page, text.count("\n", 0, match.start(1)) + 1, match[1], match[2])


def typed(text: str) -> str:
    """The commands of a console session, without what they print."""
    commands: list[str] = []
    goes_on = False
    for line in text.splitlines():
        if goes_on or line.startswith("$ "):
            commands.append(line if goes_on else line.removeprefix("$ "))
            goes_on = line.endswith("\\")
    return "\n".join(commands)


def run(block: Block, folder: Path) -> int:
    """Runs a block in the folder; shows what it printed if it fails. Returns its exit status."""
    started = time.monotonic()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(
        block.arguments(),
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    verdict = "failed" if done.returncode else "ok"
    print(f"{block.page}:{block.line}  {verdict}  {time.monotonic() - started:.1f} s", flush=True)
    if done.returncode:
        print(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())

"""``make bench``: the numbers that reelmix promises, beside references timed in the same run.

References take turns with ours, so that a busy machine slows both. Seconds are medians on the clock; "cpu"
adds up the cores. What is timed stands in a file of its own: ``epoch.py``, ``rank.py``, ``users.py``,
``alike.py``, ``serving.py``, ``loading.py`` and ``imports.py``; ``floor.py`` has what this machine can do
at best.
``--short`` is quicker: ``short.py``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command line does, for ours and the references
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

import alike
import epoch
import imports
import loading
import rank
import serving
import users
from floor import Ceilings, ceilings
from measure import Line, machine
from worlds import dataset_or_shape

PARTS = ("epoch", "rank", "users", "lookalikes", "serving", "loading", "import")


def main() -> int:
    """Times everything and prints a table."""
    arguments = _arguments()
    if arguments.short:  # in a process of its own: it wants one thread, said before numpy and torch are there
        script = Path(__file__).with_name("short.py")
        return subprocess.call([sys.executable, str(script), *(["--keep"] if arguments.keep else [])])
    with tempfile.TemporaryDirectory() as cache:
        os.environ["REELMIX_CACHE"] = cache
        _long(arguments)
    return 0


def _long(arguments: argparse.Namespace) -> None:
    split = dataset_or_shape(arguments.data)
    best, lines = ceilings(), list[Line]()
    repeats = arguments.repeats
    parts: dict[str, Callable[[], list[Line]]] = {
        "epoch": lambda: epoch.lines(split, repeats, best),
        "rank": lambda: rank.lines(split, repeats, best),
        "users": lambda: users.lines(repeats, whole=arguments.whole),
        "lookalikes": lambda: alike.lines(repeats, best),
        "serving": lambda: serving.lines(repeats, best, arguments.items),
        "loading": lambda: loading.lines(repeats, arguments.items),
        "import": lambda: imports.lines(repeats, arguments.interactions, tuple(arguments.ids)),
    }
    for name in arguments.only or PARTS:
        lines += parts[name]()
    report(lines, split.dataset.card.name, best)
    if arguments.json:
        about = machine() | {"data": split.dataset.card.name, "repeats": repeats, "load": os.getloadavg()[1]}
        content = {
            "about": about,
            "ceilings": best.as_dict(),
            "timings": [line.as_dict() for line in lines],
        }
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")


def report(lines: list[Line], data: str, best: Ceilings) -> None:
    """Prints the lines as a table, and below it what the machine can do."""
    table = Table(title=f"medians on {data}, {os.cpu_count()} cores", title_justify="left", box=None)
    for column in ("", "ours", "cpu", "reference", "its", "cpu", "ratio", "target", "kept", ""):
        table.add_column(column, justify="left" if column in ("", "reference") else "right", no_wrap=True)
    for line in lines:
        table.add_row(
            line.what,
            f"{_short(line.value)} {line.unit}",
            _short(line.cpu),
            line.reference,
            _short(line.reference_value),
            _short(line.reference_cpu),
            "" if line.ratio is None else f"{_short(line.ratio)} x",
            _target(line),
            {True: "yes", False: "NO", None: ""}[line.kept],
            line.note,
        )
    console = Console(width=240, highlight=False)
    console.print(table)
    console.print(f"at best: {best}")


def _target(line: Line) -> str:
    if line.target is None:
        return f"({line.relation})" if line.relation else ""
    unit = "" if line.reference else f" {line.unit}"
    word = {"faster": ">=", "at least": ">=", "within": "<=", "at most": "<="}[line.relation]
    return f"{word} {line.target:g}{unit or ' x' if line.reference else unit}".rstrip()


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="dataset folder; random data of TikTok's shape without")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts alone")
    parser.add_argument("--items", type=int, default=serving.ITEMS, help="items of serving and loading")
    parser.add_argument(
        "--interactions", type=int, default=imports.INTERACTIONS, help="rows of the CSV that is imported"
    )
    parser.add_argument("--ids", nargs="+", choices=imports.IDS, default=imports.IDS, help="its ids")
    parser.add_argument("--whole", action="store_true", help="give dense blocks all users of the user graph")
    parser.add_argument("--json", type=Path, help="keep the timings here")
    parser.add_argument("--short", action="store_true", help="a few ratios in a minute, judged by kept ones")
    parser.add_argument("--keep", action="store_true", help="with --short: keep the ratios found")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

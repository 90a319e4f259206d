"""Writes requirements.lock, or checks it: the exact versions of all that reelmix and its development need.

    python scripts/lock.py            resolve anew, in an empty environment
    python scripts/lock.py --check    compare the lock with the environment that runs this script, and see
                                      that every Python 3.11 can install it

Torch is pinned here, and not resolved: it is by far the largest package, and whoever wants another build of
the same version (CPU, CUDA) configures pip for it and installs the same lock. Other pins keep
away versions that refuse the first releases of Python 3.11, which Linux distributions have.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PINNED = ("torch==2.13.0", "pymdown-extensions<13")
EXTRAS = "study,serve,media,export,ray"
NOT_LOCKED = {"pip", "reelmix"}
OLDEST_PYTHON = "3.11.0"
HEADER = """\
# Everything that reelmix and its development need, for Python 3.11 on Linux.
# Made by scripts/lock.py from pyproject.toml: change that, not this.
"""


def main() -> int:
    """The exit status."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--check", action="store_true", help="compare with this environment")
    return check() if arguments.parse_args().check else write()


def write() -> int:
    """Installs what pyproject.toml asks for into an empty environment, and writes down what came."""
    if sys.version_info[:2] != (3, 11):
        print("expected Python 3.11, which the lock is for, found " + sys.version.split()[0])
        return 1
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        pip = [python, "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--upgrade", "pip"], check=True)  # --group needs pip 25.1 or later
        subprocess.run(
            [*pip, *PINNED, "--editable", f"{ROOT}[{EXTRAS}]", "--group", f"{ROOT}/pyproject.toml:dev"],
            check=True,
        )
        frozen = subprocess.run(
            [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
        ).stdout
    pins = dict(line.split("==") for line in frozen.splitlines())
    write_pins({name: found for name, found in pins.items() if normal(name) not in NOT_LOCKED})
    return 0


def write_pins(pins: dict[str, str]) -> None:
    """The lock with these versions, a local build tag such as ``+cpu`` left out."""
    lines = sorted(f"{normal(name)}=={found.partition('+')[0]}" for name, found in pins.items())
    LOCK.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{LOCK.name}: {len(lines)} packages")


def check() -> int:
    """Names every package whose version here differs from the lock, or that an older Python 3.11 refuses."""
    from packaging.specifiers import SpecifierSet  # in the lock, but not in the Python that makes it

    text = LOCK.read_text(encoding="utf-8")
    locked = dict(line.split("==") for line in text.splitlines() if not line.startswith("#"))
    here = {normal(d.metadata["Name"]): d.version.partition("+")[0] for d in distributions()}
    wrong = [
        f"{name}: locked {locked.get(name, 'no')}, installed {here.get(name, 'no')}"
        for name in sorted((here.keys() | locked.keys()) - NOT_LOCKED)
        if locked.get(name) != here.get(name)
    ]
    wrong += [
        f"{d.metadata['Name']} {d.version}: for Python {wanted}; for {OLDEST_PYTHON}, pin an older one here"
        for d in distributions()
        if (wanted := d.metadata["Requires-Python"]) and not SpecifierSet(wanted).contains(OLDEST_PYTHON)
    ]
    print("\n".join(wrong) if wrong else f"the environment is the lock: {len(locked)} packages")
    return 1 if wrong else 0


def normal(name: str) -> str:
    """A package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())

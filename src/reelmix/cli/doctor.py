"""``reelmix doctor``: is everything here, and what could be better."""

from __future__ import annotations

import os
import platform
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from reelmix.cli.terminal import say, table

PACKAGES = (
    "reelmix",
    "torch",
    "numpy",
    "scipy",
    "polars",
    "safetensors",
    "pydantic",
    "sparse-dot-topn",
    "typer",
)


def command() -> None:
    """Show versions, cores, threads and the cache folder, and name what could be better."""
    rows = [["python", platform.python_version()]]
    advice = []
    for name in PACKAGES:
        try:
            rows.append([name, version(name)])
        except PackageNotFoundError:
            rows.append([name, "missing"])
            advice.append(f"{name} is missing: recommending works without torch, training does not.")
    rows.append(["cores", str(os.cpu_count())])
    rows.append(["OMP_WAIT_POLICY", os.environ.get("OMP_WAIT_POLICY", "unset")])
    if os.environ.get("OMP_WAIT_POLICY", "").lower() != "passive":
        advice.append(
            "set OMP_WAIT_POLICY=passive before Python starts: idle threads then leave the cores to others."
        )
    try:
        import torch

        from reelmix.graph.cache import cache_folder
    except (ImportError, OSError):  # without torch no training, and no graphs to keep
        pass
    else:
        cache = cache_folder()
        rows.append(["cache folder", f"{cache}{'' if _writable(cache) else ' (not writable)'}"])
        if not _writable(cache):
            advice.append(
                "graphs are built anew for every run: set REELMIX_CACHE to a folder that can be written."
            )
        rows.append(["torch threads", str(torch.get_num_threads())])
        rows.append(["devices", ", ".join(["cpu", *(["cuda"] if torch.cuda.is_available() else [])])])
    table("this installation", ["", ""], rows, left=2)
    for line in advice:
        say(f"advice: {line}")
    say("nothing to mend" if not advice else "")


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False

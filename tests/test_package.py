"""The package from outside: its names, its version, and its work on a machine without torch."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import reelmix as rm

ROOT = Path(__file__).resolve().parent.parent

# Refuses torch as on a machine that lacks it; whatever asks for it fails.
WITHOUT_TORCH = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoTorch())
"""


def python(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package") / "run"
    split = rm.sample(n_users=40, n_items=30).dataset.split(rng=0)
    run = rm.fit(rm.DualGNN(embedding_size=4, neighbours=5), split, epochs=2, out=folder)
    return run, folder


@pytest.mark.parametrize("name", dir(rm))
def test_every_public_name_is_found(name):
    assert getattr(rm, name) is not None


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="module 'reelmix' has no attribute 'DualGN'"):
        _ = rm.DualGN


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert version("reelmix") == project["version"]


def test_the_command_line_tells_the_version():
    told = subprocess.run(
        [sys.executable, "-m", "reelmix.cli.main", "--version"], capture_output=True, text=True, check=True
    )
    assert told.stdout == f"reelmix {version('reelmix')}\n"


def test_torch_is_really_kept_away():
    refused = python("import torch")
    assert refused.returncode == 1
    assert "No module named 'torch'" in refused.stderr


def test_importing_the_package_loads_almost_nothing():
    heavy = python("import reelmix; print({'numpy', 'polars', 'scipy', 'torch'} & set(sys.modules))")
    assert (heavy.stdout, heavy.stderr) == ("set()\n", "")


def test_a_run_recommends_without_torch(trained):
    run, folder = trained
    here = [line.id for line in run.recommender().recommend("user-17", n=5)]
    program = """
import reelmix as rm

run = rm.Run.read(sys.argv[1])
recommender = rm.Recommender(run)
lines = recommender.recommend("user-17", n=5)
reason = rm.explain(recommender, "user-17", lines[0].id)
run.evaluate()
assert reason.sentence()
print(*(line.id for line in lines))
"""
    there = python(program, folder)
    assert there.returncode == 0, there.stderr
    assert there.stdout.split() == here


@pytest.mark.parametrize(
    "arguments",
    [
        ["recommend", "RUN", "--user", "user-17", "--why"],
        ["similar", "RUN", "--item", "reel-3"],
        ["explain", "RUN", "--user", "user-17", "--item", "reel-3"],
        ["evaluate", "RUN"],
        ["export", "RUN", "OUT/vectors.npz"],
        ["doctor"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_that_only_reads_a_run_needs_no_torch(trained, tmp_path, arguments):
    words = [word.replace("RUN", str(trained[1])).replace("OUT", str(tmp_path)) for word in arguments]
    done = python("from reelmix.cli.main import run; run()", *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout

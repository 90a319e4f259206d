"""Where torch is not installed, a run answers as it does where torch is."""

import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

from reelmix.recommender import explain

PROGRAM = """
import importlib.abc, json, sys
from dataclasses import asdict
from pathlib import Path

class NoTorch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoTorch())

from reelmix.recommender import Recommender, Run, explain
from reelmix.recommender.export import EXPORTS

run = Run.read(sys.argv[1])
recommender = Recommender(run)
for to in EXPORTS.keys() - {"safetensors"}:  # which holds no texts
    EXPORTS[to](run, Path(sys.argv[2], to))
answers = {
    "lists": [[asdict(line) for line in lines] for lines in recommender.recommend(["user-1", "user-17"], 5)],
    "similar": [asdict(line) for line in recommender.similar_items("reel-3", 5)],
    "users": [asdict(line) for line in recommender.similar_users("user-3", 5)],
    "why": asdict(explain(recommender, "user-17", "reel-3")),
    "new": [asdict(line) for line in recommender.recommend_for_history(["reel-3", "reel-17"], 5)],
    "test": run.evaluate().metrics,
    "validation": run.evaluate(stage="validation").metrics,
}
assert "torch" not in sys.modules
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def there(trained, tmp_path_factory):
    """The answers of a Python that has no torch, and its exports."""
    export = tmp_path_factory.mktemp("there")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(trained[1]), str(export)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), export


def close(there, here):
    """Equal, but for the last bits of numbers."""
    if isinstance(here, dict):
        assert there.keys() == here.keys()
        for key in here:
            close(there[key], here[key])
    elif isinstance(here, list | tuple):
        assert len(there) == len(here)
        for one, other in zip(there, here, strict=True):
            close(one, other)
    elif isinstance(here, float):
        assert there == pytest.approx(here, rel=1e-5, abs=1e-6)
    else:
        assert there == here


def test_lists(there, recommender):
    here = recommender.recommend(["user-1", "user-17"], 5)
    close(there[0]["lists"], [[asdict(line) for line in lines] for lines in here])


def test_what_is_alike(there, recommender):
    close(there[0]["similar"], [asdict(line) for line in recommender.similar_items("reel-3", 5)])
    close(there[0]["users"], [asdict(line) for line in recommender.similar_users("user-3", 5)])


def test_reasons(there, recommender):
    close(there[0]["why"], asdict(explain(recommender, "user-17", "reel-3")))


def test_lists_for_a_history(there, recommender):
    here = recommender.recommend_for_history(["reel-3", "reel-17"], 5)
    close(there[0]["new"], [asdict(line) for line in here])


@pytest.mark.parametrize("stage", ["validation", "test"])
def test_metrics(there, trained, stage):
    assert there[0][stage] == trained[0].metrics[stage]


def test_vectors(there, trained):
    with np.load(there[1] / "npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["users"], trained[0].vectors.users)
        np.testing.assert_array_equal(arrays["items"], trained[0].vectors.items)

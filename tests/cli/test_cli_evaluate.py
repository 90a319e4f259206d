"""``reelmix evaluate``: what was stored is measured again, and what was not."""

import json

import pytest

from reelmix.evaluation import EvaluationConfig
from reelmix.recommender import Run


@pytest.mark.parametrize("stage", ["test", "validation"])
def test_json_equals_what_training_stored(reelmix, run_folder, stage):
    done = reelmix("evaluate", run_folder, "--stage", stage, "--json")
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out) == json.loads((run_folder / "metrics.json").read_text())[stage]


def test_the_test_part_is_the_default(reelmix, run_folder):
    assert reelmix("evaluate", run_folder) == reelmix("evaluate", run_folder, "--stage", "test")


def test_the_table(reelmix, run_folder):
    lines = reelmix("evaluate", run_folder).out.splitlines()
    stored = Run.read(run_folder).test_metrics
    assert lines[0].rstrip() == "dualgnn on simulated sample (simulated), test: 120 users"
    assert lines[1].split() == ["@1", "@5", "@10", "@20"]
    assert {line.split()[0]: line.split()[1:] for line in lines[2:]} == {
        name: [f"{stored[f'{name}@{cut}']:.4f}" for cut in (1, 5, 10, 20)]
        for name in ("recall", "ndcg", "precision", "hit_rate", "mrr", "coverage")
    }


def test_other_cuts(reelmix, run_folder):
    found = json.loads(reelmix("evaluate", run_folder, "--at", "7, 3", "--json").out)
    expected = Run.read(run_folder).evaluate(EvaluationConfig(at=(7, 3))).metrics
    assert found == expected
    assert {name.partition("@")[2] for name in found} == {"3", "7"}
    assert reelmix("evaluate", run_folder, "--at", "7,3").out.splitlines()[1].split() == ["@3", "@7"]


def test_other_metrics(reelmix, run_folder):
    stored = Run.read(run_folder).test_metrics
    found = json.loads(reelmix("evaluate", run_folder, "--metrics", "ndcg", "--json").out)
    assert found == {name: value for name, value in stored.items() if name.startswith(("ndcg", "coverage"))}


def test_what_the_run_was_told_to_measure_is_the_default(reelmix, data, tmp_path):
    words = ["--epochs", "1", "--embedding-size", "4", "--at", "2,6", "--metrics", "mrr"]
    assert reelmix("train", data, "--out", tmp_path / "run", *words).status == 0
    found = json.loads(reelmix("evaluate", tmp_path / "run", "--json").out)
    assert list(found) == ["mrr@2", "mrr@6", "coverage@2", "coverage@6"]


def test_little_memory_changes_nothing(reelmix, run_folder):
    found = json.loads(reelmix("evaluate", run_folder, "--block-bytes", "40000", "--json").out)
    assert found == pytest.approx(Run.read(run_folder).test_metrics, abs=1e-12)

"""Settings from flags, from a file, from both; resuming; what is said meanwhile."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from reelmix.cli.terminal import TrainingProgress
from reelmix.data import Card, Dataset
from reelmix.data.assemble import assemble
from reelmix.data.sample import sample
from reelmix.evaluation import EvaluationConfig
from reelmix.models.dualgnn import DualGNNConfig
from reelmix.recommender import Run
from reelmix.training.config import TrainingConfig

SMALL = ["--model", "dualgnn", "--embedding-size", "8", "--neighbours", "5"]


def settings(folder: Path) -> dict:
    return tomllib.loads((folder / "config.toml").read_text())


def test_flags(run_folder, data):
    run = Run.read(run_folder)
    expected = {
        "run": {"rng": 3, "split": "random"},
        "model": {"name": "dualgnn", **DualGNNConfig(embedding_size=8, neighbours=5).model_dump()},
        "training": TrainingConfig(epochs=3).model_dump(),
        "evaluation": json.loads(EvaluationConfig().model_dump_json()),
    }
    assert run.settings == expected
    assert settings(run_folder) == expected
    assert run.vectors.users.shape == (120, 8)
    assert run.manifest["command"] == (
        f"reelmix train {data} --out {run_folder} --epochs 3 --rng 3 --model dualgnn --embedding-size 8 "
        "--neighbours 5"
    )
    assert (run.manifest["rng"], run.manifest["epochs"]) == (3, 3)


FLAGS = {
    "model": {
        "embedding-size": 6, "layers": 1, "user-layers": 2, "neighbours": 7, "construction": "maximum",
        "aggregation": "mean", "emphasis": "mean", "content": "linear", "reg": 0.01,
    },
    "training": {
        "epochs": 2, "learning-rate": 0.01, "batch-size": 512, "patience": 1, "validation-metric": "ndcg@5",
    },
    "run": {"rng": 4, "split": "leave_one_out"},
}  # fmt: skip


def test_every_flag_reaches_its_setting(reelmix, data, tmp_path):
    words = [word for table in FLAGS.values() for name, v in table.items() for word in (f"--{name}", str(v))]
    words += [
        "--model",
        "dualgnn",
        "--no-item-ids",
        "--at",
        "2,4",
        "--metrics",
        "mrr,ndcg",
        "--block-bytes",
        "99999",
    ]
    done = reelmix("train", data, "--out", tmp_path / "run", *words)
    assert done.status == 0, done.err
    found = settings(tmp_path / "run")
    for table, flags in FLAGS.items():
        for name, value in flags.items():
            assert found[table][name.replace("-", "_")] == value, name
    assert found["model"]["item_ids"] is False
    assert found["evaluation"] == {"at": [2, 4], "metrics": ["mrr", "ndcg"], "block_bytes": 99999}
    assert set(Run.read(tmp_path / "run").test_metrics) == {
        "mrr@2", "mrr@4", "ndcg@2", "ndcg@4", "coverage@2", "coverage@4",
    }  # fmt: skip


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(
        '[run]\nrng = 5\n[model]\nname = "dualgnn"\nembedding_size = 8\nneighbours = 3\n'
        "[training]\nepochs = 2\n[evaluation]\nat = [3]\n"
    )
    return path


def test_a_file(reelmix, data, config, tmp_path):
    assert reelmix("train", data, "--out", tmp_path / "run", "--config", config).status == 0
    found = settings(tmp_path / "run")
    assert found["run"]["rng"] == 5
    assert (found["model"]["embedding_size"], found["model"]["neighbours"]) == (8, 3)
    assert found["training"]["epochs"] == 2
    assert found["evaluation"]["at"] == [3]


def test_flags_go_before_the_file(reelmix, data, config, tmp_path):
    flags = ["--neighbours", "4", "--rng", "6", "--at", "1,2"]
    assert reelmix("train", data, "--config", config, "--out", tmp_path / "run", *flags).status == 0
    found = settings(tmp_path / "run")
    assert found["run"]["rng"] == 6
    assert (found["model"]["embedding_size"], found["model"]["neighbours"]) == (8, 4)
    assert found["training"]["epochs"] == 2
    assert found["evaluation"]["at"] == [1, 2]


def test_a_run_is_repeated_by_its_own_file(reelmix, data, run_folder, tmp_path):
    done = reelmix("train", data, "--out", tmp_path / "run", "--config", run_folder / "config.toml")
    assert done.status == 0
    for name in ("vectors.safetensors", "weights.safetensors", "metrics.json", "config.toml"):
        assert (tmp_path / "run" / name).read_bytes() == (run_folder / name).read_bytes(), name


def test_a_preset_by_the_size_of_the_data(reelmix, refused, data, tmp_path):
    words = ["train", data, "--epochs", "1", "--preset"]
    assert reelmix(*words, "short_histories", "--out", tmp_path / "few", "--dropout", "0.2").status == 0
    few = settings(tmp_path / "few")
    assert (few["training"]["batch_size"], few["model"]["embedding_size"]) == (256, 64)
    assert (few["training"]["epochs"], few["model"]["dropout"]) == (1, 0.2)
    assert reelmix(*words, "auto", "--out", tmp_path / "many").status == 0
    many = settings(tmp_path / "many")
    assert (many["training"]["batch_size"], many["model"]["embedding_size"]) == (256, 128)
    assert refused(*words, "auto", "--out", tmp_path / "none", "--model", "vbpr") == (
        "preset: expected no preset, since vbpr has none, found 'auto'. "
        "Leave --preset out, or search: reelmix tune --models vbpr."
    )
    assert not (tmp_path / "none").exists()


def test_reelmix_takes_the_preset_of_its_data_unless_told_otherwise(reelmix, data, config, tmp_path):
    words = ["train", data, "--epochs", "1", "--no-map", "--out"]
    done = reelmix(*words, tmp_path / "chosen")
    said = "preset: long_histories, for people with 18.5 interactions (median), in batches of 256; others:"
    assert said in done.out + done.err
    chosen = settings(tmp_path / "chosen")
    assert (chosen["model"]["dropout"], chosen["model"]["embedding_size"]) == (0.1, 128)
    done = reelmix(*words, tmp_path / "plain", "--preset", "none")
    assert "preset:" not in done.out + done.err
    plain = settings(tmp_path / "plain")
    assert (plain["model"]["dropout"], plain["model"]["embedding_size"]) == (0.3, 64)
    assert plain["training"]["batch_size"] == 4096
    assert reelmix(*words, tmp_path / "flag", "--averaging", "0.9").status == 0
    assert settings(tmp_path / "flag")["training"]["averaging"] == 0.9
    # a file of settings is taken as it is
    own = tmp_path / "own.toml"
    own.write_text('[model]\nname = "reelmix"\nembedding_size = 8\n')
    assert "preset:" not in reelmix(*words, tmp_path / "file", "--config", own).err
    assert settings(tmp_path / "file")["model"]["dropout"] == 0.3


def test_what_takes_long_before_the_first_epoch_is_said(reelmix, data, tmp_path, monkeypatch):
    words = ["train", data, "--epochs", "1", "--no-map", "--out"]
    assert "lookalikes:" not in reelmix(*words, tmp_path / "small").out
    monkeypatch.setattr("reelmix.graph.lookalikes.MANY_PRODUCTS", 1)
    said = "items are compared with each other first, and the result is kept for the next time"
    assert said in " ".join(reelmix(*words, tmp_path / "long").out.split())
    assert "lookalikes:" not in reelmix(*words, tmp_path / "none", "--lookalikes", "0").out
    assert "lookalikes:" not in reelmix(*words, tmp_path / "dualgnn", *SMALL).out


@pytest.mark.parametrize("typed", ["textual,visual", " textual , visual,"])
def test_modalities(reelmix, data, tmp_path, typed):
    words = ["--modalities", typed, "--epochs", "1", *SMALL]
    assert reelmix("train", data, "--out", tmp_path / "run", *words).status == 0
    run = Run.read(tmp_path / "run")
    assert list(run.vectors.item_parts) == ["textual", "visual"]
    assert run.manifest["dataset"]["modalities"] == ["textual", "visual"]


def test_threads(reelmix, data, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    words = ["--threads", "1", "--epochs", "1", *SMALL]
    assert reelmix("train", data, "--out", tmp_path / "run", *words).status == 0
    assert asked == [1]


def test_what_is_said_in_a_log(reelmix, data, tmp_path):
    done = reelmix("train", data, "--out", tmp_path / "run", "--epochs", "2", "--rng", "3", *SMALL)
    assert (done.status, done.err) == (0, "")
    run = Run.read(tmp_path / "run")
    first, *rest = done.out.splitlines()
    epoch = run.curve[0]
    assert first.startswith(
        f"epoch 1/2  loss {epoch['loss']:.4f}  recall@20 {epoch['metric']:.4f}  best at 1  at most "
    )
    assert first.endswith(" left")
    best = run.manifest["best_epoch"]
    assert (
        f"trained 2 epochs (all epochs); best recall@20 {run.curve[best - 1]['metric']:.4f} in epoch {best}, "
        "whose weights are kept"
    ) in rest
    assert "dualgnn on simulated sample (simulated), test: 120 users" in [line.rstrip() for line in rest]
    (recall,) = [line.split() for line in rest if line.startswith("recall ")]
    assert recall[1:] == [f"{run.test_metrics[f'recall@{cut}']:.4f}" for cut in (1, 5, 10, 20)]
    assert rest[-1] == f"run folder: {tmp_path / 'run'}"


def test_a_log_gets_at_most_a_line_a_second(reelmix, data, tmp_path, monkeypatch):
    monkeypatch.setattr("reelmix.cli.terminal.time.monotonic", lambda: 7.0)
    done = reelmix("train", data, "--out", tmp_path / "run", "--epochs", "4", *SMALL)
    assert [line[:9] for line in done.out.splitlines() if line.startswith("epoch")] == ["epoch 1/4"]


# Users of whom nothing is known


def test_users_without_training_interactions_are_named(reelmix, tmp_path):
    pairs = [(f"u{user}", f"i{(user + step) % 7}") for user in range(8) for step in range(5)]
    labels = [
        "test" if user == "u3" else ("train", "validation", "test")[at % 5 // 2]
        for at, (user, _) in enumerate(pairs)
    ]
    table = pl.DataFrame(
        {"user_id": [u for u, _ in pairs], "item_id": [i for _, i in pairs], "split": labels}
    )
    features = {"visual": (pl.Series([f"i{row}" for row in range(7)]), np.eye(7, dtype=np.float32))}
    assemble(table, None, features, card=Card("small"), where=Path("pairs")).write(tmp_path / "data")
    words = ["--out", tmp_path / "run", "--epochs", "1", "--embedding-size", "4"]
    done = reelmix("train", tmp_path / "data", *words)
    assert done.status == 0
    assert done.err == (
        "note: 1 of 8 users have no training interaction (the first: 'u3'): nothing is learned about them; "
        "they still count in the metrics if they have test interactions.\n"
    )


# Ctrl-C and --resume


def interrupt(monkeypatch, epoch):
    def batch(self, done, total):
        if self.epochs_done + 1 == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingProgress, "batch", batch)


def test_an_interrupted_training_goes_on(reelmix, data, run_folder, tmp_path, monkeypatch):
    words = ["train", data, "--out", tmp_path / "run", "--epochs", "3", "--rng", "3", *SMALL]
    with monkeypatch.context() as patch:
        interrupt(patch, 2)
        done = reelmix(*words)
    assert done.status == 0  # a run is there, and says how its training ended
    assert "trained 1 epoch (interrupted)" in done.out
    assert Run.read(tmp_path / "run").manifest["ending"] == "interrupted"
    done = reelmix(*words, "--resume")
    assert done.status == 0
    assert done.out.startswith("going on after epoch 1\nepoch 2/3")
    for name in ("vectors.safetensors", "weights.safetensors", "metrics.json", "config.toml"):
        assert (tmp_path / "run" / name).read_bytes() == (run_folder / name).read_bytes(), name


def test_interrupted_before_the_first_epoch_ended(reelmix, data, tmp_path, monkeypatch):
    interrupt(monkeypatch, 1)
    done = reelmix("train", data, "--out", tmp_path / "run", *SMALL)
    assert done.status == 0
    assert done.out.startswith("stopped before the first epoch ended: the run holds untrained weights\n")
    assert Run.read(tmp_path / "run").manifest["epochs"] == 0


def test_more_epochs_later(reelmix, data, run_folder, tmp_path):
    words = ["train", data, "--out", tmp_path / "run", "--rng", "3", *SMALL]
    assert reelmix(*words, "--epochs", "2").status == 0
    done = reelmix(*words, "--epochs", "3", "--resume")
    assert done.out.startswith("going on after epoch 2\n")
    vectors = "vectors.safetensors"
    assert (tmp_path / "run" / vectors).read_bytes() == (run_folder / vectors).read_bytes()


def test_resume_starts_anew_where_there_is_nothing(reelmix, data, tmp_path):
    done = reelmix("train", data, "--out", tmp_path / "run", "--epochs", "1", "--resume", *SMALL)
    assert done.status == 0
    assert done.out.startswith("epoch 1/1")


@pytest.mark.parametrize("change", [["--rng", "4"], ["--neighbours", "6"], ["--modalities", "visual"]])
def test_resume_with_other_settings_is_refused(refused, data, run_folder, change):
    words = ["--rng", "3", "--epochs", "3", *SMALL, *change]
    before = {path.name: path.read_bytes() for path in run_folder.iterdir()}
    assert refused("train", data, "--out", run_folder, "--resume", *words) == (
        f"{run_folder / 'checkpoint.safetensors'}: expected a checkpoint of the same data, settings and "
        "seed, found one of others. Resume with the settings in config.toml beside it, or train into a new "
        "folder."
    )
    assert {path.name: path.read_bytes() for path in run_folder.iterdir()} == before


def test_what_is_there_is_not_trained_over(refused, data, run_folder):
    before = {path.name: path.read_bytes() for path in run_folder.iterdir()}
    assert refused("train", data, "--out", run_folder, "--epochs", "1") == (
        f"{run_folder}: expected a new or empty folder for the run, found something there already. Choose "
        "another path, or move the old one away first."
    )
    assert {path.name: path.read_bytes() for path in run_folder.iterdir()} == before


def test_the_dataset_is_only_read(data, run_folder, world):
    assert Dataset.read(data).content_hash == world.dataset.content_hash


def test_content_that_tells_little_is_named_and_what_validation_chose(reelmix, tmp_path):
    """Pictures are shuffled among the items; sounds and words are as they were."""
    dataset = sample(n_users=600, n_items=400).dataset
    pictures = dataset.features["visual"]
    shuffled = replace(pictures, values=np.random.default_rng(0).permutation(pictures.values))
    lost = replace(dataset, features=dict(dataset.features) | {"visual": shuffled}).write(tmp_path / "lost")
    words = ["--embedding-size", 4, "--epochs", 1, "--no-map"]
    done = reelmix("train", lost, "--out", tmp_path / "run", *words)
    assert done.status == 0
    run = Run.read(tmp_path / "run")
    chosen, credit = run.manifest["chosen"], run.weights["credit"]
    (said,) = (line for line in done.out.splitlines() if line.startswith("chosen on validation: "))
    assert said == (
        f"chosen on validation: eigenvectors 400, ridge {chosen['settings']['ridge']:g}, regression "
        f"{chosen['settings']['regression']:g}, regression_content 3; {chosen['gain']:.1%} more NDCG by it "
        f"({chosen['sureness']:.1f} standard errors)"
    )
    (said,) = (line for line in done.err.splitlines() if line.startswith("note: "))
    assert said == (
        "note: visual tells little: people watch items alike in it together hardly more often than by "
        f"chance, so that likeness counts for {credit[0]:.0%}"
    )
    assert credit[0] < 0.5 < credit[1:].min()

"""``reelmix tune``: what it says, what it leaves, and that its settings are for other commands to use."""

import os
import signal
import subprocess
import sys

import polars as pl
import pytest
from test_cli_process import PROGRAM, environment, interruptible
from transcripts import transcript

from reelmix.cli import tune
from reelmix.recommender import Run
from reelmix.settings import read_toml
from reelmix.study.tune import Trial

FEW = ["--models", "lightgcn,ease,popularity", "--trials", "2", "--epochs", "2", "--batch-size", "4096"]


@pytest.mark.usefixtures("in_this_process")
def test_a_search(reelmix, data, tmp_path):
    out = tmp_path / "out"
    done = reelmix("tune", data, "--out", out, *FEW)
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    best = 0.0
    for line, (model, number) in zip(
        lines, [("lightgcn", 0), ("lightgcn", 1), ("ease", 0), ("ease", 1), ("popularity", 0)], strict=False
    ):
        trial = pl.read_csv(out / f"{model}.csv").row(number, named=True)
        best = max(best if number else 0.0, trial["metric"])
        start = f"{model:10} trial   {number}  recall@20 {trial['metric']:.4f}  best {best:.4f}  "
        assert line.startswith(start)
        assert line.endswith("best of 2 epochs" if model == "lightgcn" else " s  ")
    title, head, *rows = lines[5:9] + lines[9:-1]
    assert title == "Best of 2 trials a model"
    assert head.split() == [
        "model",
        "best",
        "settings",
        "validation",
        "recall@20",
        "first",
        "try",
        "gained",
        "trials",
        "pruned",
        "time",
    ]
    for row, (model, trials) in zip(rows, [("lightgcn", 2), ("ease", 2), ("popularity", 1)], strict=True):
        table = pl.read_csv(out / f"{model}.csv")
        assert row.split()[0] == model
        best, first = table["metric"].max(), table["metric"][0]
        gained = f"{(best / first - 1) * 100:+.1f}"
        assert row.split()[-8:-2] == [f"{best:.4f}", f"{first:.4f}", gained, "%", str(trials), "0"]
    assert f"reg {pl.read_csv(out / 'ease.csv').sort('metric')['reg'][-1]:.2g}" in rows[1]
    assert lines[-1] == (
        f"settings: {out}/MODEL.toml, for reelmix train --config and reelmix study --tuned {out}"
    )


@pytest.mark.usefixtures("in_this_process")
def test_its_settings_train_a_model(reelmix, data, tmp_path):
    words = ["--models", "lightgcn", "--trials", "2", "--epochs", "2", "--batch-size", "4096"]
    assert reelmix("tune", data, "--out", tmp_path / "out", *words).status == 0
    file = tmp_path / "out" / "lightgcn.toml"
    words = ["--config", file, "--epochs", "2", "--batch-size", "4096"]
    assert reelmix("train", data, "--out", tmp_path / "run", *words).status == 0
    run, found = Run.read(tmp_path / "run"), read_toml(file)
    for table in ("model", "training"):
        assert found[table].items() <= run.settings[table].items()
    best = pl.read_csv(tmp_path / "out" / "lightgcn.csv")["metric"].max()
    assert max(epoch["metric"] for epoch in run.curve) == best


@pytest.mark.usefixtures("in_this_process")
def test_more_trials_later(reelmix, data, tmp_path):
    words = ["tune", data, "--out", tmp_path / "out", "--models", "ease"]
    first = reelmix(*words, "--trials", "2")
    again = reelmix(*words, "--trials", "2")
    assert "trial " not in again.out.replace("a model", "").replace("trials", "")
    assert again.out.splitlines() == first.out.splitlines()[2:]
    more = reelmix(*words, "--trials", "3")
    (line,) = [line for line in more.out.splitlines() if line.startswith("ease       trial")]
    metrics = pl.read_csv(tmp_path / "out" / "ease.csv")["metric"]
    assert line.startswith(f"ease       trial   2  recall@20 {metrics[2]:.4f}  best {metrics.max():.4f}")


class Recorder:
    """A search that finds nothing, and knows what it was asked."""

    def __init__(self, folder, **asked):
        Recorder.asked = {"out": folder, **asked}

    def run(self, models, trying, **asked):
        Recorder.asked |= {"models": models, "trying": trying, **asked}
        return {model: [Trial(0, {"reg": 0.12345, "layers": 2}, 0.5, True, 3, 1, 61.0)] for model in models}


def test_every_flag_arrives(reelmix, data, tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "Search", Recorder)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    flags = (
        "--models vbpr,ease --trials 7 --epochs 5 --patience 4 --batch-size 33 --validation-metric ndcg@5 "
        "--split leave_one_out --modalities textual,visual --rng 9 --jobs 3"
    )
    done = reelmix("tune", data, "--out", tmp_path / "out", *flags.split())
    asked, trying = Recorder.asked, Recorder.asked["trying"]
    assert (asked["out"], asked["models"], asked["trials"]) == (tmp_path / "out", ["vbpr", "ease"], 7)
    training = asked["training"]
    assert (training.epochs, training.patience, training.batch_size) == (5, 4, 33)
    assert training.validation_metric == "ndcg@5"
    assert (asked["rng"], trying.rng) == (9, 9)
    assert (trying.data, trying.method, trying.modalities) == (data, "leave_one_out", ("textual", "visual"))
    assert (asked["jobs"], asked["threads"]) == (3, 2)
    (row,) = [line.split() for line in done.out.splitlines() if line.startswith("vbpr")]
    assert " ".join(row) == "vbpr reg 0.12, layers 2 0.5000 0.5000 +0.0 % 1 1 1 min 1 s"


def test_what_is_left_out(reelmix, data, tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "Search", Recorder)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert reelmix("tune", data, "--out", tmp_path / "out").status == 0
    asked, trying = Recorder.asked, Recorder.asked["trying"]
    assert asked["models"] == [
        "reelmix", "dualgnn", "lightgcn", "lr_gccf", "mmgcn", "star_gcn", "vbpr",
        "popularity", "ease", "gfcf",
    ]  # fmt: skip
    assert (asked["trials"], asked["training"].epochs, asked["training"].patience) == (20, 100, 10)
    assert (trying.method, trying.modalities, trying.rng) == (None, None, 0)
    assert (asked["jobs"], asked["threads"]) == (8, 1)


# Mistakes


@pytest.mark.parametrize(
    ("words", "message"),
    transcript("""
$ reelmix tune DATA --out TMP/out --models dualgn
    models: expected a model, found 'dualgn'. Did you mean 'dualgnn'?
$ reelmix tune DATA --out TMP/out --models ease,al
    models: expected a model, found 'al'. Did you mean 'all'?
$ reelmix tune DATA --out TMP/out --models ease --split randm
    split: expected a way to split, found 'randm'. Did you mean 'random'?
$ reelmix tune DATA --out TMP/out --models ease --modalities visul
    modalities: expected a modality of this dataset, found 'visul'. Did you mean 'visual'?
$ reelmix tune DATA --out TMP/out --models ease --validation-metric recall
    tune: validation_metric: expected a metric and a depth such as recall@20, found 'recall'.
    See the description of validation_metric in the configuration reference.
$ reelmix tune DATA --out TMP/out --models ease --validation-metric recal@20
    metrics: expected the name of a metric, found 'recal'. Did you mean 'recall'?
$ reelmix tune TMP/none --out TMP/out --models ease
    TMP/none: expected a dataset folder,
    found nothing. Check the path; relative paths start in the present folder.
"""),
)
@pytest.mark.usefixtures("in_this_process")
def test_a_mistake_leaves_nothing_behind(mistaken, tmp_path, words, message):
    mistaken(words, message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--trials", "--epochs", "--patience", "--batch-size", "--jobs"])
def test_a_number_out_of_range(refused, data, tmp_path, option):
    message = refused("tune", data, "--out", tmp_path / "out", option, "0", status=2)
    assert message.startswith(f"Invalid value for '{option}': ")
    assert message.endswith(". See reelmix tune --help.")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("models", ["", " , "])
def test_no_model_at_all(refused, data, tmp_path, models):
    message = refused("tune", data, "--out", tmp_path / "out", "--models", models)
    assert message.startswith("models: expected ")


@pytest.mark.usefixtures("in_this_process")
def test_a_folder_of_another_search(reelmix, refused, data, tmp_path):
    words = ["tune", data, "--out", tmp_path / "out", "--models", "ease", "--trials", "1"]
    assert reelmix(*words).status == 0
    assert refused(*words, "--rng", "1") == (
        f"{tmp_path}/out/trials.journal: expected the rng that this search began with: [0, 0], "
        "found [1, 1]. Go on with the same, or give another folder."
    )


def test_without_optuna(mistaken, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    mistaken(
        ["tune", "DATA", "--out", "TMP/out"],
        "expected optuna, which plots, searches and studies need, found none installed. "
        "Run: pip install 'reelmix[study]'",
    )
    assert not list(tmp_path.iterdir())


# As a process of its own


def test_ctrl_c_is_heard(refused, data, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tune.Search, "run", interrupted)
    assert refused("tune", data, "--out", tmp_path / "out", status=130) == "interrupted."


def test_ctrl_c_and_the_same_command_again(reelmix, data, tmp_path, in_this_process):
    words = ["tune", str(data), "--out", str(tmp_path / "out"), "--models", "ease,vbpr", "--trials", "2"]
    words += ["--epochs", "300", "--patience", "2", "--batch-size", "4096"]
    process = subprocess.Popen(
        [*PROGRAM, *words, "--jobs", "2"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=interruptible,
    )
    first = process.stdout.readline()
    assert first.startswith("ease       trial "), process.stderr.read()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (130, "error: interrupted.\n")  # and nothing of the workers
    assert "Best of" not in out
    done = reelmix(*words)
    assert done.status == 0, done.err
    for model in ("ease", "vbpr"):
        assert pl.read_csv(tmp_path / "out" / f"{model}.csv").height == 2
    assert done.out.count(" trial ") < 4, "what was finished is not tried again"

"""Progress on a terminal and in a log, spans of time, and the tables."""

import io
import re

import pytest
from rich.console import Console

from reelmix.cli import terminal
from reelmix.cli.terminal import TrainingProgress, duration
from reelmix.training.checkpoint import Epoch, TrainingState
from reelmix.training.config import TrainingConfig


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (45.2, "45 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (100 * 3600, "100 h 0 min"),
    ],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


@pytest.fixture
def screen(monkeypatch):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=120, highlight=False, emoji=False)
    monkeypatch.setattr(terminal, "console", console)
    return file


def state(epochs):
    curve = [Epoch(number, 0.5, 0.1 * number, 2.0) for number in range(1, epochs + 1)]
    return TrainingState({}, {}, curve=curve, best_epoch=epochs)


def test_a_bar_on_a_terminal(screen):
    progress = TrainingProgress()
    progress.start(TrainingConfig(epochs=4), 0)
    try:
        progress.batch(1, 2)
        assert progress.bar.tasks[0].completed == 0.5
        progress.epoch(Epoch(1, 0.693, 0.25, 2.0), 1)
        assert progress.bar.tasks[0].completed == 1
        assert progress.bar.tasks[0].fields["report"] == (
            "loss 0.6930  recall@20 0.2500  best at 1  at most 6 s left"
        )
        progress.batch(1, 4)
        assert progress.bar.tasks[0].completed == 1.25
    finally:
        progress.end("all epochs", state(4))
    assert progress.bar.finished is False
    assert not progress.bar.live.is_started
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "━" in text
    assert "trained 4 epochs (all epochs); best recall@20 0.4000 in epoch 4, whose weights are kept" in text
    assert "\nepoch 1/4" not in text  # the lines of a log


def test_a_bar_goes_on_where_training_does(screen):
    progress = TrainingProgress()
    progress.start(TrainingConfig(epochs=10), 6)
    try:
        assert progress.bar.tasks[0].completed == 6
        progress.batch(1, 2)
        assert progress.bar.tasks[0].completed == 6.5
    finally:
        progress.end("interrupted", state(6))
    assert "going on after epoch 6" in screen.getvalue()


def test_the_time_left_is_that_of_the_last_five_epochs(capsys, monkeypatch):
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr("reelmix.cli.terminal.time.monotonic", lambda: next(clock))
    progress = TrainingProgress()
    progress.start(TrainingConfig(epochs=10), 0)
    for number, seconds in enumerate([100, 100, 1, 2, 3, 4, 5], start=1):
        progress.epoch(Epoch(number, 0.5, 0.25, seconds), 1)
    *_, last = capsys.readouterr().out.splitlines()
    assert last == "epoch 7/10  loss 0.5000  recall@20 0.2500  best at 1  at most 9 s left"


def test_an_error_in_colour_only_on_a_terminal(capsys, monkeypatch):
    assert terminal.fail("[b]no[/b] :fire:") == 1
    assert capsys.readouterr().err == "error: [b]no[/b] :fire:\n"
    file = io.StringIO()
    monkeypatch.setattr(
        terminal, "errors", Console(file=file, force_terminal=True, color_system="standard", no_color=False)
    )
    assert terminal.fail("no", code=3) == 3
    assert file.getvalue() == "\x1b[1;31merror:\x1b[0m no\n"


def test_long_messages_stay_on_one_line(capsys):
    terminal.fail("word " * 100)
    terminal.warn("word " * 100)
    terminal.say("word " * 100)
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 2
    assert printed.out.count("\n") == 1


def test_a_title_is_not_folded_to_the_width_of_its_table(capsys):
    terminal.table("user [b] with a long name and :fire:", ["id", "[x]"], [["a", 1]])
    assert capsys.readouterr().out == "user [b] with a long name and :fire:\nid  [x]\na     1\n"

"""The installed program as a process of its own: what it loads, what it prints, how it is interrupted."""

import json
import os
import signal
import subprocess
import sys

import pytest

from reelmix.recommender import Run

PROGRAM = [sys.executable, "-m", "reelmix.cli.main"]
SMALL = ["--model", "dualgnn", "--embedding-size", "8", "--neighbours", "5"]


def environment(**changes):
    plain = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS")}
    return plain | changes


def program(*words, **options):
    defaults = {
        "capture_output": True,
        "text": True,
        "check": False,
        "env": environment(),
        "stdin": subprocess.DEVNULL,
    }
    return subprocess.run([*PROGRAM, *map(str, words)], **(defaults | options))


def loaded(*words):
    """The modules that a command has loaded when it ends."""
    code = (
        "import atexit, sys\nfrom reelmix.cli.main import run\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\nrun()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_help_loads_nothing_heavy(words):
    modules = loaded(*words)
    assert "typer" in modules
    assert not modules & {"torch", "numpy", "polars", "scipy"}


@pytest.mark.parametrize("command", ["recommend", "evaluate", "import"])
def test_the_help_of_a_command_that_needs_no_torch(command):
    assert "torch" not in loaded(command, "--help")


def test_answers_do_not_load_torch(run_folder):
    assert "torch" not in loaded("recommend", run_folder, "--user", "user-1", "--why")


@pytest.mark.parametrize("given", [{}, {"OMP_WAIT_POLICY": "active", "THP_MEM_ALLOC_ENABLE": "0"}])
def test_what_libraries_read_when_they_are_loaded_is_set_before(given):
    names = ("OMP_WAIT_POLICY", "THP_MEM_ALLOC_ENABLE")
    code = (
        "import os, sys, reelmix.cli.main\n"
        f"print(*(os.environ[name] for name in {names}), *({{'torch', 'numpy'}} & sys.modules.keys()))"
    )
    known = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=known | given
    )
    assert done.stdout.split() == (list(given.values()) or ["passive", "1"])


def test_no_colour_and_no_bar_where_output_is_no_terminal(data, run_folder, tmp_path):
    trained = program("train", data, "--out", tmp_path / "run", "--epochs", "2", *SMALL)
    listed = program("recommend", run_folder, "--user", "user-1", "--why")
    mistaken = program("recommend", run_folder, "--user", "nobody")
    for done, status in ((trained, 0), (listed, 0), (mistaken, 1)):
        assert done.returncode == status, done.stderr
        for text in (done.stdout, done.stderr):
            assert "\x1b" not in text
            assert "\r" not in text
            assert "━" not in text
    assert trained.stdout.startswith("epoch 1/2  loss ")
    assert mistaken.stderr == (
        "error: user id: expected a known user, found 'nobody'. The ids here look like 'user-1'.\n"
    )


def test_users_from_standard_input(run_folder):
    words = ["recommend", run_folder, "--users-from", "-", "--json", "-n", "2"]
    done = program(*words, stdin=None, input="user-3\nuser-17\n")
    assert [json.loads(line)["user"] for line in done.stdout.splitlines()] == ["user-3", "user-17"]


def test_a_reader_that_has_had_enough(run_folder):
    users = "\n".join(f"user-{number}" for number in range(1, 121))
    process = subprocess.Popen(
        [*PROGRAM, "recommend", str(run_folder), "--users-from", "-", "--include-seen", "-n", "80", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    process.stdin.write(users.encode())
    process.stdin.close()
    assert process.stdout.read(10)
    process.stdout.close()
    err = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait() == 1
    assert err == ""


def interruptible():
    # a shell that starts the tests in the background makes them, and so their children, deaf to Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ctrl_c_leaves_a_run(data, tmp_path):
    folder = tmp_path / "run"
    patient = ["--patience", "1000000", *SMALL]
    process = subprocess.Popen(
        [*PROGRAM, "train", str(data), "--out", str(folder), "--epochs", "1000000", *patient],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=interruptible,
    )
    first = process.stdout.readline()
    assert first.startswith("epoch 1/1000000"), process.stderr.read()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0  # what was asked for is there: a run, which says how it ended
    assert err == ""
    assert " (interrupted); best recall@20" in out
    run = Run.read(folder)
    assert run.manifest["ending"] == "interrupted"
    assert 1 <= run.manifest["epochs"] < 1_000_000
    assert not list(folder.glob(".*"))
    done = program("recommend", folder, "--user", "user-17", "-n", "3", "--json")
    assert len(json.loads(done.stdout)["items"]) == 3
    more = program(
        "train", data, "--out", folder, "--resume", "--patience", "1000000", *SMALL, "--epochs", "1"
    )
    assert more.returncode == 0, more.stderr
    assert more.stdout.startswith(f"going on after epoch {run.manifest['epochs']}\n")

"""The commands as typed, in this process; one small world and one run for all of them."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from transcripts import filled

from reelmix.cli import main, terminal
from reelmix.data.sample import Sample, sample

SMALL = ["--model", "dualgnn", "--embedding-size", "8", "--neighbours", "5"]


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REELMIX_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def reelmix(monkeypatch, capsys) -> Callable[..., Done]:
    """Runs a command as typed. Tables are as wide as they need be, whatever terminal the tests run in."""
    monkeypatch.setattr(terminal.console, "_width", 300)

    def run(*words, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "argv", ["reelmix", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main.run()
        printed = capsys.readouterr()
        return Done(left.value.code or 0, printed.out, printed.err)

    return run


@pytest.fixture
def refused(reelmix) -> Callable[..., str]:
    """The message of a command that must be refused: one line, and no traceback."""

    def message(*words, stdin: bytes = b"", status: int = 1) -> str:
        done = reelmix(*words, stdin=stdin)
        assert done.status == status, done
        assert done.err.startswith("error: ")
        assert done.err.endswith("\n")
        assert done.err.count("\n") == 1
        assert "Traceback" not in done.err
        return done.err.removeprefix("error: ").removesuffix("\n")

    return message


@pytest.fixture
def mistaken(refused, data, run_folder, tmp_path):
    """Types a command with DATA, RUN and TMP in it, and compares the message."""

    def mistaken(words, message, *, status=1, stdin=b"", **places):
        places |= {"DATA": data, "RUN": run_folder, "TMP": tmp_path}
        found = refused(*(filled(str(word), **places) for word in words), status=status, stdin=stdin)
        assert found == filled(message, **places)

    return mistaken


@pytest.fixture(scope="session")
def world() -> Sample:
    return sample(n_users=120, n_items=80)


@pytest.fixture(scope="session")
def data(world, tmp_path_factory) -> Path:
    return world.dataset.write(tmp_path_factory.mktemp("cli") / "data")


@pytest.fixture(scope="session")
def run_folder(data) -> Path:
    """A run trained by ``reelmix train`` with flags alone."""
    folder = data.parent / "run"
    words = ["train", str(data), "--out", str(folder), "--epochs", "3", "--rng", "3", *SMALL]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["reelmix", *words])
        with pytest.raises(SystemExit) as left:
            main.run()
    assert not left.value.code
    return folder

"""``reelmix serve`` as typed: what it refuses, and that it answers, from a run alone and without torch."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from transcripts import transcript

from reelmix.cli import serve


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("REELMIX_TOKEN", raising=False)


@pytest.mark.parametrize(
    ("words", "message"),
    transcript("""
$ reelmix serve TMP/none
    TMP/none: expected a run folder, found nothing.
    Check the path; relative paths start in the present folder.
$ reelmix serve RUN --beside TMP/none
    TMP/none: expected a run folder, found nothing.
    Check the path; relative paths start in the present folder.
$ reelmix serve RUN --host 0.0.0.0
    serve: expected a token, since others reach 0.0.0.0, found none.
    Set REELMIX_TOKEN to a secret of at least 16 characters, or listen on 127.0.0.1.
$ reelmix serve RUN --host no.such.host.invalid
    serve: expected a token, since others reach no.such.host.invalid, found none.
    Set REELMIX_TOKEN to a secret of at least 16 characters, or listen on 127.0.0.1.
$ reelmix serve RUN --store nonsense
    store: expected the URL of a database, and its driver,
    found Could not parse SQLAlchemy URL from given URL string.
    Such as sqlite:///added.sqlite, or postgresql+psycopg://… with psycopg installed.
$ reelmix serve RUN --media TMP/none
    TMP/none: expected the folder of media, found nothing.
    Check the path; relative paths start in the present folder.
$ reelmix serve RUN --seconds 0
    serve: seconds: expected greater than 0, found 0.0.
    See the description of seconds in the configuration reference.
"""),
)
def test_a_mistake(mistaken, words, message):
    mistaken(words, message)


def test_a_short_token_is_not_told(mistaken, monkeypatch):
    monkeypatch.setenv("REELMIX_TOKEN", "short")
    mistaken(
        ["serve", "RUN"],
        "REELMIX_TOKEN: expected a secret of at least 16 characters, found 5. Make one, such as by: "
        "openssl rand -hex 24",
    )


def test_a_port_that_is_taken(refused, run_folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert refused("serve", run_folder, "--port", port) == (
            f"127.0.0.1:{port}: expected a free port, found address already in use. "
            "Give another --port; 0 takes any that is free."
        )


def test_without_the_extra(mistaken, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    mistaken(
        ["serve", "RUN"],
        "expected fastapi, which the server and the map need, found none installed. "
        "Run: pip install 'reelmix[serve]'",
    )


def test_the_explorer_is_opened_where_it_is(reelmix, run_folder, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    done = reelmix("serve", run_folder, "--port", "0", "--open")
    assert done.status == 0, done.err
    assert f"explorer and API: {opened[0]}  (Ctrl-C ends it)" in done.out
    assert len(opened) == 1
    assert reelmix("serve", run_folder, "--port", "0").status == 0
    assert len(opened) == 1


def test_ipv6_is_written_in_brackets():
    from reelmix.server.config import ServerConfig

    assert serve._name(ServerConfig(host="::1")) == "[::1]"
    assert serve._name(ServerConfig(host="localhost")) == "localhost"


WITHOUT_TORCH = """
import importlib.abc, sys

class NoTorch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoTorch())
from reelmix.cli.main import run
run()
"""


def test_it_answers_without_torch_until_ctrl_c(run_folder, tmp_path):
    words = [sys.executable, "-c", WITHOUT_TORCH, "serve", str(run_folder), "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "REELMIX_TOKEN": "sixteen-or-more!"}
    said = tmp_path / "said"
    with said.open("w") as stream:
        process = subprocess.Popen(words, stdout=stream, stderr=subprocess.STDOUT, env=environment)
    try:
        for _ in range(600):
            time.sleep(0.1)
            if "Ctrl-C" in said.read_text() or process.poll() is not None:
                break
        lines = said.read_text().splitlines()
        assert lines[0] == f"dualgnn from {run_folder}: 120 users, 80 items", lines
        address = lines[-1].removeprefix("explorer and API: ").removesuffix("  (Ctrl-C ends it)")
        with urllib.request.urlopen(f"{address}/v1/recommendations?user_id=user-7&n=3", timeout=20) as answer:
            assert len(json.load(answer)["items"]) == 3
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) in (0, 130)
    assert "Traceback" not in said.read_text()

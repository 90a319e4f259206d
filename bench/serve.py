"""How the server holds under load: requests at a fixed rate, then far more than it can answer.

    python bench/serve.py --minutes 10 --json bench/serve.json

Server and load share this machine. Requests are sent on time, whether or not earlier ones were answered, so
that a slow answer delays nothing but itself, and its wait counts in full. The run is made up: a million items
in clumps, and users who are sums of five of them; only its shape matters here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console

from reelmix.data.interactions import TRAIN, Interactions
from reelmix.data.vocabulary import Vocabulary
from reelmix.recommender import Run
from reelmix.recommender.run import Vectors

DIM, CLUMPS, WATCHED = 64, 2000, 20
PATIENCE = 10.0
"""Seconds until a request counts as an error."""

IDLE = 4.0
"""Seconds after which a connection is not used again: the server closes it after five."""


@dataclass
class Load:
    """What was sent, and what came back.

    Attributes:
        rate: requests a second that were to be sent.
        seconds: for how long.
        answers: by status; 0 where none came.
        p50, p95, p99, worst: of the answers with status 200, in milliseconds.
        refused_p50, refused_p99: of those with status 503.
        memory: resident megabytes of the server at the beginning, and then every tenth of the time.
    """

    rate: float
    seconds: float
    answers: dict[int, int]
    p50: float
    p95: float
    p99: float
    worst: float
    refused_p50: float
    refused_p99: float
    memory: list[int]


def main() -> None:
    """Makes a run, serves it, loads the server, and says how it went."""
    arguments = _arguments()
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        made_up(arguments.items, arguments.users).write(Path(folder) / "run")
        server, port = served(Path(folder), arguments.items)
        try:
            asyncio.run(load(port, server.pid, arguments.users, arguments.rate, 5))  # warm
            steady = asyncio.run(
                load(port, server.pid, arguments.users, arguments.rate, 60 * arguments.minutes)
            )
            flood = asyncio.run(load(port, server.pid, arguments.users, arguments.flood, 10))
            after = asyncio.run(load(port, server.pid, arguments.users, arguments.rate, 5))
        finally:
            server.terminate()
            server.wait()
    for name, found in (("steady", steady), ("flood", flood), ("after the flood", after)):
        console.print(
            f"{name:16} {found.rate:.0f}/s  p50 {found.p50:.1f}  p95 {found.p95:.1f}  p99 {found.p99:.1f}  "
            f"worst {found.worst:.1f} ms  503: p50 {found.refused_p50:.1f}  p99 {found.refused_p99:.1f} ms  "
            f"answers {found.answers}  memory {found.memory[0]}-{found.memory[-1]} MB",
            soft_wrap=True,
        )
    if arguments.json:
        content = {
            "machine": {"platform": platform.platform(), "cores": os.cpu_count()},
            "items": arguments.items,
            "users": arguments.users,
            "steady": asdict(steady),
            "flood": asdict(flood),
            "after": asdict(after),
        }
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


def made_up(n_items: int, n_users: int) -> Run:
    """A run of this size."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CLUMPS, DIM)).astype(np.float32)
    visual = centres[rng.integers(0, CLUMPS, n_items)] + rng.normal(size=(n_items, DIM)).astype(np.float32)
    textual = 0.5 * rng.normal(size=(n_items, DIM)).astype(np.float32)
    items = visual + textual
    watched = rng.integers(0, n_items, (n_users, WATCHED))
    users = np.stack([items[some[:5]].sum(axis=0) for some in watched])
    people = np.repeat(np.arange(n_users), WATCHED)
    labels = np.full(people.size, TRAIN, np.int8)
    features = {"kind": "dense", "size": DIM, "encoder": "made up"}
    return Run(
        {
            "model": "vbpr",
            "dataset": {
                "name": "made up",
                "simulated": True,
                "features": {"visual": features, "textual": features},
            },
        },
        {"evaluation": {}, "model": {}},
        Vocabulary(pl.Series([f"user-{k:07}" for k in range(n_users)]), "user"),
        Vocabulary(pl.Series([f"item-{k:07}" for k in range(n_items)]), "item"),
        pl.DataFrame(
            {
                "item_id": [f"item-{k:07}" for k in range(n_items)],
                "title": [f"Clip number {k}" for k in range(n_items)],
            }
        ),
        Interactions.of(people, watched.ravel(), labels=labels),
        Vectors(users, items, {"visual": visual, "textual": textual}, np.ones((n_items, 2), bool)),
        {},
        [],
    )


def served(folder: Path, n_items: int) -> tuple[subprocess.Popen[bytes], int]:
    """A server of the run in a process of its own, and its port."""
    said = folder / "said"
    words = [sys.executable, "-m", "reelmix.cli.main", "serve", str(folder / "run"), "--port", "0"]
    with said.open("w") as stream:
        process = subprocess.Popen(
            words, stdout=stream, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
    while "Ctrl-C" not in said.read_text():
        if process.poll() is not None:
            raise SystemExit(said.read_text())
        time.sleep(0.5)
    print(said.read_text())
    return process, int(said.read_text().partition("http://127.0.0.1:")[2].split()[0])


async def load(port: int, pid: int, n_users: int, rate: float, seconds: float) -> Load:
    """Sends requests at a rate for a while."""
    rng, answers, times, memory = (
        np.random.default_rng(1),
        Counter[int](),
        dict[int, list[float]](),
        [_resident(pid)],
    )
    free: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []
    pending = set[asyncio.Task[None]]()
    loop = asyncio.get_running_loop()

    async def connection() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while free:
            used, reader, writer = free.pop()
            if loop.time() - used < IDLE:
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", port)

    async def one(user: int, due: float) -> None:
        status = 0
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await connection()
                path = f"/v1/recommendations?user_id=user-{user:07}&n=10"
                writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                status = int(head.split(b" ", 2)[1])
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                free.append((loop.time(), reader, writer))
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass
        answers[status] += 1
        times.setdefault(status, []).append(1e3 * (loop.time() - due))

    begun, sent, looked = loop.time(), 0, 1
    while (now := loop.time()) < begun + seconds:
        while sent / rate <= now - begun:
            task = asyncio.ensure_future(one(int(rng.integers(n_users)), begun + sent / rate))
            pending.add(task)
            task.add_done_callback(pending.discard)
            sent += 1
        if now - begun > looked * seconds / 10:
            memory.append(_resident(pid))
            looked += 1
        await asyncio.sleep(max(0.0, begun + sent / rate - loop.time()))
    await asyncio.gather(*pending)
    memory.append(_resident(pid))
    for _, _, writer in free:
        writer.close()
    answered = np.percentile(times.get(200, [0.0]), [50, 95, 99, 100]).round(2).tolist()
    refused = np.percentile(times.get(503, [0.0]), [50, 99]).round(2).tolist()
    return Load(rate, seconds, dict(sorted(answers.items())), *answered, *refused, memory)


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=100, help="requests a second")
    parser.add_argument("--flood", type=float, default=1000, help="the same, to overload it")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()

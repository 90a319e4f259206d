"""Processes that work through tasks side by side; a task may report on its way, and be told to stop."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from reelmix.errors import ReelmixError, RunError

Report = Callable[[Any], Any]
"""Called inside a task with something to tell; returns the answer."""

Work = Callable[[Any, Report], Any]
"""What a worker does with a task; sent to the worker's process once."""


class Worker:
    """A process of its own that does one task at a time.

    Args:
        work: what to do with a task.
        threads: threads that torch may use there.
    """

    def __init__(self, work: Work, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, far_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(far_end, work, threads), daemon=True)
        self.process.start()
        far_end.close()

    def __call__(self, task: Any, answer: Report) -> Any:
        """Does the task there; ``answer`` is asked here whenever it reports.

        Raises:
            ReelmixError: what the task raised.
            RunError: the process died.
        """
        self._send(task)
        while True:
            kind, value = self._receive()
            if kind == "report":
                self._send(answer(value))
            elif kind == "error":
                error, words = value
                raise error(**words)
            else:
                return value

    def _send(self, value: Any) -> None:
        try:
            self.connection.send(value)
        except OSError:
            raise self._ended() from None

    def _receive(self) -> tuple[str, Any]:
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            raise self._ended() from None

    def _ended(self) -> RunError:
        return RunError(
            expected="a worker that finishes its task",
            found="one that ended",
            where=f"process {self.process.pid}",
            fix="It may have run out of memory: use fewer --jobs. What is finished is kept; start again.",
        )

    def close(self) -> None:
        """Ends the process."""
        self.connection.close()
        self.process.terminate()
        self.process.join()


def work_through(
    tasks: Iterable[Any],
    work: Work,
    *,
    jobs: int,
    threads: int,
    answer: Callable[[Any, Any], Any],
    done: Callable[[Any, Any], None],
) -> None:
    """Does tasks in ``jobs`` processes, the next whenever one is free.

    Tasks are taken from the iterable only when a process is free for them. The first error stops everything.
    Ctrl-C is heard between calls of ``done`` and of the iterable, never within one.

    Args:
        tasks: taken here, one by one.
        work: done there.
        jobs: processes.
        threads: threads of each.
        answer: called with a task and its report, from any thread; what it returns is sent back.
        done: called with a task and its result, in this thread.
    """
    workers = [Worker(work, threads) for _ in range(jobs)]
    free: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def run(task: Any) -> Any:
        worker = free.get()
        try:
            return worker(task, lambda report: answer(task, report))
        finally:
            free.put(worker)

    pool = ThreadPoolExecutor(jobs)
    running: dict[Future[Any], Any] = {}
    waiting = iter(tasks)
    try:
        exhausted = False
        while True:
            while not exhausted and len(running) < jobs:
                try:
                    with _uninterrupted():
                        task = next(waiting)
                except StopIteration:
                    exhausted = True
                else:
                    running[pool.submit(run, task)] = task
            if not running:
                return
            for finished in wait(running, return_when=FIRST_COMPLETED).done:
                result = finished.result()
                with _uninterrupted():
                    done(running.pop(finished), result)
    finally:
        for worker in workers:
            worker.close()
        pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _uninterrupted() -> Generator[None]:
    """Ctrl-C waits until the end of this block: a record is kept whole, and its lock is given back."""
    if threading.current_thread() is not threading.main_thread():
        yield  # it is the main thread that hears Ctrl-C
        return
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:
        signal.raise_signal(signal.SIGINT)


def _serve(connection: Connection, work: Work, threads: int) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C, and ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)

    def report(value: Any) -> Any:
        try:
            connection.send(("report", value))
            return connection.recv()
        except (EOFError, OSError):
            raise SystemExit from None  # nobody is left to hear of it: the parent has ended

    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = ("result", work(task, report))
        except ReelmixError as error:
            answer = ("error", (type(error), vars(error)))
        with suppress(OSError):
            connection.send(answer)


def _end_with_parent() -> None:
    """Leaves no worker behind a parent that was killed: it would go on with its task for minutes."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

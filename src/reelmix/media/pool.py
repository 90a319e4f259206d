"""Many files at a time, each in a process that is ended when it takes too long, and replaced when it dies."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from reelmix.extras import optional

Key = TypeVar("Key")
WAITING = 3
"""Tasks for each process that have been handed over: one is done, the others wait."""


@dataclass(frozen=True)
class Task(Generic[Key]):
    """A call to be made in another process.

    Attributes:
        key: by which the caller knows it again.
        call, arguments: what is called; both must be picklable.
    """

    key: Key
    call: Callable[..., Any]
    arguments: Sequence[Any]


@dataclass(frozen=True)
class Died:
    """A call that gave no answer.

    Attributes:
        reason: why.
    """

    reason: str


def run_tasks(
    tasks: Iterable[Task[Key]],
    *,
    workers: int,
    seconds: float,
    prepare: Callable[..., None],
    arguments: Sequence[Any],
) -> Iterator[tuple[Key, Any]]:
    """The key and the answer of each task, as they come; :class:`Died` where there is none.

    Args:
        tasks: to be done; taken as there is room for them.
        workers: processes.
        seconds: that a task may take; then its process is killed.
        prepare, arguments: called once in each process, before its first task and out of its time.

    Raises:
        ConfigError: the package for it is not installed.
    """
    pebble = optional("pebble", "media")
    pool = pebble.ProcessPool(
        max_workers=workers,
        initializer=prepare,
        initargs=list(arguments),
        context=multiprocessing.get_context("spawn"),  # a fork would take over locks of threads
    )
    waiting: dict[Future[Any], Task[Key]] = {}
    remaining = iter(tasks)
    try:
        while True:
            while len(waiting) < WAITING * workers and (task := next(remaining, None)) is not None:
                future = pool.schedule(task.call, args=list(task.arguments), timeout=seconds)
                waiting[future] = task
            if not waiting:
                break
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(future).key, _answer(future, pebble, seconds)
        pool.close()
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.join()


def _answer(future: Future[Any], pebble: Any, seconds: float) -> Any:
    try:
        return future.result()
    except TimeoutError:
        return Died(f"took longer than {seconds:g} s")
    except pebble.ProcessExpired as error:
        code = error.exitcode
        how = f"signal {-code}" if isinstance(code, int) and code < 0 else f"exit status {code}"
        return Died(f"its reader died ({how})")
    except Exception as error:  # whatever a file or an encoder does is no reason to end the run
        first = next(iter(str(error).splitlines()), "")
        return Died(f"cannot be read: {type(error).__name__}: {first}"[:200])

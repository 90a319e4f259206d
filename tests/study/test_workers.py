"""Workers in processes of their own: what they give back, how they end, and that none is left."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import worker_tasks
from worker_tasks import REFUSAL, Counted

from reelmix.errors import DataError, RunError
from reelmix.study.workers import work_through

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(autouse=True)
def nobody_left():
    """After whatever happened, no worker is there any more."""
    yield
    assert multiprocessing.active_children() == []


TORCH = """
def set_num_threads(number):
    global threads
    threads = number

def get_num_threads():
    return threads
"""


@pytest.fixture(autouse=True)
def light(tmp_path, monkeypatch):
    """Workers import a torch that takes no time, instead of seconds."""
    (tmp_path / "torch.py").write_text(TORCH)
    monkeypatch.syspath_prepend(tmp_path)


def unasked(task, report):
    raise AssertionError(f"task {task} reported {report}")


def through(tasks, work, *, jobs=1, answer=unasked, done=None):
    """Works through the tasks, and gives pairs of a task and its result in the order in which they ended."""
    finished = []
    work_through(
        tasks,
        work,
        jobs=jobs,
        threads=1,
        answer=answer,
        done=done or (lambda task, result: finished.append((task, result))),
    )
    return finished


def test_torch_is_told_how_many_threads():
    found = []
    work_through(
        [1, 2], worker_tasks.threads, jobs=1, threads=3, answer=unasked, done=lambda _, n: found.append(n)
    )
    assert found == [3, 3]


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_result_comes_back_once_in_this_thread(jobs):
    here, found = threading.get_ident(), []

    def done(task, result):
        assert threading.get_ident() == here
        found.append((task, result))

    through(range(7), worker_tasks.doubled, jobs=jobs, done=done)
    assert sorted(found) == [(task, 2 * task) for task in range(7)]


def test_no_task_is_no_work():
    assert through([], worker_tasks.doubled) == []


def test_reports_are_answered_by_task():
    def answer(task, report):
        return ("answer", task, report)

    expected = {task: [("answer", task, (task, number)) for number in range(3)] for task in "abcd"}
    assert dict(through("abcd", worker_tasks.reports_thrice, jobs=2, answer=answer)) == expected


def test_one_process_a_job_side_by_side():
    both_at_once = threading.Barrier(2, timeout=60)

    def answer(task, pid):
        both_at_once.wait()  # nobody goes on before two tasks are under way

    found = through(range(6), worker_tasks.process, jobs=2, answer=answer)
    pids = [pid for _, pid in found]
    assert len(set(pids)) == 2
    assert os.getpid() not in pids
    assert not any(alive(pid) for pid in pids)


@pytest.mark.parametrize("jobs", [1, 2])
def test_tasks_are_taken_when_a_process_is_free_for_them(jobs):
    taken, finished, ahead = 0, 0, []

    def tasks():
        nonlocal taken
        for task in range(6):
            taken += 1
            ahead.append(taken - finished)
            yield task

    def done(task, result):
        nonlocal finished
        finished += 1

    through(tasks(), worker_tasks.doubled, jobs=jobs, done=done)
    assert finished == 6
    assert max(ahead) == jobs


def test_work_is_sent_to_each_process_once():
    work = Counted()
    through(range(5), work, jobs=2)
    assert work.sent == 2


def test_ctrl_c_is_for_this_process_alone():
    assert through([1, 2], worker_tasks.deaf_to_ctrl_c) == [(1, 1), (2, 2)]


# Errors


def test_an_error_of_a_task_arrives_as_it_was():
    with pytest.raises(DataError) as caught:
        through([1], worker_tasks.refused)
    assert type(caught.value) is DataError
    assert str(caught.value) == "box 7: expected a whole cat, found half of one. Look again."
    assert vars(caught.value) == vars(REFUSAL)


def test_an_error_ends_the_others_at_once():
    pids, started = [], time.monotonic()
    under_way = threading.Event()

    def tasks():
        yield 600
        assert under_way.wait(60)
        yield -1
        pytest.fail("no task is taken after an error")

    def answer(task, pid):
        pids.append(pid)
        under_way.set()

    with pytest.raises(DataError):
        through(tasks(), worker_tasks.refused_if_negative, jobs=2, answer=answer)
    assert time.monotonic() - started < 60
    assert len(pids) == 1
    assert not alive(pids[0])


def test_what_was_finished_before_an_error_was_told():
    found = []
    with pytest.raises(DataError):
        through(
            [0, 0.01, -1, 0.02],
            worker_tasks.refused_if_negative,
            answer=lambda task, pid: None,
            done=lambda task, result: found.append(result),
        )
    assert found == [0, 0.01]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_process_is_said_to_have_ended(refusal, jobs):
    pids = []
    message = refusal(
        RunError,
        through,
        [1],
        worker_tasks.killed,
        jobs=jobs,
        answer=lambda task, pid: pids.append(pid),
    )
    assert message == (
        f"process {pids[0]}: expected a worker that finishes its task, found one that ended. It may have "
        "run out of memory: use fewer --jobs. What is finished is kept; start again."
    )


@pytest.mark.parametrize("task", ["division", "file"])
def test_a_fault_of_ours_is_shown_with_its_traceback(capfd, task):
    with pytest.raises(RunError):
        through([task], worker_tasks.faulty)
    assert "a fault" in capfd.readouterr().err


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("place", ["tasks", "done", "answer"])
def test_what_is_raised_here_is_raised_and_leaves_nobody(error, place):
    def broken(*_):
        raise error

    def tasks():
        yield 1
        broken()

    given = {"answer": lambda task, report: None, place: broken}
    given.pop("tasks", None)
    with pytest.raises(error):
        through(tasks() if place == "tasks" else [1, 2], worker_tasks.process, **given)


@pytest.mark.parametrize("place", ["tasks", "done"])
def test_ctrl_c_waits_for_a_record_to_be_whole(place, request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what started the tests may ignore it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    whole = []

    def heard_within(here):
        if here == place:
            signal.raise_signal(signal.SIGINT)
            whole.append(here)

    def tasks():
        heard_within("tasks")
        yield 1
        yield 2

    with pytest.raises(KeyboardInterrupt):
        through(tasks(), worker_tasks.doubled, done=lambda *_: heard_within("done"))
    assert whole == [place]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_full_disk_here_is_no_dead_worker():
    def answer(task, report):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        through([1], worker_tasks.process, answer=answer)


PARENT = """
import worker_tasks
from reelmix.study.workers import work_through

if __name__ == "__main__":
    work_through([1, 2], worker_tasks.long, jobs=2, threads=1, answer=None, done=None)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_a_parent_that_was_killed(tmp_path, how):
    """In the middle of a task that reports nothing for a minute."""
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    paths = os.pathsep.join([str(tmp_path), str(Path(worker_tasks.__file__).parent), *sys.path])
    with subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    ) as parent:
        assert parent.stdout is not None
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(alive(pid) for pid in workers)
        parent.send_signal(how)
        parent.wait()
        deadline = time.monotonic() + 20
        while any(alive(pid) for pid in workers):
            assert time.monotonic() < deadline
            time.sleep(0.02)

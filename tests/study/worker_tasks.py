"""What workers are asked to do in tests; it is imported in their processes, without pytest."""

import os
import signal
import time

from reelmix.errors import DataError

REFUSAL = DataError(expected="a whole cat", found="half of one", where="box 7", fix="Look again.")


def doubled(task, report):
    return 2 * task


def reports_thrice(task, report):
    return [report((task, number)) for number in range(3)]


def process(task, report):
    """Reports its process, and gives it back once there was an answer."""
    report(os.getpid())
    return os.getpid()


def refused(task, report):
    raise REFUSAL


def refused_if_negative(task, report):
    if task < 0:
        raise REFUSAL
    report(os.getpid())
    time.sleep(task)
    return task


def killed(task, report):
    report(os.getpid())
    os.kill(os.getpid(), signal.SIGKILL)


def long(task, report):
    os.write(1, f"{os.getpid()}\n".encode())  # at once: two write here
    time.sleep(60)


def faulty(task, report):
    raise {"division": ZeroDivisionError, "file": EOFError}[task]("a fault")


def deaf_to_ctrl_c(task, report):
    os.kill(os.getpid(), signal.SIGINT)
    return task


def threads(task, report):
    import torch

    return torch.get_num_threads()


class Counted:
    """Work that counts how often it is sent."""

    def __init__(self):
        self.sent = 0

    def __getstate__(self):
        self.sent += 1
        return {}

    def __call__(self, task, report):
        return task

"""What workers do, in this process: it starts at once, and what happens in it can be seen and broken."""


def one_after_the_other(tasks, work, *, jobs, threads, answer, done):
    """Does what ``reelmix.study.workers.work_through`` does."""
    for task in tasks:
        done(task, work(task, lambda report, task=task: answer(task, report)))

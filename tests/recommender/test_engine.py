"""Ray's workers make the run that one process makes, also when one of them is killed."""

import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import random_array

import reelmix as rm
from reelmix.data.sample import sample
from reelmix.errors import ConfigError, RunError
from reelmix.graph import user_graph
from reelmix.recommender.engine import Job, fit_on_ray, on_ray
from reelmix.recommender.experiment import Experiment, RunOptions
from reelmix.recommender.run import Run

ray = pytest.importorskip("ray")
Queue = pytest.importorskip("ray.util.queue").Queue
pytestmark = [
    pytest.mark.skipif(not Path("/proc").exists(), reason="finds workers in /proc"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Ray's own
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
SETTINGS = {"embedding_size": 6, "neighbours": 5}
TRAINING = {"epochs": 250, "patience": 250, "batch_size": 600, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def engine():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine") / "sample"
    sample(n_users=120, n_items=60).dataset.write(folder)
    return folder


@pytest.fixture(scope="module")
def alone(data):
    return rm.fit(rm.DualGNN(**SETTINGS), rm.Dataset.read(data).split(rng=0), rng=0, **TRAINING)


def job(data, out, parallel, **changes):
    model = rm.DualGNN(**SETTINGS)
    training = rm.TrainingConfig(**(TRAINING | changes))
    experiment = Experiment("dualgnn", model.config, training, rm.EvaluationConfig(), RunOptions())
    modalities = rm.Dataset.read(data).modalities
    return Job(experiment, data, out, modalities, parallel, checkpoint_seconds=0.0)


class Told:
    """A progress that counts, and kills a worker once."""

    def __init__(self, kill_after=None):
        self.kill_after, self.killed = kill_after, None
        self.starts, self.told = [], Counter()

    def start(self, config, epochs_done):
        self.starts.append(epochs_done)

    def batch(self, done, total):
        self.told["batch"] += 1

    def epoch(self, epoch, best_epoch):
        self.told["epoch"] += 1
        if epoch.epoch == self.kill_after and not self.killed:
            self.killed = workers()[-1]
            os.kill(self.killed, signal.SIGKILL)

    def end(self, ending, state):
        self.told[ending] += 1


def workers():
    """Processes of Ray that train."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if b"RayTrainWorker" in command:
            found.append(int(path.parent.name))
    return sorted(found)


@pytest.mark.parametrize(("parallel", "kill_after"), [("columns", 30)])
def test_a_killed_worker_costs_nothing_but_time(engine, data, alone, tmp_path, parallel, kill_after):
    told = Told(kill_after)
    fit_on_ray(job(data, tmp_path / "run", parallel), workers=2, progress=told)
    assert told.killed, "no worker was found to be killed"
    assert len(told.starts) == 2
    assert told.starts[0] == 0
    assert kill_after - 1 <= told.starts[1] < TRAINING["epochs"]
    assert told.told["all epochs"] == 1
    run = Run.read(tmp_path / "run")
    assert list(tmp_path.iterdir()) == [tmp_path / "run"]
    assert run.manifest["epochs"] == TRAINING["epochs"]
    assert run.manifest["best_epoch"] == alone.manifest["best_epoch"]
    for name, weights in alone.weights.items():
        np.testing.assert_allclose(run.weights[name], weights, rtol=1e-4, atol=1e-4, err_msg=name)
    for metric, value in alone.test_metrics.items():
        assert run.test_metrics[metric] == pytest.approx(value, abs=0.02)


def test_workers_that_are_lost_too_often_end_in_one_line(engine, data, tmp_path, monkeypatch, refusal):
    monkeypatch.setattr("reelmix.recommender.engine.RESTARTS", 0)
    told = Told(3)
    text = refusal(RunError, fit_on_ray, job(data, tmp_path / "run", "data"), workers=2, progress=told)
    assert told.killed
    assert text.startswith(
        f"{tmp_path / 'run'}: expected 2 workers to the end, found one lost more than 0 times ("
    )
    assert text.endswith("). Free some memory or start fewer; --resume goes on from the last checkpoint.")
    assert "\n" not in text


def test_what_is_told_stays_on_this_machine(engine, data, tmp_path, monkeypatch):
    """Elsewhere it would be lost with that machine, and the training with it: bench/machines.py."""
    options = []

    class Watched(Queue):
        def __init__(self, maxsize=0, actor_options=None):
            options.append(actor_options)
            super().__init__(maxsize, actor_options)

    monkeypatch.setattr("ray.util.queue.Queue", Watched)
    short = job(data, tmp_path / "run", "data", epochs=1)
    fit_on_ray(short, workers=1)
    (given,) = options
    assert given["scheduling_strategy"].node_id == ray.get_runtime_context().get_node_id()
    assert not given["scheduling_strategy"].soft


def test_what_does_not_fit_is_refused_before_anything_is_made(engine, data, tmp_path, monkeypatch, refusal):
    monkeypatch.setattr("reelmix.training.room.free_memory", lambda: 1000)
    text = refusal(ConfigError, fit_on_ray, job(data, tmp_path / "run", "columns"), workers=2)
    assert text.startswith("dualgnn on cpu, 2 workers: expected ")
    assert not list(tmp_path.iterdir())


def test_the_user_graph_in_parts_is_the_user_graph(engine, tmp_path, monkeypatch):
    interactions = random_array((301, 90), density=0.1, rng=np.random.default_rng(4)).tocsr()
    interactions.data[:] = 1.0
    graphs = []
    for place, changes in enumerate([{}, {"parts": 4, "run": on_ray(ray)}, {"parts": 500}]):
        monkeypatch.setenv("REELMIX_CACHE", str(tmp_path / str(place)))
        graphs.append(user_graph(interactions, 7, **changes))
    for graph in graphs[1:]:
        for name in ("starts", "neighbours", "counts"):
            np.testing.assert_array_equal(getattr(graph, name), getattr(graphs[0], name))

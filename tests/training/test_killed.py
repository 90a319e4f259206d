"""Training that is killed without warning goes on to the same end, bit for bit."""

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
from killed import EPOCHS, is_whole, numbered_state, train, write_without_end

from reelmix.errors import StorageError
from reelmix.files import read_arrays
from reelmix.training.checkpoint import read_checkpoint, write_checkpoint

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL")


@pytest.fixture(scope="module")
def start():
    """Starts a function in a process of its own, forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        context.set_forkserver_preload(["killed"])
        first = context.Process(target=time.sleep, args=(0,))
        first.start()
        first.join()

    def begin(target, *arguments):
        process = context.Process(target=target, args=arguments)
        process.start()
        return process

    return begin


def kill(process):
    process.kill()
    process.join()
    code = process.exitcode
    process.close()
    return code


def epochs_done(folder):
    path = folder / "checkpoint.safetensors"
    return len(json.loads(read_arrays(path)[1]["curve"])) if path.exists() else 0


def modified(path):
    return path.stat().st_mtime_ns if path.exists() else None


def curve(folder):
    """The lines of the training curve without the time that they took."""
    lines = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_again_and_again_ends_in_the_same_weights(start, tmp_path, seed):
    whole, broken, rng = tmp_path / "whole", tmp_path / "broken", random.Random(seed)
    uninterrupted = start(train, str(whole), 0.0)
    done_when_killed = []
    for _ in range(12):
        process = start(train, str(broken), 0.002)
        # the first epochs come some time after the start, and on a busy machine later
        before, target = epochs_done(broken), rng.randrange(4)
        while process.is_alive() and epochs_done(broken) < before + target:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.03))
        if kill(process) == -signal.SIGKILL:
            done_when_killed.append(epochs_done(broken))
    process = start(train, str(broken), 0.0)
    for last in (process, uninterrupted):
        last.join()
        assert last.exitcode == 0
        last.close()

    in_the_middle = {done for done in done_when_killed if 0 < done < EPOCHS}
    assert len(in_the_middle) >= 3, done_when_killed
    for name in ("weights.safetensors", "vectors.safetensors", "metrics.json", "config.toml"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name
    first, second = curve(whole), curve(broken)
    assert first == second
    assert len(first) == EPOCHS


def test_killed_while_writing_leaves_a_whole_checkpoint(start, tmp_path):
    path, rng = tmp_path / "checkpoint.safetensors", random.Random(2)
    written = set()
    for _ in range(25):
        before = modified(path)
        process = start(write_without_end, str(path))
        for _ in range(rng.randrange(1, 6)):
            while modified(path) == before and process.is_alive():
                time.sleep(0.0005)
            before = modified(path)
        time.sleep(rng.uniform(0, 0.005))
        assert kill(process) == -signal.SIGKILL
        state = read_checkpoint(path, "mine")
        assert is_whole(state)
        written.add(int(state.optimiser["step/a"]))
    assert len(written) > 3
    assert list(tmp_path.glob(".checkpoint*.part")), "no kill came while a file was being written"


def test_a_checkpoint_cut_at_any_byte_is_refused(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    write_checkpoint(path, numbered_state(3), "mine")
    whole = path.read_bytes()
    assert is_whole(read_checkpoint(path, "mine"))
    rng = random.Random(4)
    for length in (0, 1, 8, 100, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(20))):
        path.write_bytes(whole[:length])
        with pytest.raises(StorageError) as caught:
            read_checkpoint(path, "mine")
        text = str(caught.value)
        assert text.startswith(f"{path}: expected a whole safetensors file, found a damaged one ("), text
        assert text.endswith("). Restore it from a copy, or make it again."), text

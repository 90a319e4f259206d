"""Training that was cut off goes on to the same end, bit for bit, and with nothing but what it began with."""

from dataclasses import replace

import pytest
import torch
from small_training import (
    Factors,
    Hook,
    checkpointing,
    same_state,
    same_tensors,
    small_split,
    trainer_of,
)

import reelmix as rm
from reelmix.errors import ConfigError, RunError, StorageError
from reelmix.files import read_arrays, write_arrays
from reelmix.models import DualGNN, Reelmix
from reelmix.training.checkpoint import Epoch, TrainingState, read_checkpoint, write_checkpoint
from reelmix.training.config import TrainingConfig

EPOCHS = 6
CONFIG = TrainingConfig(batch_size=11, learning_rate=0.03, epochs=EPOCHS, patience=4, averaging=0.9)


class CrashError(Exception):
    """Anything but Ctrl-C."""


def stop(error, at):
    def hook(epoch):
        if epoch == at:
            raise error

    return Hook(on_epoch=hook)


def stop_in_batch(error, at, split):
    """Stops after the second batch of an epoch."""
    told = 0
    per_epoch = -(-len(split.train) // CONFIG.batch_size)

    def hook(done, total):
        nonlocal told
        told += 1
        if told == (at - 1) * per_epoch + 2:
            raise error

    return Hook(on_batch=hook)


def factors(split, rng=7):
    return Factors().build(split, rng=rng)


def dualgnn(split, rng=7):
    return DualGNN(embedding_size=4, neighbours=3, construction="concatenation", content="mlp").build(
        split, rng=rng
    )


def reelmix(split, rng=7):
    return Reelmix(embedding_size=4, lookalikes=2).build(split, rng=rng)


@pytest.mark.parametrize("make", [factors, dualgnn, reelmix])
@pytest.mark.parametrize("way", ["Ctrl-C in a batch", "Ctrl-C after an epoch", "crash in a batch"])
def test_cut_off_in_any_epoch_ends_in_the_same_state(tmp_path, make, way):
    split = small_split()
    expected, ending = trainer_of(split, CONFIG, model=make(split)).fit()
    for at in range(1, expected.epoch + 1):
        path = tmp_path / f"{at}.safetensors"
        error = CrashError if way.startswith("crash") else KeyboardInterrupt
        hook = stop(error, at) if way.endswith("epoch") else stop_in_batch(error, at, split)
        first = trainer_of(split, CONFIG, model=make(split), progress=hook)
        if error is CrashError:
            with pytest.raises(CrashError):
                first.fit(checkpointing(path))
        else:
            state, cut = first.fit(checkpointing(path))
            assert cut == "interrupted"
            assert same_state(read_checkpoint(path, "mine"), state)
        # other first weights: none of them may be left
        model, hook = make(split, rng=8), Hook()
        second = trainer_of(split, CONFIG, model=model, progress=hook)
        if path.exists():
            assert hook.first is None
            state, end = second.fit(checkpointing(path, resume=True))
            assert hook.first == (at if way.endswith("epoch") else at - 1)
            assert end == ending
            assert same_state(state, expected), at
            assert same_tensors(model.state_dict(), expected.best_weights)
        else:
            assert (at, error) == (1, CrashError)


def test_cut_off_several_times(tmp_path):
    split, path = small_split(), tmp_path / "checkpoint.safetensors"
    expected, _ = trainer_of(split, CONFIG).fit()
    for at in (1, 1, 2, 4):
        hook = stop_in_batch(KeyboardInterrupt, at, split)
        trainer_of(split, CONFIG, progress=hook).fit(checkpointing(path, resume=True))
    state, _ = trainer_of(split, CONFIG).fit(checkpointing(path, resume=True))
    assert same_state(state, expected)


def test_resume_without_a_checkpoint_starts_anew(tmp_path):
    split = small_split()
    expected, _ = trainer_of(split, CONFIG).fit()
    state, _ = trainer_of(split, CONFIG).fit(checkpointing(tmp_path / "none", resume=True))
    assert same_state(state, expected)


def test_without_resume_a_checkpoint_is_not_read(tmp_path):
    split, path = small_split(), tmp_path / "checkpoint.safetensors"
    trainer_of(split, CONFIG, progress=stop(KeyboardInterrupt, 2)).fit(checkpointing(path))
    hook = Hook()
    state, _ = trainer_of(split, CONFIG, progress=hook).fit(checkpointing(path, identity="other"))
    assert hook.first == 0
    assert same_state(state, trainer_of(split, CONFIG).fit()[0])


def test_finished_training_has_nothing_to_go_on_with(tmp_path):
    split, path = small_split(), tmp_path / "checkpoint.safetensors"
    for config in (CONFIG, CONFIG.model_copy(update={"patience": 1})):
        expected, ending = trainer_of(split, config).fit(checkpointing(path))
        again = trainer_of(split, config, model=factors(split, rng=1))
        state, same_ending = again.fit(checkpointing(path, resume=True))
        assert same_ending == ending
        assert same_state(state, expected)
        assert again.model.batches == []
        assert same_tensors(again.model.state_dict(), expected.best_weights)


def test_more_epochs_than_before_are_the_epochs_of_a_longer_run(tmp_path):
    split, path = small_split(), tmp_path / "checkpoint.safetensors"
    short, long = (CONFIG.model_copy(update={"epochs": n, "patience": 50}) for n in (2, 5))
    expected, _ = trainer_of(split, long).fit()
    trainer_of(split, short).fit(checkpointing(path))
    state, ending = trainer_of(split, long).fit(checkpointing(path, resume=True))
    assert ending == "all epochs"
    assert same_state(state, expected)


def test_checkpoints_come_as_often_as_asked(tmp_path):
    split, written = small_split(), []
    for seconds in (0.0, 3600.0):
        path = tmp_path / f"{seconds}.safetensors"

        def look(epoch, path=path):
            # told of an epoch before its checkpoint is written: the one before must be there
            written.append(read_checkpoint(path, "mine").epoch if path.exists() else 0)

        trainer_of(split, CONFIG.model_copy(update={"epochs": 3}), progress=Hook(on_epoch=look)).fit(
            checkpointing(path, seconds=seconds)
        )
        assert read_checkpoint(path, "mine").epoch == 3, "the end is always kept"
    assert written == [0, 1, 2, 0, 0, 0]


# The file


STATE = TrainingState(
    {"table": torch.arange(6.0).reshape(2, 3), "scalar": torch.tensor(2.5), "long": torch.tensor([2**60])},
    {"table": -torch.arange(6.0).reshape(2, 3), "scalar": torch.tensor(1.5), "long": torch.tensor([7])},
    {"step/table": torch.tensor(4.0), "exp_avg/table": torch.full((2, 3), 1e-30)},
    [Epoch(1, 0.1, 0.2, 0.3), Epoch(2, 1 / 3, 0.1, 1e9)],
    1,
)


def test_what_is_written_is_what_is_read(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    write_checkpoint(path, STATE, "mine")
    found = read_checkpoint(path, "mine")
    assert same_state(found, STATE)
    assert found.curve == STATE.curve
    assert (found.epoch, found.best_metric) == (2, 0.2)
    assert {value.dtype for value in found.weights.values()} == {torch.float32, torch.int64}


def test_checkpoint_of_something_else(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    write_checkpoint(path, STATE, "mine")
    with pytest.raises(RunError) as caught:
        read_checkpoint(path, "yours")
    assert str(caught.value) == (
        f"{path}: expected a checkpoint of the same data, settings and seed, found one of others. "
        "Resume with the settings in config.toml beside it, or train into a new folder."
    )


@pytest.mark.parametrize(("version", "found"), [("2", "2"), (None, "none")])
def test_checkpoint_of_another_version(tmp_path, version, found):
    path = tmp_path / "checkpoint.safetensors"
    write_checkpoint(path, STATE, "mine")
    arrays, metadata = read_arrays(path)
    metadata["version"] = version
    write_arrays(path, arrays, {key: value for key, value in metadata.items() if value is not None})
    with pytest.raises(RunError) as caught:
        read_checkpoint(path, "mine")
    assert str(caught.value) == (
        f"{path}: expected a checkpoint of version 1, found {found}. "
        "Train again from the start with this version of reelmix."
    )


@pytest.mark.parametrize("change", ["less", "more", "wider"])
def test_checkpoint_of_another_form_of_the_model(tmp_path, change):
    split, path = small_split(), tmp_path / "checkpoint.safetensors"
    trainer_of(split, CONFIG.model_copy(update={"epochs": 1})).fit(checkpointing(path))
    arrays, metadata = read_arrays(path)
    if change == "less":
        del arrays["weights/items"]
    elif change == "more":
        arrays["weights/warmth"] = arrays["weights/items"]
    else:
        arrays["weights/items"] = arrays["weights/items"].repeat(2, axis=1)
    write_arrays(path, arrays, metadata)
    before = path.read_bytes()
    with pytest.raises(RunError) as caught:
        trainer_of(split, CONFIG).fit(checkpointing(path, resume=True))
    assert str(caught.value) == (
        f"{path}: expected the weights of factors as this version of reelmix makes it, found a "
        f"checkpoint that differs in {'warmth' if change == 'more' else 'items'}. "
        "Train again from the start, or go on with the version that began."
    )
    assert path.read_bytes() == before


def test_no_checkpoint(tmp_path):
    with pytest.raises(StorageError, match="expected a safetensors file, found nothing"):
        read_checkpoint(tmp_path / "none", "mine")


# The same from the outside: rm.fit


def cut(folder, split=None, *, epochs=3, resume=True, at=2, model=None, rng=3, **settings):
    """Trains with rm.fit and crashes: in an epoch, or at the very end of training."""

    def end(ending, state):
        raise CrashError

    hook = stop(CrashError, at)
    hook.end = end
    with pytest.raises(CrashError):
        rm.fit(
            DualGNN(embedding_size=4, neighbours=3, **(model or {})),
            split or small_split(),
            rng=rng,
            out=folder,
            resume=resume,
            progress=hook,
            checkpoint_seconds=0.0,
            epochs=epochs,
            **settings,
        )
    return hook


def final_weights(folder):
    return {key: value.tolist() for key, value in read_arrays(folder / "checkpoint.safetensors")[0].items()}


def test_only_the_number_of_epochs_may_differ(tmp_path):
    cut(tmp_path / "short", epochs=2, at=None)
    hook = cut(tmp_path / "short", epochs=4, at=None)
    assert hook.first == 2
    cut(tmp_path / "long", epochs=4, at=None)
    assert final_weights(tmp_path / "short") == final_weights(tmp_path / "long")


OTHERS = {
    "seed": {"rng": 4},
    "learning rate": {"learning_rate": 0.5},
    "batch size": {"batch_size": 9},
    "patience": {"patience": 3},
    "validation metric": {"validation_metric": "ndcg@5"},
    "a setting of the model": {"model": {"layers": 1}},
    "interactions": {"split": small_split(seed=1)},
    "features": {"split": small_split(shift=0.5)},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_other_data_settings_or_seed_are_refused_and_nothing_is_changed(tmp_path, other):
    cut(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"checkpoint.safetensors", "config.toml"}
    with pytest.raises(RunError) as caught:
        settings = {"rng": 3, "epochs": 3, **other}
        model = DualGNN(embedding_size=4, neighbours=3, **settings.pop("model", {}))
        rm.fit(model, settings.pop("split", small_split()), out=tmp_path, resume=True, **settings)
    assert str(caught.value) == (
        f"{tmp_path / 'checkpoint.safetensors'}: expected a checkpoint of the same data, settings and seed, "
        "found one of others. Resume with the settings in config.toml beside it, or train into a new folder."
    )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_checkpoint_of_another_form_of_the_model_is_refused_and_nothing_is_changed(tmp_path):
    cut(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    arrays, metadata = read_arrays(path)
    write_arrays(path, {**arrays, "weights/warmth": arrays["weights/alpha"]}, metadata)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(RunError, match="found a checkpoint that differs in warmth"):
        cut(tmp_path, epochs=4, at=None)  # config.toml would have another number of epochs
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_another_split_of_the_same_data_is_refused(tmp_path):
    dataset = small_split(n_users=12, n_items=20).dataset
    cut(tmp_path, dataset.split("random", rng=0))
    with pytest.raises(RunError):
        cut(tmp_path, dataset.split("random", rng=1), at=None)


def test_another_order_of_modalities_is_refused(tmp_path):
    split = small_split()
    features = {"visual": split.dataset.features["visual"], "other": split.dataset.features["visual"]}
    dataset = replace(split.dataset, features=features)
    cut(tmp_path, dataset.split("given"))
    with pytest.raises(RunError):
        cut(tmp_path, dataset.only(["other", "visual"]).split("given"), at=None)


def test_folder_in_use_without_resume(tmp_path):
    cut(tmp_path)
    with pytest.raises(StorageError) as caught:
        rm.fit(DualGNN(embedding_size=4, neighbours=3), small_split(), rng=3, out=tmp_path, epochs=3)
    assert str(caught.value) == (
        f"{tmp_path}: expected a new or empty folder for the run, found something there already. "
        "Choose another path, or move the old one away first."
    )


def test_resume_without_a_folder():
    with pytest.raises(ConfigError) as caught:
        rm.fit(DualGNN(), small_split(), resume=True)
    assert str(caught.value) == (
        "resume: expected the folder of the run to go on with, found none. "
        "Give out the folder that training was cut off in."
    )

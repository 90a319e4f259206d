"""The loop against an Adam of our own, and what it does at the end, early or late."""

import math

import numpy as np
import pytest
import torch
from small_training import Factors, Hook, same_tensors, small_split, split_of, trainer_of, wild_metric

from reelmix.errors import ConfigError, DataError
from reelmix.graph.sparse import SparseMatrix
from reelmix.models import MODELS, DualGNN
from reelmix.training.config import TrainingConfig


def gradients(users, items, batch):
    """Of the mean of -ln sigmoid(u . (i - j)), one triple at a time."""
    by_user, by_item = np.zeros_like(users), np.zeros_like(items)
    for u, i, j in zip(*batch, strict=True):
        slope = -1 / (1 + math.exp(users[u] @ (items[i] - items[j]))) / len(batch[0])
        by_user[u] += slope * (items[i] - items[j])
        by_item[i] += slope * users[u]
        by_item[j] -= slope * users[u]
    return by_user, by_item


class Adam:
    """Kingma & Ba 2015, algorithm 1, with the customary constants."""

    def __init__(self, learning_rate):
        self.learning_rate, self.step, self.moments = learning_rate, 0, {}

    def __call__(self, values, all_gradients):
        self.step += 1
        for place, (value, gradient) in enumerate(zip(values, all_gradients, strict=True)):
            first, second = self.moments.get(place, (0.0, 0.0))
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            self.moments[place] = first, second
            mean, spread = first / (1 - 0.9**self.step), second / (1 - 0.999**self.step)
            value -= self.learning_rate * mean / (np.sqrt(spread) + 1e-8)


def mean_loss(users, items, batch):
    return np.mean(
        [math.log1p(math.exp(-users[u] @ (items[i] - items[j]))) for u, i, j in zip(*batch, strict=True)]
    )


@pytest.mark.parametrize(("batch_size", "epochs"), [(1000, 1), (1000, 3), (11, 2)])
def test_steps_equal_those_of_an_adam_of_our_own(batch_size, epochs):
    split = small_split()
    config = TrainingConfig(learning_rate=0.05, batch_size=batch_size, epochs=epochs, patience=50)
    trainer = trainer_of(split, config)
    model = trainer.model
    users, items = model.users.detach().numpy().copy(), model.items.detach().numpy().copy()
    state, _ = trainer.fit()

    adam, losses, sizes = Adam(0.05), [], []
    for batch in model.batches:
        losses.append(mean_loss(users, items, batch))
        sizes.append(len(batch[0]))
        adam([users, items], gradients(users, items, batch))
    np.testing.assert_allclose(state.weights["users"], users, rtol=1e-10)
    np.testing.assert_allclose(state.weights["items"], items, rtol=1e-10)
    assert len(losses) == epochs * -(-len(split.train) // batch_size)
    for epoch, (loss, size) in enumerate(
        zip(np.split(np.array(losses), epochs), np.split(np.array(sizes), epochs), strict=True)
    ):
        assert state.curve[epoch].loss == pytest.approx((loss * size).sum() / size.sum(), rel=1e-6)


def epochs_of(model, n_triples):
    """The triples that the model saw, epoch by epoch."""
    triples = [triple for batch in model.batches for triple in zip(*batch, strict=True)]
    assert len(triples) % n_triples == 0
    return [triples[start : start + n_triples] for start in range(0, len(triples), n_triples)]


def test_every_epoch_visits_every_training_interaction_once():
    split = small_split()
    trainer = trainer_of(split, TrainingConfig(batch_size=7, epochs=4, patience=50))
    trainer.fit()
    pairs = sorted(zip(split.train.users.tolist(), split.train.items.tolist(), strict=True))
    seen = split.matrix("train").toarray()
    epochs = epochs_of(trainer.model, len(pairs))
    assert len(epochs) == 4
    for triples in epochs:
        assert sorted((user, positive) for user, positive, _ in triples) == pairs
        assert not any(seen[user, negative] for user, _, negative in triples)
    assert [len(batch[0]) for batch in trainer.model.batches[: -(-len(pairs) // 7)]] == [
        *[7] * (len(pairs) // 7),
        *([len(pairs) % 7] if len(pairs) % 7 else []),
    ]


def test_every_epoch_has_an_order_and_negatives_of_its_own():
    split = small_split()
    trainer = trainer_of(split, TrainingConfig(batch_size=1000, epochs=5, patience=50))
    trainer.fit()
    orders = {tuple(map(tuple, batch[:2])) for batch in trainer.model.batches}
    assert len(orders) == 5
    negatives = set()
    for batch in trainer.model.batches:
        negatives.add(tuple(sorted(zip(*batch, strict=True))))
    assert len(negatives) == 5


def test_seed_decides_order_and_negatives():
    split = small_split()
    config = TrainingConfig(batch_size=7, epochs=2)
    batches = []
    for rng in (3, 3, 4):
        model = Factors().build(split, rng=0)
        trainer_of(split, config, rng=rng, model=model).fit()
        batches.append(model.batches)
    assert batches[0] == batches[1]
    assert batches[0] != batches[2]


def test_no_global_randomness_is_used_or_changed():
    split = small_split()
    before = repr(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
    trainer_of(split, TrainingConfig(epochs=2)).fit()
    assert repr(np.random.get_state()) == before[0]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])


class Script:
    """A validation that says these metrics in turn and keeps the weights that it judged."""

    def __init__(self, *metrics):
        self.metrics, self.judged = list(metrics), []

    def __call__(self, model):
        assert not model.training
        self.judged.append({key: value.clone() for key, value in model.state_dict().items()})
        return self.metrics[len(self.judged) - 1]


def scripted(metrics, **settings):
    split, script = small_split(), Script(*metrics)
    config = TrainingConfig(**{"batch_size": 11, "learning_rate": 0.05, "epochs": len(metrics), **settings})
    hook = Hook()
    trainer = trainer_of(split, config, validate=script, progress=hook)
    state, ending = trainer.fit()
    assert hook.endings == [ending]
    return trainer.model, script, state, ending


def test_validation_judges_the_weights_after_the_epoch():
    model, script, state, _ = scripted([0.1, 0.2])
    first = Factors().build(small_split(), rng=7).state_dict()
    assert not same_tensors(first, script.judged[0])
    assert not same_tensors(script.judged[0], script.judged[1])
    assert same_tensors(state.weights, script.judged[1])
    assert same_tensors(model.state_dict(), script.judged[1])


def test_best_weights_come_back_not_the_last():
    model, script, state, ending = scripted([0.1, 0.5, 0.2, 0.3])
    assert (ending, state.best_epoch, state.best_metric, state.epoch) == ("all epochs", 2, 0.5, 4)
    assert same_tensors(model.state_dict(), script.judged[1])
    assert same_tensors(state.best_weights, script.judged[1])
    assert same_tensors(state.weights, script.judged[3])
    assert not same_tensors(script.judged[1], script.judged[3])
    assert [(line.epoch, line.metric) for line in state.curve] == [(1, 0.1), (2, 0.5), (3, 0.2), (4, 0.3)]
    assert all(line.seconds > 0 for line in state.curve)


def test_an_equal_metric_is_no_improvement():
    model, script, state, _ = scripted([0.5, 0.5, 0.5])
    assert state.best_epoch == 1
    assert same_tensors(model.state_dict(), script.judged[0])


def test_metrics_below_zero_and_zero_count_too():
    assert scripted([-3.0, -2.0, -2.5])[2].best_epoch == 2
    assert scripted([0.0, 0.0])[2].best_epoch == 1


@pytest.mark.parametrize(
    ("patience", "epochs", "best"), [(1, 3, 2), (2, 4, 2), (3, 8, 5), (4, 9, 5), (50, 10, 10)]
)
def test_early_stopping(patience, epochs, best):
    metrics = [0.1, 0.3, 0.2, 0.25, 0.4, 0.0, 0.1, 0.1, 0.1, 0.9]
    _, script, state, ending = scripted(metrics, patience=patience)
    assert (state.epoch, state.best_epoch) == (epochs, best)
    assert len(script.judged) == epochs
    assert ending == ("all epochs" if epochs == 10 else "early stopping")


def test_what_progress_is_told():
    split, hook = small_split(), Hook()
    seen = []
    hook.on_batch = lambda done, total: seen.append((done, total))
    trainer_of(split, TrainingConfig(batch_size=10, epochs=2), progress=hook).fit()
    n = -(-len(split.train) // 10)
    assert seen == [(done, n) for done in range(1, n + 1)] * 2
    assert hook.told == {"start": 1, "batch": 2 * n, "epoch": 2}
    assert (hook.first, hook.endings) == (0, ["all epochs"])


# Users who have seen everything


def test_users_who_have_seen_everything_train_nothing():
    rows = [(0, item, "train") for item in range(4)] + [(1, 0, "train"), (1, 2, "train"), (2, 3, "train")]
    split = split_of([*rows, (1, 1, "validation"), (2, 0, "test")], 4)
    trainer = trainer_of(split, TrainingConfig(batch_size=2, epochs=3))
    state, _ = trainer.fit()
    for triples in epochs_of(trainer.model, 3):
        assert sorted((user, positive) for user, positive, _ in triples) == [(1, 0), (1, 2), (2, 3)]
    first = Factors().build(split, rng=7).state_dict()
    assert torch.equal(state.weights["users"][0], first["users"][0])


def test_nobody_has_anything_left_to_see():
    rows = [(user, item, "train") for user in range(2) for item in range(3)]
    split = split_of([*rows, (2, 0, "validation"), (2, 1, "test")], 3)
    with pytest.raises(DataError) as caught:
        trainer_of(split, TrainingConfig())
    assert str(caught.value) == (
        "training interactions: expected at least one user with an item that they have not interacted with, "
        "found none. Add items, or keep fewer interactions for training."
    )


def test_loss_that_is_no_number():
    split = small_split()
    trainer = trainer_of(split, TrainingConfig(learning_rate=0.5))
    with torch.no_grad():
        trainer.model.users[0] = math.inf
    with pytest.raises(ConfigError) as caught:
        trainer.fit()
    assert str(caught.value) == (
        "epoch 1: expected a finite training loss, found nan. "
        "Training diverged: lower learning_rate, which is 0.5."
    )


# Ctrl-C


def interrupt(*_):
    raise KeyboardInterrupt


def at_epoch(n):
    return lambda epoch: interrupt() if epoch == n else None


def test_interrupted_in_the_first_epoch_keeps_the_first_weights():
    split = small_split()
    first = Factors().build(split, rng=7).state_dict()
    trainer = trainer_of(split, TrainingConfig(batch_size=5), progress=Hook(on_batch=interrupt))
    state, ending = trainer.fit()
    assert (ending, state.epoch, state.best_epoch) == ("interrupted", 0, 0)
    assert state.best_metric == -math.inf
    assert same_tensors(trainer.model.state_dict(), first)
    assert same_tensors(state.best_weights, first)


def test_interrupted_while_validating_gives_up_that_epoch():
    split, script = small_split(), Script(0.1, 0.5, 0.2)

    def validate(model):
        if len(script.judged) == 3:
            interrupt()
        return script(model)

    hook = Hook()
    trainer = trainer_of(split, TrainingConfig(batch_size=5), validate=validate, progress=hook)
    state, ending = trainer.fit()
    assert (ending, state.epoch, state.best_epoch) == ("interrupted", 3, 2)
    assert same_tensors(trainer.model.state_dict(), script.judged[1])
    assert same_tensors(state.weights, script.judged[2])
    assert hook.endings == ["interrupted"]


def test_interrupted_after_an_epoch_keeps_that_epoch():
    split, script = small_split(), Script(0.1, 0.5)
    trainer = trainer_of(split, TrainingConfig(), validate=script, progress=Hook(on_epoch=at_epoch(2)))
    state, ending = trainer.fit()
    assert (ending, state.epoch, state.best_epoch) == ("interrupted", 2, 2)
    assert same_tensors(trainer.model.state_dict(), script.judged[1])


def test_model_is_ready_for_use_after_every_ending():
    split = small_split()
    for hook in (Hook(), Hook(on_batch=interrupt), Hook(on_epoch=interrupt)):
        trainer = trainer_of(split, TrainingConfig(batch_size=5, epochs=2), progress=hook)
        trainer.fit()
        assert not trainer.model.training, hook.endings


def test_dualgnn_trains_and_keeps_its_best_epoch():
    split = small_split()
    model = DualGNN(embedding_size=4, neighbours=3, reg=0.0).build(split, rng=0)
    state, _ = trainer_of(split, TrainingConfig(epochs=15, learning_rate=0.02), model=model).fit()
    metric = wild_metric(model)
    assert metric == max(line.metric for line in state.curve) == state.best_metric
    assert state.curve[-1].loss < state.curve[0].loss


@pytest.mark.parametrize("averaging", [0.5, 0.99])
def test_averaged_weights_are_validated_and_kept_and_training_goes_on_from_its_own(averaging):
    split = small_split()
    settings = {"learning_rate": 0.05, "batch_size": 11, "epochs": 3, "patience": 50}
    seen = []

    def run(**more):
        trainer = trainer_of(split, TrainingConfig(**settings, **more))
        steps, step = [], trainer.optimiser.step

        def recorded():
            step()
            steps.append(trainer.model.users.detach().clone())

        trainer.optimiser.step = recorded
        judge = trainer.validate
        trainer.validate = lambda model: seen.append(model.users.detach().clone()) or judge(model)
        state, _ = trainer.fit()
        return state, steps

    state, steps = run(averaging=averaging)
    average, expected = steps[0], []
    for place, weights in enumerate(steps, start=1):
        decay = min(averaging, (1 + place) / (10 + place))
        average = decay * average + (1 - decay) * weights
        if place % (len(steps) // 3) == 0:
            expected.append(average)
    for found, average in zip(seen, expected, strict=True):
        torch.testing.assert_close(found, average)
    torch.testing.assert_close(state.best_weights["users"], expected[state.best_epoch - 1])
    assert torch.equal(state.weights["users"], steps[-1])
    assert torch.equal(run()[1][-1], steps[-1])  # averaging changes nothing of how it trains


@pytest.mark.parametrize("name", MODELS)
def test_mixed_precision_rounds_gradients_and_no_measurement(name):
    split = small_split(n_users=40, n_items=20)
    model = MODELS[name](embedding_size=8).build(split, rng=3)
    matrices = [module for module in model.modules() if isinstance(module, SparseMatrix)]
    gradients, measured = {}, {}
    for precision in ("single", "mixed"):
        trainer = trainer_of(split, TrainingConfig(precision=precision, batch_size=400), model=model)
        model.train()
        model.zero_grad()
        (batch,) = trainer._batches(1)
        model.loss(batch).backward()
        gradients[precision] = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
        model.eval()
        measured[precision] = model.embed().users
    assert torch.equal(measured["single"], measured["mixed"])
    single, mixed = gradients["single"], gradients["mixed"]
    assert mixed.dtype == torch.float32
    assert torch.equal(single, mixed) == (not matrices)
    assert (single - mixed).norm() < 0.02 * single.norm()


@pytest.mark.parametrize("name", MODELS)
def test_every_model_trains_with_operations_that_repeat_alone(name):
    split = small_split(n_users=30)
    seen = []
    trainer = trainer_of(
        split,
        TrainingConfig(deterministic=True, epochs=1),
        model=MODELS[name](embedding_size=4).build(split),
        progress=Hook(on_batch=lambda done, total: seen.append(torch.are_deterministic_algorithms_enabled())),
    )
    trainer.fit()
    assert seen
    assert all(seen)
    assert not torch.are_deterministic_algorithms_enabled()

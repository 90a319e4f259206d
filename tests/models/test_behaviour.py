"""What every model must do, whatever it computes. A new model joins by being in ``MODELS``."""

import numpy as np
import pytest
import torch
from small_worlds import N_ITEMS, N_USERS, checkerboard, embedded, moved_world, world

from reelmix.errors import ConfigError
from reelmix.models import MODELS, Batch, model_class

SMALL = {"embedding_size": 8, "neighbours": 50, "reg": 1e-4}
OVERFIT = {"vbpr": {"n": 100, "reg": 0.01}, "reelmix": {"dropout": 0.0}}
"""What it takes a model to see the checkerboard where 60 steps do not: VBPR first learns the noise in the
content by heart, unless held back; Reelmix, without its dropout, has enough of its eight dimensions left."""

OF_NO_MODALITY = {"vbpr", "reelmix"}
"""Models in whose item vectors something belongs to no modality; their own tests say what."""


@pytest.fixture(params=sorted(MODELS))
def name(request):
    return request.param


def new(name, split, rng=0, **settings):
    known = {key: value for key, value in SMALL.items() if key in MODELS[name].Config.model_fields}
    return model_class(name)(**(known | settings)).build(split, rng=rng)


def batch_of(split, seed=0):
    """Every training interaction once, each with an item that its user has not watched."""
    rng = np.random.default_rng(seed)
    watched = split.matrix("train").toarray() > 0
    usable = ~watched.all(axis=1)[split.train.users]
    users, positives = split.train.users[usable], split.train.items[usable]
    negatives = np.array([rng.choice(np.flatnonzero(~watched[user])) for user in users])
    return Batch(*(torch.from_numpy(rows.astype(np.int64)) for rows in (users, positives, negatives)))


def steps(model, split, n, learning_rate, fresh_negatives=False):
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    batch, losses = batch_of(split), []
    for step in range(n):
        if fresh_negatives:
            batch = batch_of(split, seed=step)
        optimiser.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_name_and_settings_class_belong_to_the_model(name):
    assert model_class(name).name == name
    assert type(model_class(name)().config) is model_class(name).Config


def test_one_finite_vector_for_every_user_and_item(name):
    found = embedded(new(name, world()))
    assert found.users.shape[0] == N_USERS
    assert found.items.shape[0] == N_ITEMS
    assert found.users.shape[1] == found.items.shape[1]
    for vectors in (found.users, found.items, *found.item_parts.values()):
        assert vectors.dtype == torch.float32
        assert vectors.isfinite().all()


def test_parts_of_modalities_add_up_to_the_item(name):
    split = world()
    found = embedded(new(name, split))
    if not found.item_parts:
        assert found.emphasis is None
        return
    assert tuple(found.item_parts) == split.dataset.modalities
    if name not in OF_NO_MODALITY:
        np.testing.assert_allclose(sum(found.item_parts.values()), found.items, atol=1e-6)
    if found.emphasis is not None:
        assert found.emphasis.shape == (N_USERS, len(found.item_parts))


def test_loss_is_one_finite_number_that_falls(name):
    split = world()
    losses = steps(new(name, split), split, n=40, learning_rate=0.01)
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.8 * losses[0]


def test_finds_every_held_out_item_of_the_checkerboard(name):
    split = checkerboard()
    settings = dict(OVERFIT.get(name, {}))
    n = settings.pop("n", 60)
    model = new(name, split, **settings)
    steps(model, split, n=n, learning_rate=0.05, fresh_negatives=True)
    found = embedded(model)
    scores = (found.users @ found.items.T).numpy()
    scores[split.matrix("train").toarray() > 0] = -np.inf
    for user in range(16):
        held_out = {user + 2 * (place - user // 2) for place in (user // 2, (user // 2 + 1) % 8)}
        assert {item % 2 for item in held_out} == {user % 2}
        assert set(np.argsort(-scores[user])[:2].tolist()) == held_out


def test_other_ids_are_the_same_world(name, double_precision):
    """Vectors follow their user or item to its new row, if parameters do."""
    rng = np.random.default_rng(9)
    user_to, item_to = rng.permutation(N_USERS), rng.permutation(N_ITEMS)
    plain, moved = new(name, world()), new(name, moved_world(user_to, item_to), rng=1)
    places = {N_USERS: torch.from_numpy(np.argsort(user_to)), N_ITEMS: torch.from_numpy(np.argsort(item_to))}
    state = {}
    for key, value in plain.state_dict().items():
        for axis, size in enumerate(value.shape):
            value = value.index_select(axis, places[size]) if size in places else value
        state[key] = value
    moved.load_state_dict(state)
    first, second = embedded(plain), embedded(moved)
    np.testing.assert_allclose(second.users[user_to], first.users, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(second.items[item_to], first.items, rtol=1e-10, atol=1e-12)
    for key, part in first.item_parts.items():
        np.testing.assert_allclose(second.item_parts[key][item_to], part, rtol=1e-10, atol=1e-12)


def test_saved_equals_loaded(name):
    split = world()
    trained, other = new(name, split), new(name, split, rng=5)
    steps(trained, split, n=3, learning_rate=0.01)
    before = embedded(trained)
    assert not torch.equal(embedded(other).users, before.users)
    saved = {key: value.numpy().copy() for key, value in trained.state_dict().items()}
    other.load_state_dict({key: torch.from_numpy(value) for key, value in saved.items()})
    after = embedded(other)
    assert torch.equal(after.users, before.users)
    assert torch.equal(after.items, before.items)
    for key, part in before.item_parts.items():
        assert torch.equal(after.item_parts[key], part)


def test_gradients_reach_every_parameter(name):
    split = world()
    model = new(name, split)
    model.loss(batch_of(split)).backward()
    trained_users, trained_items = np.unique(split.train.users), np.unique(split.train.items)
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.any(), key
        rows = {N_USERS: trained_users, N_ITEMS: trained_items}.get(next(iter(parameter.shape), 1))
        if rows is not None:
            assert parameter.grad[rows].reshape(len(rows), -1).any(dim=1).all(), key


def test_embed_repeats_and_changes_nothing(name):
    model = new(name, world())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first = embedded(model)
    copies = [vectors.clone() for vectors in (first.users, first.items)]
    second, with_gradients = embedded(model), model.embed()
    for again in (second, with_gradients):
        assert torch.equal(again.users, copies[0])
        assert torch.equal(again.items, copies[1])
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_seed_decides_the_first_parameters(name):
    split = world()
    first, same, other = (new(name, split, rng=rng).state_dict() for rng in (3, 3, 4))
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_no_global_randomness_is_used_or_changed(name):
    split = world()
    states = repr(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
    model = new(name, split)
    model.loss(batch_of(split)).backward()
    embedded(model)
    assert repr(np.random.get_state()) == states[0]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[1])
    with torch.random.fork_rng():
        torch.manual_seed(99)
        again = new(name, split).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in model.state_dict().items())


def test_all_of_it_follows_to_another_precision(name):
    split = world()
    model = new(name, split)
    single = embedded(model)
    model.double()
    double = embedded(model)
    assert double.users.dtype == double.items.dtype == torch.float64
    np.testing.assert_allclose(double.users, single.users, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(double.items, single.items, rtol=1e-4, atol=1e-5)
    assert model.loss(batch_of(split)).dtype == torch.float64


def test_all_of_it_follows_to_another_device(name):
    # "meta" is a device that every machine has, and on which nothing of the CPU may take part
    found = embedded(new(name, world()).to("meta"))
    assert found.users.shape[0] == N_USERS
    assert {found.users.device.type, found.items.device.type} == {"meta"}


def test_unknown_setting_names_the_nearest(name):
    field = next(iter(MODELS[name].Config.model_fields))
    with pytest.raises(ConfigError) as caught:
        model_class(name)(**{field + "x": 1})
    assert str(caught.value) == f"{name}: expected a known setting, found '{field}x'. Did you mean '{field}'?"

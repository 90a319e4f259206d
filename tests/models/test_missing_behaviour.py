"""What every model must do, whatever fills in what items lack, and whatever is hidden in training."""

import numpy as np
import pytest
import torch
from small_worlds import N_ITEMS, N_USERS, embedded, moved_world, world
from test_behaviour import batch_of, new
from test_missing_strategies import MULTIMODAL, WAYS, with_words


@pytest.fixture(
    params=[(name, way, 0.4) for name in MULTIMODAL for way in WAYS]
    + [(name, WAYS[0], 0.0) for name in MULTIMODAL]
)
def variant(request):
    name, missing, dropout = request.param
    return lambda split, rng=0: new(name, split, rng=rng, missing=missing, modality_dropout=dropout)


def trained(model, split, n, learning_rate=0.01):
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    losses = []
    for step in range(n):
        optimiser.zero_grad()
        loss = model.loss(batch_of(split)._replace(rng=step))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_loss_is_finite_and_falls(variant):
    split = with_words()
    model = variant(split)
    losses = trained(model, split, n=50)
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    found = embedded(model)
    for vectors in (found.users, found.items, *found.item_parts.values()):
        assert vectors.isfinite().all()


def test_other_ids_are_the_same_world(variant, double_precision):
    rng = np.random.default_rng(9)
    user_to, item_to = rng.permutation(N_USERS), rng.permutation(N_ITEMS)
    plain, moved = variant(world()), variant(moved_world(user_to, item_to), rng=1)
    places = {N_USERS: torch.from_numpy(np.argsort(user_to)), N_ITEMS: torch.from_numpy(np.argsort(item_to))}
    state = {}
    for key, value in plain.state_dict().items():
        for axis, size in enumerate(value.shape):
            value = value.index_select(axis, places[size]) if size in places else value
        state[key] = value
    for key, value in moved.state_dict().items():  # what is made of the data is the same already
        torch.testing.assert_close(value, state[key]) if key.endswith(
            ("mean", "norm", "components")
        ) else None
    moved.load_state_dict(state)
    first, second = embedded(plain), embedded(moved)
    np.testing.assert_allclose(second.users[user_to], first.users, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(second.items[item_to], first.items, rtol=1e-10, atol=1e-12)


def test_saved_equals_loaded(variant):
    split = with_words()
    model, other = variant(split), variant(split, rng=5)
    trained(model, split, n=3)
    before = embedded(model)
    other.load_state_dict({key: value.clone() for key, value in model.state_dict().items()})
    assert torch.equal(embedded(other).users, before.users)
    assert torch.equal(embedded(other).items, before.items)


def test_gradients_reach_every_parameter(variant):
    split = with_words()
    model = variant(split)
    model.loss(batch_of(split)).backward()
    users, items = np.unique(split.train.users), np.unique(split.train.items)
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.any(), key
        rows = {N_USERS: users, N_ITEMS: items}.get(len(parameter))
        if rows is not None:
            assert parameter.grad[rows].reshape(len(rows), -1).any(dim=1).all(), key


def test_global_randomness_is_left_alone(variant):
    split = with_words()
    state = torch.get_rng_state()
    variant(split).loss(batch_of(split)).backward()
    assert torch.equal(torch.get_rng_state(), state)

"""What DualGNN promises beyond its equations: missing modalities, settings and what it says to mistakes."""

import math
from contextlib import suppress

import numpy as np
import polars as pl
import pytest
import torch
from small_worlds import (
    LACK_ACOUSTIC,
    N_ITEMS,
    N_USERS,
    batch_of,
    embedded,
    labelled_pairs,
    split_of,
    two_modalities,
    without_item,
    world,
)

from reelmix.data.feature_files import FeatureTable
from reelmix.errors import ConfigError
from reelmix.models import DualGNN, DualGNNConfig, model_class
from reelmix.models.losses import bpr

TRIPLES = [(0, 1, 3), (4, 0, 10), (4, 0, 10), (6, 5, 2), (3, 7, 0)]


def new(split, rng=0, **settings):
    return DualGNN(**{"embedding_size": 4, "neighbours": 3, "missing": "mask", **settings}).build(
        split, rng=rng
    )


def message(error, action):
    with pytest.raises(error) as caught:
        action()
    return str(caught.value)


def test_no_modality():
    split = split_of(labelled_pairs(), {})
    assert message(ConfigError, lambda: DualGNN().build(split)) == (
        "dualgnn: expected at least one modality, found none. "
        "Import the dataset with features, or use a model that needs none."
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"neighbors": 5},
            "dualgnn: expected a known setting, found 'neighbors'. Did you mean 'neighbours'?",
        ),
        (
            {"zzz": 1},
            "dualgnn: expected a known setting, found 'zzz'. Valid names: aggregation, candidates, "
            "construction, content, embedding_size, emphasis, item_ids, layers, loss, missing, "
            "modality_dropout, neighbours, reg, temperature, unit_content, user_layers.",
        ),
        (
            {"layers": -1},
            "dualgnn: layers: expected greater than or equal to 0, found -1. "
            "See the description of layers in the configuration reference.",
        ),
        (
            {"embedding_size": 0},
            "dualgnn: embedding_size: expected greater than or equal to 1, found 0. "
            "See the description of embedding_size in the configuration reference.",
        ),
        (
            {"reg": math.nan},
            "dualgnn: reg: expected a finite number, found nan. "
            "See the description of reg in the configuration reference.",
        ),
        (
            {"construction": "product"},
            "dualgnn: construction: expected 'sum', 'concatenation' or 'maximum', found 'product'. "
            "See the description of construction in the configuration reference.",
        ),
    ],
)
def test_settings_that_cannot_be(settings, expected):
    assert message(ConfigError, lambda: DualGNN(**settings)) == expected


def test_unknown_model():
    assert (
        message(ConfigError, lambda: model_class("dualgn"))
        == "model: expected a model, found 'dualgn'. Did you mean 'dualgnn'?"
    )


def test_content_that_does_not_fit():
    text = message(ConfigError, lambda: new(world(), content="identity", embedding_size=5))
    assert text == (
        "content: expected features of size 5 for content 'identity', found 6 in modality 'acoustic'. "
        "Set embedding_size = 6, or content = 'pca'."
    )


def test_settings_as_an_object_or_by_name():
    assert DualGNN(DualGNNConfig(layers=1)).config == DualGNN(layers=1).config


def test_settings_beside_an_object_are_not_dropped():
    with suppress(ConfigError, TypeError):  # a refusal would be as good
        assert DualGNN(DualGNNConfig(), layers=1).config.layers == 1


# Items and modalities that are missing


@pytest.mark.parametrize("content", ["pca", "linear", "mlp"])
@pytest.mark.parametrize("item_ids", [True, False])
def test_missing_modality_adds_nothing_to_an_item(content, item_ids):
    found = embedded(new(world(), content=content, item_ids=item_ids))
    assert (found.item_parts["acoustic"][list(LACK_ACOUSTIC)] == 0).all()
    assert found.item_parts["visual"].any(dim=1).all()
    assert torch.equal(found.items[list(LACK_ACOUSTIC)], found.item_parts["visual"][list(LACK_ACOUSTIC)])


@pytest.mark.parametrize("construction", ["sum", "concatenation", "maximum"])
def test_item_without_any_modality_is_the_zero_vector_and_scores_zero(construction):
    features = without_item(1, "visual", "acoustic")
    found = embedded(new(split_of(labelled_pairs(), features), construction=construction))
    assert (found.items[1] == 0).all()
    assert found.items[np.delete(np.arange(N_ITEMS), 1)].any(dim=1).all()
    assert ((found.users @ found.items.T)[:, 1] == 0).all()


def test_hiding_one_modality_of_an_item_leaves_the_other_modality_alone():
    hidden = 4
    features = without_item(hidden, "acoustic")
    whole = new(world(), content="linear", user_layers=0)
    holed = new(split_of(labelled_pairs(), features), content="linear", user_layers=0)
    holed.load_state_dict(whole.state_dict())
    before, after = embedded(whole), embedded(holed)
    np.testing.assert_allclose(after.item_parts["visual"], before.item_parts["visual"], atol=1e-6)
    assert (after.item_parts["acoustic"][hidden] == 0).all()
    assert before.item_parts["acoustic"][hidden].any()
    assert torch.equal(after.items[hidden], after.item_parts["visual"][hidden])


def absent_everywhere():
    return split_of(labelled_pairs(), {**two_modalities(), "speech": ([], np.zeros((0, 7)))})


def check_modality_of_no_item(**settings):
    found = embedded(new(absent_everywhere(), **settings))
    assert (found.item_parts["speech"] == 0).all()
    assert found.items.isfinite().all()
    assert found.users.isfinite().all()
    model = new(absent_everywhere(), **settings)
    model.loss(batch_of(TRIPLES)).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert all(value.isfinite().all() for value in model.state_dict().values())


@pytest.mark.parametrize("content", ["linear", "mlp"])
def test_modality_that_no_item_has_is_silent(content):
    check_modality_of_no_item(content=content)


def test_modality_that_no_item_has_is_silent_with_pca():
    check_modality_of_no_item(content="pca")


def test_user_and_item_without_training_keep_what_no_graph_gave_them():
    # user 3 and item 7 have no interaction in training: only layer 0, and no neighbours
    model = new(world(), construction="sum", item_ids=True)
    found = embedded(model)
    alpha, preference = model.alpha.detach(), model.preference.detach()
    np.testing.assert_allclose(found.users[3], (alpha[3, :, None] * preference[3]).sum(dim=0), atol=1e-6)
    content = {name: model.content[name]().detach()[7] for name in ("visual", "acoustic")}
    np.testing.assert_allclose(
        found.items[7], model.item_id.detach()[7].sum(dim=0) + sum(content.values()), atol=1e-6
    )


# Emphasis and the user graph


def test_emphasis_is_one_at_first_and_is_what_the_score_uses():
    model = new(world(), user_layers=0)
    assert (embedded(model).emphasis == 1).all()
    before = embedded(model).users.clone()
    with torch.no_grad():
        model.alpha[5] *= 2
    after = embedded(model)
    assert (after.emphasis[5] == 2).all()
    np.testing.assert_allclose(after.users[5], 2 * before[5], rtol=1e-6)
    others = np.delete(np.arange(N_USERS), 5)
    assert torch.equal(after.users[others], before[others])


def test_mean_emphasis_is_one_over_the_number_of_modalities():
    model = new(world(), emphasis="mean")
    assert (embedded(model).emphasis == 0.5).all()
    assert embedded(model).emphasis.shape == (N_USERS, 2)
    assert "alpha" not in dict(model.named_parameters())


def test_without_user_layers_like_minded_users_do_not_matter():
    model = new(world(), user_layers=0)
    assert not hasattr(model, "refinement")
    before = embedded(model).users.clone()
    with torch.no_grad():
        model.alpha[0] += 1
    assert (embedded(model).users != before).any(dim=1).nonzero().flatten().tolist() == [0]


# The loss


SETTINGS = [
    {},
    {"construction": "concatenation", "aggregation": "mean"},
    {"construction": "maximum", "user_layers": 2},
    {"content": "mlp", "item_ids": False},
    {"user_layers": 0, "emphasis": "mean", "reg": 0.0},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_loss_of_a_batch_is_the_mean_over_its_triples(settings):
    bag = FeatureTable(pl.Series([1, 1, 4]), np.array([0, 2, 1]), "words", kind="bag", n_tokens=3)
    model = new(split_of(labelled_pairs(), {**two_modalities(), "words": bag}), **{"reg": 0.3, **settings})
    alone = [model.loss(batch_of([triple])).item() for triple in TRIPLES]
    assert len(set(alone)) == len(TRIPLES) - 1, "triples differ, but for the repeated one"
    assert model.loss(batch_of(TRIPLES)).item() == pytest.approx(np.mean(alone), rel=1e-5)


@pytest.mark.parametrize("settings", SETTINGS)
def test_without_the_l2_term_the_loss_is_that_of_the_embedded_scores(settings):
    model = new(world(), **{**settings, "reg": 0.0})
    found = embedded(model)
    scores = (found.users @ found.items.T).double().numpy()
    expected = np.mean([math.log1p(math.exp(scores[u, j] - scores[u, i])) for u, i, j in TRIPLES])
    assert model.loss(batch_of(TRIPLES)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"item_ids": True},
        {"content": "linear", "user_layers": 2},
        {"missing": "pagerank", "item_ids": True},
        {"emphasis": "mean", "item_ids": True},
        {"loss": "softmax", "user_layers": 0},
    ],
)
def test_one_step_through_users_equals_step_by_step(settings, layers):
    model = new(world(), **{"layers": layers, "reg": 0.3, **settings})
    if settings.get("emphasis") != "mean":
        torch.nn.init.uniform_(model.alpha, 0.5, 2.0, generator=torch.Generator().manual_seed(3))

    def step_by_step(batch, shown):
        users, items = model._single_modal(shown)
        squares = model.preference[batch.users].square().sum()
        return model._construct(users), items.sum(dim=1), squares

    found = []
    for fused in (model._fused, step_by_step):
        model._fused = fused
        model.zero_grad()
        loss = model.loss(batch_of(TRIPLES))
        loss.backward()
        found.append({"loss": loss.detach(), **{name: p.grad for name, p in model.named_parameters()}})
    for name, ours in found[0].items():
        torch.testing.assert_close(ours, found[1][name], rtol=1e-4, atol=1e-6, msg=name)


def test_a_loss_gives_its_gradient_once():
    loss = new(world()).loss(batch_of(TRIPLES))
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="compute the loss again"):
        loss.backward()


def test_bpr_by_hand():
    positive, negative = torch.tensor([2.0, 0.0, -1.0]), torch.tensor([1.0, 0.0, 2.0])
    expected = (math.log1p(math.exp(-1)) + math.log(2) + math.log1p(math.exp(3))) / 3
    assert bpr(positive - negative).item() == pytest.approx(expected, rel=1e-6)


def test_bpr_neither_overflows_nor_loses_its_gradient():
    positive = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss = bpr(positive)
    loss.backward()
    assert loss.item() == pytest.approx(1e4 / 2)
    assert positive.grad.tolist() == [-0.5, 0]


# No hidden hand on parameters or on global randomness


ON_PARAMETERS = [
    {"layers": 0, "content": "pca"},
    {"layers": 0, "content": "linear"},
    {"layers": 0, "item_ids": False},
    {"layers": 1, "item_ids": False},
]


@pytest.mark.parametrize("settings", ON_PARAMETERS)
def test_complete_modalities_and_few_layers_leave_parameters_alone(settings):
    rng = np.random.default_rng(1)
    complete = {"visual": (range(N_ITEMS), rng.normal(size=(N_ITEMS, 5)))}
    model = new(split_of(labelled_pairs(), complete), **settings)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first = embedded(model).items.clone()
    assert torch.equal(embedded(model).items, first)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key
    model.loss(batch_of(TRIPLES)).backward()


@pytest.mark.parametrize("construction", ["sum", "maximum", "concatenation"])
def test_building_draws_from_no_global_generator(construction):
    before = torch.get_rng_state()
    new(world(), construction=construction)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["items", "type", "training", "keys"])
def test_a_modality_may_have_any_name(name):
    rng = np.random.default_rng(1)
    features = (range(N_ITEMS), rng.normal(size=(N_ITEMS, 5)))
    model = new(split_of(labelled_pairs(), {name: features}))
    plain = new(split_of(labelled_pairs(), {"visual": features}))
    assert torch.equal(embedded(model).item_parts[name], embedded(plain).item_parts["visual"])

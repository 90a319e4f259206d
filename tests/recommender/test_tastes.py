"""Users of Reelmix are what they watched: the same for new ones, and split exactly by whose taste it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from small_worlds import world

from reelmix.data import BagFeatures
from reelmix.data.interactions import TRAIN
from reelmix.models import Reelmix, emphasis
from reelmix.models.reelmix import WARMTH
from reelmix.recommender import Recommender, explain, tastes
from reelmix.recommender.fit import fit
from reelmix.recommender.item_content import said_in_regression
from reelmix.recommender.new_users import fold_in

D = 6
SETTINGS = [
    {},
    {"emphasis_from": "none"},
    {"emphasis_from": "history"},
    {"lookalikes": 0},
    {"content": "none"},
    {"regression": 1.5},
]


def trained(**settings):
    model = Reelmix(
        **{"embedding_size": D, "lookalikes": 3, "temperature": 0.3, "regression": 0.0, **settings}
    )
    return model, fit(model, world(), epochs=4, batch_size=16, rng=1)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_training_users_history_gives_their_vector(settings):
    _, run = trained(**settings)
    found = fold_in(run, run.matrix(TRAIN))
    expected = run.vectors.users.copy()
    assert not np.delete(expected[3], D).any()  # user 3 watched nothing: popularity is all there is
    expected[3] = 0
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_history_gets_the_emphasis_of_a_training_user():
    _, run = trained()
    found = tastes.emphasis(run, run.matrix(TRAIN))
    np.testing.assert_allclose(found, run.vectors.emphasis, rtol=1e-4)
    assert found.std() > 0.002
    assert (tastes.PAIRS, tastes.LIMIT, tastes.WARMTH) == (emphasis.PAIRS, emphasis.LIMIT, WARMTH)


def test_a_run_of_an_earlier_version_answers_as_it_did():
    """Its weights have no bound of emphasis and no trained temperature: it had neither."""
    _, run = trained(learn_temperature=False)
    old = {name: found for name, found in run.weights.items() if name not in ("emphasis.strength", "warmth")}
    old["emphasis.own"], old["emphasis.graph"] = np.array([0.9, -0.7]), np.zeros(2)
    earlier, history = replace(run, weights=old), run.matrix(TRAIN)
    now = replace(run, weights={**old, "emphasis.strength": np.array(0.4)})
    own = np.log(tastes.emphasis(now, history)) / (0.4 * np.tanh(np.array([0.9, 0.7]) / 0.4))
    np.testing.assert_allclose(tastes.emphasis(earlier, history), np.exp([0.9, 0.7] * own), rtol=1e-5)
    assert np.abs(own).max() > 1
    lengths = np.linalg.norm(tastes.tastes(earlier, history)[:, :-1], axis=1)
    np.testing.assert_allclose(lengths[lengths > 0], 1 / 0.3, rtol=1e-5)


def test_lists_for_a_history_are_those_of_the_user_who_has_it():
    _, run = trained()
    recommender = Recommender(run)
    for user in (0, 1, 5):
        watched = [int(item) for item in recommender.seen[[user]].indices]
        if set(recommender.training[[user]].indices) != set(watched):
            continue
        own = [line.id for line in recommender.recommend(user, 4)]
        assert [line.id for line in recommender.recommend_for_history(watched, 4)] == own


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_reasons_add_up_by_modality(settings):
    _, run = trained(**settings)
    recommender = Recommender(run)
    for user in (0, 1, 4):
        for item in (1, 2, 9):
            why = explain(recommender, user, item)
            assert sum(why.parts.values()) + why.rest == pytest.approx(why.score, abs=1e-6)
            (own,) = why.sources  # the user graph says how much a modality counts, and adds no taste
            assert own.score == pytest.approx(why.score, abs=1e-6)
            watched = recommender.training[[user]].indices
            assert {one.id for one in why.history} == set(watched)
            assert [one.score for one in why.history] == sorted((o.score for o in why.history), reverse=True)
            bias = run.vectors.items[item, D]
            assert sum(one.score for one in why.history) + bias == pytest.approx(why.score, abs=1e-6)


def test_what_a_watched_item_adds_is_what_is_gone_without_it():
    """With the emphasis and the length that the whole history has."""
    model, run = trained()
    recommender, user, item = Recommender(run), 1, 9
    with torch.no_grad():
        layers = model._layers(model._layer0())
        taste = model._tastes(layers)[user]
        alpha = model.emphasis()[user]
        weights = torch.cat([torch.ones(1), alpha])
        for one in explain(recommender, user, item).history:
            added = (weights[:, None] * layers.passes[one.id]).sum(dim=0)
            expected = (
                added @ torch.from_numpy(run.vectors.items[item, :-1]) / taste.norm() / model._temperature()
            )
            assert one.score == pytest.approx(expected.item(), abs=1e-5)


def test_nothing_known_of_a_history_is_a_vector_of_zero():
    _, run = trained(content="none", lookalikes=0)
    watched = csr_array((np.ones(1, np.float32), [7], [0, 1]), shape=(1, len(run.items)))
    assert not fold_in(run, watched).any()  # item 7: nobody watched it, and its content takes no part


def test_a_run_with_a_regression_adds_it_for_everybody_and_takes_in_new_items(tmp_path):
    _, run = trained(regression=1.5)
    _, plain = trained()
    assert plain.vectors.users.shape[1] == D + 1
    added = run.vectors.users[:, D + 1 :] @ run.vectors.items[:, D + 1 :].T
    assert added.std() > 0.01
    np.testing.assert_array_equal(
        run.vectors.users[:, : D + 1], plain.vectors.users
    )  # training knows nothing of it
    name, part = next(iter(run.vectors.item_parts.items()))
    assert not part[:, D:].any()

    run.write(tmp_path / "run")
    size = run.manifest["dataset"]["features"][name]["size"]
    wider = Recommender(tmp_path / "run").add_items({name: {999: np.ones(size)}})
    assert wider.vectors.items.shape == (len(run.items) + 1, run.vectors.items.shape[1])
    row, watched = wider.run.items.row(999), int(run.items.ids[0])
    assert wider.vectors.items[row, :D].any()
    assert wider.vectors.items[row, D + 1 :].any()  # of what it looks like
    both, one = (wider.taste_of(history).vector for history in ([watched, 999], [watched]))
    np.testing.assert_array_equal(both[D + 1 :], one[D + 1 :])  # nobody who watched it is known
    assert not np.allclose(both[:D], one[:D])


@pytest.mark.parametrize("lookalikes", [0, 3])
def test_a_new_item_has_the_mean_bias_of_what_somebody_watched_and_without_lookalikes_its_regression(
    lookalikes,
):
    _, run = trained(regression=1.5, lookalikes=lookalikes)
    assert not run.trained_items.all()
    name = next(iter(run.vectors.item_parts))
    size = run.manifest["dataset"]["features"][name]["size"]
    new = Recommender(run).add_items({name: {999: np.ones(size)}}).vectors.items[-1, D:]
    usual = run.vectors.items[run.trained_items, D:].mean(axis=0)
    assert new[0] == pytest.approx(usual[0], rel=1e-5)
    assert np.allclose(new[1:], usual[1:], rtol=1e-4) == (lookalikes == 0)


@pytest.mark.parametrize("components", [3, 128])
def test_a_new_item_has_what_its_content_says_in_a_regression_that_knows_content(components):
    """Item 7, which nobody watched, has the same direction: its content is all that is known of it."""
    _, run = trained(
        regression=1.5,
        regression_content=2.0,
        eigenvectors=11,
        lookalikes=0,
        components=components,
        credit=False,
    )
    features = {name: of.values[list(of.items).index(7)] for name, of in world().dataset.features.items()}
    new = Recommender(run).add_items({name: {999: row} for name, row in features.items()}).vectors.items[-1]
    usual = run.vectors.items[run.trained_items, D + 1 :].mean(axis=0)
    told, same = new[D + 1 :] - usual, run.vectors.items[7, D + 1 :]
    assert told @ same / np.linalg.norm(told) / np.linalg.norm(same) == pytest.approx(1, abs=1e-4)
    one = dict([*features.items()][:1])
    less = Recommender(run).add_items({name: {999: row} for name, row in one.items()}).vectors.items[-1]
    assert not np.allclose(less[D + 1 :], new[D + 1 :], atol=1e-4)


def test_of_new_lists_of_tokens_those_count_that_few_have():
    table, weighs = (
        np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]], np.float32),
        np.array([3.0, 4.0, 0.0], np.float32),
    )
    lists = BagFeatures(
        np.arange(3, dtype=np.int32), np.array([0, 3, 4, 5]), np.array([0, 1, 2, 1, 2], np.int32), 3
    )
    found = said_in_regression({"regression.of_content0": table, "regression.reference0": weighs}, 0, lists)
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 1], [0, 0]], rtol=1e-6)

"""Items and users that training has not seen: what is held out, and the ranking done again by hand."""

from dataclasses import replace

import numpy as np
import pytest

from reelmix.evaluation import EvaluationConfig, VectorScorer
from reelmix.models import MODELS, Popularity
from reelmix.recommender.fit import fit
from reelmix.recommender.new_items import NewItems, with_items
from reelmix.study import cold as module
from reelmix.study.cold import (
    Cold,
    RandomScorer,
    WithUnknown,
    history_overlap,
    hold_out_items,
    hold_out_users,
)
from reelmix.training.config import TrainingConfig

TRAINING = TrainingConfig(epochs=2, batch_size=256)
GIVEN = TrainingConfig(**TRAINING.model_dump())  # all of it, as a study gives it: no model's own defaults
MEASURED = EvaluationConfig(at=(3, 10), metrics=("recall", "ndcg"))
SETTINGS = {
    "dualgnn": {"embedding_size": 6, "neighbours": 5},
    "lightgcn": {"embedding_size": 6, "layers": 2},
    "reelmix": {"embedding_size": 6, "lookalikes": 3},
}


@pytest.fixture(scope="module")
def split(world):
    return world.split(rng=0)


def watched_by(split, user, *parts):
    return {
        int(item)
        for part in parts
        for who, item in zip(getattr(split, part).users, getattr(split, part).items, strict=True)
        if who == user
    }


def recall(scores, candidates, relevant, at):
    best = sorted(candidates, key=lambda item: (-scores[item], item))[:at]
    return len(relevant.intersection(best)) / len(relevant)


def cold_of(model, share=0.3, rng=1):
    return Cold(model, SETTINGS.get(model, {}), TRAINING, share, rng)


# Items


def test_held_out_items_are_a_seeded_share_of_the_watched_ones(split):
    held = hold_out_items(split, 0.25, 3)
    watched = np.unique(split.dataset.interactions.items)
    assert held.sum() == round(0.25 * len(watched))
    assert set(np.flatnonzero(held)) <= set(watched.tolist())
    np.testing.assert_array_equal(held, hold_out_items(split, 0.25, 3))
    assert (held != hold_out_items(split, 0.25, 4)).any()


def test_nothing_is_left_of_the_items_that_a_split_does_without(split):
    keep = ~hold_out_items(split, 0.3, 0)
    less = split.take_items(keep)
    gone = set(split.dataset.items.take(np.flatnonzero(~keep)))
    assert not gone.intersection(less.dataset.items.ids.to_list())
    assert not gone.intersection(less.dataset.item_table["item_id"].to_list())
    for part in ("train", "validation", "test"):
        whole, rest = getattr(split, part), getattr(less, part)
        expected = {
            (int(u), split.dataset.items.take([int(i)])[0])
            for u, i in zip(whole.users, whole.items, strict=True)
            if keep[i]
        }
        assert {
            (int(u), less.dataset.items.take([int(i)])[0])
            for u, i in zip(rest.users, rest.items, strict=True)
        } == expected
    for name in split.dataset.modalities:
        np.testing.assert_array_equal(less.dataset.has(name), split.dataset.has(name)[keep])


def test_training_sees_nothing_of_held_out_items(split):
    """Other content and other watchers of the held-out items leave the trained model as it is."""
    held = hold_out_items(split, 0.3, 1)
    first = cold_of("dualgnn").trained(split.take_items(~held), MEASURED)
    visual = split.dataset.features["visual"]
    other = replace(visual, values=np.where(held[visual.items][:, None], 7, visual.values))
    features = {**split.dataset.features, "visual": other}
    moved = replace(split, dataset=replace(split.dataset, features=features))
    second = cold_of("dualgnn").trained(moved.take_items(~held), MEASURED)
    np.testing.assert_array_equal(first.vectors.users, second.vectors.users)
    np.testing.assert_array_equal(first.vectors.items, second.vectors.items)


@pytest.mark.parametrize("model", ["dualgnn", "lightgcn", "popularity", "random"])
def test_new_items_ranked_again_by_hand(split, model):
    one = cold_of(model)
    outcome = module.measure_cold_items(one, split, MEASURED)
    held = hold_out_items(split, one.share, one.rng)
    warm = split.take_items(~held)
    order = [*np.flatnonzero(~held), *np.flatnonzero(held)]
    n_warm, n_items = int((~held).sum()), len(held)
    chance = RandomScorer(split.dataset.n_users, int(held.sum()), one.rng)
    if model == "random":
        scorer = RandomScorer(split.dataset.n_users, n_items, one.rng)
    elif model == "popularity":
        scorer = WithUnknown(Popularity().build(warm), n_items - n_warm, one.rng)
    else:
        trained = {"training": GIVEN, "evaluation": MEASURED, "preset": "none", "rng": one.rng}
        run = fit(MODELS[model](**one.settings), warm, **trained)
        if model == "dualgnn":
            more = with_items(run, NewItems.of_dataset(split.dataset, run))
            assert more.items.ids.to_list() == split.dataset.items.take(np.array(order))
            scorer = VectorScorer(run.vectors.users, more.vectors.items)
        else:
            scorer = WithUnknown(
                VectorScorer(run.vectors.users, run.vectors.items), n_items - n_warm, one.rng
            )
    place = {int(row): new for new, row in enumerate(order)}
    among_new, among_all = [], []
    for user in range(split.dataset.n_users):
        if not watched_by(warm, user, "train"):
            continue
        seen = {place[item] for item in watched_by(split, user, "train", "validation", "test")}
        relevant = {item for item in seen if item >= n_warm}
        if not relevant:
            continue
        scores = scorer.score(np.array([user]))[0]
        if model in ("lightgcn", "popularity"):
            np.testing.assert_allclose(scores[n_warm:], 1e-6 * chance.score(np.array([user]))[0])
        among_new.append(recall(scores, range(n_warm, n_items), relevant, 3))
        candidates = [i for i in range(n_items) if i not in seen or i in relevant]
        among_all.append(recall(scores, candidates, relevant, 10))
    assert outcome.metrics["cold"]["recall@3"] == pytest.approx(np.mean(among_new))
    assert outcome.metrics["test"]["recall@10"] == pytest.approx(np.mean(among_all))
    assert len(outcome.users) == len(among_new)


def test_chance_is_the_same_whatever_the_block():
    scorer = RandomScorer(5, 4, 0)
    together = scorer.score(np.arange(5))
    np.testing.assert_array_equal(together[3], scorer.score(np.array([3]))[0])
    assert len(np.unique(together)) == 20


# Users


def test_held_out_users_can_be_asked_and_judged(split):
    held = hold_out_users(split, 0.5, 2)
    able = set(split.train.users.tolist()) & set(split.test.users.tolist())
    assert held.sum() == round(0.5 * len(able))
    assert set(np.flatnonzero(held)) <= able


@pytest.mark.parametrize("model", ["dualgnn", "reelmix", "lightgcn", "ease"])
def test_new_users_are_ranked_from_their_history_alone(split, model):
    one = cold_of(model)
    held = hold_out_users(split, one.share, one.rng)
    outcome = module.measure_cold_users(one, split, MEASURED)
    assert set(outcome.users.tolist()) == set(np.flatnonzero(held).tolist())

    def without(pairs):
        return pairs.take(~held[pairs.users])

    warm = replace(
        split, train=without(split.train), validation=without(split.validation), test=without(split.test)
    )
    found = []
    if model == "ease":
        weights = module.FLOORS["ease"]().build(warm).weights
    else:
        trained = {"training": GIVEN, "evaluation": MEASURED, "preset": "none", "rng": one.rng}
        run = fit(MODELS[model](**one.settings), warm, **trained)
    for user in np.flatnonzero(held):
        history = watched_by(split, user, "train")
        seen = history | watched_by(split, user, "validation")
        ids = split.dataset.items.take(sorted(history))
        if model == "ease":
            scores = weights[sorted(history)].sum(axis=0)
            best = [i for i in np.argsort(-scores, kind="stable") if i not in seen][:10]
        else:
            skipped = split.dataset.items.take(sorted(seen - history))
            lines = run.recommender().recommend_for_history(ids, 10, without=skipped)
            best = [split.dataset.items.row(line.id) for line in lines]
        relevant = watched_by(split, user, "test")
        found.append(len(relevant.intersection(best)) / len(relevant))
    assert outcome.metrics["test"]["recall@10"] == pytest.approx(np.mean(found), abs=1e-6)
    assert bool(outcome.metrics["overlap"]) == (model != "ease")
    if model == "reelmix":  # it knows nothing of a user but what they watched
        assert outcome.metrics["overlap"]["overlap@10"] == 1.0


def test_overlap_is_whole_where_training_knows_nothing_more(split):
    """Without layer 0 of the users, with one emphasis for all and no user graph, a history says it all."""
    run = fit(MODELS["lightgcn"](embedding_size=6, layers=1), split, training=TRAINING, evaluation=MEASURED)
    assert 0 < history_overlap(run, 10)["overlap@10"] < 1
    heard = replace(run.vectors, users=module.fold_in(run, split.matrix("train")))
    assert history_overlap(replace(run, vectors=heard), 10) == {"overlap@10": 1.0}

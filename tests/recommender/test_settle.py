"""After training a stronger regression is taken where validation is sure of it, and all goes on with it."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from reelmix.data import Card, Dataset, DenseFeatures
from reelmix.data.interactions import TEST, TRAIN, VALIDATION, Interactions
from reelmix.data.vocabulary import Vocabulary
from reelmix.models import Reelmix
from reelmix.models.reelmix import LIKENESS
from reelmix.recommender import Recommender
from reelmix.recommender import fit as fitting
from reelmix.recommender.fit import fit
from reelmix.recommender.new_users import fold_in
from reelmix.recommender.run import Run
from reelmix.training import room
from reelmix.training.config import TrainingConfig
from reelmix.training.memory import Shape, peak, settling, stages

D, PAIRS = 4, 60


def twins(n_users=240, *, related=True):
    """Of sixty pairs of items people watch four; of one pair an item is held out, or an item by chance.

    That is more pairs than four dimensions can tell apart.
    """
    rng = np.random.default_rng(0)
    rows = []
    for user in range(n_users):
        pairs = rng.choice(PAIRS, 5, replace=False)
        held = 2 * pairs[0] + 1 if related else 2 * pairs[4]
        rows += [(user, int(item), TRAIN) for pair in pairs[:4] for item in (2 * pair, 2 * pair + 1)]
        rows = [row for row in rows if row[:2] != (user, held)]
        rows.append((user, int(held), VALIDATION if user % 4 else TEST))
    users, items, labels = (np.array(column) for column in zip(*rows, strict=True))
    things = Vocabulary(pl.Series(range(2 * PAIRS)), "item")
    content = rng.standard_normal((2 * PAIRS, 3), dtype=np.float32)
    return Dataset(
        Vocabulary(pl.Series(range(n_users)), "user"),
        things,
        Interactions.of(users, items, labels=labels.astype(np.int8)),
        {"visual": DenseFeatures(np.arange(2 * PAIRS, dtype=np.int32), content)},
        pl.DataFrame({"item_id": things.ids}),
        Card("twins"),
    ).split()


def trained(split, out=None, **settings):
    model = Reelmix(**{"embedding_size": D, "lookalikes": 3, **settings})
    return model, fit(model, split, preset="none", epochs=3, batch_size=64, rng=1, out=out)


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    split, folder = twins(), tmp_path_factory.mktemp("settled") / "run"
    return split, *trained(split, folder), folder


def test_a_stronger_regression_is_taken_where_it_is_surely_better(chosen):
    split, model, run, _ = chosen
    _, plain = trained(split, choose_regression=False)
    told = run.manifest["chosen"]
    assert told["settings"]["eigenvectors"] == 2 * PAIRS  # all there are
    assert told["settings"]["regression_content"] == LIKENESS
    assert told["sureness"] > 3
    before, now = (each.metrics["validation"]["ndcg@20"] for each in (plain, run))
    assert now == pytest.approx(before * (1 + told["gain"]))
    assert now > 1.2 * before
    assert run.test_metrics["ndcg@20"] > plain.test_metrics["ndcg@20"]
    assert plain.manifest["chosen"] == {}
    np.testing.assert_array_equal(run.vectors.users[:, : D + 1], plain.vectors.users[:, : D + 1])
    assert run.settings["model"]["regression"] == 4.0  # what was asked for
    assert model.config.regression == told["settings"]["regression"]


def test_a_model_of_the_chosen_settings_with_the_same_weights_is_the_same(chosen):
    split, model, run, _ = chosen
    again = Reelmix(model.config).build(split)
    again.load_state_dict({name: torch.from_numpy(array) for name, array in run.weights.items()})
    with torch.no_grad():
        found = again.eval().embed()
    scores = run.vectors.users @ run.vectors.items.T
    np.testing.assert_allclose(found.users.numpy() @ found.items.numpy().T, scores, atol=1e-4)


def test_a_run_that_chose_is_read_again_and_knows_new_users_and_items(chosen):
    _, _, run, folder = chosen
    found = Run.read(folder)
    assert found.manifest["chosen"] == run.manifest["chosen"]
    np.testing.assert_allclose(fold_in(found, found.matrix(TRAIN)), run.vectors.users, rtol=1e-4, atol=1e-5)
    new = Recommender(found).add_items({"visual": {999: np.ones(3)}}).vectors.items[-1]
    assert new.shape == run.vectors.items[0].shape
    assert new[D + 1 :].any()


def test_ties_by_chance_change_nothing():
    split = twins(related=False)
    run, plain = trained(split)[1], trained(split, choose_regression=False)[1]
    assert run.manifest["chosen"] == {}
    np.testing.assert_array_equal(run.vectors.users, plain.vectors.users)
    np.testing.assert_array_equal(run.vectors.items, plain.vectors.items)


def regression_of(split, **settings):
    settings = {"embedding_size": D, "lookalikes": 3, "regression_content": 5.0, **settings}
    return Reelmix(**settings).build(split).regression.items.numpy()


def test_content_counts_in_the_regression_where_an_item_has_edges():
    split = twins()
    cut = np.arange(0, 2 * PAIRS, 3)
    features = {"visual": split.dataset.features["visual"].only(~np.isin(np.arange(2 * PAIRS), cut))}
    without = replace(split, dataset=replace(split.dataset, features=features))
    by_edges = regression_of(replace(split, cut={"visual": cut}), credit=False)
    np.testing.assert_allclose(by_edges, regression_of(without, credit=False), atol=1e-5)
    assert np.abs(by_edges - regression_of(split, credit=False)).max() > 0.01
    plain = regression_of(split, regression_content=0.0)
    assert np.abs(by_edges - plain).max() > 0.01
    credit = float(Reelmix(embedding_size=D, lookalikes=3).build(split).credit)
    assert 0 < credit < 0.1  # content by chance, which tells next to nothing
    as_far = regression_of(split, credit=False, regression_content=5.0 * credit)
    np.testing.assert_allclose(regression_of(split), as_far, atol=1e-5)


@pytest.mark.parametrize("why", ["few users", "little memory", "interrupted", "no regression"])
def test_nothing_is_chosen(why, monkeypatch):
    settings = {}
    if why == "few users":
        monkeypatch.setattr(fitting, "FEWEST", 181)  # of whom 180 are asked
    elif why == "little memory":
        monkeypatch.setattr(room, "free_memory", lambda: 1000)
        split, model = twins(), Reelmix(embedding_size=D, lookalikes=3)
        run = fit(model, split, preset="none", epochs=3, batch_size=64, rng=1, check_memory=False)
        assert run.manifest["chosen"] == {}
        return
    elif why == "interrupted":
        monkeypatch.setattr("reelmix.models.reelmix.surely_better", interrupted)
    else:
        settings["regression"] = 0.0
    model, run = trained(twins(), **settings)
    assert run.manifest["chosen"] == {}
    assert model.config.eigenvectors is None


class Impatient:
    """A progress that presses Ctrl-C after the second epoch."""

    def start(self, config, epochs_done):
        pass

    def batch(self, done, total):
        pass

    def epoch(self, epoch, best_epoch):
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    def end(self, ending, state):
        pass


def test_nothing_is_chosen_after_a_training_that_was_broken_off():
    model = Reelmix(embedding_size=D, lookalikes=3)
    run = fit(model, twins(), preset="none", epochs=9, batch_size=64, rng=1, progress=Impatient())
    assert (run.manifest["ending"], run.manifest["chosen"]) == ("interrupted", {})


@pytest.mark.parametrize(
    ("main", "there", "fits"), [(10**9, 10**9, True), (10**9, 1000, False), (1000, 10**9, False)]
)
def test_what_is_chosen_must_fit_in_main_memory_and_on_the_device(main, there, fits, monkeypatch):
    monkeypatch.setattr(room, "free_memory", lambda: main)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (there, 10**10))
    training = TrainingConfig(epochs=1, batch_size=64)
    place = room.Place("cuda:0", 1)
    assert room.can_settle(Reelmix(embedding_size=D), twins(), training, place) == fits


def interrupted(tried, now):
    tried(20.0, 8.0)
    raise KeyboardInterrupt


def test_of_many_validation_users_some_are_asked(monkeypatch):
    asked = []
    original = fitting.evaluate

    def counting(scorer, *, relevant, **rest):
        asked.append(int((np.diff(relevant.indptr) > 0).sum()))
        return original(scorer, relevant=relevant, **rest)

    monkeypatch.setattr(fitting, "evaluate", counting)
    monkeypatch.setattr(fitting, "MOST", 120)
    assert trained(twins())[1].manifest["chosen"]
    assert set(asked) == {180, 120}  # after each epoch, and to choose


def test_what_choosing_takes_is_in_the_peak_but_refuses_nothing():
    split, training = twins(), TrainingConfig(epochs=1, batch_size=64)
    shape = Shape.of(split)
    model, fixed = Reelmix(embedding_size=D), Reelmix(embedding_size=D, choose_regression=False)
    stage = settling(model, shape, training, 1)
    assert stage.parts["a regression"] > 0
    assert settling(fixed, shape, training, 1).parts["a regression"] == 0
    assert settling(Reelmix(embedding_size=500), shape, training, 1).parts["a regression"] == 0
    assert peak(model, shape, training, 1) == stage
    assert stages(model, shape, training, 1) == stages(fixed, shape, training, 1)
    assert room.footprint(model, shape, training).total < stage.total

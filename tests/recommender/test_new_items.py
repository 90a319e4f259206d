"""New items: their vectors are what the trained model itself gives an item that nobody has watched."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from scipy.sparse import csr_array

from reelmix.data.features import bag_features
from reelmix.errors import ConfigError, DataError, RunError
from reelmix.graph.lookalikes import directions, similar_items
from reelmix.models import MMGCN, VBPR, DualGNN, LightGCN, Reelmix
from reelmix.models.content import PrincipalContent, TrainedMap
from reelmix.recommender import Run
from reelmix.recommender.fit import fit
from reelmix.recommender.new_items import NewItems, with_items

SMALL = {"embedding_size": 8, "missing": "mask"}
ALONE = {**SMALL, "lookalikes": 0, "choose_regression": False}
MODELS = {
    "dualgnn": lambda: DualGNN(**SMALL, neighbours=5),
    "dualgnn linear": lambda: DualGNN(**SMALL, neighbours=5, content="linear", layers=1),
    "dualgnn mlp unit": lambda: DualGNN(**SMALL, content="mlp", unit_content=True, item_ids=False),
    "mmgcn": lambda: MMGCN(**SMALL),
    "mmgcn concatenation": lambda: MMGCN(**SMALL, combination="concatenation", content="mlp"),
    "vbpr": lambda: VBPR(**SMALL),
    "reelmix": lambda: Reelmix(**ALONE),
    "reelmix mlp": lambda: Reelmix(**ALONE, content="mlp"),
    "reelmix components": lambda: Reelmix(**ALONE, components=5),
    "reelmix mlp of components": lambda: Reelmix(**ALONE, content="mlp", components=5),
    "dualgnn softmax": lambda: DualGNN(**SMALL, neighbours=5, loss="softmax"),
}


@pytest.fixture(scope="module")
def holed(dataset):
    """The sample with a bag of words beside its features; the last 12 items are the new ones."""
    rng = np.random.default_rng(0)
    items = np.repeat(np.arange(0, dataset.n_items, 2), 3)
    words = bag_features(items, rng.integers(0, 9, len(items)), where="words", n_tokens=9)
    return replace(dataset, features={**dataset.features, "words": words})


@pytest.fixture(scope="module")
def old(holed):
    return np.arange(holed.n_items) < holed.n_items - 12


def truth(model, run, holed, old):
    """The trained model, asked for vectors of all items: the new ones have no interactions and no ids."""
    split = holed.split(rng=0)
    kept = replace(split, train=split.train.take(old[split.train.items]))
    whole = type(model)(model.config).build(kept)
    state = whole.state_dict()
    for key, value in run.weights.items():
        if value.shape == state[key].shape:
            state[key] = torch.from_numpy(value)
        else:
            state[key] = torch.zeros_like(state[key])
            state[key][torch.from_numpy(old)] = torch.from_numpy(value)
    whole.load_state_dict(state)
    for name, content in zip(holed.modalities, whole.content.each(), strict=True):
        if isinstance(content, PrincipalContent | TrainedMap):  # scaled as in training, not as in all data
            raw = torch.from_numpy(holed.features[name].values.astype(np.float32))
            if isinstance(content, PrincipalContent):
                content.vectors = (raw - content.mean) @ content.components.T
            else:
                rest = raw - content.mean
                narrow = rest @ content.components.T if hasattr(content, "components") else rest
                content.features = narrow / content.norm
    with torch.no_grad():
        if isinstance(whole, Reelmix):  # a new item had no chance to be watched: its bias is the mean
            whole.bias[torch.from_numpy(~old)] = float(run.weights["bias"][run.trained_items].mean())
            whole.watchers[:] = 1
            if whole.regression is not None:  # and so is its regression
                own = run.vectors.items[:, whole.config.embedding_size + 1 :]
                assert own.any()
                whole.regression.items[torch.from_numpy(~old)] = torch.from_numpy(
                    own[run.trained_items].mean(axis=0)
                )
        if isinstance(whole, DualGNN):
            whole.fixed_users, whole.fixed_items = whole.propagation.from_items(
                whole.content.vectors(trained=False)
            )
        return whole.embed()


@pytest.mark.parametrize("name", MODELS)
def test_vectors_are_those_of_the_model_for_an_unwatched_item(name, holed, old, tmp_path):
    model = MODELS[name]()
    run = fit(model, holed.take_items(old).split(rng=0), epochs=2, learning_rate=0.01)
    more = with_items(run, NewItems.of_dataset(holed, run))
    expected = truth(model, run, holed, old)
    assert more.items.ids.to_list() == [*run.items.ids, *holed.items.ids.filter(pl.Series(~old))]
    np.testing.assert_array_equal(more.vectors.items[: old.sum()], run.vectors.items)
    np.testing.assert_allclose(more.vectors.items[old.sum() :], expected.items[~old], atol=1e-5)
    for modality, part in more.vectors.item_parts.items():
        np.testing.assert_allclose(part[old.sum() :], expected.item_parts[modality][~old], atol=1e-5)
        np.testing.assert_array_equal(
            more.vectors.present[old.sum() :, list(run.vectors.item_parts).index(modality)],
            holed.has(modality)[~old],
        )
    more.write(tmp_path / "more")
    again = Run.read(tmp_path / "more")
    np.testing.assert_array_equal(again.vectors.items, more.vectors.items)
    assert again.manifest["added_items"] == 12


@pytest.mark.parametrize("content", ["linear", "none"])
def test_a_new_item_hears_from_the_items_that_it_looks_like(holed, old, content):
    """As if it stood in the graph of training, by loops: it chooses, and its own edges alone are added."""
    neighbours = 4
    # more dimensions than features: directions are whole
    model = Reelmix(embedding_size=60, lookalikes=neighbours, missing="mask", content=content)
    known = holed.take_items(old)
    run = fit(model, known.split(rng=0), epochs=2, learning_rate=0.01)
    more = with_items(run, NewItems.of_dataset(holed, run))
    layer0, heard = run.vectors.passes[:, 0], np.zeros((holed.n_items, len(holed.modalities), 60))
    theirs = run.vectors.items[:, 61:]
    regressed, counted = np.zeros((holed.n_items, theirs.shape[1])), np.zeros(holed.n_items)
    assert run.manifest["chosen"]  # a regression that knows content
    said = np.zeros_like(regressed)
    for place, name in enumerate(holed.modalities):
        features = holed.features[name]
        # what was not observed is centred and weighed as what was
        found = directions(replace(features, filled=~old[features.items]))
        towards = dict(zip(features.items.tolist(), csr_array(found).toarray(), strict=True))
        degrees = similar_items(known.features[name], known.n_items, neighbours).sum(axis=1)
        for new in set(np.flatnonzero(~old)) & set(towards):
            said[new] += towards[new] @ run.weights[f"regression.of_content{place}"]
            cosines = {item: towards[item] @ towards[new] for item in towards if old[item]}
            own_row = len(run.items) + np.flatnonzero(~old).tolist().index(new)
            rows = {item: row for row, item in enumerate(np.flatnonzero(old).tolist())}
            after = {item: (rows[item] - own_row) % len(rows) for item in cosines}
            best = sorted(cosines, key=lambda item: (-cosines[item], after[item]))[:neighbours]
            chosen = {item: cosines[item] for item in best if cosines[item] > 0}
            for item, cosine in chosen.items():
                weight = cosine / np.sqrt(sum(chosen.values()) * (degrees[item] + cosine))
                heard[new, place] += weight * run.weights["credit"][place] * layer0[item]
                regressed[new] += cosine * run.weights["credit"][place] * theirs[item]
                counted[new] += cosine * run.weights["credit"][place]
    assert ((run.weights["credit"] > 0.1) & (run.weights["credit"] < 0.9)).any()
    has = np.stack([holed.has(name)[~old] for name in holed.modalities], axis=1)
    np.testing.assert_array_equal(heard[~old].any(axis=2), has)
    passes = more.vectors.passes[~old]
    assert passes[:, 0].any() == (content != "none")
    np.testing.assert_allclose(passes[:, 1:], heard[~old], atol=1e-5)
    vectors = passes.sum(axis=1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(more.vectors.items[~old, :60], vectors, atol=1e-5)
    parts = sum(part[~old] for part in more.vectors.item_parts.values())
    np.testing.assert_allclose(parts[:, :60], vectors, atol=1e-5)
    assert theirs.any()
    mean = regressed[~old] / counted[~old, None]
    assert np.abs(said[~old]).max() > 0.01
    np.testing.assert_allclose(more.vectors.items[~old, 61:], mean + said[~old], atol=1e-5)


@pytest.mark.parametrize("components", [256, 10])
def test_the_content_of_a_known_item_under_a_new_id_points_the_same_way(holed, old, components):
    """So that emphasis follows from new items, too."""
    run = fit(Reelmix(**SMALL, components=components), holed.take_items(old).split(rng=0), epochs=1)
    known = np.arange(5)
    twins = {}
    for name, table in holed.features.items():
        rows = {f"twin{item}": list(table.items).index(item) for item in known if holed.has(name)[item]}
        if name == "words":
            twins[name] = {
                twin: table.tokens[table.starts[k] : table.starts[k + 1]] for twin, k in rows.items()
            }
        else:
            twins[name] = {twin: table.values[k] for twin, k in rows.items()}
    more = run.recommender().add_items(twins).run
    rows = [more.items.row(f"twin{item}") for item in known]
    assert run.vectors.directions[known].any(axis=2).sum() > len(known)
    np.testing.assert_allclose(more.vectors.directions[rows], run.vectors.directions[known], atol=1e-5)


@pytest.fixture(scope="module")
def run(holed, old):
    return fit(MODELS["dualgnn"](), holed.take_items(old).split(rng=0), epochs=2)


def vector(holed, name="visual", row=0):
    return holed.features[name].values[row]


def test_new_items_that_are_equal_do_not_all_look_like_the_same(holed, old):
    """Of one genre, as training's are: the first equals of training are not everybody's lookalikes."""
    rows = np.arange(holed.n_items)
    genre = bag_features(rows, rows % 2, where="genre", n_tokens=2)
    dataset = replace(holed, features={"genre": genre})
    model = Reelmix(embedding_size=8, lookalikes=2, credit=False)
    run = fit(model, dataset.take_items(old).split(rng=0), epochs=1)
    heard = with_items(run, NewItems.of_dataset(dataset, run)).vectors.passes[~old, 1]
    assert len(np.unique(heard[::2].round(6), axis=0)) == len(heard[::2])


def test_recommended_at_once_with_any_subset_of_modalities(run, holed):
    before = run.recommender()
    after = before.add_items(
        {
            "visual": {"look": 9 * vector(holed), "both": vector(holed)},
            "acoustic": {"both": vector(holed, "acoustic")},
            "words": {"read": [0, 3, 3]},
        },
        titles={"look": "A look"},
    )
    user = run.users.ids[0]
    listed = {one.id: one for one in after.recommend(user, len(after.run.items))}
    assert {"look", "both", "read"} <= set(listed)
    assert listed["look"].title == "A look"
    assert [one for one in after.recommend(user, 9999) if one.id not in ("look", "both", "read")] == (
        before.recommend(user, 9999)
    )
    assert after.similar_items("look", 1)
    assert "look" not in before.run.items
    tokens = run.weights["content.words.tokens"]
    row = after.run.items.row("read")
    np.testing.assert_allclose(after.vectors.items[row], (tokens[0] + 2 * tokens[3]) / 3, rtol=1e-5)
    assert after.vectors.present[row].tolist() == [False, False, False, True]


@pytest.mark.parametrize("model", ["dualgnn", "reelmix"])
def test_items_may_be_added_twice_in_a_row_and_watched_by_new_users(holed, old, model):
    run = fit(MODELS[model](), holed.take_items(old).split(rng=0), epochs=1)
    first = run.recommender().add_items({"visual": {"one": vector(holed)}})
    second = first.add_items({"visual": {"two": vector(holed)}})
    assert second.run.manifest["added_items"] == 2
    twin = second.vectors.items[second.run.items.row("two")]
    np.testing.assert_array_equal(second.vectors.items[second.run.items.row("one")], twin)
    assert second.recommend_for_history(["one"], 3)


def test_filled_as_in_training():
    """A model trained with the mean or zeros in place of what is missing gives new items the same."""
    from reelmix.data.sample import sample

    dataset = sample(n_users=60, n_items=40).dataset
    for how in ("mean", "zero"):
        made = fit(DualGNN(**{**SMALL, "missing": how}, item_ids=False), dataset.split(rng=0), epochs=1)
        after = made.recommender().add_items({"visual": {"new": dataset.features["visual"].values[0]}})
        row = after.run.items.row("new")
        weights = made.weights
        raw = np.zeros_like(weights["content.acoustic.mean"])
        expected = (raw - weights["content.acoustic.mean"]) @ weights["content.acoustic.components"].T
        part = after.vectors.item_parts["acoustic"][row]
        np.testing.assert_allclose(part, 0 if how == "mean" else expected, atol=1e-6)
        assert not after.vectors.present[row, 1]
        assert after.vectors.edges[row].all()


# What cannot be taken in


def refused(refusal, kind, run, features, **more):
    return refusal(kind, run.recommender().add_items, features, **more)


def test_an_item_that_is_there_already(refusal, run, holed):
    text = refused(refusal, DataError, run, {"visual": {run.items.ids[0]: vector(holed)}})
    assert text == (
        f"add_items: expected items that the run does not have, found {run.items.ids[0]!r}. "
        "Leave it out; to change what is known of an item, train again."
    )


def test_an_item_of_which_nothing_is_known(refusal, run, holed):
    text = refused(refusal, DataError, run, {"visual": {"a": vector(holed)}}, titles={"bare": "Bare"})
    assert text == (
        "add_items: expected at least one modality for every new item, found none for 'bare'. "
        "Give it features, or leave it out: nothing is known of it."
    )
    assert "expected at least one new item" in refused(refusal, DataError, run, {})


def test_features_of_another_size_encoder_or_modality(refusal, run, holed):
    text = refused(refusal, DataError, run, {"visual": {"a": [1.0, 2.0]}})
    assert text == (
        "features, modality 'visual': expected visual features of size 48, as in training, found 2. "
        "Extract them with the encoder that made the training features."
    )
    other = {"visual": "another encoder"}
    text = refused(refusal, DataError, run, {"visual": {"a": vector(holed)}}, encoders=other)
    assert "expected visual features of encoder" in text
    assert "found another encoder" in text
    text = refused(refusal, DataError, run, {"visuall": {"a": vector(holed)}})
    assert text == (
        "features: expected a modality that the model was trained with, found 'visuall'. "
        "Did you mean 'visual'?"
    )
    text = refused(refusal, DataError, run, {"visual": {"a": vector(holed), "b": [1.0]}})
    assert "expected one vector of 48 numbers an item" in text
    text = refused(refusal, DataError, run, {"visual": {"a": vector(holed) * np.nan}})
    assert "expected finite numbers, found nan" in text
    text = refused(refusal, DataError, run, {"words": {"a": [99]}})
    assert "expected token numbers from 0 to 8, found 99 to 99" in text


def test_ids_of_another_type(refusal, run, holed):
    text = refused(refusal, DataError, run, {"visual": {7: vector(holed)}})
    assert text.startswith("add_items: expected item ids of the run's type, such as 'reel-1'")


def test_a_run_of_an_earlier_version(refusal, holed, old):
    made = fit(Reelmix(**SMALL), holed.take_items(old).split(rng=0), epochs=1)
    kept = {name: weights for name, weights in made.weights.items() if name != "degrees"}
    text = refused(refusal, RunError, replace(made, weights=kept), {"visual": {"a": vector(holed)}})
    assert text == (
        "add_items: expected a run that can tell what a new item looks like, found one of an earlier "
        "version. Train again with this version of reelmix."
    )


def test_a_model_without_content(refusal, dataset):
    run = fit(LightGCN(embedding_size=8), dataset.split(rng=0), epochs=1)
    text = refused(refusal, ConfigError, run, {"visual": {"a": [1.0]}})
    assert text.startswith(
        "add_items: expected a model that knows content: reelmix, dualgnn, mmgcn, vbpr, found lightgcn"
    )

"""Lists for a history: what is in them, what is left out, and what cannot be answered."""

import numpy as np
import pytest
from hand_made import hand_made
from scipy.sparse import csr_array
from small_worlds import labelled_pairs, split_of, two_modalities, world

from reelmix.data.interactions import TEST, TRAIN
from reelmix.errors import ConfigError, DataError, UnknownIdError
from reelmix.models import DualGNN, LightGCN, model_class
from reelmix.recommender import Recommendation, Recommender
from reelmix.recommender.fit import fit
from reelmix.recommender.new_users import fold_in

NOTHING_KNOWN = (
    "history: expected an item that somebody watched in training, or whose content is known, found none. "
    "Give other items that this person watched, or recommend what is popular."
)
NO_ITEM = (
    "history: expected at least one known item, found none. Give an item that this person watched; for "
    "somebody of whom nothing is known, recommend what is popular."
)


def names(lines):
    return [line.id for line in lines]


def by_hand(**options):
    """One modality, whose items pass on (1, 0), (0, 1), (1, 1), (0, 0), and score by the vectors below.

    Item i03 has no edges; a history of i00 and i01 is (1, 1) / sqrt(2).
    """
    return hand_made(
        [[0, 0], [0, 0]],
        [[9, 9], [8, 8], [3, 1], [1, 3], [1, 0]],
        watched=[(0, 0, TRAIN), (0, 1, TRAIN), (1, 2, TEST)],
        emphasis=np.array([[2], [50]], np.float32),
        passes=np.array([[[1, 0]], [[0, 1]], [[1, 1]], [[0, 0]], [[0, 0]]], np.float32),
        edges=np.array([[1], [1], [1], [0], [0]], bool),
        settings={"neighbours": 4, "aggregation": "softmax", "construction": "sum"},
        **options,
    )


def test_a_list_worked_out_by_hand():
    # emphasis is user 0's, 2; scores 2 (1, 1) / sqrt(2) . item, a tie of i02 and i03
    run = by_hand(titles=["nine", "eight", "three", None, "one"])
    found = Recommender(run).recommend_for_history(["i00", "i01"])
    assert [(line.id, line.title) for line in found] == [("i02", "three"), ("i03", ""), ("i04", "one")]
    np.testing.assert_allclose([line.score for line in found], np.array([8, 8, 2]) / 2**0.5, rtol=1e-6)


def test_one_id_is_a_history_of_one():
    recommender = Recommender(by_hand())
    found = recommender.recommend_for_history("i01", 3)
    assert [(line.id, line.score) for line in found] == [("i00", 18.0), ("i03", 6.0), ("i02", 2.0)]
    assert found == recommender.recommend_for_history(["i01"], 3)


def test_integer_ids():
    recommender = Recommender(by_hand(item_ids=[-4, 0, 7, 9, 2**62]))
    for one in (0, [0], (0, 0)):
        assert names(recommender.recommend_for_history(one)) == [-4, 9, 7, 2**62]


# A trained run


@pytest.fixture(scope="module")
def small() -> Recommender:
    """The world in which nobody watched item 7, and user 3 nothing."""
    return Recommender(fit(DualGNN(embedding_size=4, neighbours=3), world(), epochs=2, rng=0))


@pytest.mark.parametrize("n", [1, 4, 100])
def test_it_is_the_product_with_the_items_without_the_history(trained, recommender, n):
    run, vectors = trained[0], trained[0].vectors
    for rows in ([3], [0, 41, 79], list(range(0, 80, 5))):
        watched = csr_array((np.ones(len(rows)), rows, [0, len(rows)]), shape=(1, 80))
        scores = (fold_in(run, watched) @ vectors.items.T)[0]
        left = sorted(set(range(80)) - set(rows), key=lambda row: (-scores[row], row))[:n]
        found = recommender.recommend_for_history(run.items.take(rows), n)
        assert names(found) == run.items.take(left)
        assert [line.score for line in found] == pytest.approx(scores[left].tolist(), rel=1e-6)
        assert [line.title for line in found] == run.item_table["title"][left].to_list()


def test_order_and_repetition_make_no_difference(recommender):
    expected = recommender.recommend_for_history(["reel-3", "reel-17", "reel-40"], 20)
    for history in (
        ["reel-40", "reel-17", "reel-3"],
        ["reel-17", "reel-17", "reel-3", "reel-40", "reel-3", "reel-17"],
        ("reel-3", "reel-40", "reel-17"),
    ):
        assert recommender.recommend_for_history(history, 20) == expected


def test_among_and_without(recommender):
    history, whole = ["reel-3", "reel-17"], [f"reel-{number}" for number in range(1, 81)]
    everything = names(recommender.recommend_for_history(history, 80))
    assert set(everything) == set(whole) - set(history)
    chosen = set(everything[::3])
    among = names(recommender.recommend_for_history(history, 80, among=[*chosen, "reel-3"]))
    assert among == [one for one in everything if one in chosen]
    without = names(recommender.recommend_for_history(history, 80, without=everything[:2]))
    assert without == everything[2:]
    both = recommender.recommend_for_history(history, 80, among=among, without=among[1:])
    assert names(both) == among[:1]
    assert recommender.recommend_for_history(history, among=history) == []


def test_a_training_user_is_not_their_own_neighbour(trained, recommender):
    run = trained[0]
    for user in range(0, 120, 17):
        who, watched = run.users.take([user])[0], run.matrix(TRAIN)[[user]]
        history = run.items.take(watched.indices)
        apart = recommender.recommend_for_history(history, 5, apart_from=who)
        scores = (fold_in(run, watched, apart_from=np.array([user])) @ run.vectors.items.T)[0]
        assert [line.score for line in apart] == pytest.approx(
            [scores[run.items.row(line.id)] for line in apart], rel=1e-6
        )
        assert [line.score for line in apart] != [
            line.score for line in recommender.recommend_for_history(history, 5)
        ]


# What is unknown


def test_an_unknown_item(recommender, refusal):
    ask = recommender.recommend_for_history
    text = refusal(UnknownIdError, ask, ["reel-3", "rel-17"])
    assert text == "item id: expected a known item, found 'rel-17'. Did you mean 'reel-17'?"
    assert refusal(UnknownIdError, ask, ["reel-3"], without=["rel-17"]) == text
    assert refusal(UnknownIdError, ask, ["reel-3"], among=["rel-17"], unknown="ignore") == text
    text = refusal(UnknownIdError, ask, ["reel-3"], apart_from="nobody")
    assert text == "user id: expected a known user, found 'nobody'. The ids here look like 'user-1'."


def test_unknown_items_may_be_left_out(recommender):
    expected = recommender.recommend_for_history(["reel-3", "reel-17"])
    found = recommender.recommend_for_history(["rel-1", "reel-3", 5, "reel-17", "x"], unknown="ignore")
    assert found == expected


def test_a_history_of_nothing(recommender, refusal):
    assert refusal(DataError, recommender.recommend_for_history, []) == NO_ITEM
    assert refusal(DataError, recommender.recommend_for_history, [], unknown="ignore") == NO_ITEM
    assert refusal(DataError, recommender.recommend_for_history, ["x", 5], unknown="ignore") == NO_ITEM


@pytest.mark.parametrize("n", [0, -2])
def test_a_list_of_nothing(recommender, refusal, n):
    text = refusal(ConfigError, recommender.recommend_for_history, ["reel-3"], n)
    assert text == f"n: expected a list of at least 1, found {n}. Ask for n = 10, say."


def test_a_model_that_knows_only_its_own_users(refusal):
    recommender = Recommender(fit(model_class("vbpr")(embedding_size=4), world(), epochs=1, rng=0))
    assert refusal(ConfigError, recommender.recommend_for_history, [0]) == (
        "history: expected a model that can take in a new user: reelmix, dualgnn, lightgcn, found vbpr. "
        "Train one of these, or train again with the new user's interactions."
    )


# What nobody watched


def test_an_unwatched_item_is_heard_by_its_content(small):
    run = small.run
    passes = run.vectors.passes[7]
    layer0 = [run.vectors.item_parts[name][7] for name in ("visual", "acoustic")]
    np.testing.assert_allclose(passes, layer0, rtol=1e-5, atol=1e-6)  # no neighbours: layer 0 is all there is
    taste = run.vectors.emphasis.mean(axis=0) @ passes
    scores = run.vectors.items @ taste
    found = small.recommend_for_history([7], 20)
    assert names(found) == sorted(set(range(11)) - {7}, key=lambda row: -scores[row])


def test_an_unwatched_item_without_content_says_nothing(refusal):
    features = two_modalities()
    bare = {
        name: ([i for i in items if i != 7], values[[i != 7 for i in items]])
        for name, (items, values) in features.items()
    }
    for model in (
        DualGNN(embedding_size=4),
        DualGNN(embedding_size=4, construction="concatenation"),
        DualGNN(embedding_size=4, construction="concatenation", user_layers=0),
    ):
        recommender = Recommender(fit(model, split_of(labelled_pairs(), bare), epochs=2, rng=0))
        assert refusal(DataError, recommender.recommend_for_history, [7]) == NOTHING_KNOWN
        assert recommender.recommend_for_history([7, 0])


def test_an_unwatched_id_says_nothing(refusal):
    recommender = Recommender(fit(LightGCN(embedding_size=4), world(), epochs=2, rng=0))
    assert refusal(DataError, recommender.recommend_for_history, [7]) == NOTHING_KNOWN
    alone, both = (recommender.recommend_for_history(history, 20, without=[7]) for history in ([0], [0, 7]))
    assert alone == both


@pytest.mark.parametrize("model", [LightGCN, DualGNN])
def test_without_layers_and_neighbours_nothing_is_heard(model, refusal):
    settings = {"user_layers": 0, "construction": "concatenation"} if model is DualGNN else {}
    run = fit(model(embedding_size=4, layers=0, **settings), world(), epochs=2, rng=0)
    assert refusal(DataError, Recommender(run).recommend_for_history, [0]) == NOTHING_KNOWN


def test_neighbours_alone_are_enough():
    run = fit(DualGNN(embedding_size=4, layers=0, neighbours=3), world(), epochs=2, rng=0)
    found = Recommender(run).recommend_for_history([0], 2)
    assert all(isinstance(line, Recommendation) for line in found)
    assert len(found) == 2

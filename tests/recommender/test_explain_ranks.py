"""Places in lists with and without a modality, what was filled in, and what belongs to no modality."""

import numpy as np
import pytest
from hand_made import best, hand_made, random_run, watched_rows
from small_worlds import world

from reelmix.data.interactions import TEST, TRAIN
from reelmix.models import VBPR
from reelmix.recommender import Recommender, explain
from reelmix.recommender.fit import fit


def place(scores, item, seen):
    """The item's place among those not seen and itself, by sorting them all."""
    choices = {row: score for row, score in enumerate(scores) if row == item or row not in seen}
    return [row for row, _ in best(choices, len(choices))].index(item) + 1


@pytest.mark.parametrize("seed", range(4))
def test_a_rank_is_the_place_in_the_whole_list(seed):
    run = random_run(seed)  # of whole numbers: scores tie often
    recommender, everything = Recommender(run), run.items.ids.to_list()
    for user, who in enumerate(run.users.ids):
        seen = set(run.items.take(sorted(watched_rows(run, user))))
        ranked = [line.id for line in recommender.recommend(who, len(everything))]
        for item in everything:
            found = explain(recommender, who, item)
            if item in seen:  # where it would stand, were it not seen
                among = [one for one in everything if one not in seen or one == item]
                lines = recommender.recommend(who, len(everything), among=among, include_seen=True)
                assert found.rank == [line.id for line in lines].index(item) + 1
            else:
                assert found.rank == ranked.index(item) + 1


@pytest.mark.parametrize("seed", range(4))
def test_a_rank_without_a_modality_equals_brute_force(seed):
    run = random_run(seed)
    recommender, vectors = Recommender(run), run.vectors
    for user, who in enumerate(run.users.ids):
        seen = watched_rows(run, user)
        for item, what in enumerate(run.items.ids):
            found = explain(recommender, who, what)
            assert found.rank_without == {
                "visual": place((vectors.item_parts["textual"] @ vectors.users[user]).tolist(), item, seen),
                "textual": place((vectors.item_parts["visual"] @ vectors.users[user]).tolist(), item, seen),
            }


def test_the_ranks_of_a_trained_run(trained, recommender):
    run = trained[0]
    for who in run.users.take(range(0, 120, 40)):
        lines = recommender.recommend(who, 80)
        assert [explain(recommender, who, line.id).rank for line in lines] == list(range(1, len(lines) + 1))


def test_what_ties_in_the_list_ties_in_the_rank():
    # 1 and 1 + 1e-9 are one number to the list, which is in single precision
    run = hand_made([[1, 1e-9]], [[0, 0], [1, 0], [1, 1]], watched=[(0, 0, TRAIN)])
    recommender = Recommender(run)
    assert [line.id for line in recommender.recommend("u00")] == ["i01", "i02"]
    assert [explain(recommender, "u00", item).rank for item in ("i01", "i02")] == [1, 2]


def test_a_seen_item_takes_no_place():
    run = hand_made([[1.0]], [[9], [8], [7], [6]], watched=[(0, 0, TRAIN), (0, 2, TEST)])
    recommender = Recommender(run)
    assert [explain(recommender, "u00", f"i0{row}").rank for row in range(4)] == [1, 1, 2, 2]


# What was filled in


def test_a_modality_that_was_filled_in_counts_and_is_named():
    run = hand_made(
        [[1, 2]],
        {"visual": [[1, 0], [0, 3], [2, 0]], "textual": [[0, 1], [0, 0], [1, 0]]},
        present=[[True, True], [False, False], [True, True]],
        watched=[(0, 0, TRAIN), (0, 2, TRAIN)],
    )
    found = explain(Recommender(run), "u00", "i01")
    assert found.parts == {"visual": 6}  # the textual part was not filled in: nothing, and not named
    assert found.filled == ("visual",)
    assert found.lifts == {"visual": pytest.approx(6 - (1 + 2) / 2)}  # i01 itself has no visual: not counted
    assert [one.id for one in found.like["visual"]] == ["i00", "i02"]
    assert found.rank_without == {"visual": 1}
    assert explain(Recommender(run), "u00", "i02").filled == ()


def test_a_part_of_zero_is_not_filled_in():
    run = hand_made([[1, 2]], [[0, 0], [1, 1]], watched=[(0, 1, TRAIN)])
    found = explain(Recommender(run), "u00", "i00")
    assert (found.parts, found.filled) == ({"visual": 0}, ())


# What belongs to no modality


def test_the_rest_of_vbpr_is_its_latent_vectors_and_bias():
    split = world()
    run = fit(VBPR(embedding_size=4, missing="mask"), split, epochs=3, learning_rate=0.05, rng=0)
    recommender = Recommender(run)
    weights = {name: array.astype(np.float64) for name, array in run.weights.items()}
    assert weights["item_bias"].any()
    for user, who in enumerate(run.users.ids):
        for item, what in enumerate(run.items.ids):
            found = explain(recommender, who, what)
            expected = (
                weights["user_latent"][user] @ weights["item_latent"][item] + weights["item_bias"][item]
            )
            size = sum(abs(part) for part in found.parts.values()) + abs(found.score) + 1
            assert found.rest == pytest.approx(expected, abs=1e-6 * size)
            assert sum(found.parts.values()) + found.rest == pytest.approx(found.score, abs=1e-12)
            assert set(found.parts) == {
                name for name in ("visual", "acoustic") if split.dataset.has(name)[item]
            }
            assert len(found.sources) == 1
            assert found.sources[0].score == pytest.approx(found.score, abs=1e-12)

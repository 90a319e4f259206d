"""The parts of a score: worked out by hand, by brute force, and adding up."""

from dataclasses import replace

import numpy as np
import pytest
from hand_made import hand_made, watched_rows

from reelmix.data.interactions import TEST, TRAIN, VALIDATION
from reelmix.errors import UnknownIdError
from reelmix.recommender import Explanation, Recommendation, Recommender, explain

# One user (1, 2); four items; i01 lacks visual and i02 textual.
#            visual   part    textual  part    score
#   i00      (1, 0)    1      (0, 1)    2        3
#   i01      missing          (2, 1)    4        4
#   i02      (0, 2)    4      missing            4
#   i03      (3, 1)    5      (1, 0)    1        6
# mean of those present  10/3          7/3
VISUAL = [[1, 0], [0, 0], [0, 2], [3, 1]]
TEXTUAL = [[0, 1], [2, 1], [0, 0], [1, 0]]
PRESENT = [[True, True], [False, True], [True, False], [True, True]]


def by_hand(watched=(), titles=None, **options):
    parts = {"visual": VISUAL, "textual": TEXTUAL}
    run = hand_made([[1, 2]], parts, present=PRESENT, watched=watched, titles=titles, **options)
    return Recommender(run)


def test_parts_and_lifts_worked_out_by_hand():
    recommender = by_hand()
    expected = {
        "i00": (3, {"visual": 1, "textual": 2}, {"visual": 1 - 10 / 3, "textual": 2 - 7 / 3}),
        "i01": (4, {"textual": 4}, {"textual": 4 - 7 / 3}),
        "i02": (4, {"visual": 4}, {"visual": 4 - 10 / 3}),
        "i03": (6, {"visual": 5, "textual": 1}, {"visual": 5 - 10 / 3, "textual": 1 - 7 / 3}),
    }
    for item, (score, parts, lifts) in expected.items():
        found = explain(recommender, "u00", item)
        assert found.score == score
        assert found.parts == parts
        assert found.lifts == pytest.approx(lifts, rel=1e-6)
        assert list(found.parts) == list(found.lifts) == list(parts)
        assert found.emphasis == {}
        assert found.like == {}


def test_emphasis_is_the_number_that_the_score_used():
    alpha = np.array([[0.25, -1.5]], np.float32)
    found = explain(by_hand(emphasis=alpha), "u00", "i01")
    assert found.emphasis == {"visual": 0.25, "textual": -1.5}


def test_the_nearest_watched_item_in_each_modality():
    watched = [(0, 0, TRAIN), (0, 1, VALIDATION), (0, 2, TEST)]
    found = explain(by_hand(watched, ["zero", None, "two", "three"]), "u00", "i03")
    # visual: i00 (1,0) is nearer to (3,1) than i02 (0,2) is; i01 lacks it.
    # textual: i01 (2,1) is nearer to (1,0) than i00 (0,1) is; i02 lacks it.
    assert [(one.id, one.title) for one in found.like["visual"]] == [("i00", "zero"), ("i02", "two")]
    assert [one.score for one in found.like["visual"]] == pytest.approx([3 / 10**0.5, 1 / 10**0.5])
    assert [(one.id, one.title) for one in found.like["textual"]] == [("i01", ""), ("i00", "zero")]
    assert [one.score for one in found.like["textual"]] == pytest.approx([2 / 5**0.5, 0])


def test_three_are_named_and_ties_go_by_row():
    parts = [[1, 0], [0, 1], [1, 1], [2, 0], [4, 4], [5, 0]]
    run = hand_made([[1, 2]], parts, watched=[(0, row, TRAIN) for row in range(5)])
    found = explain(Recommender(run), "u00", "i05").like["visual"]
    assert [one.id for one in found] == ["i00", "i03", "i02"]
    assert [one.score for one in found] == pytest.approx([1, 1, 0.5**0.5])


def test_an_item_is_not_like_itself():
    found = explain(by_hand([(0, 3, TRAIN), (0, 0, TRAIN)]), "u00", "i03")
    assert {name: [one.id for one in lines] for name, lines in found.like.items()} == {
        "visual": ["i00"],
        "textual": ["i00"],
    }
    assert explain(by_hand([(0, 3, TRAIN)]), "u00", "i03").like == {}


def test_no_likeness_where_no_watched_item_has_the_modality():
    found = explain(by_hand([(0, 1, TRAIN)]), "u00", "i03")
    assert list(found.like) == ["textual"]


def test_what_others_watched_is_no_reason():
    run = hand_made([[1.0], [1.0]], [[1], [2]], watched=[(1, 0, TRAIN), (0, 1, TRAIN)])
    assert explain(Recommender(run), "u00", "i01").like == {}


def test_the_unknown(refusal):
    assert "expected a known user" in refusal(UnknownIdError, explain, by_hand(), "i00", "i00")
    assert "expected a known item" in refusal(UnknownIdError, explain, by_hand(), "u00", "u00")


# Sentences


def lines(identifier, title=None):
    return (Recommendation(identifier, 0.9, title), Recommendation("i99", 0.8, "Not said either"))


def test_a_sentence_names_the_strongest_first_and_what_it_is_like():
    found = Explanation(
        score=3.0,
        parts={"visual": 1.0, "acoustic": 1.5, "textual": 0.5},
        lifts={"visual": 0.304, "acoustic": 2.406, "textual": -0.1},
        emphasis={},
        shares={},
        like={"acoustic": lines("i7", "Rain on a roof"), "visual": lines("i8", "Not said")},
    )
    assert found.strongest == "acoustic"
    assert found.sentence() == "acoustic +2.41 (like “Rain on a roof”), visual +0.30, textual -0.10"


@pytest.mark.parametrize(
    ("identifier", "title", "said"),
    [("i7", None, "i7"), ("i7", "", "i7"), (7, None, "7"), ("i7", "Rain", "“Rain”")],
)
def test_a_sentence_names_an_item_without_title_by_its_id(identifier, title, said):
    found = Explanation(1.0, {"visual": 1.0}, {"visual": -0.5}, {}, {}, {"visual": lines(identifier, title)})
    assert found.sentence() == f"visual -0.50 (like {said})"


def test_a_sentence_says_what_was_filled_in():
    found = Explanation(
        score=2.0,
        parts={"visual": 1.0, "acoustic": 1.0},
        lifts={"visual": 0.5, "acoustic": 0.25},
        emphasis={},
        shares={},
        like={"visual": lines("i7", "Rain")},
        filled=("visual", "acoustic"),
    )
    assert found.sentence() == "visual +0.50 (filled in, like “Rain”), acoustic +0.25 (filled in)"


def test_a_sentence_without_likeness():
    assert Explanation(1.0, {"visual": 1.0}, {"visual": 0.5}, {}, {}, {}).sentence() == "visual +0.50"


def test_a_sentence_without_modalities():
    found = Explanation(-1.234, {}, {}, {}, {}, {})
    assert found.strongest is None
    assert found.sentence() == "score -1.23"


# A trained run


def pairs(run):
    rng = np.random.default_rng(0)
    for _ in range(60):
        yield int(rng.integers(len(run.users))), int(rng.integers(len(run.items)))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-6)])
def test_parts_add_up_to_the_score(trained, dtype, tolerance):
    run = trained[0]
    vectors = run.vectors
    parts = {name: part.astype(dtype) for name, part in vectors.item_parts.items()}
    items = sum(parts.values()) if dtype == np.float64 else vectors.items
    run = replace(
        run,
        vectors=replace(vectors, users=vectors.users.astype(dtype), items=items, item_parts=parts),
    )
    recommender = Recommender(run)
    for user, item in pairs(run):
        found = explain(recommender, run.users.take([user])[0], run.items.take([item])[0])
        size = sum(abs(part) for part in found.parts.values())
        assert sum(found.parts.values()) == pytest.approx(found.score, rel=0, abs=tolerance * size)


def test_a_trained_run_equals_brute_force(trained, dataset, recommender):
    run = trained[0]
    vectors = run.vectors
    for user, item in pairs(run):
        found = explain(recommender, run.users.take([user])[0], run.items.take([item])[0])
        present = {name: dataset.has(name) for name in dataset.modalities}
        assert set(found.parts) == {name for name in present if present[name][item]}
        for name in found.parts:
            scores = [float(part @ vectors.users[user]) for part in vectors.item_parts[name]]
            having = [scores[row] for row in np.flatnonzero(present[name])]
            assert found.parts[name] == pytest.approx(scores[item], abs=1e-5)
            assert found.lifts[name] == pytest.approx(scores[item] - np.mean(having), abs=1e-5)
            nearest = nearest_watched(run, user, item, name, present[name])
            assert [one.score for one in found.like[name]] == pytest.approx(nearest, abs=1e-5)
            rows = [run.items.row(one.id) for one in found.like[name]]
            assert len(set(rows)) == len(rows)
            assert set(rows) <= watched_rows(run, user) - {item}
            assert present[name][rows].all()
            assert [one.title for one in found.like[name]] == run.item_table["title"][rows].to_list()
        assert found.emphasis == dict(zip(present, vectors.emphasis[user].tolist(), strict=True))


def nearest_watched(run, user, item, name, present):
    part = run.vectors.item_parts[name].astype(np.float64)
    cosines = [
        part[row] @ part[item] / np.linalg.norm(part[row]) / np.linalg.norm(part[item])
        for row in watched_rows(run, user)
        if row != item and present[row]
    ]
    return sorted(cosines, reverse=True)[:3]


def test_the_score_is_that_of_the_list(recommender):
    for one in recommender.recommend("user-17", 5):
        assert explain(recommender, "user-17", one.id).score == pytest.approx(one.score, rel=1e-5)

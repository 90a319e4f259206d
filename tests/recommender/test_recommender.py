"""Lists against brute force: every score computed one by one, sorted in plain Python."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hand_made import best, hand_made, random_run, watched_rows

from reelmix.data.interactions import TEST, TRAIN, VALIDATION
from reelmix.errors import ConfigError, DataError, UnknownIdError
from reelmix.recommender import Recommendation, Recommender
from reelmix.recommender import recommender as module


def brute_force(run, user, n, *, include_seen=False, among=None, without=()):
    """(item row, score) of the n best items; exact for vectors of whole numbers."""
    seen = set() if include_seen else watched_rows(run, user)
    chosen = range(len(run.items)) if among is None else among
    scores = {
        item: float(sum(a * b for a, b in zip(run.vectors.users[user], run.vectors.items[item], strict=True)))
        for item in chosen
        if item not in seen and item not in without
    }
    return best(scores, n)


def rows_and_scores(run, lines):
    return [(run.items.row(line.id), line.score) for line in lines]


def names(lines):
    return [line.id for line in lines]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("include_seen", [False, True])
@pytest.mark.parametrize(
    ("among", "without"),
    [
        (None, ()),
        ([3, 1, 4, 15, 9, 2, 6], ()),
        (None, [5, 0, 16]),
        ([0, 2, 4, 6, 8, 10], [4, 5, 10]),
        ([7, 7, 7], [7]),
        ([], ()),
    ],
)
@pytest.mark.parametrize("n", [1, 4, 50])
def test_lists_equal_brute_force(seed, include_seen, among, without, n):
    run = random_run(seed)
    lists = Recommender(run).recommend(
        run.users.ids.to_list(),
        n,
        include_seen=include_seen,
        among=None if among is None else run.items.take(among),
        without=run.items.take(without) if without else (),
    )
    assert len(lists) == len(run.users)
    for user, lines in enumerate(lists):
        expected = brute_force(run, user, n, include_seen=include_seen, among=among, without=without)
        assert rows_and_scores(run, lines) == expected


def test_a_list_worked_out_by_hand():
    run = hand_made(
        [[1, 2]],
        [[3, 0], [0, 1], [2, 2], [1, 1], [-1, 0]],  # scores 3, 2, 6, 3, -1
        watched=[(0, 2, TRAIN)],
        titles=["three", "two", "six", "three again", None],
    )
    assert Recommender(run).recommend("u00", 10) == [
        Recommendation("i00", 3.0, "three"),
        Recommendation("i03", 3.0, "three again"),  # a tie: the item that comes first
        Recommendation("i01", 2.0, "two"),
        Recommendation("i04", -1.0, ""),
    ]


@pytest.mark.parametrize("n_items", [40, 700])  # few ties and masses of them are ranked in different ways
def test_ties_come_in_the_order_of_the_items(n_items):
    run = hand_made(np.zeros((1, 3)), np.ones((n_items, 3)), watched=[(0, 7, TRAIN)])
    lines = Recommender(run).recommend("u00", 12)
    assert [run.items.row(line.id) for line in lines] == [row for row in range(13) if row != 7]


@pytest.mark.parametrize("label", [TRAIN, VALIDATION, TEST])
def test_what_was_watched_in_any_part_is_left_out(label):
    run = hand_made([[1.0]], [[1], [5], [3]], watched=[(0, 0, TRAIN), (0, 1, label)])
    assert names(Recommender(run).recommend("u00")) == ["i02"]
    assert names(Recommender(run).recommend("u00", include_seen=True)) == ["i01", "i02", "i00"]


def test_what_others_watched_is_kept():
    run = hand_made([[1.0], [1.0]], [[1], [2]], watched=[(0, 0, TRAIN), (1, 1, TRAIN)])
    assert [names(lines) for lines in Recommender(run).recommend(["u00", "u01"])] == [["i01"], ["i00"]]


def test_who_has_seen_everything_gets_an_empty_list():
    run = hand_made([[1.0], [1.0]], [[1], [2]], watched=[(0, 0, TRAIN), (0, 1, TEST), (1, 0, TRAIN)])
    recommender = Recommender(run)
    assert recommender.recommend("u00") == []
    assert [names(lines) for lines in recommender.recommend(["u00", "u01"])] == [[], ["i01"]]


def test_among_may_bring_back_nothing_that_was_seen():
    run = hand_made([[1.0]], [[1], [2]], watched=[(0, 1, TRAIN)])
    assert names(Recommender(run).recommend("u00", among=["i00", "i01"])) == ["i00"]
    assert names(Recommender(run).recommend("u00", among=["i01"], include_seen=True)) == ["i01"]


def test_without_goes_before_among():
    run = hand_made([[1.0]], [[1], [2], [3]], watched=[(0, 0, TRAIN)])
    lines = Recommender(run).recommend("u00", among=["i01", "i02"], without=["i02"])
    assert names(lines) == ["i01"]


def test_one_user_equals_many(trained, recommender):
    run = trained[0]
    everyone = run.users.ids.to_list()
    for user, many in zip(everyone, recommender.recommend(everyone, 15), strict=True):
        alone = recommender.recommend(user, 15)
        assert names(alone) == names(many)
        np.testing.assert_allclose([a.score for a in alone], [m.score for m in many], rtol=1e-5, atol=1e-6)
    assert recommender.recommend(tuple(everyone[:2]), 15) == recommender.recommend(everyone[:2], 15)
    assert recommender.recommend([]) == []


def test_a_trained_run_ranks_by_the_product_of_its_vectors(trained, recommender):
    run = trained[0]
    scores = run.vectors.users.astype(np.float64) @ run.vectors.items.astype(np.float64).T
    for user, lines in enumerate(recommender.recommend(run.users.ids.to_list(), 10)):
        seen = watched_rows(run, user)
        rows = [run.items.row(line.id) for line in lines]
        assert len(set(rows)) == 10
        assert not seen & set(rows)
        np.testing.assert_allclose([line.score for line in lines], scores[user, rows], rtol=1e-5, atol=1e-5)
        left = [row for row in range(len(run.items)) if row not in seen]
        np.testing.assert_allclose(
            [line.score for line in lines], np.sort(scores[user, left])[::-1][:10], rtol=1e-5, atol=1e-5
        )
        titles = run.item_table["title"].to_list()
        assert [line.title for line in lines] == [titles[row] for row in rows]


def test_a_run_or_its_folder(trained, recommender):
    run, folder = trained
    expected = recommender.recommend("user-17")
    for source in (run, folder, str(folder)):
        assert Recommender(source).recommend("user-17") == expected
    assert run.recommender().recommend("user-17") == expected


@pytest.mark.parametrize("block_bytes", [1, 4 * 17 * 2, 4 * 17 * 4])
def test_blocks_change_nothing(monkeypatch, block_bytes):
    run = random_run(5)
    recommender, everyone = Recommender(run), run.users.ids.to_list()
    whole = recommender.recommend(everyone, 6, without=["i03"])
    sizes = []

    def spy(scores, n):
        sizes.append(len(scores))
        return original(scores, n)

    original = module.top_n
    monkeypatch.setattr(module, "top_n", spy)
    monkeypatch.setattr(module, "BLOCK_BYTES", block_bytes)
    assert recommender.recommend(everyone, 6, without=["i03"]) == whole
    per_block = max(1, block_bytes // (4 * 17))
    assert sizes == [min(per_block, 9 - start) for start in range(0, 9, per_block)]


# What is unknown


def test_an_unknown_user(recommender, refusal):
    text = refusal(UnknownIdError, recommender.recommend, "usr-17")
    assert text == "user id: expected a known user, found 'usr-17'. Did you mean 'user-17'?"
    text = refusal(UnknownIdError, recommender.recommend, ["user-1", "nobody"])
    assert text == "user id: expected a known user, found 'nobody'. The ids here look like 'user-1'."
    text = refusal(UnknownIdError, recommender.recommend, 17)
    assert text == "user id: expected a known user, found 17. The ids here look like 'user-1'."


@pytest.mark.parametrize("labels", [[], [VALIDATION], [TEST, VALIDATION]])
def test_a_user_without_training_interactions(labels, refusal):
    watched = [(0, 0, TRAIN), *((1, row, label) for row, label in enumerate(labels))]
    recommender = Recommender(hand_made([[1.0], [1.0]], [[1], [2], [3]], watched=watched))
    assert refusal(UnknownIdError, recommender.recommend, "u01") == (
        "user id: expected a user with training interactions, found none of 'u01'. Nothing is known of this "
        "user's taste. Train again with some of what they watched."
    )
    assert recommender.recommend("u01", unknown="empty") == []


def test_unknown_users_as_empty_lists_keep_their_places():
    run = hand_made(
        [[1.0], [-1.0], [0.0]], [[1], [2], [3]], watched=[(0, 0, TRAIN), (1, 0, TRAIN), (2, 0, TEST)]
    )
    lists = Recommender(run).recommend(["u02", "u01", "nobody", 5, "u00"], unknown="empty")
    assert [names(lines) for lines in lists] == [[], ["i01", "i02"], [], [], ["i02", "i01"]]
    assert Recommender(run).recommend("nobody", unknown="empty") == []
    assert Recommender(run).recommend(["nobody"], unknown="empty") == [[]]


@pytest.mark.parametrize("filtered", ["among", "without"])
@pytest.mark.parametrize("unknown", ["error", "empty"])
def test_an_unknown_item_in_a_filter(recommender, refusal, filtered, unknown):
    text = refusal(
        UnknownIdError,
        recommender.recommend,
        "user-1",
        **{filtered: ["reel-1", "rel-17"], "unknown": unknown},
    )
    assert text == "item id: expected a known item, found 'rel-17'. Did you mean 'reel-17'?"


@pytest.mark.parametrize("n", [0, -3])
def test_a_list_of_nothing(recommender, refusal, n):
    expected = f"n: expected a list of at least 1, found {n}. Ask for n = 10, say."
    assert refusal(ConfigError, recommender.recommend, "user-1", n) == expected
    assert refusal(ConfigError, recommender.similar_items, "reel-1", n) == expected
    assert refusal(ConfigError, recommender.similar_users, "user-1", n) == expected


def test_a_diverged_model_is_refused(refusal):
    run = hand_made([[np.nan]], [[1], [2]], watched=[(0, 0, TRAIN)])
    assert "found NaN" in refusal(DataError, Recommender(run).recommend, "u00")


def test_integer_ids():
    run = hand_made([[1.0]], [[1], [2]], watched=[(0, 0, TRAIN)], user_ids=[-7], item_ids=[3, 2**62])
    recommender = Recommender(run)
    assert recommender.recommend(-7) == [Recommendation(2**62, 2.0)]
    assert recommender.recommend([-7], without=[2**62]) == [[]]
    assert recommender.recommend("-7", unknown="empty") == []


# What is alike


def cosines(vectors, row):
    wanted = vectors[row].astype(np.float64)
    found = {}
    for other, vector in enumerate(vectors.astype(np.float64)):
        lengths = np.sqrt((vector**2).sum()) * np.sqrt((wanted**2).sum())
        if other != row:
            found[other] = float(vector @ wanted / lengths) if lengths else 0.0
    return found


@pytest.mark.parametrize("n", [1, 7, 500])
@pytest.mark.parametrize("kind", ["item", "user"])
def test_similar_equals_brute_force(trained, recommender, kind, n):
    run = trained[0]
    vocabulary, vectors = getattr(run, f"{kind}s"), getattr(run.vectors, f"{kind}s")
    similar = getattr(recommender, f"similar_{kind}s")
    titles = run.item_table["title"].to_list()
    for row in range(0, len(vocabulary), 7):
        lines = similar(vocabulary.take([row])[0], n)
        expected = cosines(vectors, row)
        rows = [vocabulary.row(line.id) for line in lines]
        assert row not in rows
        assert len(set(rows)) == len(rows) == min(n, len(vocabulary) - 1)
        close = {"rtol": 1e-5, "atol": 1e-6}
        np.testing.assert_allclose([line.score for line in lines], [expected[r] for r in rows], **close)
        largest = sorted(expected.values(), reverse=True)[:n]
        np.testing.assert_allclose([line.score for line in lines], largest, **close)
        assert [line.title for line in lines] == [titles[r] if kind == "item" else None for r in rows]


def test_similar_by_direction_and_not_by_length():
    run = hand_made([[1, 0]], [[1, 0], [100, 100], [3, 0], [-1, 0], [0, 0.5]], watched=[(0, 0, TRAIN)])
    lines = Recommender(run).similar_items("i00")
    assert names(lines) == ["i02", "i01", "i04", "i03"]
    np.testing.assert_allclose([line.score for line in lines], [1, 0.5**0.5, 0, -1], atol=1e-6)


def test_zero_vectors_are_like_nothing():
    vectors = [[0, 0], [1, 0], [0, 0], [-1, 0]]
    run = hand_made(vectors, vectors)
    for similar, letter in ((Recommender(run).similar_items, "i"), (Recommender(run).similar_users, "u")):
        assert [(line.id, line.score) for line in similar(f"{letter}00")] == [
            (f"{letter}01", 0.0),
            (f"{letter}02", 0.0),
            (f"{letter}03", 0.0),
        ]
        assert [line.score for line in similar(f"{letter}01")] == [0.0, 0.0, -1.0]


def test_twins_are_alike_and_only_the_one_asked_for_is_left_out():
    run = hand_made(np.ones((3, 2)), np.ones((3, 2)))
    assert names(Recommender(run).similar_items("i01")) == ["i00", "i02"]
    assert names(Recommender(run).similar_users("u00")) == ["u01", "u02"]


def test_similar_to_the_unknown(recommender, refusal):
    text = refusal(UnknownIdError, recommender.similar_items, "reel-0")
    assert text == "item id: expected a known item, found 'reel-0'. Did you mean 'reel-80'?"
    assert "expected a known user" in refusal(UnknownIdError, recommender.similar_users, "reel-1")


def test_permuting_users_and_items_permutes_the_answers(trained):
    run = trained[0]
    rng = np.random.default_rng(0)
    who, what = rng.permutation(len(run.users)), rng.permutation(len(run.items))
    new_user, new_item = np.argsort(who), np.argsort(what)
    vectors, pairs = run.vectors, run.interactions
    moved = replace(
        run,
        users=type(run.users)(run.users.ids.gather(who), "user"),
        items=type(run.items)(run.items.ids.gather(what), "item"),
        item_table=run.item_table[what.tolist()],
        interactions=type(pairs).of(new_user[pairs.users], new_item[pairs.items], labels=pairs.labels),
        vectors=replace(
            vectors,
            users=vectors.users[who],
            items=vectors.items[what],
            item_parts={name: part[what] for name, part in vectors.item_parts.items()},
            present=vectors.present[what],
            emphasis=vectors.emphasis[who],
        ),
    )
    for user in run.users.take(np.arange(0, 120, 11)):
        here, there = (Recommender(one).recommend(user, 5) for one in (run, moved))
        assert [(line.id, line.title) for line in here] == [(line.id, line.title) for line in there]


def test_titles_that_are_not_texts():
    run = hand_made([[1.0]], [[1], [2]], watched=[(0, 0, TRAIN)])
    numbered = replace(run, item_table=run.item_table.with_columns(title=pl.Series([7, 8])))
    assert Recommender(numbered).recommend("u00") == [Recommendation("i01", 2.0, "8")]
    assert Recommender(run).recommend("u00") == [Recommendation("i01", 2.0, None)]


def test_an_item_of_which_nothing_is_known_is_never_recommended(refusal):
    """It scores 0, above i02; an item of which something is known may score 0 too, and is."""
    vectors, present = [[0, 0], [0, 1], [-1, 0], [2, 0]], [[False], [True], [True], [True]]
    run = hand_made([[1.0, 0]], vectors, present=present, watched=[(0, 3, TRAIN)])
    recommender = Recommender(run)
    assert names(recommender.recommend("u00")) == ["i01", "i02"]
    assert names(recommender.recommend("u00", among=["i00", "i02"])) == ["i02"]
    assert refusal(DataError, recommender.similar_items, "i00") == (
        "item id: expected known content or training interactions of the item, found none of 'i00'. "
        "Nothing can be said to be like it; train again with some of either."
    )

"""The simulated sample: what its docstring promises, and that its planted truth can be found in its data."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from reelmix.data.sample import rank_agreement, sample
from reelmix.errors import ConfigError, DataError
from reelmix.files import digest

# Of the default sample. Changes with any change to the simulation; never with the machine.
CONTENT = "62bdda2151dcee445015f9d31fb7a9b2"
TITLES = "98d055ab1a699e207d6afd4bc66ed82c"
EMPHASIS = "fdca0bfa02b47a51509b657e5e9c7c23"


@pytest.fixture(scope="module")
def world():
    return sample()


@pytest.fixture(scope="module")
def small():
    return sample(n_users=60, n_items=40)


def watchers(dataset):
    return np.bincount(dataset.interactions.items, minlength=dataset.n_items)


def holes(dataset):
    """(modality, item): which items lack which modality."""
    return ~np.stack([dataset.has(name) for name in dataset.modalities])


def test_default_sample_is_the_same_everywhere(world):
    assert world.dataset.content_hash == CONTENT
    assert digest(*world.dataset.item_table["title"].to_list()) == TITLES
    assert digest(world.emphasis) == EMPHASIS


def test_equal_seeds_agree_and_others_differ(small):
    again, other = (sample(rng=rng, n_users=60, n_items=40) for rng in (0, 1))
    assert again.dataset.content_hash == small.dataset.content_hash != other.dataset.content_hash
    assert np.array_equal(again.emphasis, small.emphasis)
    assert not np.array_equal(other.emphasis, small.emphasis)


def test_it_says_that_it_is_simulated(world):
    card = world.dataset.card
    assert card.simulated
    assert "simulated" in card.name
    assert "simulated" in card.provenance
    assert {features.encoder for features in world.dataset.features.values()} == {"simulated"}


def test_counts_and_ids(world):
    dataset = world.dataset
    assert (dataset.n_users, dataset.n_items) == (2000, 1000)
    assert "user-17" in dataset.users
    assert "reel-423" in dataset.items
    assert 40_000 <= len(dataset.interactions) <= 60_000
    assert world.modalities == dataset.modalities == ("visual", "acoustic", "textual")
    assert [features.size for features in dataset.features.values()] == [48, 32, 40]


@pytest.mark.parametrize(("n_users", "n_items"), [(20, 20), (20, 400), (400, 20)])
def test_any_size_keeps_at_least_five_interactions_and_some_to_recommend(n_users, n_items):
    dataset = sample(n_users=n_users, n_items=n_items).dataset
    activity = np.bincount(dataset.interactions.users, minlength=n_users)
    assert activity.min() >= 5
    assert activity.max() < n_items
    assert watchers(dataset).min() >= 5


@pytest.mark.parametrize("size", ["n_users", "n_items"])
def test_too_small_a_world_is_an_error(size):
    with pytest.raises(
        ConfigError, match=f"^{size}: expected at least 20, found 19. Choose a larger world.$"
    ):
        sample(**{size: 19})


def test_popularity_and_activity_are_long_tailed(world):
    pairs = world.dataset.interactions
    for rows, size in ((pairs.items, 1000), (pairs.users, 2000)):
        counts = np.sort(np.bincount(rows, minlength=size))
        assert counts[0] >= 5
        assert counts[-size // 10 :].sum() > 0.25 * counts.sum()  # a uniform world: about 0.13
        assert counts[-1] > 5 * np.median(counts)


def test_times_are_evenings_of_six_weeks(world):
    times = world.dataset.interactions.timestamps
    assert times.dtype == np.int64
    first, last = np.array([times.min(), times.max()]).astype("datetime64[s]").astype("datetime64[D]")
    assert (str(first), str(last)) == ("2024-03-04", "2024-04-14")
    assert np.mean(times % 86_400 >= 17 * 3600) > 0.7


def test_holes(world):
    lacks = holes(world.dataset)
    assert lacks.mean(axis=1) == pytest.approx([0.15, 0.25, 0.20], abs=0.02)
    assert np.bincount(lacks.sum(axis=0), minlength=4)[2] > 50
    assert not lacks.all(axis=0).any()


def test_holes_come_together_and_where_fewer_watch(world):
    lacks, popularity = holes(world.dataset), watchers(world.dataset)
    for one in range(3):
        assert popularity[lacks[one]].mean() < popularity[~lacks[one]].mean()
    expected_two = sum(lacks[one].mean() * lacks[other].mean() for one, other in ((0, 1), (0, 2), (1, 2)))
    assert (lacks.sum(axis=0) == 2).mean() > expected_two


def test_no_hole_in_a_small_world_takes_all_modalities():
    for rng in range(20):
        assert not holes(sample(rng=rng, n_users=20, n_items=20).dataset).all(axis=0).any()


def test_features_are_rounded_and_of_unlike_items_differ(world):
    for features in world.dataset.features.values():
        assert features.values.dtype == np.float32
        assert np.array_equal(
            np.round(features.values.astype(np.float64), 3).astype(np.float32), features.values
        )
        assert len(np.unique(features.values, axis=0)) == len(features.values)


def test_titles_are_distinct_and_tell_the_topic(world):
    titles = world.dataset.item_table["title"].to_list()
    assert len(set(titles)) == len(titles)
    assert all(title[0].isupper() and len(title.split()) >= 3 for title in titles)
    # titles follow the planted topic: items of one topic are close to each other in the true textual content
    latents = world.latents[2]
    surfing = np.array(["surfing" in title or "bodyboarding" in title for title in titles])
    to_surfing = latents @ latents[surfing].mean(axis=0)
    assert surfing.sum() > 20
    assert to_surfing[surfing].min() > np.quantile(to_surfing[~surfing], 0.9)


def test_emphasis_is_shares_and_truly_differs(world):
    assert world.emphasis.shape == (2000, 3)
    assert world.emphasis.min() >= 0
    np.testing.assert_allclose(world.emphasis.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert (
        np.mean(world.emphasis > 0.6, axis=0) > 0.1
    ).all()  # some clearly visual, some acoustic, some textual
    assert np.mean(world.emphasis.max(axis=1) < 0.5) > 0.1  # some balanced


def test_match_is_standardised_and_unknown_modality_is_an_error(world):
    match = world.match("acoustic")
    np.testing.assert_allclose(match.mean(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(match.std(axis=1), 1, atol=1e-9)
    with pytest.raises(
        DataError,
        match=r"^match: expected a modality of the sample, found 'acustic'\. Did you mean 'acoustic'",
    ):
        world.match("acustic")


def test_planted_emphasis_drives_choices(world):
    pairs = world.dataset.interactions
    activity = np.bincount(pairs.users)
    for m, name in enumerate(world.modalities):
        chosen = world.match(name)[pairs.users, pairs.items]
        mean = np.bincount(pairs.users, chosen) / activity
        low, high = np.quantile(world.emphasis[:, m], [0.25, 0.75])
        keen, indifferent = mean[world.emphasis[:, m] >= high], mean[world.emphasis[:, m] <= low]
        assert keen.mean() > indifferent.mean() + 0.5
        assert mean.mean() > 0.3


def test_planted_emphasis_can_be_read_from_the_data(world):
    """Who cares about a modality watches items that are alike in it: no model, no truth, holes and all."""
    dataset = world.dataset
    watched = dataset.interactions.matrix(dataset.n_users, dataset.n_items)
    alike = np.zeros(world.emphasis.shape)
    for m, features in enumerate(dataset.features.values()):
        directions = features.values - features.values.mean(axis=0)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        mine = watched[:, features.items]
        count = mine.sum(axis=1)
        alike[:, m] = (((mine @ directions) ** 2).sum(axis=1) - count) / np.maximum(count * (count - 1), 1)
    for agreement in rank_agreement(alike, world).values():
        assert agreement > 0.6


def recall_at_10(scores, split):
    seen = split.matrix("train") + split.matrix("validation")
    scores = np.where(seen.toarray() > 0, -np.inf, scores)
    test = split.matrix("test").toarray()
    top = np.argpartition(-scores, 10, axis=1)[:, :10]
    hits, relevant = np.take_along_axis(test, top, axis=1).sum(axis=1), test.sum(axis=1)
    return (hits[relevant > 0] / relevant[relevant > 0]).mean()


def test_choices_can_be_learned(world):
    split = world.dataset.split("random")
    train = split.matrix("train")
    popularity = train.sum(axis=0)
    together = (train.T @ train).toarray() / np.sqrt(np.outer(popularity, popularity))
    np.fill_diagonal(together, 0)
    floor = recall_at_10(np.tile(popularity, (2000, 1)), split)
    neighbours = recall_at_10(train @ together, split)
    assert neighbours > 2.5 * floor
    assert recall_at_10(world.utility(), split) > max(4 * floor, 1.2 * neighbours)


def test_rank_agreement_is_spearman(small):
    random = np.random.default_rng(3)
    learned = random.integers(0, 8, small.emphasis.shape) + 4.0 * small.emphasis.round(1)  # with ties
    found = rank_agreement(learned, small)
    assert list(found) == ["visual", "acoustic", "textual"]
    for m, agreement in enumerate(found.values()):
        expected = spearmanr(learned[:, m], small.emphasis[:, m]).statistic
        assert agreement == pytest.approx(expected, abs=1e-12)


def test_rank_agreement_sees_only_order(small):
    assert rank_agreement(np.exp(5 * small.emphasis), small) == pytest.approx(
        {"visual": 1, "acoustic": 1, "textual": 1}
    )
    assert list(rank_agreement(-small.emphasis, small).values()) == pytest.approx([-1, -1, -1])
    assert np.isnan(list(rank_agreement(np.ones_like(small.emphasis), small).values())).all()


def test_rank_agreement_wants_every_user_and_modality(small):
    with pytest.raises(DataError, match=r"expected shape \(60, 3\) \(user, modality\), found \(59, 3\)"):
        rank_agreement(small.emphasis[1:], small)

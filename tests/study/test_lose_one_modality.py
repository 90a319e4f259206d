"""Items that lose one modality: how many, which first, and that nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelmix.data.sample import sample
from reelmix.errors import DataError
from reelmix.study.missing import lose_one_modality

PATTERNS = ("random", "unpopular", "newest", "serving")
SPLIT = sample(n_users=40, n_items=30).dataset.split()
HAVING = set(SPLIT.dataset.features["acoustic"].items.tolist())


def lost(rate, pattern, rng, split=SPLIT, modality="acoustic"):
    """The items that have the modality before and not after."""
    after = lose_one_modality(split, modality, rate, pattern, rng=rng)
    return set(np.flatnonzero(split.dataset.has(modality) & ~after.dataset.has(modality)).tolist())


def test_some_items_of_the_sample_lack_the_modality():
    assert 0 < len(HAVING) < SPLIT.dataset.n_items


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(PATTERNS), st.floats(0, 1), st.integers(0, 2**32))
def test_a_share_of_the_items_that_have_it(pattern, rate, rng):
    found = lost(rate, pattern, rng)
    assert len(found) == round(rate * len(HAVING))
    assert found <= HAVING
    assert found == lost(rate, pattern, rng)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(PATTERNS), st.lists(st.floats(0, 1), min_size=2, max_size=2), st.integers(0, 2**32))
def test_what_is_lost_at_a_smaller_rate_is_lost_at_a_larger_one(pattern, rates, rng):
    fewer, more = (lost(rate, pattern, rng) for rate in sorted(rates))
    assert fewer <= more


@pytest.mark.parametrize("pattern", PATTERNS)
def test_all_else_stays_as_it_was(pattern):
    before = SPLIT.dataset.content_hash
    found = lose_one_modality(SPLIT, "acoustic", 0.6, pattern, rng=1)
    assert SPLIT.dataset.content_hash == before
    assert (found.train, found.validation, found.test) == (SPLIT.train, SPLIT.validation, SPLIT.test)
    assert found.dataset.modalities == SPLIT.dataset.modalities
    for name in ("visual", "textual"):
        assert found.dataset.features[name] is SPLIT.dataset.features[name]
    kept = found.dataset.features["acoustic"]
    whole = SPLIT.dataset.features["acoustic"]
    rows = [whole.items.tolist().index(item) for item in kept.items.tolist()]
    np.testing.assert_array_equal(kept.values, whole.values[rows])
    gone = sorted(lost(0.6, pattern, 1))
    assert not found.edges("acoustic")[gone].any()
    assert not found.cut


def test_nothing_and_everything():
    assert lose_one_modality(SPLIT, "visual", 0.0, "random", rng=0).dataset.content_hash == (
        SPLIT.dataset.content_hash
    )
    for pattern in PATTERNS:
        assert not lose_one_modality(SPLIT, "visual", 1.0, pattern, rng=0).dataset.has("visual").any()


def test_each_seed_draws_other_items():
    for pattern in ("random", "unpopular"):
        assert len({frozenset(lost(0.5, pattern, rng)) for rng in range(20)}) > 15


# Which items


def popularity():
    counts = dict.fromkeys(sorted(HAVING), 0)
    for item in SPLIT.train.items.tolist():
        if item in counts:
            counts[item] += 1
    return counts


def lost_less_kept(pattern):
    """By seed, the mean popularity of the items that lost the modality less that of the others."""
    counts, differences = popularity(), []
    for rng in range(200):
        gone = lost(0.3, pattern, rng)
        differences.append(
            np.mean([counts[item] for item in gone]) - np.mean([counts[item] for item in HAVING - gone])
        )
    return np.mean(differences), np.std(differences) / 200**0.5


def test_unpopular_items_lose_it_first_and_any_items_at_random():
    mean, error = lost_less_kept("unpopular")
    assert mean < -10 * error
    mean, error = lost_less_kept("random")
    assert abs(mean) < 4 * error


def test_an_item_is_the_first_to_lose_it_in_proportion_to_its_weight():
    """Of one draw: 1 / (1 + p) over the sum of these."""
    counts = popularity()
    draws = 4000
    first = [next(iter(lost(1 / len(HAVING), "unpopular", rng))) for rng in range(draws)]
    weights = {item: 1 / (1 + count) for item, count in counts.items()}
    for item, weight in weights.items():
        share = weight / sum(weights.values())
        deviation = (share * (1 - share) / draws) ** 0.5
        assert abs(first.count(item) / draws - share) < 5 * deviation, item


def timed(dataset, first_seen):
    """The dataset, in which an item's first interaction is at this time; other items have none."""
    pairs = dataset.interactions
    watched = np.isin(pairs.items, list(first_seen))
    taken = pairs.take(watched)
    seen, times = set(), []
    for item in taken.items.tolist():
        times.append(first_seen[item] + (100 if item in seen else 0))
        seen.add(item)
    return replace(dataset, interactions=replace(taken, timestamps=np.array(times, np.int64)))


def test_new_items_lose_it_first_and_those_that_nobody_watched_before_all():
    dataset = SPLIT.dataset
    watched = sorted(set(dataset.interactions.items.tolist()) & HAVING)
    unwatched = watched[3]
    order = [item for item in np.random.default_rng(0).permutation(watched).tolist() if item != unwatched]
    rest = sorted(set(dataset.interactions.items.tolist()) - HAVING)
    times = {item: 10 * place for place, item in enumerate(order)}
    made = timed(dataset, times | dict.fromkeys(rest, 5))
    split = replace(SPLIT, dataset=made)
    none = sorted(HAVING - set(order))
    assert unwatched in none
    newest = [*none, *reversed(order)]
    for n in range(len(newest) + 1):
        assert lost(n / len(newest), "newest", 7, split) == set(newest[:n])


def test_newest_without_timestamps(refusal):
    pairs = replace(SPLIT.dataset.interactions, timestamps=None)
    split = replace(SPLIT, dataset=replace(SPLIT.dataset, interactions=pairs))
    assert refusal(DataError, lose_one_modality, split, "visual", 0.5, "newest", rng=0) == (
        "pattern 'newest': expected a timestamp on every interaction, found none. Leave that pattern out."
    )
    assert len(lost(0.5, "random", 0, split)) == round(0.5 * len(HAVING))

"""Against scipy, against formulas written out here, against published examples, and by simulation."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from reelmix.errors import ConfigError, DataError
from reelmix.study import statistics
from reelmix.study.statistics import (
    Estimate,
    Interval,
    paired_bootstrap,
    paired_randomisation,
    wilcoxon,
)


def two_models(users, rng=0, hit=0.3, lead=0.05):
    """Metrics of which most are 0 under both models, as at short cuts."""
    generator = np.random.default_rng(rng)
    first = np.where(generator.random(users) < hit + lead, generator.choice([0.25, 0.5, 1.0], users), 0.0)
    second = np.where(generator.random(users) < hit, generator.choice([0.25, 0.5, 1.0], users), 0.0)
    return first, second


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_is_that_of_scipy(level):
    first, second = two_models(400)
    ours = paired_bootstrap(first, second, rng=1, level=level)
    theirs = stats.bootstrap(
        (first, second),
        lambda a, b, axis: (a - b).mean(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=10_000,
        confidence_level=level,
        rng=np.random.default_rng(2),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.difference == pytest.approx((first - second).mean(), abs=1e-15)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03 * width)


def test_the_interval_of_two_users_by_hand():
    # means of two draws from {0, 1}: 0, 1/2, 1/2, 1, so that a tenth at either end is 0 and 1
    assert paired_bootstrap(np.array([1.0, 0.5]), np.array([0.0, 0.5]), rng=0, level=0.8) == Interval(
        0.5, 0, 1
    )


def test_equal_models_differ_by_nothing():
    first, _ = two_models(50)
    assert paired_bootstrap(first, first.copy(), rng=0) == Interval(0.0, 0.0, 0.0)


def test_exchanging_the_models_turns_the_interval_round():
    first, second = two_models(300)
    there, back = paired_bootstrap(first, second, rng=3), paired_bootstrap(second, first, rng=3)
    assert (back.difference, back.low, back.high) == pytest.approx(
        (-there.difference, -there.high, -there.low)
    )


@pytest.mark.parametrize("hit", [0.02, 0.5])
def test_the_interval_holds_the_truth_as_often_as_it_says(hit):
    lead, held, trials = 0.1, 0, 400
    truth = lead * np.mean([0.25, 0.5, 1.0])
    for trial in range(trials):
        first, second = two_models(150, rng=trial, hit=hit, lead=lead)
        interval = paired_bootstrap(first, second, rng=trial, samples=400, level=0.9)
        held += interval.low <= truth <= interval.high
    assert abs(held / trials - 0.9) < 0.035  # two standard errors of the simulation, and a little


def test_seeds_give_other_samples_and_blocks_do_not(monkeypatch):
    first, second = two_models(200)
    whole = paired_bootstrap(first, second, rng=0, samples=500)
    assert paired_bootstrap(first, second, rng=0, samples=500) == whole
    assert paired_bootstrap(first, second, rng=1, samples=500) != whole
    for draws in (1, 1_400, 1 << 30):
        monkeypatch.setattr(statistics, "_BLOCK_DRAWS", draws)
        assert paired_bootstrap(first, second, rng=0, samples=500) == whole


def test_half_precision_metrics_are_subtracted_in_full():
    first, second = np.array([0.1, 0.7], np.float32), np.array([0.2, 0.3], np.float32)
    exact = (first.astype(np.float64) - second.astype(np.float64)).mean()
    assert paired_bootstrap(first, second, rng=0, samples=10).difference == exact


def test_memory_is_bounded():
    first, second = two_models(50_000, hit=0.9)
    tracemalloc.start()
    try:
        paired_bootstrap(first, second, rng=0, samples=200)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20  # all samples at once would take 80 MB and more
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "tested",
    [
        lambda a, b: paired_bootstrap(a, b, rng=0),
        lambda a, b: paired_randomisation(a, b, rng=0),
        wilcoxon,
    ],
)
@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (
            np.zeros(3),
            np.zeros(1_200),
            "first and second: expected a metric of the same users from both models, "
            "found 3 and 1,200 users. Evaluate both on one split, and keep the order of the users.",
        ),
        (
            np.zeros(1),
            np.zeros(1),
            "first and second: expected at least 2 users, found 1. Compare on a larger test set.",
        ),
        (
            np.zeros(3),
            np.array([0, 1, np.nan]),
            "second, row 2: expected a finite metric of every user, found nan. "
            "Leave that user out of both vectors.",
        ),
        (
            np.array([0, np.inf, 0]),
            np.zeros(3),
            "first, row 1: expected a finite metric of every user, found inf. "
            "Leave that user out of both vectors.",
        ),
    ],
)
def test_refuses_vectors_that_are_no_pair(tested, first, second, text, refusal):
    assert refusal(DataError, tested, first, second) == text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"samples": 0}, "samples: expected at least 1 sample, found 0. Ask for 10,000 or so."),
        (
            {"level": 95.0},
            "level: expected a level between 0 and 1, found 95.0. Write 0.95 for a 95 % interval.",
        ),
        (
            {"level": 0.0},
            "level: expected a level between 0 and 1, found 0.0. Write 0.95 for a 95 % interval.",
        ),
    ],
)
def test_refuses_options_out_of_range(options, text, refusal):
    assert refusal(ConfigError, paired_bootstrap, np.zeros(2), np.ones(2), rng=0, **options) == text


@pytest.mark.parametrize("users", [2, 5, 12])
def test_randomisation_is_that_of_all_exchanges(users):
    """With so few users, all the ways to exchange the models can be counted."""
    first, second = two_models(users, rng=users, hit=0.6, lead=0.3)
    exact = stats.permutation_test(
        (first - second,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    ).pvalue
    assert paired_randomisation(first, second, rng=0) == pytest.approx(exact, abs=0.005)
    assert paired_randomisation(second, first, rng=1) == pytest.approx(exact, abs=0.005)


def test_randomisation_of_many_users_is_a_test_of_the_mean():
    first, second = two_models(3_000, rng=3, lead=0.005)
    p_value = paired_randomisation(first, second, rng=0)
    assert 0.001 < p_value < 0.5
    assert p_value == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.01)


def test_randomisation_is_never_surer_than_its_samples():
    ones = np.ones(200)
    assert paired_randomisation(ones, 0 * ones, rng=0, samples=999) == 1 / 1000
    assert paired_randomisation(ones, ones, rng=0) == 1.0


def test_randomisation_refuses_no_samples(refusal):
    first, second = two_models(10)
    assert refusal(ConfigError, paired_randomisation, first, second, rng=0, samples=0) == (
        "samples: expected at least 1 sample, found 0. Ask for 10,000 or so."
    )


def test_of_two_equal_models_one_in_twenty_is_taken_for_better():
    below = sum(
        paired_randomisation(*two_models(120, rng=trial, lead=0), rng=trial, samples=400) < 0.05
        for trial in range(400)
    )
    assert 8 <= below <= 32  # 20, give or take three standard errors


def test_ranks_may_be_even_where_means_are_not():
    """Why both are shown: twenty users whom all seeds serve, or thirty whom one seed in five does."""
    first, second = np.zeros(400), np.zeros(400)
    first[:20] = 1.0
    second[20:50] = 0.2
    assert paired_randomisation(first, second, rng=0) < 0.05 < wilcoxon(first, second)


def test_blocks_do_not_change_randomisation(monkeypatch):
    first, second = two_models(100)
    whole = paired_randomisation(first, second, rng=0, samples=3_000)
    monkeypatch.setattr(statistics, "_BLOCK_SIGNS", 1)
    assert paired_randomisation(first, second, rng=0, samples=3_000) == pytest.approx(whole, abs=0.04)


def pratt_by_the_formula(differences):
    """Normal approximation with ties and zeros: Cureton, "The normal approximation to the signed-rank
    sampling distribution when zero differences are present", JASA 62, 1967."""
    sizes = np.abs(differences)
    ranks = np.array([(sizes < size).sum() + ((sizes == size).sum() + 1) / 2 for size in sizes])
    signed = ranks[differences != 0]
    z = (ranks[differences > 0].sum() - signed.sum() / 2) / np.sqrt((signed**2).sum() / 4)
    return 2 * stats.norm.sf(abs(z))


@pytest.mark.parametrize("hit", [0.05, 0.3, 0.95])
def test_wilcoxon_is_the_formula(hit):
    first, second = two_models(300, hit=hit, lead=0.04)
    p_value = wilcoxon(first, second)
    assert p_value == pytest.approx(pratt_by_the_formula(first - second), rel=1e-9)
    assert p_value == pytest.approx(wilcoxon(second, first), rel=1e-9)
    assert 0.001 < p_value < 1


def test_wilcoxon_is_the_share_of_sign_flips():
    """The definition: how often exchanging the models in random users gives as large a sum of ranks."""
    first, second = two_models(80, rng=5, lead=0.2)
    differences = first - second
    ranks = stats.rankdata(np.abs(differences)) * np.sign(differences)
    flips = np.random.default_rng(0).choice([-1, 1], (20_000, len(ranks)))
    share = (np.abs(flips @ ranks) >= abs(ranks.sum()) - 1e-9).mean()
    assert 0.01 < share < 0.5
    assert wilcoxon(first, second) == pytest.approx(share, abs=0.012)


def test_larger_differences_are_never_less_significant():
    """Why zeros are ranked, after an example of Pratt's."""
    differences = np.array([0, 2, 3, 4, 6, 7, 8, 9, 11, 14, 15, 17, 19, -18.0])
    larger, smaller = differences, differences - 0.5
    usual = [stats.wilcoxon(values, zero_method="wilcox").pvalue for values in (smaller, larger)]
    assert usual[0] < usual[1]  # every difference is larger, and yet it is less significant
    ours = [wilcoxon(values, np.zeros(14)) for values in (smaller, larger)]
    assert ours[0] > ours[1]


def test_differences_tie_in_spite_of_rounding():
    tenths = np.random.default_rng(0).integers(0, 11, (2, 60))
    first, second = tenths / 10
    sizes = np.unique(np.abs(first - second))
    assert len(sizes) > 11  # 0.3 - 0.2 is not 0.2 - 0.1
    assert wilcoxon(first, second) == pytest.approx(wilcoxon(*tenths.astype(float)), rel=1e-12)


def test_no_difference_at_all_is_certain():
    assert wilcoxon(np.array([0.5, 0.0, 1.0]), np.array([0.5, 0.0, 1.0])) == 1.0
    assert wilcoxon(np.array([0.1 + 0.2, 1.0]), np.array([0.3, 1.0])) == 1.0


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, st.tuples(st.just(2), st.integers(2, 70)), elements=st.sampled_from([0, 0.2, 0.5, 1]))
)
def test_wilcoxon_gives_a_p_value_for_all_metrics(metrics):
    assert 0 < wilcoxon(*metrics) <= 1


def test_estimate():
    three = Estimate.of([0.1, 0.2, 0.6])
    assert (three.mean, three.spread, three.n) == (pytest.approx(0.3), pytest.approx(0.07**0.5), 3)
    assert Estimate.of(np.array([0.25])) == Estimate(0.25, None, 1)
    assert Estimate.of([0.1, 0.1, 0.1]) == Estimate(0.1, 0.0, 3)


def test_estimate_refuses(refusal):
    assert refusal(DataError, Estimate.of, []) == (
        "expected at least one measurement, found none. Show what was not measured as None."
    )
    assert refusal(DataError, Estimate.of, [0.1, float("nan")]) == (
        "measurement 1: expected finite measurements, found nan. "
        "Look at the run that gave it, or leave it out and say so."
    )

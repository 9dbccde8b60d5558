"""Judging until sure: the votes of fixed sampling from fewer samples, and Jeffreys' interval."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from ocspark.deepsets.weights import load_model
from ocspark.membership.adaptive import (
    ERROR,
    FEW,
    LAST,
    LEAST_SPREAD,
    checkpoints,
    find_certain,
    jeffreys_interval,
    judging_orders,
    sum_of_others,
)
from ocspark.membership.engine import Engine, Sampling
from tests.helpers.kernels import STAR_ERRORS, make_cluster, random_stars

FIXED = Sampling(n_samples=100, support_size=10, seed=5, leave_one_out=True)
ADAPTIVE = replace(FIXED, adaptive=True)


# --- the order of judging --------------------------------------------------------------------


@pytest.mark.parametrize("n", [3, 10, 99, 100])
def test_the_middle_sample_comes_first_then_the_other_end_then_all_along(n: int):
    for ranks, end in zip(judging_orders(n), (n - 1, 0), strict=True):
        assert sorted(ranks) == list(range(n))
        assert list(ranks[:2]) == [n // 2, end]
        assert len(set(np.sign(np.diff(ranks[2:])))) <= 1
    if n == 10:
        np.testing.assert_array_equal(
            judging_orders(n), [[5, 9, 0, 1, 2, 3, 4, 6, 7, 8], [5, 0, 9, 8, 7, 6, 4, 3, 2, 1]]
        )


@pytest.mark.parametrize("n", [1, 9, 10, 60, 100, 1000])
def test_looks_rise_to_all_samples_and_none_takes_too_many(n: int):
    at = checkpoints(n)
    assert at[-1] == n
    assert all(a < b for a, b in pairwise(at))
    assert at[0] == (6 if n >= 10 else n)
    # the middle is not passed, without which there would be nothing between to interpolate
    assert all(judged - 2 < n // 2 for judged in at[:-1])


# --- the decision ----------------------------------------------------------------------------


@pytest.mark.parametrize("judged", [6, 14, 30])
def test_the_limit_is_the_prediction_limit_for_all_samples_left(judged: int):
    rng = np.random.default_rng(judged)
    margins = rng.normal(0.0, 2.5, (4000, judged)) + rng.uniform(-40.0, 0.0, (4000, 1))
    margins[:, 1] = -1.0
    last = margins[:, 2:][:, -LAST:]
    k = last.shape[1]
    t = stats.t(k - 1).isf(ERROR / (100 - judged))
    spread = np.maximum(last.std(axis=1, ddof=1), LEAST_SPREAD)
    below = last.mean(axis=1) + t * np.sqrt(1 + 1 / k) * spread < 0
    few = (margins > 0).sum(axis=1) < 5
    sure, never = find_certain(margins.astype(np.float32), 100)
    assert (sure != (below & few)).sum() <= 1  # float32
    np.testing.assert_array_equal(never, ~few)
    assert 100 < sure.sum() < 3900


def test_samples_like_those_judged_vote_otherwise_no_more_often_than_stated():
    rng = np.random.default_rng(8)
    wrong = n_sure = 0
    for level in (1.5, 2.0, 2.5, 3.0, 4.0, 5.0):
        margins = rng.normal(-3.0 * level, 3.0, (20_000, 100)).astype(np.float32)
        margins[:, 1] = -1.0
        sure, _ = find_certain(margins[:, :14], 100)
        missed = (margins[sure, 14:] > 0).any(axis=1)
        wrong, n_sure = wrong + missed.sum(), n_sure + 20_000
    assert wrong / n_sure < ERROR


def test_a_minority_that_is_not_small_or_another_end_that_disagrees_is_never_sure():
    margins = np.full((3, 30), -20.0, np.float32)
    margins[0, 2:6] = 5.0  # four votes: 0.04 of 100
    margins[1, 2:7] = 5.0
    margins[2, 1] = 5.0
    sure, never = find_certain(margins, 100)
    assert sure.tolist() == [True, False, False]
    assert never.tolist() == [False, True, False]


def test_margins_that_fall_evenly_are_summed_exactly():
    by_rank = np.linspace(-5.0, -104.0, 100)
    for ranks, turned in zip(judging_orders(100), (by_rank, -by_rank), strict=True):
        judged = turned[ranks].astype(np.float32)[None, :12]
        expected = turned.sum() - judged.sum()
        # the middle of an even number is half a rank off in one of both directions
        assert sum_of_others(judged, 100)[0] == pytest.approx(expected, abs=50.0)


# --- the engine ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published():
    return load_model("DS10_v02")


@pytest.fixture(scope="module")
def far_and_near():
    """600 candidates of which most are far off, some certain members, and some in between."""
    stars, rng = random_stars(600, 70), np.random.default_rng(71)
    wide = rng.random(600) < 0.7
    for name, scale in (("parallax", 1.0), ("pmra", 3.0), ("pmdec", 3.0)):
        values = stars[name] + np.where(wide, rng.normal(0.0, scale, 600), 0.0)
        error = rng.choice([0.03, 0.3, 1.0], 600)
        stars = stars.with_columns({name: values, f"{name}_error": error})
    return stars, make_cluster(stars.take(np.flatnonzero(~wide)[::3]))


@pytest.fixture(scope="module")
def both(published, far_and_near):
    return tuple(Engine(published, s).membership(*far_and_near) for s in (FIXED, ADAPTIVE))


def test_probabilities_and_intervals_are_those_of_fixed_sampling(both):
    fixed, adaptive = both
    p = fixed.probability
    # stars of all kinds
    assert min((p == 0).sum(), (p == 1).sum(), ((p > 0) & (p < FEW)).sum()) > 20
    assert ((p > FEW) & (p < 1 - FEW)).sum() > 150
    # a rare support set may yet turn a sample that nothing else tells from the others
    difference = np.abs(adaptive.probability - p)
    assert difference.max() < 0.011
    assert (difference > 0).mean() < ERROR
    same = difference == 0
    for name in ("p_low", "p_high", "errors_mended"):
        np.testing.assert_array_equal(getattr(adaptive, name)[same], getattr(fixed, name)[same])


def test_only_stars_that_are_sure_at_either_end_stop_and_others_keep_every_bit(both):
    fixed, adaptive = both
    stopped = adaptive.n_samples < 100
    assert 0.3 < stopped.mean() < 0.95
    p = adaptive.probability[stopped]
    assert ((p < FEW) | (p > 1 - FEW)).all()
    assert set(np.unique(adaptive.n_samples)) <= set(checkpoints(100))
    np.testing.assert_array_equal(adaptive.mean_logit[~stopped], fixed.mean_logit[~stopped])


def test_the_mean_logit_of_stopped_stars_is_near_that_of_all_samples(both):
    fixed, adaptive = both
    stopped = adaptive.n_samples < 100
    difference = (adaptive.mean_logit - fixed.mean_logit)[stopped]
    spread = np.std(fixed.mean_logit[stopped])
    assert abs(difference.mean()) < 0.1 * spread
    assert difference.std() < 0.2 * spread


def test_a_thousand_samples_give_the_votes_of_fixed_sampling_too(published, far_and_near):
    stars, cluster = far_and_near
    some = stars.take(slice(0, 600, 5))
    fixed, adaptive = (
        Engine(published, replace(s, n_samples=1000)).membership(some, cluster)
        for s in (FIXED, ADAPTIVE)
    )
    assert np.abs(adaptive.probability - fixed.probability).max() < 0.0021
    assert adaptive.n_samples.mean() < 600


@pytest.mark.parametrize("n", [1, 2, 9, 10, 11, 1500])
def test_any_number_of_samples_will_do(published, far_and_near, n: int):
    stars, cluster = far_and_near
    some = stars.take(slice(0, 600, 40))
    fixed, adaptive = (
        Engine(published, replace(s, n_samples=n)).membership(some, cluster)
        for s in (FIXED, ADAPTIVE)
    )
    assert np.abs(adaptive.probability - fixed.probability).max() < 1.1 / n
    assert ((adaptive.n_samples < n).any()) == (n >= 10)
    if n < 10:
        np.testing.assert_array_equal(adaptive.probability, fixed.probability)


def test_margins_that_are_all_alike_are_sure_only_far_from_0():
    margins = np.repeat(np.array([[-4.0], [-30.0]], np.float32), 14, axis=1)
    assert find_certain(margins, 100)[0].tolist() == [False, True]


def test_a_star_without_errors_is_sure_whatever_the_order(published, far_and_near):
    stars, cluster = far_and_near
    few = stars.take(slice(0, 60))
    few = few.with_columns({f"{name}_error": np.zeros(60) for name in STAR_ERRORS})
    fixed, adaptive = (Engine(published, s).membership(few, cluster) for s in (FIXED, ADAPTIVE))
    np.testing.assert_array_equal(adaptive.probability, fixed.probability)


def test_stars_that_come_along_and_threads_do_not_matter(published, far_and_near, both):
    stars, cluster = far_and_near
    engine, whole = Engine(published, ADAPTIVE, threads=2), both[1]
    order = np.random.default_rng(3).permutation(600)
    for size in (1, 7, 64, 600):
        for first in range(0, 600 if size > 1 else 90, size):
            rows = order[first : first + size]
            part = engine.membership(stars.take(rows), cluster)
            for name, values in vars(part).items():
                np.testing.assert_array_equal(vars(whole)[name][rows], values)


# --- the interval ----------------------------------------------------------------------------


def test_the_interval_holds_95_percent_of_the_posterior():
    votes, n = np.array([0, 1, 12, 24, 50, 99, 100]), np.array([24, 24, 24, 24, 100, 100, 100])
    low, high = jeffreys_interval(votes, n)
    posterior = stats.beta(votes + 0.5, n - votes + 0.5)
    inside = (votes > 0) & (votes < n)
    np.testing.assert_allclose(posterior.cdf(low)[inside], 0.025, rtol=1e-9)
    np.testing.assert_allclose(posterior.sf(high)[inside], 0.025, rtol=1e-9)
    np.testing.assert_array_equal(low[votes == 0], 0.0)
    np.testing.assert_array_equal(high[votes == n], 1.0)
    assert (low <= votes / n).all()
    assert (votes / n <= high).all()


def test_the_interval_covers_the_true_probability():
    rng = np.random.default_rng(3)
    p = rng.random(20_000)
    low, high = jeffreys_interval(rng.binomial(100, p), np.full(20_000, 100))
    covered = ((low <= p) & (p <= high)).mean()
    assert abs(covered - 0.95) < 0.01

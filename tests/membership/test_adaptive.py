"""Adaptive sampling: the stated error holds, stars stop early, and the interval is Jeffreys'."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ocspark.deepsets.weights import load_model
from ocspark.membership.adaptive import (
    DECISION_ERROR,
    FIRST_LOOK,
    NEXT_LOOK,
    THRESHOLDS,
    band,
    decided,
    interval,
    looks,
)
from ocspark.membership.engine import Engine, Sampling
from tests.kernels import make_cluster, random_stars, take

FIXED = Sampling(n_samples=100, support_size=10, seed=5, leave_one_out=True)


def stop(p: float, n: int, most: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
    """Votes and samples of n stars whose samples are members with probability p."""
    rng = np.random.default_rng(int(p * 1e6))
    votes, drawn = np.zeros(n, np.int64), np.zeros(n, np.int64)
    rows, begin = np.arange(n), 0
    for end in looks(most, adaptive=True):
        votes[rows] += rng.binomial(end - begin, p, len(rows))
        drawn[rows] = begin = end
        rows = rows[~decided(votes[rows], end)]
        if not len(rows):
            break
    return votes, drawn


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("side", [-1, 1])
def test_outside_the_band_a_decision_errs_no_more_than_stated(threshold, side):
    p = threshold + side * band(threshold)
    votes, drawn = stop(p, 20_000)
    wrong = (votes / drawn >= threshold) != (p >= threshold)
    assert wrong.mean() < DECISION_ERROR + 4 * np.sqrt(DECISION_ERROR / 20_000)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_a_sure_star_stops_at_the_first_look(p):
    votes, drawn = stop(p, 10)
    np.testing.assert_array_equal(drawn, FIRST_LOOK)
    np.testing.assert_array_equal(votes, p * FIRST_LOOK)


def test_a_star_at_a_threshold_needs_many_samples():
    _, drawn = stop(0.5, 2000)
    assert np.median(drawn) > 2 * FIRST_LOOK


@pytest.mark.parametrize("most", [1, 23, 24, 25, 100, 104])
def test_the_last_look_is_at_the_most_samples_allowed(most):
    at = looks(most, adaptive=True)
    assert at[-1] == most
    assert at[0] == min(most, FIRST_LOOK)
    assert (np.diff(at) > 0).all()
    assert (np.diff(at)[:-1] == NEXT_LOOK).all()


def test_the_interval_holds_95_percent_of_the_posterior():
    votes, n = np.array([0, 1, 12, 24, 50, 99, 100]), np.array([24, 24, 24, 24, 100, 100, 100])
    low, high = interval(votes, n)
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
    low, high = interval(rng.binomial(100, p), np.full(20_000, 100))
    covered = ((low <= p) & (p <= high)).mean()
    assert abs(covered - 0.95) < 0.01


@pytest.fixture(scope="module")
def results():
    model, stars = load_model("DS10_v02"), random_stars(120, 70)
    cluster = make_cluster(take(stars, slice(0, 120, 3)))
    engine = Engine(model, replace(FIXED, adaptive=True))
    return model, stars, cluster, engine, engine.membership(stars, cluster)


def test_an_adaptive_star_has_the_first_samples_of_a_fixed_run(results):
    model, stars, cluster, _, adaptive = results
    assert len(np.unique(adaptive.n_samples)) > 2
    for n in np.unique(adaptive.n_samples):
        rows = np.flatnonzero(adaptive.n_samples == n)
        fixed = Engine(model, replace(FIXED, n_samples=int(n))).membership(
            take(stars, rows), cluster
        )
        np.testing.assert_array_equal(adaptive.probability[rows], fixed.probability)
        np.testing.assert_allclose(adaptive.mean_logit[rows], fixed.mean_logit, rtol=1e-12)


def test_adaptive_results_do_not_depend_on_the_batch(results):
    _, stars, cluster, engine, whole = results
    for size in (1, 7, 64):
        for first in range(0, 120, size):
            part = engine.membership(take(stars, slice(first, first + size)), cluster)
            for name, values in vars(part).items():
                np.testing.assert_array_equal(vars(whole)[name][first : first + size], values)

"""Intervals against scipy, tables and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from ocspark.selection_function.rates import estimate_mean_count, estimate_share, wilson


@pytest.mark.parametrize(("k", "n"), [(0, 7), (7, 7), (3, 10), (250, 1000)])
def test_wilson_is_scipys(k: int, n: int):
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_one_group_is_binomial():
    assert estimate_share([3], [10])[2:] == pytest.approx((0.3, *wilson(0.3, 10)))


@pytest.mark.parametrize("spread", [0.0, 0.15])
def test_share_of_groups_that_differ_is_covered(spread: float):
    """Groups of 80 stars whose own completeness scatters about 0.6."""
    rng = np.random.default_rng(1)
    covered, ignored = 0, 0
    for _ in range(1000):
        own = np.clip(0.6 + spread * rng.standard_normal(8), 0.0, 1.0)
        hits = rng.binomial(80, own)
        rate = estimate_share(hits, np.full(8, 80))
        covered += rate.low <= 0.6 <= rate.high
        low, high = wilson(rate.value, rate.n)
        ignored += low <= 0.6 <= high
    assert covered >= 930  # 950 expected, of which the standard deviation is 7
    if spread:
        assert ignored < 800  # stars taken as independent would claim too much


def test_share_of_nothing_is_unknown():
    assert np.isnan(estimate_share([], []).value) and np.isnan(estimate_share([0], [0]).low)


@pytest.mark.parametrize(
    ("counts", "low", "high"), [([0], 0.0, 3.689), ([3], 0.619, 8.767), ([10], 4.795, 18.39)]
)
def test_counts_have_the_exact_poisson_interval(counts: list[int], low: float, high: float):
    # the limits that Gehrels (1986) and others tabulate for 95 %
    assert estimate_mean_count(counts)[3:] == pytest.approx((low, high), abs=2e-3)


def test_mean_count_of_cones_that_differ_is_covered():
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(1000):
        rate = estimate_mean_count(
            rng.poisson(rng.gamma(4.0, 5.0, 12))
        )  # mean 20, density varies by half
        inside += rate.low <= 20.0 <= rate.high
    assert inside >= 900

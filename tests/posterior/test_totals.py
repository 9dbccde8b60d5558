"""Sums over a cluster's posteriors, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ocspark.posterior.totals import sum_up


def test_totals_are_the_sums_they_say():
    posterior = np.array([1.0, 0.8, 0.5, 0.2, 0.0, np.nan])
    votes = np.array([0.9, 0.4, 0.6, 0.7, 0.1, 1.0])
    totals = sum_up(posterior, votes, 50.0, 15.0)
    spread = 0.8 * 0.2 + 0.25 + 0.2 * 0.8
    assert totals.n_members == 3
    assert totals.expected_members == pytest.approx(2.5)
    assert totals.contaminants_posterior_50 == pytest.approx(0.7)
    assert totals.contaminants_votes_50 == pytest.approx(0.0 + 0.5 + 0.8)
    variance = spread + (0.03 * 2.5) ** 2 + (0.3 * spread) ** 2
    assert totals.expected_members_error == pytest.approx(np.sqrt(variance))


def test_a_small_cone_has_a_larger_error():
    posterior = np.array([1.0, 0.5, 0.0])
    large, small = (sum_up(posterior, posterior, r, 15.0) for r in (50.0, 10.0))
    added = small.expected_members_error**2 - large.expected_members_error**2
    assert added == pytest.approx((0.05 * 1.5) ** 2 + (0.03 * 1.5) ** 2)

"""Stars that several clusters claim."""

from __future__ import annotations

import numpy as np
import pytest

from ocspark.posterior.sharing import share_stars


def test_a_star_of_one_cluster_keeps_its_probability():
    q = np.array([0.0, 0.3, 1.0])
    posterior, low, high = share_stars(np.array([1, 2, 3]), q, 0.5 * q, np.minimum(1.2 * q, 1))
    np.testing.assert_allclose(posterior, q, atol=1e-8)
    np.testing.assert_allclose(low, 0.5 * q, atol=1e-8)
    np.testing.assert_allclose(high, np.minimum(1.2 * q, 1), atol=1e-8)


def test_two_equal_claims_share_by_their_odds():
    q = np.array([0.9, 0.9])
    posterior, *_ = share_stars(np.array([5, 5]), q, q, q)
    np.testing.assert_allclose(posterior, 9.0 / 19.0)


def test_posteriors_of_a_star_sum_to_at_most_one():
    rng = np.random.default_rng(1)
    source_id = rng.integers(0, 300, 1_000)
    q = rng.choice([0.0, 1.0, 0.5, 1 - 1e-12, 1e-15], 1_000) * rng.uniform(0.9, 1, 1_000)
    posterior, low, high = share_stars(source_id, q, 0.9 * q, np.sqrt(q))
    assert np.bincount(source_id, posterior).max() <= 1.0
    assert np.all((low <= posterior) & (posterior <= high))


def test_a_cluster_without_a_posterior_claims_nothing():
    q = np.array([np.nan, 0.8])
    posterior, *_ = share_stars(np.array([5, 5]), q, q, q)
    assert np.isnan(posterior[0])
    assert posterior[1] == pytest.approx(0.8)

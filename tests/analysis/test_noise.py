"""What is more than noise: against scipy's Benjamini & Hochberg, and on votes of one network."""

from __future__ import annotations

import numpy as np
from scipy.special import erfc
from scipy.stats import false_discovery_control

from ocspark.analysis.noise import critical_sigmas


def test_the_stars_called_changed_are_those_of_scipys_test():
    rng = np.random.default_rng(3)
    for real in (0, 5, 300):
        sigmas = np.abs(np.concatenate((rng.normal(size=4000), rng.normal(5, 1, real))))
        critical = critical_sigmas(sigmas, np.ones(len(sigmas), dtype=np.int64), 0.01)
        called = sigmas >= (np.inf if critical is None else critical)
        expected = false_discovery_control(erfc(sigmas / np.sqrt(2))) <= 0.01
        np.testing.assert_array_equal(called, expected)
        assert (called.sum() > 200) == (real == 300)


def test_counted_stars_count():
    sigmas, counts = np.array([0.0, 1.0, 3.5]), np.array([900, 90, 10])
    each = np.repeat(sigmas, counts)
    alone = critical_sigmas(each, np.ones(1000, dtype=np.int64), 0.05)
    assert critical_sigmas(sigmas, counts, 0.05) == alone == 3.5


def test_votes_of_the_same_probability_are_hardly_ever_called_changed():
    """Few votes are far from normal: the test must stay honest there."""
    rng = np.random.default_rng(11)
    false = 0
    for n, m in ((10, 10), (24, 100), (100, 100)):
        for _ in range(60):
            p = rng.choice([0.003, 0.02, 0.1, 0.4, 0.9, 0.99], 20_000)
            a, b = rng.binomial(n, p) / n, rng.binomial(m, p) / m
            pooled = (n * a + m * b) / (n + m)
            noise = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
            sigmas = np.divide(np.abs(b - a), noise, out=np.zeros(len(p)), where=noise > 0)
            false += critical_sigmas(sigmas, np.ones(len(p), dtype=np.int64), 0.01) is not None
    assert false <= 6  # of 180 samples without any change; 1 % of them are expected

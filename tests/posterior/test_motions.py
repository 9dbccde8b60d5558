"""Members' motions: the density against scipy, widths of simulated members."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from ocspark.posterior.motions import (
    PRIOR_STARS,
    Motion,
    fit_training_members,
    log_density,
    update_motion,
)
from ocspark.posterior.stars import RelativeStars


def stars(
    offset: np.ndarray, error: np.ndarray, correlation: np.ndarray | None = None
) -> RelativeStars:
    n = offset.shape[1]
    zero = np.zeros(n)
    return RelativeStars(
        offset=offset,
        error=error,
        correlation=np.zeros((3, n)) if correlation is None else correlation,
        half_width=np.ones((3, n)),
        g_mag=np.full(n, 15.0),
        colour=zero,
        colour_error=zero,
        position=np.zeros((2, n)),
        votes=zero,
        is_training=np.ones(n, dtype=bool),
    )


def test_the_density_is_a_gaussian_of_errors_correlations_and_intrinsic_widths():
    rng = np.random.default_rng(3)
    offset, error = rng.normal(0, 0.3, (3, 5)), rng.uniform(0.05, 0.4, (3, 5))
    correlation = rng.uniform(-0.5, 0.5, (3, 5))
    motion = Motion((0.1, -0.05, 0.02), (0.02, 0.02, 0.003))
    log_value, chi2 = log_density(stars(offset, error, correlation), motion)
    for i in range(5):
        xy, xz, yz = correlation[:, i]
        matrix = np.array([[1, xy, xz], [xy, 1, yz], [xz, yz, 1]])
        covariance = np.outer(error[:, i], error[:, i]) * matrix + np.diag(motion.variance)
        expected = multivariate_normal(np.array(motion.mean), covariance)
        assert log_value[i] == pytest.approx(expected.logpdf(offset[:, i]), rel=1e-10)
        away = offset[:, i] - motion.mean
        assert chi2[i] == pytest.approx(away @ np.linalg.solve(covariance, away), rel=1e-10)


@pytest.fixture(scope="module")
def simulated() -> RelativeStars:
    rng = np.random.default_rng(4)
    n = 20_000
    error = rng.uniform(0.02, 0.3, (3, n))
    true = np.array([0.1, -0.2, 0.03])[:, None] + np.array([0.1, 0.1, 0.05])[
        :, None
    ] * rng.standard_normal((3, n))
    return stars(true + error * rng.standard_normal((3, n)), error)


def test_training_members_give_their_mean_and_their_widths_without_the_errors(simulated):
    motion = fit_training_members(simulated)
    np.testing.assert_allclose(motion.mean, [0.1, -0.2, 0.03], atol=0.006)
    np.testing.assert_allclose(np.sqrt(motion.variance), [0.1, 0.1, 0.05], rtol=0.05)


def test_a_few_stars_far_off_do_not_widen_the_training_members(simulated):
    offset = simulated.offset.copy()
    offset[:, ::100] += 30.0
    motion = fit_training_members(stars(offset, simulated.error))
    np.testing.assert_allclose(np.sqrt(motion.variance), [0.1, 0.1, 0.05], rtol=0.05)


def test_updates_end_where_the_stars_are(simulated):
    first = Motion((0.0, 0.0, 0.0), (0.015, 0.015, 0.002))
    motion = first
    for _ in range(50):
        motion = update_motion(simulated, np.ones(len(simulated)), motion, first)
    np.testing.assert_allclose(motion.mean, [0.1, -0.2, 0.03], atol=0.006)
    np.testing.assert_allclose(np.sqrt(motion.variance), [0.1, 0.1, 0.05], rtol=0.05)


def test_without_weight_the_training_members_values_stand(simulated):
    first = Motion((0.3, 0.2, -0.1), (0.01, 0.01, 0.001))
    motion = update_motion(simulated, np.zeros(len(simulated)), first, first)
    np.testing.assert_allclose(motion.mean, first.mean)
    np.testing.assert_allclose(motion.variance, first.variance)


def test_variances_stay_within_a_factor_two_of_the_training_members(simulated):
    first = Motion((0.1, -0.2, 0.03), (1e-4, 1e-4, 1.0))
    motion = first
    for _ in range(200):
        motion = update_motion(simulated, np.ones(len(simulated)), motion, first)
    assert len(simulated) > 100 * PRIOR_STARS
    np.testing.assert_allclose(motion.variance, [2e-4, 2e-4, 0.5])

"""Windows by hand, and the share of members inside them by Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest

from ocspark.posterior.windows import half_widths, mean_delta_parallax, member_share


def test_half_widths_are_three_errors_plus_delta_within_the_cone_cut():
    error = np.array([[0.1, 2.0], [0.2, 2.0], [0.05, 2.0]])
    widths = half_widths(error, 0.5, (0.1, 0.2), (0.3, 0.4, 0.08))
    cut_pm = 10.0 * np.sqrt((0.3**2 + 0.4**2) / 2.0)
    np.testing.assert_allclose(widths[:, 0], [0.8, 1.1, 0.15 + 0.15])
    np.testing.assert_allclose(widths[:, 1], [cut_pm, cut_pm, 0.8])


def test_an_infinite_delta_counts_as_five_of_the_other():
    assert mean_delta_parallax(0.1, np.inf) == pytest.approx(0.3)
    assert mean_delta_parallax(0.1, 0.2) == pytest.approx(0.15)


@pytest.mark.parametrize("sigma", [0.1, 0.3, 1.0])
def test_the_share_of_members_inside_is_what_draws_give(sigma):
    rng = np.random.default_rng(1)
    n, half, pm_variance, plx_variance = 400_000, np.array([0.6, 0.6, 0.3]), 0.04, 0.01
    spread = np.sqrt(sigma**2 + np.array([pm_variance, pm_variance, plx_variance]))
    drawn = rng.standard_normal((n, 3)) * spread / half
    inside = (np.hypot(drawn[:, 0], drawn[:, 1]) < 1) & (np.abs(drawn[:, 2]) < 1)
    share = member_share(half[:, None], np.full((3, 1), sigma), pm_variance, plx_variance)
    assert share[0] == pytest.approx(inside.mean(), abs=4 * np.sqrt(0.25 / n))


def test_an_oblong_window_is_met_within_two_percent():
    rng = np.random.default_rng(2)
    half, sigma = np.array([0.6, 0.8, 5.0]), np.array([0.3, 0.4, 0.1])
    drawn = rng.standard_normal((400_000, 3)) * sigma / half
    inside = np.hypot(drawn[:, 0], drawn[:, 1]) < 1
    share = member_share(half[:, None], sigma[:, None], 0.0, 0.0)
    assert share[0] == pytest.approx(inside.mean(), abs=0.02)

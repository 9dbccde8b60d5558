"""King fits: closed forms, planted profiles, honest open ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from ocspark.analysis.king import fit_king, king_density, king_number

R = 50.0


def planted(
    rng: np.random.Generator, n: int, core: float, tidal: float, background: float
) -> np.ndarray:
    """Radii of a King profile by rejection from its density, and of a flat background."""
    n_flat = rng.binomial(n, background)
    flat = R * np.sqrt(rng.random(n_flat))
    own: list[float] = []
    while len(own) < n - n_flat:
        r = min(tidal, R) * np.sqrt(rng.random(20_000))
        keep = rng.random(len(r)) < king_density(r, core, tidal) / king_density(
            np.zeros(1), core, tidal
        )
        own += r[keep].tolist()
    return np.concatenate((np.array(own[: n - n_flat]), flat))


@pytest.mark.parametrize(("core", "tidal"), [(1.0, 10.0), (3.0, 4.0), (2.0, 200.0)])
def test_number_is_the_integral_of_the_density(core: float, tidal: float) -> None:
    for radius in (0.3, 1.0, 3.5, 0.99 * tidal, 2.0 * tidal):
        expected, _ = quad(
            lambda r: 2 * r * king_density(np.array([r]), core, tidal)[0],
            0.0,
            min(radius, tidal),
            epsabs=1e-12,
        )
        number = float(king_number(np.array(radius), core, tidal)) * core**2
        assert number == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("n", "core", "tidal", "background"),
    [(600, 2.0, 20.0, 0.2), (300, 1.5, 12.0, 0.1), (2000, 3.0, 25.0, 0.3)],
)
def test_planted_radii_are_in_two_of_three_intervals(
    n: int, core: float, tidal: float, background: float
) -> None:
    rng, tries = np.random.default_rng(7), 40
    fits = [fit_king(planted(rng, n, core, tidal, background), R) for _ in range(tries)]
    assert all(fit.status == "fitted" for fit in fits)
    for name, true in (("core", core), ("tidal", tidal)):
        found = [getattr(fit, name) for fit in fits]
        inside = sum(f.lower <= true <= f.upper for f in found)
        # 68 % of 40, four binomial standard deviations (2.95) either way
        assert 27 - 12 <= inside <= 27 + 12, (name, inside)
        median = np.median([f.value for f in found])
        width = np.median([0.5 * (f.upper - f.lower) for f in found])
        # the median of 40 is uncertain by 1.25/√40 = 0.2 widths
        assert abs(median - true) < 0.8 * width
    assert np.median([fit.background for fit in fits]) == pytest.approx(background, abs=0.06)


def test_a_tidal_radius_far_outside_the_area_is_not_constrained_but_has_a_lower_end() -> None:
    rng = np.random.default_rng(3)
    fit = fit_king(planted(rng, 1500, 2.0, 2000.0, 0.0), R)
    assert math.isnan(fit.tidal.value) and math.isnan(fit.tidal.upper)
    assert fit.tidal.lower > R
    assert "tidal radius" in fit.status
    assert abs(fit.core.value - 2.0) < 1.5 * (fit.core.upper - fit.core.lower)  # 3 sigma


def test_stars_spread_evenly_are_no_cluster() -> None:
    fit = fit_king(R * np.sqrt(np.random.default_rng(5).random(500)), R)
    assert fit.status == "not constrained: no concentration of stars"
    assert math.isnan(fit.core.value) and math.isnan(fit.tidal.value)


def test_a_flat_top_has_no_core_radius() -> None:
    rng = np.random.default_rng(9)
    fit = fit_king(10.0 * np.sqrt(rng.random(800)), R)
    assert math.isnan(fit.core.value) and "core radius" in fit.status


@pytest.mark.parametrize("n", [0, 1, 5, 29])
def test_few_stars_are_not_fitted(n: int) -> None:
    fit = fit_king(np.linspace(0.1, 5.0, n), R)
    assert fit.status.startswith("not fitted") and math.isnan(fit.core.value)


def test_a_ring_that_ends_at_the_tidal_radius_does_not_break_the_fit() -> None:
    # of many such clusters the first whose grid meets a number that rounding makes negative
    radius = np.random.default_rng(46).gamma(2.0, 1.5, 90)
    assert fit_king(radius, 50.0).status == "fitted"


def test_stars_at_one_radius_do_not_break_the_fit() -> None:
    fit = fit_king(np.full(50, 3.0), R)
    assert math.isnan(fit.core.value) or fit.core.value > 0

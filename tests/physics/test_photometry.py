"""Magnitude errors: closed forms, and the published implementation on the release's spline."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import BSpline

from ocspark.physics.photometry import BANDS, MagnitudeErrorModel, evaluate_cubic_spline
from ocspark.release import load_release
from tests.helpers.published import published_module

BASE = {"G": 200.0, "BP": 20.0, "RP": 20.0}
RANGE = (4.05, 20.95)


def straight_model(intercept: float, slope: float) -> MagnitudeErrorModel:
    """log10 σ = intercept + slope · magnitude: a B-spline reproduces it from Greville abscissae."""
    knots = np.concatenate((np.full(4, 4.0), np.linspace(6, 19, 9), np.full(4, 21.0)))
    greville = np.array([knots[i + 1 : i + 4].mean() for i in range(len(knots) - 4)])
    return MagnitudeErrorModel(
        dict.fromkeys(BANDS, knots), dict.fromkeys(BANDS, intercept + slope * greville), BASE, RANGE
    )


@pytest.fixture(scope="module")
def released() -> MagnitudeErrorModel:
    release = load_release("dr3")
    source = release.magnitude_errors
    return MagnitudeErrorModel.from_csv(
        str(release.magnitude_errors_path), source.base_n_obs, source.mag_range
    )


@pytest.mark.parametrize("band", BANDS)
def test_a_straight_line_in_log_sigma_is_reproduced(band):
    mag = np.linspace(4.05, 20.95, 200)
    sigma = straight_model(-5.0, 0.17).sigma(band, mag, np.full(200, BASE[band]))
    np.testing.assert_allclose(sigma, 10 ** (-5.0 + 0.17 * mag), rtol=1e-12)


@pytest.mark.parametrize("band", BANDS)
def test_sigma_falls_with_the_root_of_the_number_of_observations(band):
    n_obs = np.array([1, 4, 100, 400]) * int(BASE[band])
    sigma = straight_model(-2.0, 0.0).sigma(band, np.full(4, 15.0), n_obs)
    np.testing.assert_allclose(sigma, 0.01 / np.array([1, 2, 10, 20]), rtol=1e-12)


def test_magnitudes_outside_the_range_have_the_error_at_its_end():
    model = straight_model(-5.0, 0.17)
    sigma = model.sigma("G", np.array([-1.0, 2.0, 4.0, 21.0, 25.0]), np.full(5, 200))
    ends = 10 ** (-5.0 + 0.17 * np.array(RANGE))
    np.testing.assert_allclose(sigma, ends[[0, 0, 0, 1, 1]], rtol=1e-12)


@pytest.mark.parametrize("band", BANDS)
def test_release_spline_equals_the_published_implementation(released, band):
    module = published_module("data_preparation/cone_preprocessing.py")
    published = module.Edr3MagUncertainty(str(load_release("dr3").magnitude_errors_path))
    rng = np.random.default_rng(11)
    mag, n_obs = rng.uniform(2.0, 23.0, 5000), rng.integers(1, 900, 5000)
    expected = published.estimate(band.lower(), mag, n_obs)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(released.sigma(band, mag, n_obs), expected, rtol=1e-12)


@pytest.mark.parametrize("band", BANDS)
def test_values_of_a_spline_are_those_of_scipy_bit_for_bit(released, band):
    knots, coefficients = released.knots[band], released.coefficients[band]
    inside = np.random.default_rng(12).uniform(knots[0], knots[-1], 20_000)
    x = np.concatenate((inside, knots, np.nextafter(knots, 0), np.nextafter(knots, 99), [np.nan]))
    expected = BSpline(knots, coefficients, 3, extrapolate=False)(x)
    assert np.isfinite(expected).sum() > 20_000 and np.isnan(expected).sum() > 2
    np.testing.assert_array_equal(evaluate_cubic_spline(knots, coefficients, x), expected)


def test_release_errors_are_those_of_the_gaia_edr3_summary(released):
    # ESA's EDR3 page: mean G uncertainty 0.3 mmag (G < 13), 1 mmag (G = 17), 6 mmag (G = 20),
    # for typical numbers of observations (a few hundred CCD transits)
    sigma = released.sigma("G", np.array([12.0, 17.0, 20.0]), np.full(3, 350))
    ratio = sigma / np.array([0.3e-3, 1e-3, 6e-3])
    assert ((ratio > 0.4) & (ratio < 2.5)).all()


def test_float32_magnitudes_and_integer_counts_are_accepted(released):
    sigma = released.sigma("RP", np.array([15.5], dtype=np.float32), np.array([40], dtype=np.int16))
    assert sigma.dtype == np.float64
    np.testing.assert_array_equal(sigma, released.sigma("RP", np.array([15.5]), np.array([40.0])))

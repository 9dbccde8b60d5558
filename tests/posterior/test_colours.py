"""Members' colours: the mass function against scipy, isochrones whose colours are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from ocspark.posterior.colours import C_BINS, C_LOW, C_STEP, MemberColours, imf_number
from tests.helpers.simulate import straight_isochrone

COLOUR = C_LOW + C_STEP * (np.arange(C_BINS) + 0.5)


def kroupa(mass: float) -> float:
    """dN/dm of Kroupa (2001): continuous at 0.5, flat below 0.08."""
    mass = max(mass, 0.08)
    return mass**-2.3 if mass > 0.5 else mass**-1.3 / 0.5


@pytest.mark.parametrize(("low", "high"), [(0.01, 0.07), (0.05, 0.3), (0.2, 0.9), (0.6, 8.0)])
def test_numbers_of_stars_are_the_integral_of_the_mass_function(low, high):
    number = np.diff(imf_number(np.array([low, high])))[0]
    expected = quad(kroupa, low, high, points=[0.08, 0.5], epsabs=1e-12)[0]
    assert number == pytest.approx(expected, rel=1e-7)


@pytest.fixture(scope="module")
def colours() -> MemberColours:
    return MemberColours(straight_isochrone())


@pytest.mark.parametrize("g", [11.0, 14.3, 18.0])
@pytest.mark.parametrize("width", [0.02, 0.1])
def test_densities_are_normalised_over_colour(colours, g, width):
    at = np.full(C_BINS, g), np.full(C_BINS, width)
    for density in colours.densities(COLOUR, *at):
        assert density.sum() * C_STEP == pytest.approx(1.0, abs=2e-3)


def test_single_stars_lie_on_the_isochrone_as_wide_as_their_errors(colours):
    g, width = 15.0, 0.09  # one of the widths, so that nothing is interpolated
    width = float(np.geomspace(0.008, 0.45, 11)[6])
    single, _ = colours.densities(COLOUR, np.full(C_BINS, g), np.full(C_BINS, width))
    # 0.1 mag of smoothing along G, at 0.1 mag of colour per mag, adds 0.01 in colour.
    expected = norm.pdf(COLOUR, 0.7, np.hypot(width, 0.01))
    np.testing.assert_allclose(single, expected, atol=0.02 * expected.max())


def test_binaries_are_redder_than_single_stars_of_their_magnitude_but_for_dark_companions(colours):
    g = np.full(C_BINS, 15.0)
    single, binary = colours.densities(COLOUR, g, np.full(C_BINS, 0.01))
    mean = [(density * COLOUR).sum() / density.sum() for density in (single, binary)]
    assert mean[1] > mean[0] + 0.01
    # An equal pair is 2.5 log 2 = 0.753 mag brighter than either: 0.0753 mag redder at its G.
    red_end = COLOUR[np.flatnonzero(binary > 0.02 * binary.max())[-1]]
    assert 0.7 + 0.0753 < red_end + 0.03 < 0.7 + 0.0753 + 0.1


def test_magnitudes_without_stars_take_the_nearest_that_has_some(colours):
    at_end, _ = colours.densities(COLOUR, np.full(C_BINS, 9.0), np.full(C_BINS, 0.05))
    assert COLOUR[np.argmax(at_end)] == pytest.approx(0.2, abs=0.05)


def test_the_ridge_is_the_main_sequence(colours):
    np.testing.assert_allclose(colours.ridge(np.array([12.0, 19.5])), [0.4, 1.15])

"""Stars drawn from isochrones: their masses, their companions, their counts."""

from __future__ import annotations

import numpy as np
import pytest

from ocspark.inputs.isochrones import default_grid, default_isochrones
from ocspark.mock.dust import ExtinctionGrid
from ocspark.mock.stars import G_LIMIT, G_STEPS, LuminosityFunction, Track


@pytest.fixture(scope="module")
def luminosity() -> LuminosityFunction:
    return LuminosityFunction.from_isochrones(
        default_grid(), (9.0, 10.0), ((0.0164, 0.6), (0.0054, 0.4))
    )


def test_masses_follow_kroupas_slope():
    isochrones = default_isochrones()
    young = isochrones[np.isclose(isochrones["log_age"], 7.08)]
    track = Track.apparent(young, 300.0, 0.0, 21.0, ExtinctionGrid.build())
    drawn = track.draw(60_000, 0.0, np.random.default_rng(1))["initial_mass"]
    for low, high, slope in ((0.5, 5.0, 2.3), (0.15, 0.5, 1.3)):
        mass = drawn[(drawn > low) & (drawn < high)]
        # the mean of ln m of a cut power law is a closed form of its slope: solve for the slope
        slopes = np.linspace(0.8, 3.0, 2201)
        grid = np.linspace(np.log(low), np.log(high), 4001)
        weight = np.exp(np.outer(1.0 - slopes, grid))
        expected = (weight * grid).sum(axis=1) / weight.sum(axis=1)
        fitted = np.interp(-np.log(mass).mean(), -expected, slopes)
        assert fitted == pytest.approx(
            slope, abs=4.0 / np.sqrt(len(mass)) / (grid[-1] - grid[0]) * 4
        )


def test_share_of_brighter_stars_is_that_of_drawn_stars(luminosity: LuminosityFunction):
    rng = np.random.default_rng(2)
    star = luminosity.draw(np.full(50_000, 12.0), rng.random(50_000))
    magnitude = luminosity.magnitude[0, star]
    assert magnitude.max() <= 12.0
    for limit in (2.0, 5.0, 9.0):
        share = luminosity.fraction_brighter(limit) / luminosity.fraction_brighter(12.0)
        assert np.mean(magnitude <= limit) == pytest.approx(share, abs=0.01)


def test_seen_share_is_the_mean_over_the_steps_of_completeness(luminosity: LuminosityFunction):
    limit = np.array([3.0, 6.5, 8.0])
    steps = [luminosity.fraction_brighter(limit - (G_LIMIT - step)) for step in G_STEPS]
    assert np.allclose(
        luminosity.fraction_brighter(limit, seen=True), np.mean(steps, axis=0), rtol=0.02
    )


def test_companions_brighten_by_no_more_than_a_twin(luminosity: LuminosityFunction):
    star = np.arange(0, len(luminosity.mass), 50)
    alone = luminosity.with_companions(star, np.zeros(len(star)))
    assert np.array_equal(alone, luminosity.magnitude[:, star])
    both = luminosity.with_companions(star, np.full(len(star), 0.7))
    assert np.all(both <= alone)
    # on the main sequence an equal pair is 2.5 log10(2) brighter
    dwarfs = star[(luminosity.mass[star] > 0.2) & (luminosity.mass[star] < 0.6)]
    twin = (
        luminosity.magnitude[0, dwarfs]
        - luminosity.with_companions(dwarfs, np.ones(len(dwarfs)))[0]
    )
    assert np.median(twin) == pytest.approx(2.5 * np.log10(2.0), abs=0.15)


def test_metallicities_differ_in_colour():
    rich, poor = (
        LuminosityFunction.from_isochrones(default_grid(), (9.5, 10.0), ((z, 1.0),))
        for z in (0.0278, 0.0003)
    )
    colours = []
    for population in (rich, poor):
        dwarfs = (population.mass > 0.6) & (population.mass < 0.7)
        colours.append(np.median((population.magnitude[1] - population.magnitude[2])[dwarfs]))
    assert colours[0] > colours[1] + 0.2

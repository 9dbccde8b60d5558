"""The profile: discs that are normalised, and one that is found again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from ocspark.posterior.profile import (
    LARGEST_OF_WIDE,
    REACHES_PC,
    WIDE_PC,
    discs,
    first_weights,
    half_radius,
    surface_density,
    update_weights,
)


@pytest.mark.parametrize("covered_radius", [6.0, 50.0])
def test_each_disc_holds_one_star_within_the_cone(covered_radius):
    for k, reach in enumerate(REACHES_PC):
        end = min(reach, covered_radius)
        number = quad(
            lambda r, k=k: 2 * np.pi * r * discs(np.array([r]), covered_radius)[k, 0], 0.0, end
        )[0]
        assert number == pytest.approx(1.0, abs=1e-7)


def test_a_sum_of_discs_falls_outwards():
    weights = np.random.default_rng(1).uniform(0, 1, len(REACHES_PC))
    density = surface_density(discs(np.linspace(0, 50, 500), 50.0), weights)
    assert np.all(np.diff(density) <= 0)


@pytest.mark.parametrize("covered_radius", [6.0, 50.0])
def test_half_of_the_stars_lie_within_the_half_radius(covered_radius):
    weights = np.random.default_rng(3).dirichlet(np.ones(len(REACHES_PC)))
    end = half_radius(weights, covered_radius)

    def stars(r: float) -> float:
        at = discs(np.array([r]), covered_radius)
        return 2 * np.pi * r * surface_density(at, weights)[0]

    inside = quad(stars, 0.0, end, points=[b for b in REACHES_PC if b < end])[0]
    assert inside == pytest.approx(0.5, abs=1e-6)


def test_steps_lead_to_the_profile_of_the_stars():
    rng = np.random.default_rng(2)
    # Stars with surface density ∝ (1 − r²/9²)²: of the disc that reaches to 9 pc.
    r = 9.0 * np.sqrt(1.0 - (1.0 - rng.uniform(0, 1, 5_000)) ** (1.0 / 3.0))
    basis, weights, g = discs(r, 50.0), first_weights(), np.full(5_000, 15.0)
    for _ in range(200):
        weights = update_weights(basis, weights, np.ones(5_000), g)
    at = np.array([0.5, 3.0, 6.0, 8.0])
    expected = 3.0 * (1.0 - (at / 9.0) ** 2) ** 2 / (np.pi * 81.0)
    np.testing.assert_allclose(surface_density(discs(at, 50.0), weights), expected, rtol=0.1)


def test_faint_stars_have_no_say_and_wide_discs_little():
    r = np.linspace(0.0, 50.0, 400)
    basis = discs(r, 50.0)
    faint = update_weights(basis, first_weights(), np.ones(400), np.full(400, 19.0))
    np.testing.assert_allclose(faint.sum(), 1.0)
    bright = first_weights()
    for _ in range(100):
        bright = update_weights(basis, bright, np.ones(400), np.full(400, 15.0))
    wide = np.array(REACHES_PC) > WIDE_PC
    assert bright[wide].sum() == pytest.approx(LARGEST_OF_WIDE)

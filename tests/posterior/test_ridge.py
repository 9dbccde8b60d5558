"""The isochrone bent to simulated members: a shift, a width, a share of binaries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ocspark.posterior.colours import MemberColours
from ocspark.posterior.ridge import (
    FLOOR,
    ColourFit,
    densities,
    mixed,
    update_binary_share,
    update_ridge,
)
from ocspark.posterior.stars import RelativeStars
from tests.helpers.simulate import straight_isochrone


def stars_of(g: np.ndarray, colour: np.ndarray, colour_error: float) -> RelativeStars:
    n = len(g)
    none = np.zeros((3, n))
    return RelativeStars(
        offset=none,
        error=none + 0.1,
        correlation=none,
        half_width=none + 1.0,
        g_mag=g,
        colour=colour,
        colour_error=np.full(n, colour_error),
        position=np.zeros((2, n)),
        votes=np.zeros(n),
        is_training=np.zeros(n, dtype=bool),
    )


@pytest.fixture(scope="module")
def colours() -> MemberColours:
    return MemberColours(straight_isochrone())


def test_a_shift_and_a_width_are_found(colours):
    rng = np.random.default_rng(1)
    g = rng.uniform(11.0, 18.5, 2_000)
    shift = np.interp(g, (12.0, 15.0, 18.0), (0.02, 0.0, -0.03))
    colour = 0.2 + 0.1 * (g - 10) + shift + rng.normal(0, np.hypot(0.01, 0.035), 2_000)
    stars, fit = stars_of(g, colour, 0.01), ColourFit(binary_share=0.05)
    for _ in range(3):
        fit = update_ridge(colours, stars, np.ones(2_000), fit)
    np.testing.assert_allclose(fit.shift, (0.02, 0.0, -0.03), atol=0.011)
    assert fit.width in (0.025, 0.035)
    assert "colour shift" not in fit.limits_reached()


def test_few_stars_leave_the_shift_as_it_is(colours):
    stars = stars_of(np.full(5, 15.0), np.full(5, 0.75), 0.01)
    assert update_ridge(colours, stars, np.ones(5), ColourFit()).shift == (0.0, 0.0, 0.0)


def test_the_share_of_binaries_is_found(colours):
    rng = np.random.default_rng(2)
    n = 3_000
    is_binary = rng.uniform(size=n) < 0.5
    # Colours drawn from the densities themselves, at one magnitude.
    g, grid = np.full(n, 15.0), np.linspace(0.0, 1.6, 1_601)
    both = colours.densities(grid, np.full(1_601, 15.0), np.full(1_601, 0.015))
    cumulative = [np.cumsum(kind) / kind.sum() for kind in both]
    share = rng.uniform(size=n)
    drawn = [grid[np.searchsorted(kind, share)] for kind in cumulative]
    colour = np.where(is_binary, drawn[1], drawn[0])
    stars, fit = stars_of(g, colour, 0.001), ColourFit()
    single, binary = densities(colours, stars, fit)
    for _ in range(60):
        fit = update_binary_share(fit, np.ones(n), single, binary)
    assert fit.binary_share == pytest.approx(0.5, abs=0.05)


def test_without_members_the_binary_share_is_the_first():
    fit = update_binary_share(ColourFit(binary_share=0.7), *np.zeros((3, 3)))
    assert fit.binary_share == pytest.approx(0.35)


def test_limits_say_that_the_isochrone_does_not_fit():
    assert ColourFit(width=0.07).limits_reached() == ["colour width"]
    assert ColourFit(width=0.008).limits_reached() == []
    assert ColourFit(shift=(0.0, -0.08, 0.0)).limits_reached() == ["colour shift"]
    assert replace(ColourFit(), binary_share=0.8).limits_reached() == ["binary share"]


def test_a_star_of_any_colour_has_some_density_and_all_of_them_add_up_to_one(colours):
    assert mixed(np.zeros(1), np.zeros(1), 0.4)[0] == pytest.approx(FLOOR / (1.0 + 4.0 * FLOOR))
    grid = np.linspace(-1.0, 3.0, 4_001)[:-1] + 0.0005
    at = np.full(4_000, 15.0), np.full(4_000, 0.05)
    density = mixed(*colours.densities(grid, *at), 0.4)
    assert density.sum() * 0.001 == pytest.approx(1.0, abs=2e-3)

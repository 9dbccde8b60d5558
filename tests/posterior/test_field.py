"""The field's density: fields that are known, one star left out, windows that cancel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ocspark.posterior.field import (
    COLOUR_GRID,
    MOTION_GRID,
    ConditionalDensity,
    fit_field,
    window_coverage,
    without_own,
)
from ocspark.posterior.magnitudes import GRID, MagnitudeBins
from ocspark.posterior.stars import RelativeStars


def even_disc(n: int, seed: int) -> np.ndarray:
    """u, w even in the unit disc and G even in 14–18, shape (3, n)."""
    rng = np.random.default_rng(seed)
    radius, angle = np.sqrt(rng.uniform(0, 1, n)), rng.uniform(0, 2 * np.pi, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), rng.uniform(14, 18, n)])


def test_sums_along_g_are_sums_of_gaussians():
    rng = np.random.default_rng(5)
    g, weight = rng.uniform(10, 20, 300), rng.uniform(0, 2, 300)
    bins = MagnitudeBins(g)
    curve = bins.smooth(weight, 0.4)
    direct = (
        weight * np.exp(-0.5 * ((GRID[:, None] - g) / 0.4) ** 2) / (0.4 * np.sqrt(2 * np.pi))
    ).sum(axis=1)
    # Bins of 0.02 mag move a star by up to 0.01 mag, a fortieth of the kernel's width.
    np.testing.assert_allclose(curve, direct, atol=0.005 * direct.max())
    np.testing.assert_allclose(bins.read(curve), np.interp(g, GRID, curve), rtol=1e-12, atol=1e-12)


def test_an_even_field_is_even_up_to_the_edge_of_the_window():
    density = ConditionalDensity(MOTION_GRID, even_disc(400_000, 6), np.ones(400_000))
    at = np.array([[0.0, 0.0, 16.0], [0.5, -0.5, 15.0], [0.7, 0.69, 16.0], [-0.97, 0.0, 17.0]])
    np.testing.assert_allclose(density(at.T), 1.0 / np.pi, rtol=0.06)


def test_densities_are_normalised_at_each_magnitude():
    density = ConditionalDensity(MOTION_GRID, even_disc(20_000, 7), np.ones(20_000))
    u = np.linspace(-0.99, 0.99, 100)
    x, y = (a.ravel() for a in np.meshgrid(u, u))
    inside = np.hypot(x, y) < 1
    values = density(np.stack([x, y, np.full(len(x), 15.5)]))[inside]
    assert values.sum() * 0.02**2 == pytest.approx(1.0, abs=0.02)


def test_coverage_is_the_area_of_the_window():
    covered, _ = window_coverage(MOTION_GRID)
    assert covered.sum() * 0.05**2 == pytest.approx(np.pi, rel=1e-3)
    covered, _ = window_coverage(COLOUR_GRID)
    assert covered.sum() * 0.05 == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.3, -0.4), (0.6, 0.6)])
def test_leaving_a_star_out_by_formula_is_leaving_it_out(place):
    features = even_disc(3_000, 8)
    # Not in the middle between cells, nor in that of one: the formula means all places.
    features[:, 0] = [place[0] + 0.012, place[1] + 0.012, 16.05]
    weight = np.ones(3_000)
    weight[0] = 20.0  # heavy, so that what it adds is not small
    star = features[:, :1]
    whole = ConditionalDensity(MOTION_GRID, features, weight)(star)
    others = ConditionalDensity(MOTION_GRID, features[:, 1:], weight[1:])(star)
    bins = MagnitudeBins(features[2])
    total = bins.read(bins.smooth(weight, MOTION_GRID.width[2]))[:1]
    _, smooth = window_coverage(MOTION_GRID)
    at = [int((features[i, 0] + 1.05) / 0.05) for i in range(2)]
    left = without_own(whole, total, weight[:1], MOTION_GRID, smooth[at[0], at[1], 0])
    assert whole[0] > 1.5 * others[0]
    assert left[0] == pytest.approx(others[0], rel=0.1)


def field_stars(n: int, seed: int, half_width: np.ndarray) -> RelativeStars:
    """Stars that fill their windows evenly, G even in 14–18, c even in ±0.4."""
    rng = np.random.default_rng(seed)
    disc = even_disc(n, seed)
    scaled = np.stack([disc[0], disc[1], rng.uniform(-1, 1, n)])
    zero = np.zeros(n)
    return RelativeStars(
        offset=scaled * half_width,
        error=np.full((3, n), 0.05),
        correlation=np.zeros((3, n)),
        half_width=half_width,
        g_mag=disc[2],
        colour=rng.uniform(-0.4, 0.4, n),
        colour_error=zero,
        position=np.zeros((2, n)),
        votes=zero,
        is_training=np.zeros(n, dtype=bool),
    )


def test_the_density_of_a_known_field_is_found_whatever_the_windows():
    """A field of constant density per (mas/yr)² mas, half of it seen through larger windows."""
    rng = np.random.default_rng(9)
    wide = rng.uniform(size=60_000) < 0.8  # a window eight times larger holds eight times the stars
    narrow_volume = 0.5 * 0.5 * 0.2
    scale = np.where(wide, 2.0, 1.0)
    keep = ~wide | (rng.uniform(size=60_000) < 1.0)
    n_narrow, n_wide = int((~wide).sum()), int(wide.sum())
    # Make both densities equal: narrow windows hold an eighth of what wide ones hold.
    keep[np.flatnonzero(~wide)[n_wide // 8 :]] = False
    assert n_narrow > n_wide // 8
    half = np.array([0.5, 0.5, 0.2])[:, None] * scale[keep]
    stars = field_stars(int(keep.sum()), 9, half)
    bins, ridge = MagnitudeBins(stars.g_mag), np.zeros(len(stars))
    area = 1000.0
    model = fit_field(stars, bins, ridge, np.ones(len(stars)), area, (0.01, 0.001))
    density, _ = model.density(stars, bins, ridge, np.ones(len(stars)))
    inner = (np.abs(stars.colour) < 0.3) & (np.abs(stars.g_mag - 16) < 1.2)
    # Each population fills its own windows (volume π a b · 2 W) over 4 mag and 0.8 mag of colour;
    # the two are seen side by side, so both count.
    per_window = (n_wide // 8) / (narrow_volume * np.pi * 2.0)
    expected = 2.0 * per_window / (area * 4.0 * 0.8)
    for volume in (1.0, 8.0):
        some = inner & np.isclose(stars.window, narrow_volume * volume)
        assert np.median(density[some]) == pytest.approx(expected, rel=0.08)


def test_a_field_without_stars_is_thin_but_not_nothing():
    stars = field_stars(50, 10, np.full((3, 50), 0.5))
    bins, ridge = MagnitudeBins(stars.g_mag), np.zeros(50)
    model = fit_field(stars, bins, ridge, np.zeros(50), 100.0, (0.01, 0.001))
    density, _ = model.density(stars, bins, ridge, np.zeros(50))
    assert np.all(density > 0)
    bright = replace(stars, g_mag=np.full(50, 6.0))
    density, _ = model.density(bright, MagnitudeBins(bright.g_mag), ridge, np.zeros(50))
    assert np.all(density > 0)

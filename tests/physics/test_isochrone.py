"""Apparent isochrones: method §5 by hand, and the published implementation's interpolation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ocspark.inputs.isochrones import default_isochrones
from ocspark.physics.extinction import extinction_coefficients
from ocspark.physics.isochrone import (
    apparent_isochrone,
    apparent_points,
    densify,
    nearest_age,
)
from tests.helpers.published import published_module


def table(rows: list[tuple[int, float, float, float]]) -> pd.DataFrame:
    """Isochrone points from (label, log Teff, G, RP)."""
    frame = pd.DataFrame(rows, columns=["label", "log_teff", "g_mag", "rp_mag"])
    return frame.assign(bp_mag=frame["g_mag"], z_ini=0.0152, log_age=8.0, initial_mass=1.0)


def is_in(points: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """Whether each point is one of the curve's."""
    return np.array([np.isclose(curve, p, rtol=0, atol=1e-12).all(axis=1).any() for p in points])


@pytest.mark.parametrize(
    ("end", "fractions"),
    [
        ((0.0, 0.2), []),  # s = 0.2 is not longer than 0.2
        ((0.02, 0.1), []),  # s = |(0.16, 0.1)| = 0.19
        ((0.0, 0.25), [1 / 2]),  # floor 1, at least 3 points
        ((0.05, 0.3), [1 / 2]),  # s = |(0.4, 0.3)| = 0.5: floor 2, at least 3
        ((0.0, -0.7), [1 / 2]),  # floor 3
        ((0.1125, 0.0), [1 / 3, 2 / 3]),  # s = 8 · 0.1125 = 0.9: floor 4
        ((-0.1125, 0.0), [1 / 3, 2 / 3]),
        ((0.0, 1.1), [1 / 4, 1 / 2, 3 / 4]),  # floor 5
        ((0.0, 2.1), [i / 9 for i in range(1, 9)]),  # floor 10
    ],
)
def test_densify_inserts_the_interior_points_of_the_rule(end, fractions):
    start = np.array([0.4, 12.0])
    delta = np.array(end)
    expected = [start, *(start + f * delta for f in fractions), start + delta]
    got = densify(np.array([start, start + delta]))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_densify_keeps_every_listed_point_and_their_order():
    curve = np.array([[0.1, 10.0], [0.12, 10.05], [0.5, 11.5], [0.5, 11.6], [0.2, 9.0]])
    got = densify(curve)
    positions = [int(np.flatnonzero((got == p).all(axis=1))[0]) for p in curve]
    assert positions == sorted(positions)
    assert positions[0] == 0
    assert positions[-1] == len(got) - 1
    # s: 0.168 – 3.369 (floor 16, 14 inside) – 0.1 – 3.538 (floor 17, 15 inside)
    assert len(got) == 5 + 14 + 15


def test_densify_leaves_nought_and_one_point():
    assert densify(np.empty((0, 2))).shape == (0, 2)
    np.testing.assert_array_equal(densify(np.array([[1.0, 2.0]])), [[1.0, 2.0]])


@pytest.mark.parametrize("log_age", [6.6, 7.2, 8.28, 9.12, 9.96])
def test_densify_equals_the_published_interpolation(log_age):
    published = published_module("data_preparation/isochrone_preprocessing.py")
    grid = default_isochrones()
    part = grid[np.isclose(grid["log_age"], log_age) & (grid["label"] <= 7)]
    assert len(part) > 100
    frame = pd.DataFrame(
        {
            "label": part["label"],
            "g_rp": part["g_mag"] - part["rp_mag"],
            "phot_g_mean_mag": part["g_mag"],
        }
    )
    expected = published.interpolate_isochrone(
        frame, interpolation_density=5.0, colour="g_rp", oldest_stage_to_interpolate=5
    ).to_numpy()
    got = apparent_isochrone(part, 10.0, 0.0)  # distance modulus 0
    assert len(got) > len(part)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_no_extinction_shifts_by_the_distance_modulus_and_keeps_hot_points():
    points = table([(1, 3.7, 5.0, 4.5), (1, 4.0, 4.95, 4.46), (2, 4.8, 4.9, 4.42)])
    expected = np.array([[0.5, 10.0], [0.49, 9.95], [0.48, 9.9]])
    np.testing.assert_allclose(apparent_isochrone(points, 100.0, 0.0), expected, atol=1e-12)


def test_extinction_dims_each_band_and_drops_points_above_50000_k():
    points = table(
        [
            (1, 3.7, 5.0, 4.5),
            (1, np.log10(49_999.0), 4.95, 4.46),
            (2, np.log10(50_001.0), 4.9, 4.42),
            (2, 3.65, 4.85, 4.39),
        ]
    )
    a0 = 1.3
    k_g, _, k_rp = extinction_coefficients(np.array([10**3.7, 49_999.0, 10**3.65]), a0)
    g, rp = np.array([5.0, 4.95, 4.85]), np.array([4.5, 4.46, 4.39])
    expected = np.column_stack((g - rp + (k_g - k_rp) * a0, g + k_g * a0 + 2.5))
    got = apparent_isochrone(points, 10**1.5, a0)  # 5 log10 d − 5 = 2.5
    assert is_in(expected, got).all()
    hot = np.array([[4.9 - 4.42, 4.9 + 2.5]])
    assert not is_in(hot, got).any()
    assert got[:, 1].min() > 7.5  # nothing unreddened is left


def test_later_stages_are_cut_and_no_gap_beyond_stage_5_is_filled():
    points = table(
        [
            (4, 3.7, 1.0, 0.5),
            (5, 3.7, 0.0, -0.5),  # a gap of 1.0 mag before it: filled
            (6, 3.7, -1.0, -1.6),  # gaps of about 1 mag from here on: left open
            (7, 3.7, -2.0, -2.7),
            (8, 3.7, -3.0, -3.8),  # thermally pulsing: cut
            (9, 3.7, 8.0, 7.9),
        ]
    )
    got = apparent_isochrone(points, 10.0, 0.0)
    after = np.flatnonzero(np.isclose(got[:, 1], 0.0, atol=1e-12))[0]
    np.testing.assert_allclose(got[after + 1 :], [[0.6, -1.0], [0.7, -2.0]], atol=1e-12)
    assert after >= 3
    assert got[:, 1].min() == pytest.approx(-2.0)
    assert got[:, 1].max() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("wanted", "expected"), [(7.0, 7.0), (7.04, 7.0), (7.07, 7.12), (0.0, 7.0), (99.0, 7.5)]
)
def test_nearest_age(wanted, expected):
    assert nearest_age(np.array([7.0, 7.12, 7.5]), wanted) == expected


def test_of_two_equally_near_ages_the_younger():
    assert nearest_age(np.array([7.0, 7.5, 8.0]), 7.25) == 7.0


def test_apparent_points_keep_their_masses_and_are_what_the_curve_is_made_of():
    grid = default_isochrones()
    points = grid[grid["log_age"] == grid["log_age"].unique()[20]]
    apparent = apparent_points(points, 500.0, 0.8)
    kept = points[(points["label"] <= 7) & (10 ** points["log_teff"] <= 50_000)]
    np.testing.assert_array_equal(apparent.initial_mass, kept["initial_mass"])
    np.testing.assert_array_equal(apparent.label, kept["label"])
    curve = apparent_isochrone(points, 500.0, 0.8)
    assert is_in(np.column_stack((apparent.colour, apparent.g_mag)), curve).all()

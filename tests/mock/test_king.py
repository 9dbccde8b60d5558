"""The profile of planted clusters against King's formulas on the sky, and Plummer's in space."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from ocspark.mock.king import KingProfile, king_projected

N = 20_000
#: Kolmogorov–Smirnov distance that one in a thousand samples of N exceeds.
KS_LIMIT = 1.95 / np.sqrt(N)


def _draw(halo_fraction: float) -> np.ndarray:
    return KingProfile(1.5, 12.0, halo_fraction, 30.0).draw(N, np.random.default_rng(5))


def _king_share(radius: np.ndarray) -> np.ndarray:
    """King (1962), Eq. 14, integrated over discs numerically, independent of Eq. 18."""
    grid = np.linspace(0.0, 12.0, 40_001)
    surface = (1 / np.sqrt(1 + (grid / 1.5) ** 2) - 1 / np.sqrt(1 + (12.0 / 1.5) ** 2)) ** 2
    number = np.concatenate(([0.0], np.cumsum((surface * grid)[1:])))
    return np.interp(radius, grid, number / number[-1])


def test_positions_on_the_sky_follow_kings_surface_density_from_any_side():
    xyz = _draw(0.0)
    for axis in range(3):
        projected = np.linalg.norm(np.delete(xyz, axis, axis=1), axis=1)
        assert kstest(projected, _king_share).statistic < KS_LIMIT
    assert np.linalg.norm(xyz, axis=1).max() <= 12.0


def test_closed_form_on_the_sky_is_the_integral_of_the_surface_density():
    radius = np.linspace(0.1, 12.0, 30)
    share = king_projected(radius, 1.5, 12.0) / king_projected(np.array([12.0]), 1.5, 12.0)
    assert np.allclose(share, _king_share(radius), atol=1e-3)
    assert _king_share(np.array([KingProfile(1.5, 12.0, 0.0, 30.0).half_pc]))[0] == pytest.approx(
        0.5, abs=1e-3
    )


def test_directions_are_isotropic():
    xyz = _draw(0.3)
    unit = xyz / np.linalg.norm(xyz, axis=1, keepdims=True)
    for axis in range(3):  # each coordinate of an isotropic unit vector is uniform
        assert kstest(unit[:, axis], "uniform", args=(-1, 2)).statistic < KS_LIMIT


def test_halo_is_a_cut_plummer_sphere_and_has_its_share():
    halo = np.linalg.norm(_draw(1.0), axis=1)

    def plummer(radius: np.ndarray) -> np.ndarray:
        return (1.0 + (6.0 / radius) ** 2) ** -1.5 / (1.0 + (6.0 / 30.0) ** 2) ** -1.5

    assert kstest(halo, plummer).statistic < KS_LIMIT
    # beyond the tidal radius there is only halo
    beyond = np.mean(np.linalg.norm(_draw(0.2), axis=1) > 12.0)
    assert beyond == pytest.approx(0.2 * (1.0 - plummer(np.array([12.0]))[0]), abs=0.01)

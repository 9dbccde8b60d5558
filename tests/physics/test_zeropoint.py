"""The parallax zero point, against Tables 9 and 10 of Lindegren et al. (2021) and zero_point.

The package rounds to 1e-6 mas, hence the 6e-7.
"""

from __future__ import annotations

import numpy as np
import pytest
from zero_point import zpt

from ocspark.physics.zeropoint import parallax_zero_point

# Lindegren et al. (2021, A&A 649, A4), Table 9 (Z5) and Table 10 (Z6), µas
# columns: q00 q01 q02 q10 q11 q20 q30 q40, for five parameters
Z5 = {
    6.0: (-26.98, -9.62, 27.40, -25.1, -0.0, -1257, 0, 0),
    12.9: (-19.53, -1.64, 15.86, -66.8, 20.6, -1257, 0, 0),
    13.1: (-37.99, 2.63, 16.14, -5.7, 14.0, -1257, 107.9, 104.3),
    16.1: (-31.05, 2.83, 8.59, 0, 15.5, -1404, 105.5, 170.7),
    17.5: (-29.18, -0.09, 2.41, 0, 24.5, -1165, 189.7, 325.0),
    20.0: (-12.65, -4.57, -7.46, 0, 97.9, 0, 0, 0),
}
# columns: q00 q01 q02 q10 q11 q12 q20, for six parameters
Z6 = {
    12.9: (-18.99, -1.93, 15.90, -57.2, -8.0, 19.9, -554),
    17.5: (-24.68, -1.37, 3.52, 86.8, 19.8, 21.3, -1380),
    20.0: (-13.73, -10.92, -8.30, -74.4, 196.4, -42.0, 536),
}
BASIS5 = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (3, 0), (4, 0))
BASIS6 = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0))


def tabulated(q, basis, colour, sin_beta):
    """Eq. A.3 at a tabulated magnitude, mas."""
    c = (
        1.0,
        min(max(colour - 1.48, -0.24), 0.24),
        min(max(1.48 - colour, 0.0), 0.24) ** 3,
        min(colour - 1.24, 0.0),
        max(colour - 1.72, 0.0),
    )
    b = (1.0, sin_beta, sin_beta**2 - 1 / 3)
    return sum(value * c[j] * b[k] for value, (j, k) in zip(q, basis, strict=True)) / 1000


def zero_point(g, nu_eff, pseudocolour, ecl_lat, solution):
    values = (g, nu_eff, pseudocolour, ecl_lat)
    arrays = [np.array([v], dtype=float) for v in values]
    return float(parallax_zero_point(*arrays, np.array([solution]))[0])


@pytest.mark.parametrize("g", sorted(set(Z5) - {6.0}))
@pytest.mark.parametrize("nu_eff", [1.15, 1.24, 1.38, 1.48, 1.60, 1.72, 1.85])
@pytest.mark.parametrize("ecl_lat", [-90.0, -30.0, 0.0, 45.0])
def test_five_parameter_value_at_a_tabulated_magnitude(g, nu_eff, ecl_lat):
    expected = tabulated(Z5[g], BASIS5, nu_eff, np.sin(np.radians(ecl_lat)))
    assert zero_point(g, nu_eff, np.nan, ecl_lat, 31) == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize("g", sorted(Z6))
@pytest.mark.parametrize("pseudocolour", [1.25, 1.40, 1.48, 1.65])
@pytest.mark.parametrize("ecl_lat", [-60.0, 0.0, 90.0])
def test_six_parameter_value_at_a_tabulated_magnitude(g, pseudocolour, ecl_lat):
    expected = tabulated(Z6[g], BASIS6, pseudocolour, np.sin(np.radians(ecl_lat)))
    assert zero_point(g, np.nan, pseudocolour, ecl_lat, 95) == pytest.approx(expected, abs=6e-7)


def test_value_between_tabulated_magnitudes_is_linear():
    ends = [tabulated(Z5[g], BASIS5, 1.6, 0.5) for g in (12.9, 13.1)]
    expected = 0.25 * ends[0] + 0.75 * ends[1]
    assert zero_point(13.05, 1.6, np.nan, 30.0, 31) == pytest.approx(expected, abs=6e-7)


def test_equals_the_published_package_for_a_mixture_of_solutions():
    rng = np.random.default_rng(10)
    n = 3000
    g, lat = rng.uniform(5.5, 21.5, n), rng.uniform(-90, 90, n)
    solution = rng.choice([3, 31, 95], n)
    nu_eff = np.where(solution == 31, rng.uniform(1.0, 2.0, n), np.nan)
    pseudocolour = np.where(solution == 95, rng.uniform(1.1, 1.9, n), np.nan)
    got = parallax_zero_point(g, nu_eff, pseudocolour, lat, solution)
    zpt.load_tables()
    for i in range(0, n, 7):
        valid = 6 < g[i] < 21 and (
            (solution[i] == 31 and 1.1 < nu_eff[i] < 1.9)
            or (solution[i] == 95 and 1.24 < pseudocolour[i] < 1.72)
        )
        expected = 0.0
        if valid:
            one = [np.array([v[i]]) for v in (g, nu_eff, pseudocolour, lat, solution)]
            expected = float(zpt.get_zpt(*one, _warnings=False)[0])
            assert expected != 0.0
        assert got[i] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "star",
    [
        (5.9, 1.5, np.nan, 10.0, 31),
        (6.0, 1.5, np.nan, 10.0, 31),
        (21.0, 1.5, np.nan, 10.0, 31),
        (15.0, 1.1, np.nan, 10.0, 31),
        (15.0, 1.9, np.nan, 10.0, 31),
        (15.0, np.nan, np.nan, 10.0, 31),
        (15.0, np.nan, 1.24, 10.0, 95),
        (15.0, np.nan, 1.72, 10.0, 95),
        (15.0, np.nan, np.nan, 10.0, 95),
        (np.nan, 1.5, np.nan, 10.0, 31),
        (15.0, 1.5, 1.5, 10.0, 3),
    ],
)
def test_no_correction_outside_the_recipe(star):
    assert zero_point(*star) == 0.0


def test_one_star_outside_does_not_change_its_neighbours():
    g = np.array([13.0, 25.0, 18.2])
    nu_eff, lat = np.array([1.5, 1.5, 1.3]), np.array([1.0, 2.0, -70.0])
    together = parallax_zero_point(g, nu_eff, np.full(3, np.nan), lat, np.full(3, 31))
    alone = [zero_point(g[i], nu_eff[i], np.nan, lat[i], 31) for i in range(3)]
    np.testing.assert_array_equal(together, alone)
    assert together[1] == 0.0
    assert together[0] != 0.0 != together[2]


def test_no_stars_give_no_values():
    empty = np.empty(0)
    assert parallax_zero_point(empty, empty, empty, empty, np.empty(0, int)).shape == (0,)


def by_package(*values):
    arrays = [np.array([v]) for v in values]
    return float(zpt.get_zpt(*arrays, _warnings=False)[0])


@pytest.mark.parametrize("code", [31, 63, 2079, 2463, 3999, 4127, 6175, 8223, 8607, 10271])
def test_a_solution_with_a_parallax_and_no_pseudocolour_is_corrected_as_one_of_five(code):
    expected = by_package(15.0, 1.5, np.nan, 20.0, 31)
    assert zero_point(15.0, 1.5, np.nan, 20.0, code) == expected < 0


@pytest.mark.parametrize("code", [95, 479, 2015, 4575, 6111])
def test_a_solution_with_a_pseudocolour_is_corrected_as_one_of_six(code):
    expected = by_package(15.0, np.nan, 1.5, 20.0, 95)
    assert zero_point(15.0, np.nan, 1.5, 20.0, code) == expected < 0


@pytest.mark.parametrize("code", [0, 3, 27])
def test_a_solution_without_a_parallax_is_not_corrected(code):
    assert zero_point(15.0, 1.5, np.nan, 20.0, code) == 0

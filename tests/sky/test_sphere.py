"""Angles and mean directions, against astropy."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import CartesianRepresentation, SkyCoord, angular_separation

from ocspark.sky.sphere import mean_direction, separation_rad, unit_vectors


def astropy_separation(ra1, dec1, ra2, dec2):
    return angular_separation(*(np.radians(x) for x in (ra1, dec1, ra2, dec2)))


def random_directions(n: int, seed: int):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def test_separation_equals_astropy_all_over_the_sky():
    ra1, dec1 = random_directions(20_000, 1)
    ra2, dec2 = random_directions(20_000, 2)
    expected = astropy_separation(ra1, dec1, ra2, dec2)
    far = expected > np.pi - 1e-3  # the haversine loses digits only there
    got = separation_rad(ra1, dec1, ra2, dec2)
    np.testing.assert_allclose(got[~far], expected[~far], rtol=0, atol=1e-12)
    np.testing.assert_allclose(got[far], expected[far], rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "place",
    [
        (0.0, 90.0, 123.0, 90.0),  # one pole, two names
        (10.0, 90.0, 200.0, 89.5),
        (10.0, -90.0, 200.0, -89.5),
        (0.0, 89.9, 180.0, 89.9),  # over the pole
        (359.9, 0.0, 0.1, 0.0),  # over RA 0
        (-0.1, -45.0, 359.9, -45.0),  # the same direction
        (359.999999, 60.0, 0.000001, 60.0),
        (0.0, 0.0, 180.0, 0.0),  # opposite
        (0.0, 90.0, 77.0, -90.0),
        (45.0, 41.8103148957786, 90.0, 0.0),
        (12.0, 34.0, 12.0, 34.0),
    ],
)
def test_separation_equals_astropy_at_poles_and_across_ra_zero(place):
    expected = astropy_separation(*place)
    assert separation_rad(*place) == pytest.approx(expected, rel=1e-9, abs=1e-14)


def test_separation_keeps_its_digits_at_small_angles():
    small = np.array([1e-12, 1e-9, 1e-6, 1e-3])  # degrees; 1e-9 is 4 µas
    for ra2, dec2 in ((small, 0 * small), (0 * small, small)):
        np.testing.assert_allclose(
            separation_rad(0.0, 0.0, ra2, dec2), np.radians(small), rtol=1e-12
        )


def test_separation_is_symmetric_and_broadcasts():
    ra, dec = random_directions(7, 3)
    table = separation_rad(ra[:, None], dec[:, None], ra, dec)
    assert table.shape == (7, 7)
    np.testing.assert_array_equal(table, table.T)
    np.testing.assert_array_equal(np.diag(table), 0.0)


def test_unit_vectors_equal_astropy():
    ra, dec = random_directions(500, 4)
    expected = SkyCoord(ra, dec, unit="deg").cartesian.xyz.value.T
    got = unit_vectors(ra, dec)
    assert got.shape == (500, 3)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("ra0", "dec0"), [(0.0, 0.0), (359.95, 41.0), (133.0, 12.0), (200.0, 89.7), (20.0, -90.0)]
)
def test_mean_direction_equals_astropys_mean_vector(ra0, dec0):
    rng = np.random.default_rng(5)
    centre = SkyCoord(ra0, dec0, unit="deg")
    stars = centre.directional_offset_by(
        rng.uniform(0, 360, 300) * u.deg, np.abs(rng.normal(0, 1.5, 300)) * u.deg
    )
    mean = CartesianRepresentation(stars.cartesian.xyz.mean(axis=1))
    expected = SkyCoord(mean, frame="icrs").represent_as("unitspherical")
    ra, dec = mean_direction(stars.ra.deg, stars.dec.deg)
    assert 0.0 <= ra < 360.0
    apart = angular_separation(
        np.radians(ra), np.radians(dec), expected.lon.to_value("rad"), expected.lat.to_value("rad")
    )
    assert apart < 1e-13


def test_mean_direction_across_ra_zero_is_near_ra_zero():
    ra, dec = mean_direction([359.0, 1.0], [10.0, 10.0])
    assert min(ra, 360.0 - ra) < 1e-12
    # the midpoint of a parallel's chord lies poleward: tan(dec) = tan(10°)/cos(1°)
    assert dec == pytest.approx(
        np.degrees(np.arctan(np.tan(np.radians(10)) / np.cos(np.radians(1))))
    )


@pytest.mark.parametrize("ra", [-1e-15, 360.0, 359.99999999999999, -1e-300])
def test_mean_direction_ra_never_reaches_360(ra):
    assert 0.0 <= mean_direction([ra], [0.0])[0] < 360.0


def test_mean_direction_of_a_ring_about_the_pole_is_the_pole():
    _, dec = mean_direction(np.arange(0.0, 360.0, 30.0), np.full(12, 88.0))
    assert dec == pytest.approx(90.0, abs=1e-12)

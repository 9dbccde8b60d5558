"""Planted clusters look like clusters, on the sky, in motion, in colour and in the literature."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import (
    ICRS,
    CartesianDifferential,
    CartesianRepresentation,
    Galactic,
    Galactocentric,
    SkyCoord,
)

from ocspark.mock import frame
from ocspark.mock.catalogue import MockCatalogue, build_catalogue
from ocspark.mock.clusters import DISTANCE_PC
from ocspark.mock.parameters import MockParameters
from ocspark.physics.isochrone import apparent_isochrone


@pytest.fixture(scope="module")
def planted(catalogue: MockCatalogue):
    return [catalogue.cluster(i) for i in range(len(catalogue.clusters))]


def test_clusters_span_the_promised_distances_and_ages(catalogue: MockCatalogue):
    distances = [c.distance_pc for c in catalogue.clusters]
    assert min(distances) == pytest.approx(DISTANCE_PC[0])
    assert max(distances) == pytest.approx(DISTANCE_PC[1])
    ages = [c.log_age for c in catalogue.clusters]
    assert min(ages) < 7.2 and max(ages) > 9.5


def test_lists_have_enough_certain_members(planted):
    certain = np.array([np.count_nonzero(c.probability == 1.0) for c in planted])
    assert np.mean(certain >= 15) > 0.95 and np.median(certain) >= 25


def test_lists_have_enough_certain_members_among_2500_clusters():
    big = build_catalogue(MockParameters(5_000_000, 2_500, 42))
    certain = [np.count_nonzero(big.cluster(i).probability == 1.0) for i in range(0, 2_500, 25)]
    assert np.mean(np.array(certain) >= 15) > 0.95 and np.median(certain) >= 25


def test_lists_are_bright_stepped_and_sure_of_no_interloper(planted):
    for cluster in planted:
        p, listed = cluster.probability, cluster.probability > 0
        assert np.allclose(p * 10, np.rint(p * 10)) and p.max() <= 1.0
        assert np.all(cluster.sources["phot_g_mean_mag"][listed] < 18.0)
        assert np.all(p[~cluster.true["is_member"].astype(bool)] <= 0.5)
    assert any((p.probability[~p.true["is_member"].astype(bool)] > 0).any() for p in planted)


def test_members_lie_within_a_few_parsec(catalogue: MockCatalogue, planted):
    for cluster, stars in zip(catalogue.clusters, planted, strict=True):
        member = stars.true["is_member"].astype(bool)
        centre = SkyCoord(*frame.sky_position(cluster.xyz_pc)[:2], unit="deg")
        sky = SkyCoord(stars.sources["ra"][member], stars.sources["dec"][member], unit="deg")
        radius = centre.separation(sky).rad * cluster.distance_pc
        assert np.median(radius) == pytest.approx(cluster.profile.half_pc, rel=0.45)
        assert np.mean(radius < 10.0) > 0.85


def test_distance_dispersion_and_parallax_agree(planted, catalogue: MockCatalogue):
    for cluster, stars in zip(catalogue.clusters, planted, strict=True):
        row = stars.row
        assert row["distance"] == pytest.approx(cluster.distance_pc, rel=0.1)
        assert row["parallax"] == pytest.approx(1000.0 / cluster.distance_pc, abs=0.06 + 0.01)
        to_mas_yr = 1000.0 / (4.740470446 * cluster.distance_pc)
        assert 0.02 < row["pmra_dispersion"] < 2.0 * to_mas_yr + 0.2
        assert 0.0 <= row["ra"] < 360.0 and row["a0"] >= 0.0


def test_single_stars_lie_on_the_isochrone_the_pipeline_builds(catalogue: MockCatalogue, planted):
    for cluster, stars in list(zip(catalogue.clusters, planted, strict=True))[::4]:
        true = stars.true
        single = true["is_member"].astype(bool) & (true["companion_mass"] == 0)
        curve = apparent_isochrone(
            catalogue.isochrones[cluster.log_age], cluster.distance_pc, cluster.a0
        )
        colour = (true["g"] - true["rp"])[single]
        offset = np.hypot(
            8.0 * (colour[:, None] - curve[:, 0]), true["g"][single][:, None] - curve[:, 1]
        ).min(axis=1)
        # densified to gaps of 0.2 mag (0.4 where a gap is filled by a single point)
        assert np.quantile(offset, 0.95) < 0.25


def test_binaries_are_brighter_than_their_primaries(planted):
    true = planted[0].true
    assert 0.15 < np.mean(true["companion_mass"] > 0) < 0.55
    assert np.all(true["companion_mass"] <= true["initial_mass"])


def test_proper_motions_agree_with_astropy():
    rng = np.random.default_rng(3)
    ra, dec = rng.uniform(0, 360, 50), np.degrees(np.arcsin(rng.uniform(-1, 1, 50)))
    distance = rng.uniform(50, 5000, 50)
    velocity = rng.normal(0, 50, (50, 3))
    pmra, pmdec = frame.proper_motion(ra, dec, distance, velocity)
    xyz = frame.galactic_xyz(ra, dec, distance)
    motion = CartesianDifferential(velocity.T * u.km / u.s)
    star = Galactic(CartesianRepresentation(xyz.T * u.pc, differentials=motion))
    icrs = star.transform_to(ICRS())
    icrs.representation_type, icrs.differential_type = "spherical", "sphericalcoslat"
    # the two matrices differ by some 50 µas of rotation
    assert np.allclose(icrs.pm_ra_cosdec.to_value(u.mas / u.yr), pmra, rtol=1e-5, atol=1e-4)
    assert np.allclose(icrs.pm_dec.to_value(u.mas / u.yr), pmdec, rtol=1e-5, atol=1e-4)
    back = frame.sky_position(xyz)
    assert np.allclose(back[0], ra) and np.allclose(back[1], dec) and np.allclose(back[2], distance)


def test_radius_from_the_galactic_axis_agrees_with_astropy():
    star = SkyCoord(10.0 * u.deg, 20.0 * u.deg, distance=900 * u.pc)
    here = star.transform_to(Galactocentric(galcen_distance=8122 * u.pc, z_sun=0 * u.pc))
    radius, _ = frame.galactocentric(frame.galactic_xyz(10.0, 20.0, 900.0))
    assert float(radius) == pytest.approx(np.hypot(here.x, here.y).to_value(u.pc), rel=1e-3)

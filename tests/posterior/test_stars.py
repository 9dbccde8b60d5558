"""Candidates as they come in: order, offsets against astropy, stars that lack a measurement."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from ocspark.posterior.stars import candidates_of, is_measured, offsets_pc, relative_stars
from tests.helpers.simulate import a_cluster, simulate, with_columns


@pytest.mark.parametrize("centre", [(10.0, 20.0), (0.05, -60.0), (200.0, 89.9)])
def test_offsets_have_the_length_and_direction_of_the_sky(centre):
    rng = np.random.default_rng(1)
    position_angle, separation = rng.uniform(0, 360, 50) * u.deg, rng.uniform(0, 20, 50) * u.deg
    origin = SkyCoord(*centre, unit="deg")
    star = origin.directional_offset_by(position_angle, separation)
    xi, eta = offsets_pc(star.ra.deg, star.dec.deg, *centre, 500.0)
    np.testing.assert_allclose(np.hypot(xi, eta), 500.0 * separation.to_value("rad"), atol=1e-6)
    np.testing.assert_allclose(xi, 500 * (separation.to_value("rad") * np.sin(position_angle)))
    np.testing.assert_allclose(
        eta, 500 * (separation.to_value("rad") * np.cos(position_angle)), atol=1e-9
    )


def test_rows_that_are_not_sorted_are_refused():
    candidates = simulate(20, 200, 1, a_cluster()).candidates
    with pytest.raises(ValueError, match="does not rise"):
        with_columns(candidates, source_id=candidates.source_id[::-1])
    with pytest.raises(ValueError, match="pmra does not have one value"):
        with_columns(candidates, pmra=candidates.pmra[:-1])


def test_stars_are_those_within_the_disc_with_all_measurements():
    cluster = a_cluster(covered_radius_pc=10.0)
    candidates = simulate(50, 2_000, 2, a_cluster(30.0)).candidates
    parallax = candidates.parallax.copy()
    parallax[3] = np.nan
    correlation = candidates.pmra_pmdec_corr.copy()
    correlation[4] = np.nan
    candidates = with_columns(candidates, parallax=parallax, pmra_pmdec_corr=correlation)
    stars, rows = relative_stars(candidates, cluster)
    inside = np.hypot(candidates.xi, candidates.eta) <= 10.0
    inside[3] = False
    np.testing.assert_array_equal(rows, np.flatnonzero(inside))
    np.testing.assert_array_equal(is_measured(candidates), np.arange(len(parallax)) != 3)
    np.testing.assert_allclose(stars.offset[0], candidates.pmra[rows] - cluster.pmra)
    assert np.all(np.isfinite(stars.correlation))


def test_rows_of_a_table_become_candidates():
    wanted = simulate(20, 300, 3, a_cluster()).candidates
    dec = 10.0 + np.degrees(wanted.eta / 500.0)
    ra = 40.0 + np.degrees(wanted.xi / 500.0) / np.cos(np.radians(dec))
    columns = {name: values for name, values in vars(wanted).items() if name not in ("xi", "eta")}
    found = candidates_of({**columns, "ra": ra, "dec": dec}, 40.0, 10.0, 500.0)
    np.testing.assert_array_equal(found.parallax, wanted.parallax)
    np.testing.assert_allclose(found.eta, wanted.eta, atol=0.05 * 30)
    assert found.source_id.dtype == np.int64
    assert found.is_training_member.dtype == bool

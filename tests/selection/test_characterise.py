"""Means and maximum separations Δ of a cluster: closed forms, counting and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from ocspark.selection.candidates import passes_isochrone
from ocspark.selection.characterise import (
    characterise,
    isochrone_scale_90,
    isochrone_thresholds,
    parallax_deltas,
    quantile_90,
    weighted_mean,
)
from ocspark.tables.stars import CalibratedStars
from tests.helpers.kernels import STAR_ERRORS, isochrone_curve, plain_features, random_stars


def test_weighted_mean_by_hand():
    # weights 1 and 1/4: (1 · 1 + 2 / 4) / 1.25 = 1.2, error 1 / sqrt(1.25)
    mean, error = weighted_mean(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert mean == pytest.approx(1.2, rel=1e-15)
    assert error == pytest.approx(1 / math.sqrt(1.25), rel=1e-15)


def test_weighted_mean_equals_numpy_and_equal_errors_give_sigma_over_root_n():
    rng = np.random.default_rng(20)
    values, errors = rng.normal(5, 1, 400), rng.uniform(0.01, 3, 400)
    assert weighted_mean(values, errors)[0] == pytest.approx(
        np.average(values, weights=errors**-2), rel=1e-13
    )
    mean, error = weighted_mean(values, np.full(400, 0.3))
    assert mean == pytest.approx(values.mean(), rel=1e-13)
    assert error == pytest.approx(0.3 / 20, rel=1e-13)


@pytest.mark.parametrize(
    ("n", "rank"),
    [(1, 1), (2, 2), (9, 9), (10, 9), (11, 10), (15, 14), (20, 18), (21, 19), (100, 90)],
)
def test_quantile_90_is_the_listed_value_of_rank(n, rank):
    values = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    assert quantile_90(values) == rank


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_quantile_90_is_the_smallest_value_that_nine_tenths_do_not_exceed(values):
    got = quantile_90(np.array(values))
    assert got in values
    assert 10 * sum(v <= got for v in values) >= 9 * len(values)
    assert 10 * sum(v < got for v in values) < 9 * len(values)


def test_parallax_deltas_by_hand():
    # R_max = 5 + 15 pc about 1 kpc; margin 3 · 0.01 + 3 · 0.015
    plus, minus = parallax_deltas(1.0, 0.01, 5.0, 999.0)
    assert plus == pytest.approx(1 - 1000 / 1020 + 0.075, rel=1e-12)
    assert minus == pytest.approx(1000 / 980 - 1 + 0.075, rel=1e-12)


@pytest.mark.parametrize("parallax", [40.0, 50.0, 100.0])
def test_delta_minus_is_infinite_where_the_cluster_is_within_r_max(parallax):
    # R_max = 10 + 15 = 25 pc; the distances are 25, 20 and 10 pc
    plus, minus = parallax_deltas(parallax, 0.02, 10.0, 25.0)
    assert minus == math.inf
    assert plus == pytest.approx(parallax - 1000 / (1000 / parallax + 25) + 0.06 + 0.045)


def test_delta_minus_is_finite_just_beyond_r_max():
    _, minus = parallax_deltas(39.9, 0.02, 10.0, 25.0)
    assert math.isfinite(minus)
    assert minus > 1000


@pytest.mark.parametrize("parallax", [0.0, -0.03])
def test_a_mean_parallax_that_is_not_positive_gives_way_to_the_catalogues_distance(parallax):
    plus, minus = parallax_deltas(parallax, 0.01, 25.0, 8000.0)
    # |ϖ_c − 1000 / (d ± R_max)|: ϖ_c itself stays, the distance is the catalogue's
    assert plus == pytest.approx(1000 / 8040 - parallax + 0.075, rel=1e-12)
    assert minus == pytest.approx(1000 / 7960 - parallax + 0.075, rel=1e-12)


@given(st.floats(0.05, 50.0), st.floats(0.0, 1.0), st.floats(0.0, 40.0))
def test_delta_minus_exceeds_delta_plus(parallax, error, r90):
    plus, minus = parallax_deltas(parallax, error, r90, 1.0)
    assert 3 * error + 0.045 < plus < minus


def plane(n: int, seed: int, spread: float = 1.0) -> CalibratedStars:
    """Random members in the colour–magnitude plane only, some far off, some with large errors."""
    rng = np.random.default_rng(seed)
    curve = isochrone_curve()
    place = curve[rng.integers(0, len(curve), n)]
    far = np.where(rng.random(n) < 0.15, 5.0, 1.0) * spread
    return CalibratedStars(
        {
            "g_rp": place[:, 0] + far * rng.normal(0, 0.05, n),
            "phot_g_mean_mag": place[:, 1] + far * rng.normal(0, 0.4, n),
            "g_rp_error": rng.uniform(0, 0.02, n),
            "phot_g_mean_mag_error": rng.uniform(0, 0.05, n),
        }
    )


def n_passing(stars, curve, scale):
    return int(passes_isochrone(stars, curve, scale, 8 * scale).sum())


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 120), seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.3, 1, 4]))
def test_nine_tenths_pass_just_above_the_scale_and_fewer_just_below(n, seed, spread):
    stars, curve = plane(n, seed, spread), isochrone_curve()
    scale = isochrone_scale_90(stars, curve)
    assert scale >= 0
    assert 10 * n_passing(stars, curve, scale + 1e-9) >= 9 * n
    if scale > 1e-9:
        assert 10 * n_passing(stars, curve, scale - 1e-9) < 9 * n


def test_scale_90_equals_a_fine_scan():
    stars, curve = plane(150, 21), isochrone_curve()
    scan = np.arange(1, 4000) * 1e-4
    enough = [10 * n_passing(stars, curve, s) >= 9 * 150 for s in scan]
    first = int(np.argmax(enough))
    assert 0 < first < len(scan) - 1
    assert all(enough[first:])  # passing is monotonic
    assert scan[first - 1] <= isochrone_scale_90(stars, curve) <= scan[first]


def test_each_threshold_is_where_that_star_begins_to_pass():
    stars, curve = plane(200, 22, spread=2.0), isochrone_curve()
    thresholds = isochrone_thresholds(stars, curve)
    assert (thresholds == 0).any()
    assert (thresholds > 0).sum() > 50
    for i, threshold in enumerate(thresholds):
        star = stars.take([i])
        assert n_passing(star, curve, threshold + 1e-9) == 1
        if threshold > 1e-9:
            assert n_passing(star, curve, threshold - 1e-9) == 0


def test_threshold_by_hand():
    # one isochrone point at (1, 15); errors 0: colour off by 0.3 → s = 0.3; G off by 1.6 → s = 0.2;
    # both off → s = hypot(0.3, 1.6 / 8); errors 0.05 and 0 take 0.15 off a pure colour offset
    stars = CalibratedStars(
        {
            "g_rp": np.array([1.3, 1.0, 1.3, 0.7, 1.0]),
            "phot_g_mean_mag": np.array([15.0, 16.6, 16.6, 15.0, 15.0]),
            "g_rp_error": np.array([0.0, 0.0, 0.0, 0.05, 0.0]),
            "phot_g_mean_mag_error": np.zeros(5),
        }
    )
    expected = [0.3, 0.2, math.hypot(0.3, 0.2), 0.15, 0.0]
    got = isochrone_thresholds(stars, np.array([[1.0, 15.0]]))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_scale_90_is_zero_where_errors_alone_reach_the_isochrone():
    stars, curve = plane(50, 23), isochrone_curve()
    errors = {"g_rp_error": np.full(50, 1.0), "phot_g_mean_mag_error": np.full(50, 10.0)}
    stars = stars.with_columns(errors)
    assert isochrone_scale_90(stars, curve) == 0.0


@pytest.fixture(scope="module")
def members():
    """40 members, the last three outliers: in proper motion, parallax and colour."""
    stars = random_stars(40, 24, ra=359.8, dec=60.0)
    stars = stars.with_columns(
        {
            "pmra": -8 + 0.2 * (stars["pmra"] + 8),
            "parallax": 3.3 + 0.1 * (stars["parallax"] - 3.3),
            "pmra_error": np.full(40, 0.05),
        }
    )
    stars["pmra"][-1] += 4.0
    stars["parallax"][-2] -= 2.0
    stars["g_rp"][-3] += 2.5
    return stars


@pytest.fixture(scope="module")
def cluster(members):
    return characterise(
        members,
        isochrone_curve(),
        cluster_key=5,
        cluster="Toy_2",
        distance=310.0,
        log_age=8.61,
        a0=0.25,
        training_probability=0.9,
        isochrone_log_age=8.64,
    )


def test_characterise_means_are_the_closed_forms(members, cluster):
    for name in ("pmra", "pmdec", "parallax"):
        expected = np.average(members[name], weights=members[f"{name}_error"] ** -2.0)
        assert getattr(cluster, name) == pytest.approx(expected, rel=1e-12)
    mean = SkyCoord(members["ra"], members["dec"], unit="deg").cartesian.xyz.mean(axis=1).value
    ra, dec = (
        np.degrees(np.arctan2(mean[1], mean[0])),
        np.degrees(np.arcsin(mean[2] / np.linalg.norm(mean))),
    )
    assert cluster.ra == pytest.approx(ra % 360, abs=1e-9)
    assert cluster.dec == pytest.approx(dec, abs=1e-9)


def test_characterise_deltas_are_the_closed_forms(members, cluster):
    terms = []
    for name in ("pmra", "pmdec"):
        values, errors = members[name], members[f"{name}_error"]
        dispersion = math.sqrt(((values - values.mean()) ** 2).mean())  # ddof 0, unweighted
        terms.append(3 * dispersion + 3 / math.sqrt((errors**-2.0).sum()))
    assert cluster.delta_pm == pytest.approx(math.hypot(*terms), rel=1e-12)

    centre = SkyCoord(cluster.ra, cluster.dec, unit="deg")
    theta = SkyCoord(members["ra"], members["dec"], unit="deg").separation(centre).rad
    r_max = 310.0 * np.sort(theta)[35] + 15.0  # the 36th of 40
    d = 1000 / cluster.parallax
    margin = 3 / math.sqrt((members["parallax_error"] ** -2.0).sum()) + 0.045
    assert cluster.delta_plx_plus == pytest.approx(1000 / d - 1000 / (d + r_max) + margin, rel=1e-9)
    assert cluster.delta_plx_minus == pytest.approx(
        1000 / (d - r_max) - 1000 / d + margin, rel=1e-9
    )


def test_characterise_isochrone_deltas_hold_nine_tenths(members, cluster):
    scale = cluster.delta_c - 0.1
    assert cluster.delta_g == pytest.approx(8 * scale + 0.8, rel=1e-12)
    assert n_passing(members, cluster.curve, scale + 1e-9) >= 36
    assert n_passing(members, cluster.curve, scale - 1e-9) < 36


def test_characterise_support_is_the_members_that_pass_with_their_features(members, cluster):
    left_out = set(members["source_id"]) - set(cluster.support_id)
    assert set(members["source_id"][-3:]) <= left_out
    assert len(left_out) <= 8
    np.testing.assert_array_equal(cluster.training_id, members["source_id"])
    assert (np.diff(cluster.support_id) > 0).all()
    rows = np.searchsorted(members["source_id"], cluster.support_id)
    expected = [
        plain_features(cluster, *(float(members[n][i]) for n in ("ra", "dec", *STAR_ERRORS)))
        for i in rows
    ]
    np.testing.assert_allclose(cluster.support_features, expected, rtol=0, atol=1e-10)


def test_characterise_records_the_ages(cluster):
    assert cluster.isochrone_log_age == 8.64
    assert cluster.isochrone_age_offset == pytest.approx(0.03, abs=1e-12)
    assert (cluster.distance, cluster.log_age, cluster.a0) == (310.0, 8.61, 0.25)
    assert cluster.training_probability == 0.9


def test_an_outlier_changes_the_mean_only_through_its_weight():
    # a member with an error a thousand times larger weighs a millionth
    stars = random_stars(20, 25)
    stars["parallax_error"][:] = 0.05
    plain, _ = weighted_mean(stars["parallax"][1:], stars["parallax_error"][1:])
    stars["parallax"][0], stars["parallax_error"][0] = 1000.0, 50.0
    assert weighted_mean(stars["parallax"], stars["parallax_error"])[0] == pytest.approx(
        plain, abs=1e-3 / 19 * 1.1
    )

"""Candidate conditions and features: boundaries by hand, brute force, astropy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.coordinates import angular_separation

from ocspark.selection import candidates
from ocspark.selection.candidates import (
    FEATURES,
    features,
    passes_all,
    passes_isochrone,
    passes_parallax,
    passes_proper_motion,
    radius_pc,
)
from ocspark.tables.stars import CalibratedStars
from tests.helpers.kernels import (
    STAR_ERRORS,
    isochrone_curve,
    make_cluster,
    plain_features,
    random_stars,
)


def motions(rows):
    names = ("pmra", "pmdec", "pmra_error", "pmdec_error")
    return CalibratedStars(dict(zip(names, np.array(rows, dtype=float).T, strict=True)))


def test_proper_motion_condition_is_strict_and_counts_three_errors_per_axis():
    # Δ = 1: 3σ + Δ is 4 in pmra (σ = 1) and 2.5 in pmdec (σ = 0.5)
    stars = motions(
        [
            (4.0, 0.0, 1.0, 0.5),  # exactly 1: fails
            (math.nextafter(4.0, 0), 0.0, 1.0, 0.5),
            (0.0, -2.5, 1.0, 0.5),
            (0.0, -2.4999, 1.0, 0.5),
            (2.83, 1.77, 1.0, 0.5),  # 0.7075² + 0.708² > 1
            (2.82, 1.76, 1.0, 0.5),  # 0.705² + 0.704² < 1
            (1.0, 0.0, 0.0, 0.0),
            (0.999, 0.0, 0.0, 0.0),
        ]
    )
    expected = [False, True, False, True, False, True, False, True]
    assert passes_proper_motion(stars, 0.0, 0.0, 1.0).tolist() == expected


def test_proper_motion_condition_is_about_the_cluster():
    stars = motions([(-8.5, -4.0, 0.0, 0.0), (8.0, 4.0, 0.0, 0.0)])
    assert passes_proper_motion(stars, -8.0, -4.0, 0.6).tolist() == [True, False]


def test_parallax_condition_uses_plus_for_farther_and_minus_for_nearer_stars():
    # about ϖ = 2 with Δ+ = 0.25 (farther, smaller ϖ) and Δ− = 0.5 (nearer), σ = 0 then 0.125
    stars = CalibratedStars(
        {
            "parallax": np.array([1.75, 1.76, 2.5, 2.49, 2.0, 1.375, 1.376, 2.875, 2.874]),
            "parallax_error": np.array([0, 0, 0, 0, 0, 0.125, 0.125, 0.125, 0.125]),
        }
    )
    expected = [False, True, False, True, True, False, True, False, True]
    assert passes_parallax(stars, 2.0, 0.25, 0.5).tolist() == expected


def test_an_infinite_delta_minus_lets_every_nearer_star_pass():
    stars = CalibratedStars(
        {
            "parallax": np.array([20.0, 100.0, 1e4, 19.0, -3.0]),
            "parallax_error": np.full(5, 0.1),
        }
    )
    passed = passes_parallax(stars, 20.0, 2.0, math.inf)
    assert passed.tolist() == [True, True, True, True, False]


def brute_force_isochrone(stars, curve, delta_c, delta_g):
    passed = []
    for c, g, c_error, g_error in zip(
        *(stars[n] for n in ("g_rp", "phot_g_mean_mag", "g_rp_error", "phot_g_mean_mag_error")),
        strict=True,
    ):
        best = min(
            math.hypot((c - x) / (3 * c_error + delta_c), (g - y) / (3 * g_error + delta_g))
            for x, y in curve
        )
        passed.append(best < 1)
    return passed


def scattered(n, seed):
    stars = random_stars(n, seed)
    rng = np.random.default_rng(seed)
    return stars.with_columns(
        {
            "g_rp": stars["g_rp"] + rng.normal(0, 0.15, n),
            "phot_g_mean_mag": stars["phot_g_mean_mag"] + rng.normal(0, 1.0, n),
            "g_rp_error": rng.uniform(0, 0.05, n),
            "phot_g_mean_mag_error": rng.uniform(0, 0.3, n),
        }
    )


@pytest.mark.parametrize(("delta_c", "delta_g"), [(0.1, 0.8), (0.02, 0.16), (0.3, 0.1)])
def test_isochrone_condition_equals_brute_force(delta_c, delta_g):
    stars, curve = scattered(300, 30), isochrone_curve()
    expected = brute_force_isochrone(stars, curve, delta_c, delta_g)
    assert 20 < sum(expected) < 280
    assert passes_isochrone(stars, curve, delta_c, delta_g).tolist() == expected


def test_isochrone_condition_does_not_depend_on_how_stars_are_chunked(monkeypatch):
    stars, curve = scattered(100, 31), isochrone_curve()
    whole = passes_isochrone(stars, curve, 0.1, 0.8)
    for pairs in (1, len(curve) * 7, len(curve) * 100):
        monkeypatch.setattr(candidates, "_CHUNK", pairs)
        np.testing.assert_array_equal(passes_isochrone(stars, curve, 0.1, 0.8), whole)


def test_isochrone_point_is_the_nearest_in_the_stars_own_scale():
    # errors make colour cheap for this star: the far point in colour is the one it reaches
    stars = CalibratedStars(
        {
            "g_rp": np.array([1.0, 1.0]),
            "phot_g_mean_mag": np.array([15.0, 15.0]),
            "g_rp_error": np.array([0.3, 0.0]),
            "phot_g_mean_mag_error": np.array([0.0, 0.0]),
        }
    )
    curve = np.array([[1.0, 16.0], [1.9, 15.0]])
    assert passes_isochrone(stars, curve, 0.1, 0.8).tolist() == [True, False]


def test_isochrone_condition_is_strict():
    stars = CalibratedStars(
        {
            "g_rp": np.array([1.125, 1.1249]),
            "phot_g_mean_mag": np.array([15.0, 15.0]),
            "g_rp_error": np.zeros(2),
            "phot_g_mean_mag_error": np.zeros(2),
        }
    )
    assert passes_isochrone(stars, np.array([[1.0, 15.0]]), 0.125, 1.0).tolist() == [False, True]


def test_candidates_satisfy_all_three_conditions():
    stars, cluster = scattered(600, 32), make_cluster(delta_pm=0.5)
    conditions = (
        passes_proper_motion(stars, cluster.pmra, cluster.pmdec, cluster.delta_pm),
        passes_parallax(stars, cluster.parallax, cluster.delta_plx_plus, cluster.delta_plx_minus),
        np.array(
            brute_force_isochrone(stars, cluster.curve, cluster.delta_c, cluster.delta_g), bool
        ),
    )
    for i in range(3):  # each condition alone takes some out
        others = conditions[(i + 1) % 3] & conditions[(i + 2) % 3]
        assert (others & ~conditions[i]).any()
    expected = conditions[0] & conditions[1] & conditions[2]
    assert expected.any()
    np.testing.assert_array_equal(passes_all(stars, cluster), expected)


def test_no_star_gives_no_candidate():
    assert passes_all(random_stars(5, 33).take(slice(0, 0)), make_cluster()).shape == (0,)


def test_radius_is_distance_times_astropys_separation():
    stars = random_stars(200, 34, ra=0.0, dec=88.5)
    cluster = make_cluster(ra=359.99, dec=89.2, distance=1234.5)
    theta = angular_separation(
        *(np.radians(x) for x in (stars["ra"], stars["dec"], cluster.ra, cluster.dec))
    )
    np.testing.assert_allclose(radius_pc(stars, cluster), 1234.5 * theta, rtol=1e-10)


def test_features_equal_plain_formulas_in_the_papers_order():
    assert FEATURES == ("f_r", "f_pm", "f_plx", "f_c", "f_g")
    stars, cluster = scattered(300, 35), make_cluster()
    expected = [
        plain_features(cluster, *(float(stars[n][i]) for n in ("ra", "dec", *STAR_ERRORS)))
        for i in range(300)
    ]
    np.testing.assert_allclose(features(stars, cluster), expected, rtol=0, atol=1e-10)


def test_signs_are_star_minus_cluster_and_star_minus_isochrone():
    # nearer than the cluster, redder and fainter than the only isochrone point
    star = CalibratedStars(
        {
            "ra": np.array([133.0]),
            "dec": np.array([13.0]),
            "parallax": np.array([3.5]),
            "pmra": np.array([-5.0]),
            "pmdec": np.array([-8.0]),
            "g_rp": np.array([0.75]),
            "phot_g_mean_mag": np.array([15.5]),
        }
    )
    cluster = make_cluster(curve=np.array([[0.5, 15.0]]))
    expected = [300 * math.radians(1), 5.0, 0.2, 0.25, 0.5]
    np.testing.assert_allclose(features(star, cluster)[0], expected, rtol=1e-10)


def test_features_take_the_point_nearest_in_units_of_the_deltas():
    # the star is 0.1 mag in colour from one point and 0.5 mag in G from the other:
    # 1 Δ_C or 0.5 Δ_G away, so the second is nearer although plainly farther
    curve = np.array([[0.9, 15.0], [1.0, 15.5]])
    cluster = make_cluster(curve=curve, delta_c=0.1, delta_g=1.0)
    f_c, f_g = cluster.isochrone_vector(np.array([1.0]), np.array([15.0]))
    np.testing.assert_allclose((f_c[0], f_g[0]), (0.0, -0.5), atol=1e-12)
    f_c, f_g = make_cluster(curve=curve, delta_c=1.0, delta_g=1.0).isochrone_vector(
        np.array([1.0]), np.array([15.0])
    )
    np.testing.assert_allclose((f_c[0], f_g[0]), (0.1, 0.0), atol=1e-12)


def test_source_errors_do_not_choose_the_features_isochrone_point():
    stars, cluster = scattered(50, 36), make_cluster()
    errors = {"g_rp_error": np.full(50, 2.0), "phot_g_mean_mag_error": np.full(50, 1e-6)}
    larger = stars.with_columns(errors)
    np.testing.assert_array_equal(features(stars, cluster), features(larger, cluster))


def test_a_known_radius_is_taken_as_it_is():
    stars, cluster = random_stars(9, 37), make_cluster()
    got = features(stars, cluster, np.arange(9.0))
    np.testing.assert_array_equal(got[:, 0], np.arange(9.0))
    np.testing.assert_array_equal(got[:, 1:], features(stars, cluster)[:, 1:])

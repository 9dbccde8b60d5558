"""Numbers of a cluster from its members, against closed forms and plain arithmetic."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from pyspark.sql import SparkSession

from ocspark.analysis.distributed import count_multiply_claimed, measure_clusters, shared_stars
from ocspark.analysis.structure import (
    density_profile,
    measure_structure,
    median_interval,
    scaled_mean,
    share_interval,
)
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.sky.sphere import tangent_plane_rad
from ocspark.store.finished_run import open_run
from ocspark.tables.member_rule import member_rule
from tests.helpers.toyrun import candidates_of, told_by, with_posteriors


def test_median_interval_covers_two_of_three_medians() -> None:
    rng = np.random.default_rng(4)
    inside = 0
    for _ in range(400):
        found = median_interval(rng.exponential(size=60))
        inside += found.lower <= math.log(2.0) <= found.upper
    assert abs(inside - 0.68 * 400) < 4 * math.sqrt(400 * 0.68 * 0.32)


def test_share_interval_is_wilsons() -> None:
    found = share_interval(3, 10)
    # the roots of (p − 0.3)² = p (1 − p) / 10
    low, high = np.sort(np.roots([1.1, -0.7, 0.09]))
    assert (found.value, found.lower, found.upper) == pytest.approx((0.3, low, high))
    assert share_interval(0, 5).lower == pytest.approx(0.0)
    assert math.isnan(share_interval(0, 0).value)


def test_scaled_mean_has_the_formal_error_of_agreeing_values_and_more_for_others() -> None:
    mean, error = scaled_mean(np.full(4, 2.0), np.full(4, 0.2))
    assert (mean, error) == pytest.approx((2.0, 0.1))
    values = np.array([-1.0, 1.0, -1.0, 1.0])
    assert scaled_mean(values, np.full(4, 1e-3))[1] == pytest.approx(np.std(values, ddof=1) / 2)
    assert math.isnan(scaled_mean(np.empty(0), np.empty(0))[0])


def test_density_profile_counts_every_star_once() -> None:
    radius = 10.0 * np.sqrt(np.random.default_rng(1).random(600))
    rings = density_profile(radius, 10.0)
    flat = 600 / (math.pi * 100.0)
    assert (np.abs(rings.density - flat) < 4 * rings.error).all()
    assert rings.inner[0] == 0.0 and rings.outer[-1] == 10.0
    np.testing.assert_array_equal(rings.inner[1:], rings.outer[:-1])
    area = math.pi * (rings.outer**2 - rings.inner**2)
    assert (rings.density * area).sum() == pytest.approx(600)


def test_offsets_are_those_of_astropy_at_the_pole_and_across_ra_0() -> None:
    rng = np.random.default_rng(3)
    for ra0, dec0 in ((0.01, 20.0), (359.9, -45.0), (120.0, 89.9), (0.0, -90.0)):
        ra, dec = rng.uniform(0, 360, 50), np.clip(dec0 + rng.normal(0, 3, 50), -90, 90)
        centre = SkyCoord(ra0, dec0, unit="deg")
        stars = SkyCoord(ra, dec, unit="deg")
        distance, angle = centre.separation(stars).rad, centre.position_angle(stars).rad
        east, north = tangent_plane_rad(ra, dec, ra0, dec0)
        np.testing.assert_allclose(east, distance * np.sin(angle), atol=1e-9)
        np.testing.assert_allclose(north, distance * np.cos(angle), atol=1e-9)


def some_stars(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(n)
    columns = "ra dec pmra pmdec parallax pmra_error pmdec_error parallax_error f_r".split()
    stars = {name: rng.uniform(0.1, 1.0, n) for name in columns}
    stars["phot_g_mean_mag"] = rng.uniform(10, 20, n)
    stars["probability"], stars["is_training_member"] = np.ones(n), np.zeros(n, dtype=bool)
    return stars


@pytest.mark.parametrize("n", [0, 1, 5])
def test_few_members_give_nan_and_no_failure(n: int) -> None:
    row = measure_structure(some_stars(n), (0.5, 0.5), 1000.0, 1, member_rule("votes"))
    assert row["n_members"] == row["n_new"] == n
    assert math.isnan(row["core_radius"]) and math.isnan(row["segregation_ratio"])
    assert math.isnan(row["r50"]) is (n == 0)


def test_members_by_posterior_fill_the_radius_that_has_posteriors() -> None:
    stars = some_stars(40)
    stars["posterior"] = np.where(stars["f_r"] > 0.8, np.nan, np.linspace(0.0, 1.0, 40))
    row = measure_structure(stars, (0.5, 0.5), 1000.0, 1, member_rule("posterior"))
    assert row["members_by"] == "posterior"
    assert row["n_members"] == (stars["posterior"] >= 0.5).sum() > 10
    assert row["extent_pc"] == stars["f_r"][stars["f_r"] <= 0.8].max()
    faint = stars["phot_g_mean_mag"][stars["posterior"] >= 0.1] > 18.0
    assert row["faint_fraction"] == pytest.approx(faint.mean())


def test_structure_table_of_a_run_has_what_its_candidates_say(
    spark: SparkSession, finished: RunResult
) -> None:
    table = measure_clusters(spark, open_run(finished.path)).toPandas().set_index("cluster")
    candidates = candidates_of(finished.path)
    assert set(table.index) == set(candidates["cluster"])
    for name, own in candidates.groupby("cluster"):
        row = table.loc[str(name)]
        p = own["posterior" if row["members_by"] == "posterior" else "probability"]
        members = own[p >= 0.5]
        assert row["n_members"] == len(members)
        assert row["r50"] == pytest.approx(members["f_r"].median())
        assert row["n_new"] == (~members["is_training_member"]).sum()
        faint = own.loc[p >= 0.1, "phot_g_mean_mag"] > 18
        assert row["faint_fraction"] == pytest.approx(faint.mean())


def test_shared_stars_are_those_of_plain_set_arithmetic(
    spark: SparkSession, finished: RunResult, tmp_path: Path
) -> None:
    run = open_run(with_posteriors(finished, tmp_path).path)
    shared = shared_stars(spark, run).toPandas().set_index(["cluster", "other"]).sort_index()
    candidates = candidates_of(run.path)
    candidates["chance"] = told_by(candidates)  # the posterior in Wrap 1, votes in Wrap_2
    members = {
        level: {
            str(name): set(own.loc[own["chance"] >= level, "source_id"])
            for name, own in candidates.groupby("cluster")
        }
        for level in (0.1, 0.5)
    }
    expected = {
        (a, b): (len(stars & members[0.1][b]), len(members[0.5][a] & members[0.5][b]))
        for a, stars in members[0.1].items()
        for b in members[0.1]
        if a != b and stars & members[0.1][b]
    }
    pairs = shared[["n_from_10", "n_from_50"]].itertuples(index=False, name=None)
    assert expected and dict(zip(shared.index, pairs, strict=True)) == expected
    claimed = count_multiply_claimed(spark, run)
    for name, level in (("n_from_10", 0.1), ("n_from_50", 0.5)):
        ids = candidates.loc[candidates["chance"] >= level, "source_id"]
        assert claimed[name] == (ids.value_counts() > 1).sum() > 0

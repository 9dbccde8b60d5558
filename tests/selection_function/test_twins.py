"""Where twins are, and that they are their clusters' likeness."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord

from ocspark.errors import InputError
from ocspark.inputs.isochrones import default_isochrones
from ocspark.mock.catalogue import build_catalogue
from ocspark.mock.dust import ExtinctionGrid
from ocspark.mock.observatory import Observatory
from ocspark.mock.parameters import MockParameters
from ocspark.mock.planted import SOURCE_ID_BITS
from ocspark.release import load_release
from ocspark.selection_function.twins import Planter, Twin, offset_positions, plan_twins

CLUSTERS = pd.DataFrame(
    {
        "cluster": ["A 1", "B_2", "C_3"],
        "ra": [83.0, 0.02, 192.9],
        "dec": [30.0, 62.0, 27.1],  # the last at the Galactic pole
        "pmra": [0.5, -1.0, -12.0],
        "pmdec": [-4.0, -1.0, -9.0],
        "pmra_dispersion": 0.12,
        "pmdec_dispersion": 0.12,
        "parallax": [0.66, 0.4, 2.5],
        "parallax_dispersion": 0.05,
        "log_age": [8.4, 8.8, 9.0],
        "a0": [0.9, 1.3, 0.0],
        "distance": [1500.0, 2500.0, 400.0],
        "radius_deg": [1.91, 1.146, 7.16],
        "n_training_members": [120, 40, 60],
        "training_probability": 1.0,
    }
)


def planter(twins: list[Twin], seed: int) -> Planter:
    by_age = {float(a): p for a, p in default_isochrones().groupby("log_age")}
    observatory = Observatory.from_release(load_release("dr3"))
    return Planter(twins, by_age, ExtinctionGrid.build(), observatory, seed)


def planned(copies: int, seed: int) -> list[Twin]:
    ages = np.unique(default_isochrones()["log_age"])
    return plan_twins(CLUSTERS, ages, copies, seed)


@pytest.mark.parametrize("radius_deg", [0.5, 3.0, 12.0])
@pytest.mark.parametrize(
    ("ra", "dec"), [(266.4, -28.9), (0.0, 89.0), (192.86, 27.13), (10.0, -89.99), (120.0, 45.0)]
)
def test_offset_cones_overlap_nothing(ra: float, dec: float, radius_deg: float):
    positions = [(ra, dec), *offset_positions(ra, dec, radius_deg, 6)]
    assert len(positions) == 7
    sky = SkyCoord(*np.array(positions).T, unit="deg")
    apart = sky[:, None].separation(sky[None]).deg + 1e3 * np.eye(7)
    assert apart.min() > 2.0 * radius_deg


def test_offset_positions_are_at_the_same_galactic_latitude():
    here = SkyCoord(83.0, 30.0, unit="deg").galactic.b
    there = SkyCoord(*np.array(offset_positions(83.0, 30.0, 1.9, 8)).T, unit="deg").galactic.b
    assert np.all(np.abs(np.abs(there) - abs(here)) < 0.2 * u.deg)


def test_giant_cones_have_fewer_positions():
    assert len(offset_positions(10.0, 20.0, 30.0, 10)) == 4


def test_twins_have_their_clusters_properties():
    twins = planned(2, 1)
    make = planter(twins, 1)
    for number, twin in enumerate(twins):
        row = CLUSTERS.set_index("cluster").loc[twin.twin_of]
        assert twin.cluster.distance_pc == pytest.approx(row["distance"])
        assert abs(twin.cluster.log_age - row["log_age"]) <= 0.06
        assert twin.cluster.a0 == row["a0"]
        stars = make.planted(number).true
        for name in ("ra", "dec", "pmra", "pmdec", "parallax"):
            error = np.std(stars[name]) / np.sqrt(len(stars[name]))
            middle = 1000.0 / row["distance"] if name == "parallax" else twin.row[name]
            assert abs(np.mean(stars[name]) - middle) < 4.5 * error


def test_twins_have_as_many_training_members_on_average():
    found: dict[str, list[int]] = {}
    twins = planned(12, 1)
    make = planter(twins, 1)
    for number, twin in enumerate(twins):
        n = np.count_nonzero(make.planted(number).probability == 1.0)
        found.setdefault(twin.twin_of, []).append(n)
    for name, n in zip(CLUSTERS["cluster"], CLUSTERS["n_training_members"], strict=True):
        # Poisson noise of twin and trial: four standard errors of the mean
        error = np.std(found[name], ddof=1) / np.sqrt(len(found[name]))
        assert abs(np.mean(found[name]) - n) < 4.0 * error


def test_ids_are_nobody_elses():
    catalogue = build_catalogue(MockParameters(sources=20_000, clusters=4, seed=7))
    twins = planned(4, 1)
    make = planter(twins, 1)
    ids = np.concatenate([make.planted(n).sources["source_id"] for n in range(len(twins))])
    assert len(np.unique(ids)) == len(ids)
    running = ids & ((1 << SOURCE_ID_BITS) - 1)
    assert (running >> 34 == 1).all()  # Gaia's running numbers do not reach that far
    mocks_own = [catalogue.cluster(i).sources["source_id"] for i in range(4)]
    own = np.concatenate(mocks_own) & ((1 << SOURCE_ID_BITS) - 1)
    assert running.min() > own.max()


def test_seed_decides_the_stars():
    first, again, other = (planter(planned(1, s), s).planted(0) for s in (1, 1, 2))
    assert np.array_equal(first.sources["ra"], again.sources["ra"])
    assert not np.array_equal(first.sources["ra"][:20], other.sources["ra"][:20])


def test_interlopers_are_not_planted():
    planted = planter(planned(1, 1), 1).planted(0)
    assert planted.true["is_member"].all()


def test_too_many_twins_are_refused():
    with pytest.raises(InputError, match="--copies 100000"):
        plan_twins(CLUSTERS, np.array([8.4]), 100_000, 1)

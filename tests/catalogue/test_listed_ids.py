"""A list whose stars are not found by id: of another release, or of other stars."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hpgeom
import numpy as np
import pandas as pd
import pytest

from ocspark.catalogue.listed_ids import id_warnings, positions_of_ids
from ocspark.sky.sphere import separation_rad

SOURCES = Path(__file__).parents[2] / "../shared/data/gaia/edr3_cones.parquet"
CENTRES = {"A 1": (114.3, -13.9), "B 2": (45.0, 60.0)}
RADIUS_DEG = 1.0


@pytest.mark.skipif(not SOURCES.exists(), reason="needs ../shared/data/gaia")
def test_an_id_tells_where_its_star_is():
    stars = pd.read_parquet(SOURCES, columns=["source_id", "ra", "dec"])
    ra, dec = positions_of_ids(stars["source_id"].to_numpy())
    away = np.degrees(separation_rad(ra, dec, stars["ra"], stars["dec"]))
    assert np.quantile(away, 0.999) < 0.02


def listed(cluster: int, centre: tuple[float, float], n: int = 40) -> pd.DataFrame:
    """Ids of stars around a position, as Gaia makes them."""
    rng = np.random.default_rng(cluster)
    ra = centre[0] + rng.uniform(-0.5, 0.5, n)
    cell = hpgeom.angle_to_pixel(4096, ra, centre[1] + rng.uniform(-0.5, 0.5, n))
    ids = (cell << 35) + (rng.integers(0, 2**28, n) << 7)
    return pd.DataFrame({"cluster_key": cluster, "source_id": ids, "probability": 1.0})


def warned(members: pd.DataFrame, found: int, n_cone: int = 5000) -> list[str]:
    names = dict(enumerate(CENTRES))
    cones = pd.DataFrame(
        {
            "cluster_key": list(names),
            "ra": [ra for ra, _ in CENTRES.values()],
            "dec": [dec for _, dec in CENTRES.values()],
            "radius_rad": np.radians(RADIUS_DEG),
        }
    )
    inputs: Any = SimpleNamespace(
        cluster_names=names,
        cones=SimpleNamespace(table=cones),
        members=SimpleNamespace(table=members),
    )
    rows = pd.DataFrame({"cluster": list(CENTRES)}).assign(
        n_cone=n_cone, n_listed=40, n_training_members=found, training_probability=1.0
    )
    return id_warnings(inputs, rows)


def test_ids_in_the_cone_that_are_not_found_may_be_of_another_release():
    members = pd.concat([listed(k, centre) for k, centre in enumerate(CENTRES.values())])
    (warning,) = warned(members, found=6)
    assert warning.startswith("12 of 80 listed stars of 2 clusters (A 1, B 2) are found by id: ")
    assert "another release" in warning and "members.neighbourhood" in warning


def test_ids_outside_the_cone_are_of_other_stars():
    swapped = pd.concat([listed(k, centre) for k, centre in enumerate([*CENTRES.values()][::-1])])
    (warning,) = warned(swapped, found=0)
    assert "0 of 80 listed stars of 2 clusters" in warning and "elsewhere on the sky" in warning


def test_nothing_is_said_where_most_are_found_or_the_cone_is_empty():
    members = pd.concat([listed(k, centre) for k, centre in enumerate(CENTRES.values())])
    assert warned(members, found=20) == []
    assert warned(members, found=0, n_cone=0) == []


def test_numbers_that_are_no_ids_are_nowhere():
    assert np.isnan(positions_of_ids(np.array([2**63 - 1]))).all()

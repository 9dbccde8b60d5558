"""Every criterion of the paper's §3.2 on a table made to violate it, one cluster each."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.coordinates import Galactic, SkyCoord

from ocspark.inputs.clusters import read_clusters
from ocspark.inputs.members import read_members
from ocspark.names import cluster_key
from ocspark.settings import conf_path
from ocspark.training.training_clusters import leave_out

RULES = {
    "min_listed": 80,
    "test_clusters": [],
    "longitude_deg": (60.0, 300.0),
    "max_parallax": 4.0,
}


def reasons(rules: dict | None = None, n_listed: int = 80, **changes: object) -> str:
    """The reason of one cluster that meets every criterion but for the changes."""
    longitude = changes.pop("longitude", 180.0)
    place = SkyCoord(Galactic(l=longitude * u.deg, b=3 * u.deg)).icrs
    row = {
        "cluster": "NGC_1",
        "ra": place.ra.deg,
        "dec": place.dec.deg,
        "parallax": 1.0,
        "fault": "",
        **changes,
    }
    row["cluster_key"] = cluster_key(str(row["cluster"]))
    table = pd.DataFrame([row])
    listed = pd.Series({row["cluster_key"]: n_listed})
    return leave_out(table, listed, **{**RULES, **(rules or {})}).iloc[0]


def test_a_cluster_that_meets_all_criteria_trains():
    assert reasons() == ""


@pytest.mark.parametrize("missing", ["log_age", "a0", "distance", "log_age, a0, distance"])
def test_age_distance_and_extinction_must_be_known(missing):
    fault = f"the cluster table has no {missing}"
    assert reasons(fault=fault) == fault


def test_fewer_than_80_certain_members_leave_a_cluster_out():
    assert reasons(n_listed=79) == "79 members listed; needs 80"
    assert reasons(n_listed=0) == "0 members listed; needs 80"


def test_a_cluster_that_the_list_does_not_name_is_left_out():
    table = pd.DataFrame(
        [
            {
                "cluster": "A",
                "cluster_key": 1,
                "ra": 86.4,
                "dec": 28.9,
                "parallax": 1.0,
                "fault": "",
            }
        ]
    )
    assert leave_out(table, pd.Series(dtype=int), **RULES).iloc[0].startswith("0 members")


@pytest.mark.parametrize("name", ["NGC_1", "NGC 1", " NGC  1"])
def test_test_clusters_are_left_out_whatever_their_blanks(name):
    assert reasons({"test_clusters": ["NGC_2", name]}) == "a test cluster"


@pytest.mark.parametrize("longitude", [59.9, 300.1, 0.0, 359.9, 30.0])
def test_clusters_near_the_galactic_centre_are_left_out(longitude):
    assert reasons(longitude=longitude).startswith(f"Galactic longitude {longitude:.2f} deg")


@pytest.mark.parametrize("longitude", [60.1, 299.9])
def test_clusters_just_outside_60_degrees_of_the_centre_train(longitude):
    assert reasons(longitude=longitude) == ""


@pytest.mark.parametrize("parallax", [4.0, 4.2, 22.0])
def test_nearby_clusters_are_left_out(parallax):
    assert reasons(parallax=parallax) == f"parallax {parallax:g} mas; expected below 4"


def test_a_distant_or_negative_parallax_trains():
    assert reasons(parallax=3.99) == ""
    assert reasons(parallax=-0.01) == ""


def test_a_missing_position_or_parallax_is_the_reason_not_an_error():
    assert "no ra" in reasons(ra=np.nan, parallax=np.nan, fault="the cluster table has no ra")


DATA = Path(__file__).parents[2] / "../shared/data"


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
def test_the_real_lists_give_181_clusters():
    # method §9, before a test list is taken out
    columns = yaml.safe_load(conf_path("cantat_gaudin_2020.yaml").read_text())["clusters"][
        "columns"
    ]
    clusters = read_clusters(str(DATA / "catalogues/cg20.csv"), columns)
    members = read_members(str(DATA / "members/cg18_dr2.parquet"), {}, clusters.all_keys).table
    certain = members[members["probability"] == 1.0].groupby("cluster_key").size()
    assert (leave_out(clusters.table, certain, **RULES) == "").sum() == 181

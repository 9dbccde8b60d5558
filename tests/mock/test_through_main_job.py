"""A mock goes through the main job, in either release, and its members are found."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ocspark.mock.generate import MockParameters, make_mock
from ocspark.runs.full_catalogue import run_full_catalogue
from ocspark.settings import make_settings

#: Nearer than 1.5 kpc, where proper motions tell; one of them has stars by the thousand.
_NAMES = ["Mock_0001", "Mock_0002", "Mock_0003"]


@pytest.mark.parametrize("release", ["dr3", "dr4"])
def test_members_are_found_with_published_weights(spark, tmp_path: Path, release: str):
    folder = tmp_path / "mock"
    make_mock(spark, str(folder), MockParameters(20_000, 3, 5, release=release))
    settings = {
        "release": release,
        "mirror": {"path": f"{folder}/mirror"},
        "clusters": {"path": f"{folder}/clusters.parquet"},
        "members": {"path": f"{folder}/members.parquet"},
        "isochrones": {"path": f"{folder}/isochrones", "max_age_offset": 0.1},
        "membership": {"n_samples": 10},
        "output": {"path": str(tmp_path / "runs")},
    }
    run = run_full_catalogue(make_settings(settings), spark)
    clusters = pd.read_parquet(f"{run.path}/clusters")
    assert clusters["cluster"].tolist() == _NAMES and (clusters["status"] == "done").all()
    candidates = pd.read_parquet(f"{run.path}/candidates")
    truth = pd.read_parquet(folder / "truth.parquet")
    members = candidates[candidates["probability"] >= 0.5].merge(
        truth[["cluster", "source_id", "phot_g_mean_mag"]], "left", ["cluster", "source_id"]
    )
    # this sky has one star for 90,000 of the real one's: what is found should be true
    assert members["phot_g_mean_mag_y"].notna().mean() > 0.97
    bright = truth["phot_g_mean_mag"] < 17.0
    found = truth[bright].merge(members, "left", ["cluster", "source_id"], indicator=True)
    assert (found["_merge"] == "both").mean() > 0.6

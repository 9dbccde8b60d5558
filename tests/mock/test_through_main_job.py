"""A mock goes through the main job and its members are found."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ocspark.errors import InputError
from ocspark.mock.generate import MockParameters, make_mock
from ocspark.runs.full_catalogue import run_full_catalogue
from ocspark.settings import make_settings
from tests.toy import Toy
from tests.toyrun import run_toy

PARAMETERS = MockParameters(20_000, 3, 5)


def test_members_are_found_with_published_weights(spark, tmp_path: Path):
    folder = tmp_path / "mock"
    make_mock(spark, str(folder), PARAMETERS)
    settings = {
        "mirror": {"path": f"{folder}/mirror"},
        "clusters": {"path": f"{folder}/clusters.parquet"},
        "members": {"path": f"{folder}/members.parquet"},
        "isochrones": {"path": f"{folder}/isochrones", "max_age_offset": 0.1},
        "membership": {"n_samples": 10},
        "output": {"path": str(tmp_path / "runs")},
    }
    run = run_full_catalogue(make_settings(settings), spark)
    clusters = pd.read_parquet(f"{run.path}/clusters")
    assert len(clusters) == 3 and (clusters["status"] == "done").all()
    candidates = pd.read_parquet(f"{run.path}/candidates")
    truth = pd.read_parquet(folder / "truth.parquet")
    key = ["cluster", "source_id"]
    found = candidates.loc[candidates["probability"] >= 0.5, key]
    # this sky has one star for 90,000 of the real one's: what is found should be true
    assert len(found.merge(truth, on=key)) > 0.97 * len(found)
    bright = truth[truth["phot_g_mean_mag"] < 17.0]
    assert len(bright.merge(found, on=key)) > 0.6 * len(bright)


def test_main_job_refuses_a_release_that_is_a_draft(toy: Toy, spark):
    with pytest.raises(InputError, match="dr4 is a draft"):
        run_toy(toy, spark, release="dr4")

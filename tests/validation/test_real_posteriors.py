"""Posteriors of real clusters meet what is wanted of them (method §13)."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.image import imread

from ocspark.validation.real_posteriors import judge_real_posteriors
from ocspark.validation.real_summary import WANTED

DATA = Path(__file__).parents[2] / "../shared/data"


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
def test_real_clusters_are_found_and_fields_are_not(spark, tmp_path):
    output = tmp_path / "judged"
    result = judge_real_posteriors(str(DATA), str(tmp_path / "work"), str(output), spark)
    pool = result["pool"]
    assert pool["n_clusters"] >= 25
    assert pool["recovered"] >= 0.97
    for name, least in WANTED.items():
        assert pool["lists"][name]["posterior"] >= least, name
    assert pool["displaced"]["expected"] <= pool["displaced"]["n_windows"]  # one in a place
    assert pool["displaced"]["largest"] <= 12
    assert pool["twins"]["median_relative"] <= 0.08
    # where training members are lost, there is no posterior and the reason says so
    assert all(row["recovered"] >= 0.85 for row in result["clusters"])
    assert all(result["null"].values())
    pictures = list((output / "clusters").glob("*.png"))
    assert len(pictures) == pool["n_clusters"]
    assert imread(pictures[0]).shape[1] > 1000

"""The real sample gives what is published of its clusters."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

import ocspark
from tests.helpers.toyrun import ROOT


@pytest.fixture(scope="module")
def run(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> ocspark.Run:
    return ocspark.run(ocspark.sample(), output=str(tmp_path_factory.mktemp("runs")), spark=spark)


def test_members_of_tarricq_are_found(run: ocspark.Run) -> None:
    listed = pd.read_csv(ROOT / "conf/sample/tarricq2022.csv")
    for name, stars in listed.groupby("cluster"):
        found = ocspark.members_of(run, str(name), min_probability=0.0)
        there = found.set_index("source_id")["probability"]
        ours = stars["source_id"].isin(there.index[there >= 0.5])
        inside = stars["source_id"].isin(there.index)
        # the paper finds 98 % and more of those that are candidates (Table 2)
        assert inside.sum() > 200 and ours[inside].mean() > 0.95, (name, ours[inside].mean())


def test_every_cluster_is_done_and_one_has_a_posterior(run: ocspark.Run) -> None:
    clusters = run.clusters.set_index("cluster")
    assert set(clusters["status"]) == {"done"} and len(clusters) == 5
    assert pd.isna(clusters.loc["NGC_2158", "posterior_reason"])
    assert 300 < clusters.loc["NGC_2158", "expected_members"] < 3000


def test_the_sample_is_small_and_says_where_it_is_from() -> None:
    folder = ROOT / "conf/sample"
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 4_000_000
    text = (folder / "README.md").read_text()
    assert "European Space Agency" in text and all(
        doi in text for doi in ("202038192", "201833476", "202142186")
    )
    assert len(list(Path(folder / "mirror").rglob("*.parquet"))) == 3

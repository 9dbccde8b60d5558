"""Completeness and purity against counts by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ocspark.mock.score import score_run
from ocspark.store.finished_run import FinishedRun


@pytest.fixture
def run(tmp_path: Path) -> tuple[FinishedRun, str]:
    """Two clusters done, one skipped; a star of A is found in B too."""
    for table in ("clusters", "candidates"):
        (tmp_path / "run" / table).mkdir(parents=True)
    pd.DataFrame({"cluster": ["A", "B", "C"], "status": ["done", "done", "skipped"]}).to_parquet(
        tmp_path / "run" / "clusters" / "0.parquet"
    )
    pd.DataFrame(
        {
            "cluster": ["A"] * 5 + ["B"] * 2,
            "source_id": [1, 2, 3, 90, 91, 1, 11],
            "probability": [1.0, 0.57, 0.1, 0.5, 0.05, 0.9, 0.29],
        }
    ).to_parquet(tmp_path / "run" / "candidates" / "0.parquet")
    pd.DataFrame(
        {"cluster": ["A"] * 4 + ["B"] * 2 + ["C"], "source_id": [1, 2, 3, 4, 11, 12, 21]}
    ).to_parquet(tmp_path / "truth.parquet")
    return FinishedRun(str(tmp_path / "run"), {}), str(tmp_path / "truth.parquet")


def test_scores_are_the_counts_by_hand(spark: SparkSession, run: tuple[FinishedRun, str]) -> None:
    scores = {(s.name, s.level): s[2:] for s in score_run(spark, *run)}
    assert scores[("A", 0.1)] == (4, 4, 3)
    assert scores[("A", 0.5)] == (4, 3, 2)
    assert scores[("A", 0.9)] == (4, 1, 1)
    assert scores[("B", 0.1)] == (2, 2, 1)
    assert scores[("all", 0.5)] == (6, 4, 2)
    assert not any(name == "C" for name, _ in scores)

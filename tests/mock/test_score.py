"""Completeness and purity against counts by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ocspark.mock.score import score_run
from ocspark.store.finished_run import FinishedRun
from ocspark.tables.run_tables import RESULT_TABLES


@pytest.fixture
def run(tmp_path: Path) -> tuple[FinishedRun, str]:
    """A told by posterior, B by votes, C skipped; a star of A is found in B too."""
    tables = {
        "clusters": pd.DataFrame(
            {
                "cluster": ["A", "B", "C"],
                "status": ["done", "done", "skipped"],
                "members_by": ["posterior", "votes", None],
            }
        ),
        "candidates": pd.DataFrame(
            {
                "cluster": ["A"] * 5 + ["B"] * 2,
                "source_id": [1, 2, 3, 90, 91, 1, 11],
                "probability": [1.0, 0.57, 0.1, 0.5, 0.05, 0.9, 0.29],
                "posterior": [0.99, 0.7, 0.5, 0.1, 0.0, 0.9, 0.9],
            }
        ),
    }
    for name, table in tables.items():
        (tmp_path / "run" / name).mkdir(parents=True)
        whole = table.reindex(columns=[f.name for f in RESULT_TABLES[name]])
        whole.to_parquet(tmp_path / "run" / name / "0.parquet")
    pd.DataFrame(
        {"cluster": ["A"] * 4 + ["B"] * 2 + ["C"], "source_id": [1, 2, 3, 4, 11, 12, 21]}
    ).to_parquet(tmp_path / "truth.parquet")
    return FinishedRun(str(tmp_path / "run"), {}), str(tmp_path / "truth.parquet")


def test_scores_are_the_counts_by_hand(spark: SparkSession, run: tuple[FinishedRun, str]) -> None:
    a, b, both = score_run(spark, *run)
    assert a == (("A", "posterior >= 0.5", 4, 3, 3), ("A", "votes >= 0.5", 4, 3, 2))
    assert b[0][2:] == b[1][2:] == (2, 1, 0) and b[0].rule == "votes >= 0.5"
    rule = "posterior >= 0.5 (1 cluster), votes >= 0.5 (1 cluster)"
    assert both == (("all", rule, 6, 4, 3), ("all", "votes >= 0.5", 6, 4, 2))
    assert (both[0].completeness, both[0].purity) == (0.5, 0.75)

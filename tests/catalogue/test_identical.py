"""The same bits from other mirrors, row orders, masters and Connect; logits too, not only votes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from ocspark.catalogue.full_catalogue import RunResult
from tests.helpers.hats import write_hats
from tests.helpers.toy import Toy
from tests.helpers.toyrun import assert_same_bits, candidates_of, portions_of, run_toy, submit


@pytest.mark.parametrize(("order", "seed"), [(1, 1), (5, 2)])
def test_mirrors_of_other_orders_and_row_orders_give_the_same_bits(
    toy: Toy,
    spark: SparkSession,
    finished: RunResult,
    tmp_path: Path,
    small_portions: None,
    order: int,
    seed: int,
) -> None:
    shuffled = toy.sources.sample(frac=1.0, random_state=seed)
    write_hats(shuffled, tmp_path / "hats", order)
    run = run_toy(
        toy,
        spark,
        mirror={"path": str(tmp_path / "hats")},
        output={"path": str(tmp_path / "runs")},
    )
    assert portions_of(run)["search"] > 3 and portions_of(run)["membership"] >= 2
    assert_same_bits(finished.path, run.path)


@pytest.mark.parametrize("master", ["local[1]", pytest.param("local[2]", marks=pytest.mark.slow)])
def test_other_masters_by_spark_submit_give_the_same_bits(
    toy: Toy, finished: RunResult, tmp_path: Path, master: str
) -> None:
    """With ``--connect`` the finished run is one on Connect, and these are classic ones."""
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(toy.settings(output={"path": str(tmp_path / "runs")})))
    done = submit(master, settings)
    assert done.returncode == 0, done.stdout
    run = tmp_path / "runs" / (tmp_path / "runs" / "latest").read_text().strip()
    assert_same_bits(finished.path, str(run))


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 50_000])
def test_adaptive_runs_on_separate_executors_with_any_batch_give_the_same_bits(
    toy: Toy, spark: SparkSession, tmp_path: Path, batch: int
) -> None:
    membership = {"n_samples": 60, "adaptive": True}
    here = run_toy(toy, spark, membership=membership, output={"path": str(tmp_path / "here")})
    assert candidates_of(here.path)["n_samples"].nunique() > 2
    there = toy.settings(
        membership=membership,
        output={"path": str(tmp_path / "there")},
        spark={"config": {"spark.sql.execution.arrow.maxRecordsPerBatch": str(batch)}},
    )
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump(there))
    done = submit("local-cluster[2,1,2048]", settings)
    assert done.returncode == 0, done.stdout
    run = tmp_path / "there" / (tmp_path / "there" / "latest").read_text().strip()
    assert_same_bits(here.path, str(run))

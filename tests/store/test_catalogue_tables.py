"""A run whose tables go to the session's catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

import ocspark
from ocspark.catalogue import full_catalogue
from ocspark.errors import InputError
from ocspark.session import is_connect
from ocspark.store import catalogue_tables
from ocspark.store.catalogue_tables import CatalogueTables
from ocspark.tables.clusters import CLUSTERS
from tests.helpers.toy import Toy
from tests.helpers.toyrun import candidates_of, run_toy


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("table:main.gaia.oc", "`main`.`gaia`.`oc_runs`"),
        ("table:gaia.oc", "`gaia`.`oc_runs`"),
        ("table:oc", "`oc_runs`"),
        ("table:main.`open. ``clusters```.oc;--", "`main`.`open. ``clusters```.`oc;--_runs`"),
    ],
)
def test_names_are_taken_apart_and_quoted(path: str, name: str) -> None:
    assert CatalogueTables.parse(path).name("runs") == name


@pytest.mark.parametrize(
    "path", ["table:", "table:a..b", "table:a.b.c.d", "table:`a`b", "table:a."]
)
def test_what_is_no_name_is_refused(path: str) -> None:
    with pytest.raises(InputError, match=r"output.path: table:.*expected table:CATALOG"):
        CatalogueTables.parse(path)


@pytest.fixture
def schema(spark: SparkSession, tmp_path: Path) -> Iterator[str]:
    spark.sql(f"CREATE SCHEMA toy_runs LOCATION '{tmp_path / 'warehouse'}'")
    yield "spark_catalog.toy_runs"
    spark.sql("DROP SCHEMA toy_runs CASCADE")


def test_a_run_replaces_its_own_rows_and_no_others(
    toy: Toy,
    spark: SparkSession,
    schema: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = {"path": f"table:{schema}.oc", "work": str(tmp_path / "work")}
    chosen: dict[str, Any] = {"clusters": {"names": ["Pole_1", "Poor_1"]}}

    def table(name: str) -> pd.DataFrame:
        return spark.table(f"{schema}.oc_{name}").toPandas()

    first = run_toy(toy, spark, output=output, **chosen)
    with monkeypatch.context() as patch:  # as if it had been killed just before run.json
        patch.setattr(full_catalogue, "_remove_temporary", lambda run: None)
        second = run_toy(toy, spark, output=output, membership={"seed": 7}, **chosen)
    ids = {first.record["run_id"], second.record["run_id"]}
    assert len(ids) == 2
    Path(second.path, "run.json").unlink()
    again = run_toy(toy, spark, output=output, membership={"seed": 7}, **chosen)
    assert not again.already_finished and all(p["reused"] for p in again.record["portions"])
    runs, candidates, clusters = (table(name) for name in ("runs", "candidates", "clusters"))
    assert sorted(runs["run_id"]) == sorted(ids)
    records = {row.run_id: json.loads(row.record) for row in runs.itertuples()}
    assert records[again.record["run_id"]]["totals"] == again.record["totals"]
    for run in (first, again):
        own = candidates[candidates["run_id"] == run.record["run_id"]].drop(columns="run_id")
        own = own.sort_values(["cluster", "source_id"], ignore_index=True)
        expected = candidates_of(run.path)
        assert len(own) > 20
        pd.testing.assert_frame_equal(own[expected.columns], expected, check_exact=True)
        assert (clusters["run_id"] == run.record["run_id"]).sum() == 2
    # the newest is read back from the catalogue
    back = ocspark.open_run(output["path"])
    assert (back.record["run_id"], back.path) == (again.record["run_id"], again.path)
    found = back.read(spark, "candidates").toPandas()
    found = found.sort_values(["cluster", "source_id"], ignore_index=True)
    pd.testing.assert_frame_equal(found, candidates_of(again.path), check_exact=True)
    assert back.has("candidates") and not back.has("non_members")
    one = ocspark.members_of(back, "Pole_1", min_probability=0.0)
    pd.testing.assert_frame_equal(
        one, ocspark.members_of(again.path, "Pole_1", min_probability=0.0), check_exact=True
    )
    described = {f.name: f.metadata for f in spark.table(f"{schema}.oc_candidates").schema}
    assert described["f_r"]["comment"] == "Projected radius (paper Eq. 11) [pc]"
    assert run_toy(toy, spark, output=output, **chosen).already_finished


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"path": "table:spark_catalog.nowhere.oc"}, "output.path: .*nowhere"),
        ({"path": "table:oc", "work": None}, "output.work: expected a folder"),
        ({"path": "runs"}, "output.work: expected only where output.path is table"),
    ],
)
def test_what_would_fail_at_the_end_is_refused_at_the_beginning(
    toy: Toy, spark: SparkSession, tmp_path: Path, output: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        run_toy(toy, spark, output={"work": str(tmp_path), **output})


def test_a_catalogue_without_a_run_is_named(spark: SparkSession, schema: str) -> None:
    with pytest.raises(InputError, match=r"^run: .*oc_runs"):
        ocspark.open_run(f"table:{schema}.oc")


def test_a_table_with_other_columns_is_refused(spark: SparkSession, schema: str) -> None:
    spark.sql(f"CREATE TABLE {schema}.oc_clusters (cluster STRING, mass DOUBLE)")
    with pytest.raises(InputError, match=r"oc_clusters.*column"):
        CatalogueTables.parse(f"table:{schema}.oc").check(spark, ["candidates", "clusters"])


def test_spark_understands_the_statements_for_delta(spark: SparkSession) -> None:
    if is_connect(spark):
        pytest.skip("a Connect client has no parser")
    parser = spark._jsparkSession.sessionState().sqlParser()
    create = catalogue_tables._create("`a`.`oc_clusters`", CLUSTERS, "delta")
    assert "run_id" in parser.parsePlan(create).toString().split("cluster")[0]  # the first column
    insert = "INSERT INTO `oc_runs` REPLACE WHERE run_id = 'a' SELECT * FROM b"
    assert "run_id = a" in parser.parsePlan(insert).toString()

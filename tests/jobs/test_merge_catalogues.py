"""The merging job, and its table in the main job."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest
from astropy.table import Table
from pyspark.sql import SparkSession

from ocspark.catalogue.full_catalogue import RunResult
from tests.helpers.toy import Toy
from tests.helpers.toyrun import ROOT, assert_same_bits, run_toy


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["merge_catalogues.py", *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "jobs/merge_catalogues.py"), run_name="__main__")
    return int(stop.value.code or 0)


@pytest.fixture
def two(toy: Toy, tmp_path: Path) -> tuple[str, str]:
    """The toy's clusters in two catalogues of other columns, the second with what is missing."""
    lacking = ["pmra_dispersion", "pmdec_dispersion", "log_age", "a0", "distance"]
    vizier = {"cluster": "Cluster", "ra": "RA_ICRS", "dec": "DE_ICRS", "parallax": "plx"}
    first = toy.clusters.assign(pmdec=toy.clusters["pmdec"]).rename(columns=vizier)
    first.drop(columns=lacking).to_csv(tmp_path / "first.csv", index=False)
    (tmp_path / "first.yaml").write_text(f"clusters: {{columns: {vizier}}}\n")
    other = toy.clusters.assign(cluster=[f"Toy {i}" for i in range(len(toy.clusters))])
    other["aliases"] = toy.clusters["cluster"].str.replace("_", "-")
    other.to_csv(tmp_path / "second.csv", index=False)
    return f"{tmp_path / 'first.yaml'}={tmp_path / 'first.csv'}", str(tmp_path / "second.csv")


@pytest.mark.parametrize("kind", ["csv", "ecsv", "parquet"])
def test_every_kind_of_output_reads_back_with_units(
    two: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    output = tmp_path / f"merged.{kind}"
    arguments = ["--input", two[0], "--fill", two[1], "--output", str(output)]
    assert run(*arguments, monkeypatch=monkeypatch) == 0
    if kind == "ecsv":
        table = Table.read(output)
        assert str(table["pmra"].unit) == "mas / yr"
        assert "right ascension" in table["pmra"].description
        names = list(table["cluster"])
    else:
        frame = pd.read_csv(output) if kind == "csv" else pd.read_parquet(output)
        names = frame["cluster"].tolist()
        assert set(frame["log_age_source"].dropna()) == {"second", ""} - (
            {""} if kind == "csv" else set()
        )
    assert len(names) == 7
    assert (tmp_path / "merged_doubtful.csv").exists()


def test_the_merged_table_and_spark_tables_go_into_the_main_job(
    toy: Toy,
    finished: RunResult,
    spark: SparkSession,
    two: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The list calls clusters by their aliases; interpolation at tabulated ages changes nothing."""
    merged = tmp_path / "merged.parquet"
    arguments = ["--input", two[0], "--fill", two[1], "--output", str(merged)]
    assert run(*arguments, monkeypatch=monkeypatch) == 0
    spark.read.parquet(str(merged)).createOrReplaceTempView("merged_clusters")
    numbers = {name: f"TOY_{i}" for i, name in enumerate(toy.clusters["cluster"])}
    listed = toy.members.assign(cluster=toy.members["cluster"].map(numbers))
    spark.createDataFrame(listed).createOrReplaceTempView("toy_members")
    result = run_toy(
        toy,
        spark,
        clusters={"path": "table:merged_clusters"},
        members={"path": "table:toy_members"},
        isochrones={"interpolate": True},
        output={"path": str(tmp_path / "runs")},
    )
    assert result.record["members"]["clusters_under_other_names"] == listed["cluster"].nunique()
    assert_same_bits(result.path, finished.path)
    again = run_toy(
        toy,
        spark,
        clusters={"path": "table:merged_clusters"},
        members={"path": "table:toy_members"},
        isochrones={"interpolate": True},
        output={"path": str(tmp_path / "runs")},
    )
    assert again.already_finished
    assert again.path == result.path


def test_clusters_have_their_own_metallicity(
    toy: Toy, finished: RunResult, spark: SparkSession, tmp_path: Path
) -> None:
    own = toy.clusters.assign(metallicity=[-0.31, float("nan"), 0.9, -0.2, 0.0, 0.0, 0.0])
    own.loc[own["cluster"] == "Wrap 1", "log_age"] = 8.46
    own.to_csv(tmp_path / "clusters.csv", index=False)
    result = run_toy(
        toy,
        spark,
        clusters={"path": str(tmp_path / "clusters.csv"), "names": ["Wrap 1", "Wrap 2", "Pole 1"]},
        isochrones={"interpolate": True},
        output={"path": str(tmp_path / "runs")},
    )
    table = pd.read_parquet(f"{result.path}/clusters").set_index("cluster")
    assert table.at["Wrap 1", "isochrone_metallicity"] == -0.31
    assert table.at["Wrap 1", "isochrone_log_age"] == 8.46
    assert table.at["Wrap 1", "isochrone_age_offset"] == 0.0
    assert table.at["Wrap_2", "isochrone_metallicity"] == 0.05
    assert "nearest isochrone has [M/H] 0.3, 0.60 dex from 0.9" in table.at["Pole_1", "reason"]
    before = pd.read_parquet(f"{finished.path}/clusters").set_index("cluster")
    assert before.at["Wrap_2", "delta_c"] == table.at["Wrap_2", "delta_c"]
    assert before.at["Wrap 1", "delta_c"] != table.at["Wrap 1", "delta_c"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--input", "nowhere.csv", "--output", "m.csv"], ["nowhere.csv", "no such file"]),
        (["--input", "hunt_1999=x.csv", "--output", "m.csv"], ["hunt_1999", "hunt_2023"]),
        (["--input", "x.csv", "--output", "m.xlsx"], ["--output", "m.xlsx", ".ecsv"]),
        (["--input", "x.csv", "--prefer", "a0", "--output", "m.csv"], ["--prefer a0", "COLUMN="]),
        (["--output", "m.csv"], ["--input"]),
    ],
)
def test_a_wrong_command_is_one_line_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("cluster,ra\nNGC 1,10\n")
    assert run(*arguments, monkeypatch=monkeypatch) == 2
    captured = capsys.readouterr()
    lines = (captured.out + captured.err).splitlines()
    told = [line for line in lines if line.startswith("ocspark: ")]
    assert len(told) == 1
    assert all(word in told[0] for word in words), told
    assert not list(tmp_path.glob("m*"))

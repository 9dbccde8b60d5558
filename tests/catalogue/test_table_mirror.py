"""A Spark table as mirror: the same bits as from files, and one clear line where it is wrong."""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import healpy
import numpy as np
import pandas as pd
import pytest
import yaml
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark.catalogue import passes
from ocspark.catalogue.full_catalogue import RunResult
from ocspark.catalogue.inputs import read_inputs
from ocspark.errors import InputError
from ocspark.mirror.read import read_rows
from ocspark.mirror.table import TableRange, open_table, read_ranges
from ocspark.release import load_release
from ocspark.selection.table_rows import rows_near
from ocspark.settings import make_settings
from tests.helpers.toy import Toy
from tests.helpers.toyrun import ROOT, assert_same_bits, portions_of, run_toy

DR3 = load_release("dr3")


def plan_of(frame: DataFrame) -> str:
    """Return Spark's physical plan."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        frame.explain("formatted")
    return text.getvalue()


@pytest.fixture(scope="module")
def sky(toy: Toy) -> pd.DataFrame:
    """The toy's sky, of whose field a fifth has no parallax and no motion, as in Gaia."""
    stars = toy.sources.copy()
    names = [name for name in stars if name.startswith(("parallax", "pmra", "pmdec"))]
    listed = stars["source_id"].isin(pd.read_csv(toy.folder / "members.csv")["source_id"])
    stars.loc[~listed & (np.arange(len(stars)) % 5 == 0), names] = np.nan
    return stars


@pytest.fixture(scope="module")
def of_files(
    toy: Toy, spark: SparkSession, sky: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> RunResult:
    """A run on files."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "mirror").mkdir()
    sky.to_parquet(folder / "mirror/all.parquet", index=False)
    changes = {"mirror": {"path": str(folder / "mirror")}, "output": {"path": str(folder / "runs")}}
    return run_toy(toy, spark, **changes)


@pytest.fixture(scope="module")
def sources(sky: pd.DataFrame) -> pd.DataFrame:
    """The sky with its HEALPix index, in a random order."""
    at = sky[["ra", "dec"]].to_numpy().T
    table = sky.assign(_healpix_29=healpy.ang2pix(2**29, *at, nest=True, lonlat=True))
    return table.sample(frac=1.0, random_state=3)


@pytest.fixture
def saved(spark: SparkSession, sources: pd.DataFrame, tmp_path: Path) -> Iterator[str]:
    """A table of the session's catalogue."""
    frame = spark.createDataFrame(sources).repartition(3)
    frame.write.option("path", str(tmp_path / "table")).saveAsTable("toy_sky")
    yield "spark_catalog.default.toy_sky"
    spark.sql("DROP TABLE toy_sky")


def assert_same_run(one: str, two: str) -> None:
    """Check that candidates, clusters and counts of all sources by cell are the same bits."""
    assert_same_bits(one, two)
    for table, key in (("clusters", ["cluster"]), ("_cells", ["cluster_key", "cell"])):
        a, b = (
            pd.read_parquet(f"{path}/{table}").sort_values(key, ignore_index=True)
            for path in (one, two)
        )
        pd.testing.assert_frame_equal(a, b, check_exact=True)


def test_a_table_with_the_healpix_index_gives_the_same_bits(
    toy: Toy,
    spark: SparkSession,
    saved: str,
    of_files: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passes, "ROWS_PER_JOB", 700)
    run = run_toy(
        toy, spark, mirror={"path": f"table:{saved}"}, output={"path": str(tmp_path / "runs")}
    )
    assert portions_of(run)["search"] > 2
    searched = sum(p["rows"] for p in run.record["portions"] if p["step"] == "search")
    assert searched <= len(toy.sources)
    assert_same_run(of_files.path, run.path)


def test_a_view_without_the_healpix_index_gives_the_same_bits(
    toy: Toy,
    spark: SparkSession,
    sky: pd.DataFrame,
    of_files: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passes, "ROWS_PER_JOB", 1000)
    spark.createDataFrame(sky).repartition(2).createOrReplaceTempView("`toy; view`")
    run = run_toy(
        toy,
        spark,
        mirror={"path": "table:`toy; view`"},
        output={"path": str(tmp_path)},
    )
    assert portions_of(run)["search"] > 2
    assert_same_run(of_files.path, run.path)


def test_only_rows_that_pass_the_cuts_of_a_cone_reach_python(
    toy: Toy, spark: SparkSession, sources: pd.DataFrame
) -> None:
    spark.createDataFrame(sources).createOrReplaceTempView("near")
    inputs = read_inputs(make_settings(toy.settings(mirror={"path": "table:near"})))
    cones, rows = inputs.cones, read_rows(spark, inputs.files, inputs.columns)
    near = rows_near(spark, rows, cones.cuts, cones.cover)
    assert "BroadcastHashJoin LeftSemi" in plan_of(near).replace("\n", " ")
    expected = set()
    for cone in cones.table.to_dict("records"):
        motion = np.hypot(sources["pmra"] - cone["pmra"], sources["pmdec"] - cone["pmdec"])
        apart = healpy.rotator.angdist(
            [cone["ra"], cone["dec"]], sources[["ra", "dec"]].to_numpy().T, lonlat=True
        )
        inside = (
            (np.abs(sources["parallax"] - cone["parallax"]) <= cone["parallax_limit"])
            & (motion <= cone["pm_limit"])
            & (apart <= cone["radius_rad"])
        )
        expected |= set(sources.loc[inside, "source_id"])
    found = {row["source_id"] for row in near.select("source_id").collect()}
    assert found >= expected and len(found) < 1.2 * len(expected) < 0.8 * len(sources)
    assert near.count() == len(found)  # once, however many cones it is in


def test_the_hash_sees_any_needed_value_and_no_order_of_rows(
    toy: Toy, spark: SparkSession, sources: pd.DataFrame
) -> None:
    def hashes(table: pd.DataFrame) -> dict[object, tuple[int, str]]:
        spark.createDataFrame(table).createOrReplaceTempView("hashed")
        _, checked = open_table(spark, "table:hashed", DR3)
        return {piece: (c.rows, c.footer_sha256) for piece, c in checked.items()}

    first = hashes(sources)
    assert sum(rows for rows, _ in first.values()) == len(sources)
    assert hashes(sources.sort_values("parallax")) == first
    row = sources.index[sources["parallax"].notna()][17]
    for column in ("pmdec", "source_id", "phot_rp_n_obs"):
        changed = sources.copy()
        changed.loc[row, column] += 1
        other = hashes(changed)
        assert len(set(other.items()) ^ set(first.items())) == 2, column
    swapped = sources.copy()
    swapped.loc[row, ["parallax", "parallax_error"]] = [1.0, None]
    back = swapped.copy()
    back.loc[row, ["parallax", "parallax_error"]] = [None, 1.0]
    nullable = {"parallax": "Float64", "parallax_error": "Float64"}
    assert hashes(swapped.astype(nullable)) != hashes(back.astype(nullable))


def test_ranges_reach_the_files_as_literal_bounds(
    spark: SparkSession, sources: pd.DataFrame, tmp_path: Path
) -> None:
    sources.to_parquet(tmp_path / "rows.parquet", index=False)
    spark.read.parquet(str(tmp_path / "rows.parquet")).createOrReplaceTempView("bounded")
    mirror, checked = open_table(spark, "table:bounded", DR3)
    some = mirror.files[::7]
    read = read_ranges(spark, [p for p in some if isinstance(p, TableRange)], ["source_id"])
    assert read.count() == sum(checked[piece].rows for piece in some)
    pushed = next(line for line in plan_of(read).splitlines() if "PushedFilters" in line)
    assert f"GreaterThanOrEqual(_healpix_29,{some[0].pixel.first})" in pushed


def test_hundreds_of_ranges_are_read_at_once(spark: SparkSession) -> None:
    spark.range(5000).withColumnRenamed("id", "_healpix_29").createOrReplaceTempView("many")
    pieces = [
        TableRange("table:many", None, "_healpix_29", low, low + 3) for low in range(0, 4000, 10)
    ]
    assert read_ranges(spark, pieces, ["_healpix_29"]).count() == 1600


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_table", ["no_such_table", "no table"]),
        ("a; DROP TABLE b", ["a; DROP TABLE b", "no table"]),
        ("", ["table:", "no table"]),
        ("lacks_column", ["lacks_column", "pmra_error", "missing"]),
        ("text_column", ["text_column", "parallax", "expected a number"]),
        ("null_index", ["null_index", "_healpix_29", "nulls"]),
        ("no_rows", ["no_rows", "no rows"]),
    ],
)
def test_what_is_wrong_with_a_table_is_one_line_and_exit_code_2(
    toy: Toy,
    spark: SparkSession,
    sources: pd.DataFrame,
    name: str,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    frame = spark.createDataFrame(sources.iloc[:20])
    frame.drop("pmra_error").createOrReplaceTempView("lacks_column")
    frame.withColumn("parallax", F.lit("x")).createOrReplaceTempView("text_column")
    blank = F.when(F.col("ra") > sources["ra"].iloc[:20].median(), F.col("_healpix_29"))
    frame.withColumn("_healpix_29", blank).createOrReplaceTempView("null_index")
    frame.where("ra < 0").createOrReplaceTempView("no_rows")
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        yaml.safe_dump(
            toy.settings(mirror={"path": f"table:{name}"}, output={"path": str(tmp_path / "runs")})
        )
    )
    monkeypatch.setattr(sys, "argv", ["full_catalogue.py", "--config", str(settings)])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "jobs/full_catalogue.py"), run_name="__main__")
    assert stop.value.code == 2
    captured = capsys.readouterr()
    lines = [x for x in (captured.out + captured.err).splitlines() if x.startswith("ocspark: ")]
    assert len(lines) == 1 and all(word in lines[0] for word in words), lines
    assert not (tmp_path / "runs").exists()


def test_a_column_of_the_index_that_is_no_pixel_is_refused(
    spark: SparkSession, sources: pd.DataFrame
) -> None:
    spark.createDataFrame(sources.assign(_healpix_29=-1)).createOrReplaceTempView("minus")
    with pytest.raises(InputError, match="no HEALPix pixel"):
        open_table(spark, "table:minus", DR3)

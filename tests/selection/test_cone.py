"""Searches through Spark: files of any layout and tables give the same; little is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from ocspark.catalogue.inputs import RunInputs, read_inputs
from ocspark.catalogue.write import in_tasks, staged_by_tasks
from ocspark.errors import InputError
from ocspark.mirror.layout import CheckedFile, check_files, open_mirror
from ocspark.mirror.read import read_sources
from ocspark.mirror.scan import Scan, cut_into_portions
from ocspark.mirror.write import write_hats
from ocspark.release import load_release
from ocspark.selection import cone as module
from ocspark.selection.cone import ConeSearch
from ocspark.settings import make_settings
from ocspark.sky.cover import cover_cones
from ocspark.sky.sphere import separation_rad
from ocspark.tables.run import CONE, STAGED_FILES
from tests.toy import Toy

COLUMNS = load_release("dr3").columns


def unchanged(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches


def search(spark: SparkSession, inputs: RunInputs) -> pd.DataFrame:
    found = ConeSearch(spark, COLUMNS, inputs.cones).in_files(inputs.files, unchanged, CONE)
    return tidy(found.toPandas())


def tidy(found: pd.DataFrame) -> pd.DataFrame:
    return found.sort_values(["cluster_key", "source_id"]).reset_index(drop=True)


def inputs_of(toy: Toy, mirror: Path | None = None) -> RunInputs:
    changes = {} if mirror is None else {"mirror": {"path": str(mirror)}}
    return read_inputs(make_settings(toy.settings(**changes)))


def brute_force(toy: Toy, inputs: RunInputs) -> pd.DataFrame:
    cones, stars = inputs.cones.table, toy.sources
    rows = []
    for cone in cones.itertuples():
        inside = separation_rad(stars["ra"], stars["dec"], cone.ra, cone.dec) <= cone.radius_rad
        inside &= (stars["parallax"] - cone.parallax).abs() <= cone.parallax_limit
        inside &= np.hypot(stars["pmra"] - cone.pmra, stars["pmdec"] - cone.pmdec) <= cone.pm_limit
        rows.append(
            pd.DataFrame({"cluster_key": cone.cluster_key, "source_id": stars["source_id"][inside]})
        )
    return tidy(pd.concat(rows))


@pytest.fixture(scope="module")
def hats(toy: Toy, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy as HATS of order 1, with row groups of a few rows."""
    path = tmp_path_factory.mktemp("search") / "hats"
    write_hats(spark.createDataFrame(toy.sources), str(path), order=1, catalogue_name="toy")
    for file in path.rglob("Npix=*/*.parquet"):
        pq.write_table(pq.ParquetFile(file).read(), file, row_group_size=100)
    return path


def test_files_of_any_layout_and_tables_give_what_brute_force_gives(
    toy: Toy, spark: SparkSession, hats: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = inputs_of(toy)
    found = search(spark, plain)
    pd.testing.assert_frame_equal(found[["cluster_key", "source_id"]], brute_force(toy, plain))
    pd.testing.assert_frame_equal(search(spark, inputs_of(toy, hats)), found)

    table = read_sources(spark, plain.files, COLUMNS).repartition(3)
    rows = ConeSearch(spark, COLUMNS, plain.cones).in_table(table, unchanged, CONE)
    pd.testing.assert_frame_equal(tidy(rows.toPandas()), found)

    monkeypatch.setattr(module, "ROWS_PER_PORTION", 250)
    monkeypatch.setattr(module, "ROWS_PER_TASK", 600)
    pd.testing.assert_frame_equal(search(spark, inputs_of(toy, hats)), found)


def test_only_row_groups_on_a_cone_are_read(toy: Toy, hats: Path) -> None:
    mirror = open_mirror(str(hats))
    cover = cover_cones(np.array([0.02]), np.array([20.0]), np.array([0.3]))
    touched = mirror.touched_by(cover)
    assert 0 < len(touched) < len(mirror.files)
    files = check_files(touched, COLUMNS, mirror.healpix_column)
    read = sum(portion.rows for portion in cut_into_portions(files, cover, 10**6))
    inside = int(
        (separation_rad(toy.sources["ra"], toy.sources["dec"], 0.02, 20.0) <= np.radians(0.3)).sum()
    )
    assert 50 < inside <= read < sum(f.rows for f in files)


def scan_all(files: list[CheckedFile]) -> pd.DataFrame:
    """Every kept source of some files, read by `Scan` in scrambled order."""
    cover = cover_cones(np.array([0.0]), np.array([0.0]), np.array([180.0]))
    parts = []
    for portion in cut_into_portions(files, cover, 400):
        scan = Scan(portion, COLUMNS)
        rows = np.random.default_rng(3).permutation(len(scan.healpix_29))
        columns, kept = scan.sources(rows)
        index = pd.Series(scan.healpix_29[rows])
        parts.append(pd.DataFrame({**columns, "healpix_29": index})[kept])
    return pd.concat(parts).sort_values("source_id").reset_index(drop=True)


@pytest.mark.parametrize("layout", ["plain", "hats"])
def test_scans_and_spark_agree_on_sources_kept_and_their_values(
    toy: Toy, spark: SparkSession, hats: Path, layout: str, tmp_path: Path
) -> None:
    if layout == "plain":  # with gaps of every kind, and unsorted
        stars = toy.sources.sample(frac=1.0, random_state=1).reset_index(drop=True)
        for row, column in enumerate(c for c in stars if c != "source_id"):
            stars.loc[row, column] = np.nan
        stars.to_parquet(tmp_path / "a.parquet", row_group_size=300)
    mirror = open_mirror(str(tmp_path if layout == "plain" else hats))
    files = check_files(mirror.files, COLUMNS, mirror.healpix_column)
    expected = read_sources(spark, files, COLUMNS).toPandas().sort_values("source_id")
    got = scan_all(files)
    assert len(got) == len(toy.sources) - (20 if layout == "plain" else 0)
    pd.testing.assert_frame_equal(
        got[expected.columns.tolist()], expected.reset_index(drop=True), check_dtype=False
    )


def test_a_file_lost_during_the_search_is_named(
    toy: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    toy.sources.to_parquet(mirror / "a.parquet")
    inputs = inputs_of(toy, mirror)
    (mirror / "a.parquet").write_bytes(b"PAR1 no longer PAR1")
    process = in_tasks(unchanged, str(tmp_path / "staging"), lambda rows: {"found": rows})
    found = ConeSearch(spark, COLUMNS, inputs.cones).in_files(inputs.files, process, STAGED_FILES)
    with pytest.raises(InputError, match=rf"{mirror}/a.parquet: cannot be read"):
        staged_by_tasks(found, ["found"])

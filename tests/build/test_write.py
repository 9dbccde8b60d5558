"""A HATS catalogue written from a DataFrame keeps the layout's promises."""

from __future__ import annotations

from pathlib import Path

import healpy
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ocspark.build.write import UNFINISHED, write_hats
from ocspark.errors import InputError

ORDER = 2


@pytest.fixture(scope="module")
def sources() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, 3000)))
    table = pd.DataFrame(
        {"source_id": np.arange(3000), "ra": rng.uniform(0, 360, 3000), "dec": dec}
    )
    table.loc[:2, ["ra", "dec"]] = [[0.0, 90.0], [359.9999999, 0.0], [10.0, -90.0]]
    return table


@pytest.fixture(scope="module")
def written(spark, sources, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("hats") / "catalogue"
    df = spark.createDataFrame(sources).repartition(5)
    rows = write_hats(df, path, order=ORDER, catalogue_name="toy", row_group_rows=10)
    assert rows == 3000
    return path


def _files(path: Path) -> list[Path]:
    return sorted((path / "dataset").rglob("*.parquet"))


def test_every_row_is_in_its_pixel_and_files_are_sorted(written: Path, sources):
    seen = []
    for file in _files(written):
        npix = int(file.parent.name.removeprefix("Npix="))
        assert file.parent.parent.name == f"Dir={npix // 10_000 * 10_000}"
        assert file.parent.parent.parent.name == f"Norder={ORDER}"
        table = pq.ParquetFile(file).read().to_pandas()
        assert list(table) == ["source_id", "ra", "dec", "_healpix_29"]
        pixel = healpy.ang2pix(1 << ORDER, table["ra"], table["dec"], nest=True, lonlat=True)
        assert np.all(pixel == npix)
        fine = healpy.ang2pix(1 << 29, table["ra"], table["dec"], nest=True, lonlat=True)
        assert np.array_equal(fine, table["_healpix_29"]) and np.all(np.diff(fine) >= 0)
        seen.append(table["source_id"])
    assert sorted(pd.concat(seen)) == list(sources["source_id"])


def test_each_pixel_has_one_file_and_its_count(written: Path):
    info = pd.read_csv(written / "partition_info.csv")
    counts = {int(f.parent.name[5:]): pq.read_metadata(f).num_rows for f in _files(written)}
    assert len(counts) == len(_files(written))
    assert dict(zip(info["Npix"], info["num_rows"], strict=True)) == counts
    assert set(info["Norder"]) == {ORDER}


def test_row_groups_are_as_short_as_asked(written: Path):
    metadata = pq.read_metadata(_files(written)[0])
    assert metadata.num_row_groups > 1
    assert max(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)) <= 10
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_properties_say_what_is_there(written: Path):
    text = (written / "hats.properties").read_text()
    assert text == (written / "properties").read_text()
    properties = dict(line.split("=", 1) for line in text.splitlines())
    assert properties["obs_collection"] == "toy"
    assert properties["dataproduct_type"] == "object"
    assert properties["hats_nrows"] == "3000"
    assert (properties["hats_col_ra"], properties["hats_col_dec"]) == ("ra", "dec")
    assert properties["hats_col_healpix"] == properties["hats_cols_sort"] == "_healpix_29"
    assert properties["hats_npix_suffix"] == "/"
    assert properties["hats_cols_default"] == "source_id ra dec"
    assert float(properties["moc_sky_fraction"]) == len(_files(written)) / 192


def test_common_metadata_is_the_schema_of_the_files(written: Path):
    schema = pq.read_schema(written / "dataset/_common_metadata")
    assert schema.equals(pq.read_schema(_files(written)[0]))


def test_nothing_else_lies_about(written: Path):
    names = {p.name for p in written.rglob("*") if p.is_file() and p.suffix != ".parquet"}
    assert names == {"_common_metadata", "partition_info.csv", "properties", "hats.properties"}


def test_finished_and_unfinished_catalogues_are_replaced(spark, sources, tmp_path: Path):
    path = tmp_path / "catalogue"
    few = spark.createDataFrame(sources.head(20))
    write_hats(few, path, order=0, catalogue_name="first")
    for name in ("properties", "hats.properties"):  # as if the job had died before its end
        (path / name).unlink()
    (path / UNFINISHED).touch()
    assert write_hats(few, path, order=1, catalogue_name="second") == 20
    assert write_hats(few.limit(5), f"file://{path}", order=1, catalogue_name="third") == 5
    assert "hats_nrows=5\n" in (path / "properties").read_text()
    assert not (path / UNFINISHED).exists()


def test_foreign_folders_are_refused(spark, sources, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    df = spark.createDataFrame(sources.head(3))
    with pytest.raises(InputError, match="not a HATS catalogue that ocspark wrote"):
        write_hats(df, tmp_path, order=0, catalogue_name="x")
    with pytest.raises(InputError, match="is a file"):
        write_hats(df, tmp_path / "notes.txt", order=0, catalogue_name="x")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_no_rows_is_an_error(spark, sources, tmp_path: Path):
    empty = spark.createDataFrame(sources).filter("ra < 0")
    with pytest.raises(InputError, match="no sources"):
        write_hats(empty, tmp_path / "empty", order=0, catalogue_name="x")
    assert not (tmp_path / "empty/properties").exists()

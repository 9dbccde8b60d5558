"""A partition file and a catalogue's metadata, written without Spark."""

from __future__ import annotations

from pathlib import Path

import healpy
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocspark.build import parts
from ocspark.sky.healpix import HealpixPixel

ORDER, NUMBER = 3, 12
PIXEL = HealpixPixel(ORDER, NUMBER)


@pytest.fixture
def rows() -> pa.Table:
    """Sources of one pixel, many in the same order-29 cell, in random order."""
    rng = np.random.default_rng(0)
    shift = 2 * (29 - ORDER)
    index = (NUMBER << shift) + np.repeat(rng.integers(0, 1 << shift, 60), 5)
    ra, dec = healpy.pix2ang(1 << 29, index, nest=True, lonlat=True)
    table = pd.DataFrame({"source_id": rng.permutation(300), "ra": ra, "dec": dec})
    table["libname"] = np.where(rng.random(300) < 0.5, "A", None)
    table["_healpix_29"] = index
    return pa.Table.from_pandas(table.sample(frac=1, random_state=1), preserve_index=False)


def test_rows_come_out_sorted_by_index_then_id(rows, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(parts, "ROW_GROUP_ROWS", 128)
    written = parts.write_partition(rows, str(tmp_path), PIXEL)
    file = tmp_path / f"dataset/Norder=3/Dir=0/Npix={NUMBER}.parquet"
    expected = rows.to_pandas().sort_values(["_healpix_29", "source_id"], ignore_index=True)
    pd.testing.assert_frame_equal(pq.ParquetFile(file).read().to_pandas(), expected)
    assert written == parts.Partition(PIXEL, 300, file.stat().st_size)
    assert pq.read_metadata(file).num_row_groups == 3
    assert [f.name for f in file.parent.iterdir()] == [file.name]


def test_bytes_do_not_depend_on_the_order_of_rows(rows, tmp_path: Path):
    again = rows.take(np.random.default_rng(5).permutation(300))
    for name, table in (("a", rows), ("b", again)):
        parts.write_partition(table, str(tmp_path / name), PIXEL)
    path = f"dataset/Norder=3/Dir=0/Npix={NUMBER}.parquet"
    assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()


@pytest.mark.parametrize("pixel", [NUMBER - 1, NUMBER + 1])
def test_rows_of_another_pixel_are_refused(rows, tmp_path: Path, pixel: int):
    with pytest.raises(ValueError, match="expected"):
        parts.write_partition(rows, str(tmp_path), HealpixPixel(ORDER, pixel))
    with pytest.raises(ValueError, match="expected"):
        parts.write_partition(rows.slice(0, 0), str(tmp_path), PIXEL)
    assert not list(tmp_path.rglob("*.parquet"))


def test_metadata_of_mixed_orders(rows, tmp_path: Path):
    (tmp_path / "dataset").mkdir()
    partitions = [
        parts.Partition(HealpixPixel(1, 9), 10, 4096),
        parts.Partition(HealpixPixel(0, 1), 7, 1024),
    ]
    parts.write_catalogue_metadata(
        str(tmp_path), partitions, rows.schema, catalogue_name="toy", max_rows=50
    )
    info = (tmp_path / "partition_info.csv").read_text()
    assert info == "Norder,Npix,num_rows\n0,1,7\n1,9,10\n"  # in sky order
    text = (tmp_path / "hats.properties").read_text()
    assert text == (tmp_path / "properties").read_text()
    properties = dict(line.split("=", 1) for line in text.splitlines())
    assert (properties["hats_nrows"], properties["hats_order"]) == ("17", "1")
    assert (properties["hats_max_rows"], properties["hats_estsize"]) == ("50", "5")
    assert float(properties["moc_sky_fraction"]) == pytest.approx(1 / 12 + 1 / 48)
    schema = pq.read_schema(tmp_path / "dataset/_common_metadata")
    assert schema.equals(rows.schema)

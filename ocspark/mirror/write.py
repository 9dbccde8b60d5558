"""Write a DataFrame of sources as a HATS object catalogue with one HEALPix order."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs as pafs
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ocspark.errors import InputError

#: NESTED pixel at order 29 of every source; the files are sorted by it.
HEALPIX_COLUMN, HEALPIX_ORDER = "_healpix_29", 29
#: Directory levels below ``Norder=k``; Spark's partition columns, so not columns inside the files.
PARTITION_COLUMNS = ("Dir", "Npix")
PIXELS_PER_DIR = 10_000
#: Stands in the catalogue's root from before the first file until the properties are there.
UNFINISHED = "_ocspark_unfinished"
PROPERTIES = ("properties", "hats.properties")
_PIXEL = re.compile(r"/Norder=(\d+)/Dir=\d+/Npix=(\d+)/[^/]+$")
_STRAY = re.compile(r"(^|/)(\.[^/]*|_SUCCESS|[^/]*\.crc)$")


@dataclass(frozen=True)
class Location:
    """A folder as PyArrow and as Spark name it."""

    filesystem: pafs.FileSystem
    root: str
    spark_uri: str

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Location:
        """Return the location of a path or URI."""
        text = os.fspath(path)
        if "://" in text:
            # PyArrow says s3, Hadoop says s3a for the same store
            filesystem, root = pafs.FileSystem.from_uri(re.sub(r"^s3[an]://", "s3://", text))
            return cls(filesystem, root.rstrip("/"), text.rstrip("/"))
        root = os.path.abspath(text)
        # the scheme keeps Spark from looking on its default file system instead
        return cls(pafs.LocalFileSystem(), root, f"file://{root}")

    def holds_something(self) -> bool:
        """Whether the root is a folder that is not empty."""
        selector = pafs.FileSelector(self.root, allow_not_found=True)
        return bool(self.filesystem.get_file_info(selector))

    def read(self, name: str) -> str | None:
        """Return the text of a file under the root, None where there is none."""
        info = self.filesystem.get_file_info(f"{self.root}/{name}")
        if info.type != pafs.FileType.File:
            return None
        with self.filesystem.open_input_file(info.path) as stream:
            return bytes(stream.read()).decode(errors="replace")

    def write(self, name: str, text: str) -> None:
        """Write a text file under the root."""
        with self.filesystem.open_output_stream(f"{self.root}/{name}") as stream:
            stream.write(text.encode())

    def files(self, folder: str) -> list[pafs.FileInfo]:
        """Return all files under a folder of the root, sorted by path; none if it is missing."""
        selector = pafs.FileSelector(f"{self.root}/{folder}", recursive=True, allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        return sorted((f for f in found if f.type == pafs.FileType.File), key=lambda f: f.path)


def write_hats(
    df: DataFrame,
    path: str | os.PathLike[str],
    *,
    order: int,
    catalogue_name: str,
    ra_column: str = "ra",
    dec_column: str = "dec",
    compression: str = "zstd",
    row_group_rows: int = 100_000,
    provenance: Mapping[str, str] | None = None,
) -> int:
    """Write sources as a HATS object catalogue, one file per HEALPix pixel of one order.

    Parameters
    ----------
    df : DataFrame
        Sources with `ra_column` and `dec_column` [deg], neither null. ``_healpix_29`` is added
        unless it is there.
    path : path or URI
        The catalogue's folder. A catalogue that ocspark wrote, finished or not, is replaced.
    order : int
        HEALPix order of the partitions, 0 to 29.
    catalogue_name : str
        ``obs_collection`` of the catalogue.
    ra_column, dec_column : str
        Names of right ascension and declination.
    compression : str
        Parquet codec.
    row_group_rows : int
        Largest number of rows in a Parquet row group.
    provenance : mapping, optional
        Further properties, such as ``obs_title`` or ``bib_reference``.

    Returns
    -------
    int
        Number of rows written.

    Raises
    ------
    InputError
        If the folder holds something else, or there are no rows.
    """
    if not 0 <= order <= HEALPIX_ORDER:
        raise InputError(f"mirror order {order}: expected 0 to {HEALPIX_ORDER}")
    if HEALPIX_COLUMN not in df.columns:
        df = df.withColumn(HEALPIX_COLUMN, _healpix_udf()(F.col(ra_column), F.col(dec_column)))
    pixel = F.shiftright(HEALPIX_COLUMN, 2 * (HEALPIX_ORDER - order))
    df = (
        df.withColumn("Dir", pixel - pixel % PIXELS_PER_DIR)
        .withColumn("Npix", pixel)
        # all rows of a pixel in one task: one file each
        .repartition(F.col("Npix"))
    )
    return write_partitioned_hats(
        df,
        path,
        order=order,
        catalogue_name=catalogue_name,
        ra_column=ra_column,
        dec_column=dec_column,
        compression=compression,
        row_group_rows=row_group_rows,
        provenance=provenance,
    )


def write_partitioned_hats(
    df: DataFrame,
    path: str | os.PathLike[str],
    *,
    order: int,
    catalogue_name: str,
    ra_column: str = "ra",
    dec_column: str = "dec",
    compression: str = "zstd",
    row_group_rows: int = 100_000,
    provenance: Mapping[str, str] | None = None,
) -> int:
    """Write a DataFrame whose pixels each lie in one Spark partition; no shuffle.

    Parameters
    ----------
    df : DataFrame
        As for `write_hats`, with ``_healpix_29``, ``Dir`` and ``Npix``. Rows of a pixel spread
        over several Spark partitions would give it several files.

    Returns
    -------
    int
        Number of rows written.
    """
    location = Location.of(path)
    _claim(location)
    (
        # Spark would sort by the partition columns anyway, and its sort is not stable; rows that
        # arrive sorted cost one comparison each. Norder is no partition column: the optimizer
        # drops a constant from the sort, finds the partition columns unsorted and sorts again
        df.sortWithinPartitions(*PARTITION_COLUMNS, HEALPIX_COLUMN)
        .write.partitionBy(*PARTITION_COLUMNS)
        .option("compression", compression)
        .option("parquet.block.row.count.limit", row_group_rows)
        # measured on Gaia columns: without dictionaries files are smaller and scans faster
        .option("parquet.enable.dictionary", "false")
        .option("mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
        .parquet(f"{location.spark_uri}/dataset/Norder={order}")
    )
    return _finish(location, order, catalogue_name, ra_column, dec_column, provenance or {})


def _healpix_udf() -> Callable[[Column, Column], Column]:
    @F.pandas_udf("bigint")  # type: ignore[call-overload]
    def healpix_29(ra: pd.Series, dec: pd.Series) -> pd.Series:
        import healpy

        return pd.Series(
            healpy.ang2pix(
                1 << HEALPIX_ORDER, ra.to_numpy(), dec.to_numpy(), nest=True, lonlat=True
            )
        )

    return healpix_29


def _claim(location: Location) -> None:
    """Empty the folder if it is ours or new, and mark it as unfinished; refuse anything else."""
    filesystem, root = location.filesystem, location.root
    info = filesystem.get_file_info(root)
    if info.type == pafs.FileType.File:
        raise InputError(f"{root}: is a file; expected a folder for a HATS catalogue")
    if info.type == pafs.FileType.Directory and location.holds_something():
        builder = re.search(r"^hats_builder=ocspark", location.read(PROPERTIES[1]) or "", re.M)
        if not builder and location.read(UNFINISHED) is None:
            raise InputError(
                f"{root}: is not empty and not a HATS catalogue that ocspark wrote; it is not "
                "overwritten, expected a new or empty folder"
            )
        filesystem.delete_dir_contents(root)
    filesystem.create_dir(root, recursive=True)
    location.write(UNFINISHED, "")


def _finish(
    location: Location,
    order: int,
    catalogue_name: str,
    ra_column: str,
    dec_column: str,
    provenance: Mapping[str, str],
) -> int:
    """Write partition_info.csv, the common schema and, last, the properties."""
    filesystem = location.filesystem
    data: list[tuple[int, pafs.FileInfo]] = []
    for info in location.files("dataset"):
        match = _PIXEL.search(info.path)
        if _STRAY.search(info.path):
            filesystem.delete_file(info.path)  # would break the readers of HATS metadata
        elif match:
            data.append((int(match.group(2)), info))
    if not data:
        raise InputError(f"{location.root}: no sources to write; expected at least one row")
    with ThreadPoolExecutor(8) as pool:  # footers, not Spark's counts: what has really landed
        rows = list(pool.map(lambda item: _n_rows(filesystem, item[1].path), data))
    rows_of: dict[int, int] = {}
    for (pixel, _), n in zip(data, rows, strict=True):
        rows_of[pixel] = rows_of.get(pixel, 0) + n

    schema = pq.read_schema(data[0][1].path, filesystem=filesystem).remove_metadata()
    with filesystem.open_output_stream(f"{location.root}/dataset/_common_metadata") as stream:
        pq.write_metadata(schema, stream)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("Norder", "Npix", "num_rows"))
    writer.writerows((order, pixel, rows_of[pixel]) for pixel in sorted(rows_of))
    location.write("partition_info.csv", table.getvalue())

    properties = {
        "obs_collection": catalogue_name,
        "dataproduct_type": "object",
        "hats_nrows": sum(rows),
        "hats_col_ra": ra_column,
        "hats_col_dec": dec_column,
        "hats_col_healpix": HEALPIX_COLUMN,
        "hats_col_healpix_order": HEALPIX_ORDER,
        "hats_npix_suffix": "/",
        "hats_order": order,
        "hats_cols_sort": HEALPIX_COLUMN,
        "hats_cols_default": " ".join(_public_columns(schema)),
        "hats_max_rows": max(rows_of.values()),
        "hats_builder": f"ocspark {_version()}",
        "hats_creation_date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MUTC"),
        "hats_estsize": sum(info.size for _, info in data) // 1024,  # KiB
        "moc_sky_fraction": f"{len(rows_of) / (12 * 4**order):.10g}",
        **provenance,
    }
    text = "".join(f"{key}={value}\n" for key, value in properties.items())
    for name in PROPERTIES:
        location.write(name, text)
    filesystem.delete_file(f"{location.root}/{UNFINISHED}")
    return sum(rows)


def _n_rows(filesystem: pafs.FileSystem, path: str) -> int:
    return int(pq.read_metadata(path, filesystem=filesystem).num_rows)


def _public_columns(schema: pa.Schema) -> list[str]:
    return [name for name in schema.names if not name.startswith("_")]


def _version() -> str:
    try:
        return version("ocspark")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unversioned"

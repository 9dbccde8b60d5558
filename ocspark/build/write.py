"""Write a DataFrame of sources as a HATS object catalogue with one HEALPix order."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ocspark import storage
from ocspark.build.parts import Partition, write_catalogue_metadata
from ocspark.errors import InputError
from ocspark.mirror.hats import PIXELS_PER_DIR, PROPERTIES, UNFINISHED
from ocspark.mirror.healpix import HEALPIX_COLUMN, HEALPIX_ORDER, healpix_29

#: Directory levels below ``Norder=k``; Spark's partition columns, so not columns inside the files.
PARTITION_COLUMNS = ("Dir", "Npix")
_PIXEL = re.compile(r"/Norder=(\d+)/Dir=\d+/Npix=(\d+)/[^/]+$")
_STRAY = re.compile(r"(^|/)(\.[^/]*|_SUCCESS|[^/]*\.crc)$")


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
        df = df.withColumn(HEALPIX_COLUMN, healpix_29()(F.col(ra_column), F.col(dec_column)))
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
    path = os.fspath(path)
    _claim(path)
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
        .parquet(storage.for_spark(storage.join(path, "dataset", f"Norder={order}")))
    )
    return _finish(path, order, catalogue_name, ra_column, dec_column, provenance or {})


def _claim(path: str) -> None:
    """Empty the folder if it is ours or new, and mark it as unfinished; refuse anything else."""
    if storage.is_file(path):
        raise InputError(f"{path}: is a file; expected a folder for a HATS catalogue")
    properties = storage.join(path, PROPERTIES[1])
    # a file is the mark of this writer; a folder holds what jobs/build_mirror.py has done so far
    if not storage.is_empty(path) and not storage.is_file(storage.join(path, UNFINISHED)):
        text = storage.read_text(properties) if storage.exists(properties) else ""
        if not re.search(r"^hats_builder=ocspark", text, re.M):
            raise InputError(
                f"{path}: is not empty and not a HATS catalogue that ocspark wrote; it is not "
                "overwritten, expected a new or empty folder"
            )
    storage.remove_directory(path)
    storage.make_directory(path)
    storage.write_file(storage.join(path, UNFINISHED), "")


def _finish(
    path: str,
    order: int,
    catalogue_name: str,
    ra_column: str,
    dec_column: str,
    provenance: Mapping[str, str],
) -> int:
    """Clear what is not data and write the catalogue's metadata."""
    data: list[tuple[int, str]] = []
    for file in storage.list_files(storage.join(path, "dataset"), recursive=True):
        match = _PIXEL.search(file)
        if _STRAY.search(file):
            storage.remove_file(file)  # would break the readers of HATS metadata
        elif match:
            data.append((int(match.group(2)), file))
    if not data:
        raise InputError(f"{path}: no sources to write; expected at least one row")
    with ThreadPoolExecutor(8) as pool:  # footers, not Spark's counts: what has really landed
        rows = list(pool.map(storage.parquet_rows, (file for _, file in data)))
        sizes = list(pool.map(storage.file_size, (file for _, file in data)))
    totals: dict[int, tuple[int, int]] = {}
    for (pixel, _), n, size in zip(data, rows, sizes, strict=True):
        before = totals.get(pixel, (0, 0))
        totals[pixel] = (before[0] + n, before[1] + size)
    filesystem, first = storage.resolve(data[0][1])
    write_catalogue_metadata(
        path,
        [Partition(order, pixel, *counts) for pixel, counts in totals.items()],
        pq.read_schema(first, filesystem=filesystem).remove_metadata(),
        catalogue_name=catalogue_name,
        ra_column=ra_column,
        dec_column=dec_column,
        npix_suffix="/",
        provenance=provenance,
    )
    storage.remove_file(storage.join(path, UNFINISHED))
    return sum(rows)

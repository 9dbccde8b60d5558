"""The parts of a HATS object catalogue, written: the file of a pixel, the metadata."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.mirror.hats import PROPERTIES, partition_path
from ocspark.places import package_version
from ocspark.sky.healpix import HEALPIX_COLUMN, HEALPIX_ORDER, HealpixPixel

#: Rows of a Parquet row group; statistics per group let a reader skip those off its cones.
ROW_GROUP_ROWS = 100_000


@dataclass(frozen=True)
class Partition:
    """Rows and bytes of a pixel's file."""

    pixel: HealpixPixel
    rows: int
    n_bytes: int


def write_partition(
    table: pa.Table, root: str, pixel: HealpixPixel, *, id_column: str = "source_id"
) -> Partition:
    """Write all rows of one HEALPix pixel as its file, sorted by ``_healpix_29``, then id.

    The bytes depend on nothing but the rows (and, for rows that agree in both, their order).

    Parameters
    ----------
    table : pa.Table
        The rows, in any order, with ``_healpix_29`` (int64, no nulls).
    root : path or URI
        The catalogue's folder.
    pixel : HealpixPixel
    id_column : str
        The second sort key.

    Returns
    -------
    Partition

    Raises
    ------
    ValueError
        If there are no rows, or one lies outside the pixel.
    """
    index = table[HEALPIX_COLUMN]
    ends = pc.min_max(index).as_py()
    if not table.num_rows or ends["min"] < pixel.first or ends["max"] >= pixel.end:
        raise ValueError(f"rows of {pixel} expected, got indices {ends}")
    path = partition_path(root, pixel)
    write_sorted(table, path, id_column, ROW_GROUP_ROWS, parquet_options(table.schema))
    return Partition(pixel, table.num_rows, storage.file_size(path))


def write_sorted(
    table: pa.Table, path: str, id_column: str, row_group_rows: int, options: Mapping[str, Any]
) -> pa.Array:
    """Write rows as one Parquet file, sorted by ``_healpix_29``, then `id_column`.

    Returns
    -------
    pa.Array of int64
        The sorted index, as written.
    """
    keys = table.select([HEALPIX_COLUMN, id_column])
    by = pc.sort_indices(  # stable
        keys, sort_keys=[(HEALPIX_COLUMN, "ascending"), (id_column, "ascending")]
    )
    storage.make_directory(path.rsplit("/", 1)[0])
    with (
        storage.open_whole(path) as stream,
        pq.ParquetWriter(stream, table.schema, **options) as writer,
    ):
        # group by group, so that a sorted copy of the whole table is never held
        for start in range(0, table.num_rows, row_group_rows):
            writer.write_table(table.take(by.slice(start, row_group_rows)))
    return keys[HEALPIX_COLUMN].take(by).combine_chunks()


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """Return the encodings of a partition file, chosen by measurement (see the README)."""
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    integers = [field.name for field in schema if pa.types.is_integer(field.type)]
    return {
        "compression": "lz4",
        # numbers hardly repeat, and a dictionary makes their reading slower
        "use_dictionary": texts or False,
        "column_encoding": dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
        "write_page_index": True,
        "write_page_checksum": True,
    }


def write_catalogue_metadata(
    root: str,
    partitions: Sequence[Partition],
    schema: pa.Schema,
    *,
    catalogue_name: str,
    ra_column: str = "ra",
    dec_column: str = "dec",
    max_rows: int = 0,
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Write what makes partition files a catalogue: schema, partition list and, last, properties.

    Parameters
    ----------
    root : path or URI
    partitions : sequence of Partition
        All of them, in any order.
    schema : pa.Schema
        Of the files.
    catalogue_name : str
        ``obs_collection``.
    ra_column, dec_column : str
    max_rows : int
        The limit the partitions were made for; the largest of them where it is longer.
    provenance : mapping, optional
        Further properties, such as ``obs_title`` or ``bib_reference``.
    """
    metadata = pa.BufferOutputStream()
    pq.write_metadata(schema, metadata)
    storage.write_file(
        storage.join(root, "dataset", "_common_metadata"), metadata.getvalue().to_pybytes()
    )
    # in sky order
    ordered = sorted(partitions, key=lambda p: p.pixel.first)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("Norder", "Npix", "num_rows"))
    writer.writerows((p.pixel.order, p.pixel.pixel, p.rows) for p in ordered)
    storage.write_file(storage.join(root, "partition_info.csv"), table.getvalue())
    properties = {
        "obs_collection": catalogue_name,
        "dataproduct_type": "object",
        "hats_nrows": sum(p.rows for p in ordered),
        "hats_col_ra": ra_column,
        "hats_col_dec": dec_column,
        "hats_col_healpix": HEALPIX_COLUMN,
        "hats_col_healpix_order": HEALPIX_ORDER,
        "hats_npix_suffix": ".parquet",
        "hats_order": max(p.pixel.order for p in ordered),
        "hats_cols_sort": HEALPIX_COLUMN,
        "hats_cols_default": " ".join(n for n in schema.names if not n.startswith("_")),
        "hats_max_rows": max(max_rows, *(p.rows for p in ordered)),
        "hats_builder": f"ocspark {package_version('ocspark')}",
        "hats_creation_date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MUTC"),
        "hats_estsize": sum(p.n_bytes for p in ordered) // 1024,  # KiB
        "moc_sky_fraction": f"{sum(0.25**p.pixel.order for p in ordered) / 12:.10g}",
        **(provenance or {}),
    }
    text = "".join(f"{key}={value}\n" for key, value in properties.items())
    for name in PROPERTIES:
        storage.write_file(storage.join(root, name), text)

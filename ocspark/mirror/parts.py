"""One partition of a HATS catalogue as one Parquet file, written where its rows are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.mirror.write import PIXELS_PER_DIR, write_metadata


class Part(NamedTuple):
    """A written partition: its pixel, rows and bytes."""

    order: int
    pixel: int
    rows: int
    n_bytes: int


def part_path(root: str, order: int, pixel: int) -> str:
    """Return the path of a partition's file in a catalogue."""
    folder = pixel - pixel % PIXELS_PER_DIR
    return storage.join(
        root, "dataset", f"Norder={order}", f"Dir={folder}", f"Npix={pixel}.parquet"
    )


def write_part(
    root: str,
    order: int,
    pixel: int,
    tables: Iterable[pa.Table],
    *,
    compression: str = "zstd",
    row_group_rows: int = 100_000,
) -> Part:
    """Write the rows of one pixel, in memory no more than a row group and a table.

    Parameters
    ----------
    root : str
        The catalogue's folder.
    order, pixel : int
    tables : iterable of pyarrow.Table
        Rows in ascending ``_healpix_29``, all with the same schema.
    compression : str
    row_group_rows : int
        Row groups but the last have just so many rows.

    Returns
    -------
    Part
        With no rows there is no file.
    """
    path = part_path(root, order, pixel)
    storage.make_directory(path.rsplit("/", 1)[0])
    filesystem, inner = storage.resolve(path)
    rows, writer, pending = 0, None, None
    try:
        for table in tables:
            pending = table if pending is None else pa.concat_tables([pending, table])
            rows += table.num_rows
            if writer is None and rows:
                # measured on Gaia columns: without dictionaries files are smaller, scans faster
                writer = pq.ParquetWriter(
                    inner,
                    table.schema,
                    filesystem=filesystem,
                    compression=compression,
                    use_dictionary=False,
                )
            while writer is not None and pending.num_rows >= row_group_rows:
                writer.write_table(pending.slice(0, row_group_rows), row_group_rows)
                pending = pending.slice(row_group_rows)
        if writer is not None and pending is not None and pending.num_rows:
            writer.write_table(pending, row_group_rows)
    finally:
        if writer is not None:
            writer.close()
    return Part(order, pixel, rows, storage.file_size(path) if rows else 0)


def finish_parts(
    root: str,
    parts: Sequence[Part],
    schema: pa.Schema,
    *,
    catalogue_name: str,
    ra_column: str = "ra",
    dec_column: str = "dec",
    provenance: Mapping[str, str] | None = None,
) -> int:
    """Write what makes the parts a catalogue: partition_info.csv, schema and, last, properties.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    InputError
        If there are no rows.
    """
    return write_metadata(
        root,
        {(part.order, part.pixel): part.rows for part in parts if part.rows},
        sum(part.n_bytes for part in parts),
        schema,
        catalogue_name=catalogue_name,
        ra_column=ra_column,
        dec_column=dec_column,
        npix_suffix=".parquet",
        provenance=provenance or {},
    )

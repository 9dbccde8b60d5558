"""A partition of the mirror as one file, cell after cell, never whole in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from ocspark import storage
from ocspark.build.parts import ROW_GROUP_ROWS, Partition, parquet_options
from ocspark.mirror.hats import partition_path
from ocspark.sky.healpix import HealpixPixel


def write_cells(tables: Iterable[pa.Table], root: str, pixel: HealpixPixel) -> list[Partition]:
    """Write the rows of one HEALPix pixel, of which a row group and a cell are held at a time.

    Parameters
    ----------
    tables : iterable of pa.Table
        Cells of the pixel along the sky, each sorted by ``_healpix_29``, all of one schema.
    root : path or URI
        The catalogue's folder.
    pixel : HealpixPixel

    Returns
    -------
    list of Partition
        Empty where there are no rows, and then no file: HATS lists no empty pixels.
    """
    groups = row_groups(tables, ROW_GROUP_ROWS)
    first = next(groups, None)
    if first is None:
        return []
    path = partition_path(root, pixel)
    storage.make_directory(path.rsplit("/", 1)[0])
    rows = 0
    with (
        storage.open_whole(path) as stream,
        pq.ParquetWriter(stream, first.schema, **parquet_options(first.schema)) as writer,
    ):
        group: pa.Table | None = first
        while group is not None:
            writer.write_table(group, ROW_GROUP_ROWS)
            rows += group.num_rows
            group = next(groups, None)
    return [Partition(pixel, rows, storage.file_size(path))]


def row_groups(tables: Iterable[pa.Table], n_rows: int) -> Iterator[pa.Table]:
    """Join and cut tables to just `n_rows` each, but for the last."""
    pending: list[pa.Table] = []
    waiting = 0
    for table in tables:
        pending.append(table)
        waiting += table.num_rows
        if waiting >= n_rows:
            joined = pa.concat_tables(pending)
            for start in range(0, waiting - waiting % n_rows, n_rows):
                yield joined.slice(start, n_rows)
            pending = [joined.slice(waiting - waiting % n_rows)]
            waiting %= n_rows
    if waiting:
        yield pa.concat_tables(pending)

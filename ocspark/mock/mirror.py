"""Write a mock's mirror with Spark: each task draws the cells of its files and writes the files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from ocspark import storage
from ocspark.build.parts import (
    ROW_GROUP_ROWS,
    Partition,
    parquet_options,
    write_catalogue_metadata,
)
from ocspark.mirror.hats import partition_path
from ocspark.mock.catalogue import MockCatalogue
from ocspark.mock.frame import Columns
from ocspark.mock.observatory import SOURCE_TYPES, Observatory
from ocspark.mock.plan import FilePlan
from ocspark.sky.healpix import HealpixPixel
from ocspark.store.progress import Progress
from ocspark.store.tasks import run_tasks

#: Expected rows of a Spark task.
_TASK_ROWS = 500_000


def write_mirror(
    spark: SparkSession, catalogue: MockCatalogue, plan: FilePlan, path: str, n_tasks: int | None
) -> int:
    """Write the mirror; workers write the rows, and only their counts come to the driver.

    Parameters
    ----------
    spark : SparkSession
        Session whose tasks write the files.
    catalogue : MockCatalogue
        The catalogue to write.
    plan : FilePlan
        The files to write.
    path : str
        Folder of the mirror.
    n_tasks : int, optional
        Number of Spark tasks; it changes no row. By default tasks of half a million rows.

    Returns
    -------
    int
        Number of sources written.
    """
    expected, n_files = int(plan.files.rows.sum()), len(plan.files)
    bounds = plan.tasks(n_tasks or max(4, expected // _TASK_ROWS))
    progress = Progress("mock", n_files, expected, "files")
    written = 0

    def report_progress() -> None:
        nonlocal written
        files = storage.list_infos(storage.join(path, "dataset"))
        so_far = sum(file.path.endswith(".parquet") for file in files)
        new, written = so_far - written, so_far
        if new > 0:
            progress.done(expected * new // n_files, reused=False, units=new)

    ranges = list(pairwise(bounds.tolist()))
    texts = run_tasks(spark, _FileWriter(catalogue, plan, path), ranges, report_progress)
    if written < n_files:  # pixels without rows have no file
        progress.done(0, reused=False, units=n_files - written)
    rows = [row for text in texts for row in json.loads(text)]
    partitions = [Partition(HealpixPixel(*row[:2]), *row[2:]) for row in rows]
    write_catalogue_metadata(
        path,
        partitions,
        mirror_schema(catalogue.observatory),
        catalogue_name="ocspark_mock",
        provenance={"obs_title": "Mock Galaxy with planted clusters (ocspark)"},
    )
    return sum(p.rows for p in partitions)


@dataclass(frozen=True)
class _FileWriter:
    """Write a range of the files of a plan: the function of a Spark task."""

    catalogue: MockCatalogue
    plan: FilePlan
    path: str

    def __call__(self, files: tuple[int, int]) -> str:
        """Write files from the first number to before the second; return their sizes as JSON."""
        schema = mirror_schema(self.catalogue.observatory)
        written = []
        for file in range(*files):
            cells = (self.catalogue.cell(cell) for cell in self.plan.cells_of(file))
            tables = (_table(self.catalogue.observatory.native_columns(c), schema) for c in cells)
            for done in write_cells(tables, self.path, self.plan.files.pixel_at(file)):
                written.append((done.pixel.order, done.pixel.pixel, done.rows, done.n_bytes))
        return json.dumps(written)


def mirror_schema(observatory: Observatory) -> pa.Schema:
    """Return the schema of a release's mirror: its column names, with Gaia's types."""
    types = {name: pa.from_numpy_dtype(SOURCE_TYPES[name]) for name in observatory.names}
    return pa.schema([(observatory.names[name], kind) for name, kind in types.items()])


def _table(columns: Columns, schema: pa.Schema) -> pa.Table:
    arrays = [pa.array(columns[name], from_pandas=True) for name in schema.names]
    return pa.Table.from_arrays(arrays, schema=schema)


def write_cells(tables: Iterable[pa.Table], root: str, pixel: HealpixPixel) -> list[Partition]:
    """Write the rows of one HEALPix pixel; a row group and a cell are in memory at a time.

    Parameters
    ----------
    tables : iterable of pa.Table
        Cells of the pixel in HEALPix order, each sorted by ``_healpix_29``, all of one schema.
    root : path or URI
        The catalogue's folder.
    pixel : HealpixPixel
        The pixel, which names the file.

    Returns
    -------
    list of Partition
        The file; none if there are no rows, since HATS lists no empty pixels.
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
    """Yield the rows of tables in groups of exactly `n_rows`; the last may be smaller."""
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

"""Searches of cones as Spark DataFrames, for callers that go on with Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from ocspark.mirror.columns import MirrorColumns
from ocspark.mirror.footers import CheckedFile
from ocspark.mirror.portions import cut_by_rows
from ocspark.mirror.read import read_rows
from ocspark.mirror.scan import Scan
from ocspark.selection.cones import Cones
from ocspark.selection.sources_in_cones import batches_in_cones
from ocspark.selection.table_rows import rows_near, sort_batches
from ocspark.session import ship
from ocspark.tables.fields import Field, struct

#: What is done with the sources found, in the task that found them: rows of `cone_fields`, and
#: the carried columns, to any rows.
Process = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class ConeSearch:
    """Finds the sources of a mirror in cones, as a DataFrame.

    Bounds are inclusive; a source is found once for every cluster whose cone it is in.

    Parameters
    ----------
    spark : SparkSession
    columns : MirrorColumns
    cones : Cones
    """

    def __init__(self, spark: SparkSession, columns: MirrorColumns, cones: Cones) -> None:
        self._spark, self._columns, self._cones = spark, columns, cones
        self._shipped = ship(spark, (cones.cuts, cones.cover))

    def run(self, files: Sequence[CheckedFile], process: Process, fields: list[Field]) -> DataFrame:
        """Search some files, or ranges of a table, of a mirror; the arguments are `in_files`'."""
        if any(file.file.in_table for file in files):
            rows = read_rows(self._spark, files, self._columns)
            return self.in_table(rows, process, fields)
        return self.in_files(files, process, fields)

    def in_files(
        self, files: Sequence[CheckedFile], process: Process, fields: list[Field]
    ) -> DataFrame:
        """Search some files of a mirror.

        Parameters
        ----------
        files : sequence of CheckedFile
        process : callable
            Given record batches of sources in cones (`find`), yields those of the result.
        fields : list of Field
            The columns of the result.
        """
        tasks = cut_by_rows(files, [file.file.path for file in files], self._cones.cover)
        columns, shipped = self._columns, self._shipped

        def search(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            mine = [n for batch in numbers for n in batch.column(0).to_pylist()]
            scans = (Scan(piece, columns) for n in mine for piece in tasks[n].pieces)
            yield from process(batches_in_cones(scans, *shipped()))

        numbers = self._spark.range(0, len(tasks), 1, max(len(tasks), 1))
        return numbers.mapInArrow(search, struct(fields))

    def in_table(self, rows: DataFrame, process: Process, fields: list[Field]) -> DataFrame:
        """Search a DataFrame from `read_rows`, as `in_files` does."""
        columns, shipped = self._columns, self._shipped
        near = rows_near(self._spark, rows, self._cones.cuts, self._cones.cover)

        def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield from process(batches_in_cones(sort_batches(batches, columns), *shipped()))

        return near.mapInArrow(search, struct(fields))

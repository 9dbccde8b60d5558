"""Search cones in one reading of the mirror, as a Spark DataFrame (method §1).

Each task reads its own portion of the mirror with pyarrow and processes what it found in the same
Python process, so that only results pass through the JVM. Rows of a table come from the JVM and are
matched by the same code.
"""

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

#: A function that the task applies to the sources that it found: it gets record batches with the
#: columns of `cone_fields` and the carried columns, and yields record batches of any table.
Process = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class ConeSearch:
    """Search for the sources of a mirror that lie in cones, as a DataFrame.

    Bounds are inclusive. A source in several cones is found once for each of them.

    Parameters
    ----------
    spark : SparkSession
        Session that runs the search.
    columns : MirrorColumns
        Columns to read.
    cones : Cones
        Cones to search.
    """

    def __init__(self, spark: SparkSession, columns: MirrorColumns, cones: Cones) -> None:
        self._spark, self._columns, self._cones = spark, columns, cones
        self._shipped = ship(spark, (cones.cuts, cones.cover))

    def run(self, files: Sequence[CheckedFile], process: Process, fields: list[Field]) -> DataFrame:
        """Return the result for some files, or ranges of a table; arguments as in `in_files`."""
        if any(file.file.in_table for file in files):
            rows = read_rows(self._spark, files, self._columns)
            return self.in_table(rows, process, fields)
        return self.in_files(files, process, fields)

    def in_files(
        self, files: Sequence[CheckedFile], process: Process, fields: list[Field]
    ) -> DataFrame:
        """Return the result for some files of a mirror.

        Parameters
        ----------
        files : sequence of CheckedFile
            Files to search.
        process : callable
            Gets the batches of `batches_in_cones` and yields those of the result.
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
        """Return the result for rows of a table from `read_rows`; see `in_files`."""
        columns, shipped = self._columns, self._shipped
        near = rows_near(self._spark, rows, self._cones.cuts, self._cones.cover)

        def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield from process(batches_in_cones(sort_batches(batches, columns), *shipped()))

        return near.mapInArrow(search, struct(fields))

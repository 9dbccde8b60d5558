"""Mirror rows a second through the search of 2,500 cones, against Spark reading the same columns.

The baseline counts every column, so that Spark reads them all from the same files.
"""

from __future__ import annotations

from pyspark.sql import functions as F

from ocspark.locations import for_spark
from tests.benchmarks.measure import Comparison, compare
from tests.benchmarks.search_vs_duckdb_count import count
from tests.benchmarks.sky import mock_sky


def run() -> Comparison:
    """Compare on the files of a mock mirror that a cone touches."""
    with mock_sky() as sky:
        paths = [for_spark(file.file.path) for file in sky.files]
        columns = [*sky.columns.names.values(), "_healpix_29"]

        def plain() -> float:
            frame = sky.spark.read.parquet(*paths).select(*columns)
            counts = frame.agg(*[F.count(F.col(f"`{name}`")) for name in columns]).first()
            if not counts or max(counts) != sky.rows:
                raise RuntimeError("the plain count misses rows")
            return sky.rows

        return compare(
            lambda: count(sky) and sky.rows, plain, "rows/s", "plain Spark count of the columns"
        )

"""Mirror rows a second through pass 1's cone search, against a plain count of the same columns.

Both count every column, so that Spark reads them all from the same files.
"""

from __future__ import annotations

from tempfile import TemporaryDirectory

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ocspark import storage
from ocspark.mirror.read import read_sources
from ocspark.mock.generate import MockParameters, make_mock
from ocspark.runs.inputs import read_inputs
from ocspark.selection.cone import search_cones
from ocspark.settings import make_settings
from tests.benchmarks.measure import Comparison, compare, spark_session

_PARAMETERS = MockParameters(sources=300_000, clusters=24, seed=42)


def run() -> Comparison:
    """Compare on the files of a mock mirror that a cone touches."""
    with spark_session() as spark, TemporaryDirectory() as folder:
        make_mock(spark, folder, _PARAMETERS)
        settings = make_settings(
            {
                "mirror": {"path": f"{folder}/mirror"},
                "clusters": {"path": f"{folder}/clusters.parquet"},
                "members": {"path": f"{folder}/members.parquet"},
                "isochrones": {"path": f"{folder}/isochrones", "max_age_offset": 0.1},
                "output": {"path": f"{folder}/runs"},
            }
        )
        inputs = read_inputs(settings)
        rows = sum(file.rows for file in inputs.files)
        files = [file.file for file in inputs.files]
        paths = [storage.for_spark(file.path) for file in files]
        columns = [*inputs.release.columns.values(), inputs.mirror.healpix_column]

        def search() -> float:
            sources = read_sources(spark, inputs.files, inputs.release.columns)
            found = _count(search_cones(spark, sources, inputs.cones, files))
            if not 0 < found < rows:
                raise RuntimeError(f"{found} sources found in cones, of {rows}")
            return rows

        def plain() -> float:
            if _count(spark.read.parquet(*paths).select(*columns)) != rows:
                raise RuntimeError("the plain count misses rows")
            return rows

        return compare(search, plain, "rows/s", "plain Spark count of the same columns and files")


def _count(frame: DataFrame) -> int:
    counts = frame.agg(*[F.count(F.col(f"`{name}`")) for name in frame.columns]).first()
    return max(counts) if counts else 0

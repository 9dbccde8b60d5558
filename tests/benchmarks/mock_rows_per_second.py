"""Sources a second of a whole mock through Spark, written, against its generator alone."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from ocspark.mock.catalogue import build_catalogue
from ocspark.mock.generate import write_mock
from ocspark.mock.parameters import MockParameters
from ocspark.mock.plan import CELL_ROWS, tile
from tests.benchmarks.measure import Comparison, compare, spark_session

_PARAMETERS = MockParameters(sources=2_000_000, clusters=50, seed=42)


def run() -> Comparison:
    """Compare `make_mock` with a loop over all cells in one process that writes nothing."""
    catalogue = build_catalogue(_PARAMETERS)

    def generator() -> float:
        cells = tile(catalogue.expected, CELL_ROWS)
        return sum(len(catalogue.cell(cell)["source_id"]) for cell in cells)

    with spark_session() as spark, TemporaryDirectory() as folder:

        def ours() -> float:
            return write_mock(spark, f"{folder}/mock", _PARAMETERS)["rows"]["mirror"]

        cores = spark.sparkContext.defaultParallelism
        name = f"generator alone, 1 process, nothing written (ours {cores} cores)"
        return compare(ours, generator, "sources/s", name)

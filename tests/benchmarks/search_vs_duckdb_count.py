"""Mirror rows a second through the search of 2,500 cones, matches counted, against DuckDB."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import types as T

from ocspark.tables.arrow import to_batch
from ocspark.tables.fields import Field
from tests.benchmarks.measure import Comparison, compare
from tests.benchmarks.sky import DuckSearch, Sky, mock_sky

_COUNT = [Field("n", T.LongType(), "", "Rows")]


def count_rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Return one row with the number of rows."""
    yield to_batch({"n": np.array([sum(batch.num_rows for batch in batches)])}, _COUNT)


def count(sky: Sky) -> int:
    """Return the number of pairs of source and cone that our search finds."""
    return sum(row["n"] for row in sky.search(count_rows, _COUNT).collect())


def run() -> Comparison:
    """Compare on the same files, with the same cuts and the same kept sources."""
    with mock_sky() as sky:
        duck = DuckSearch(sky)
        if (ours := count(sky)) != (theirs := duck.count()) or not ours:
            raise RuntimeError(f"{ours} pairs found, {theirs} by DuckDB")
        return compare(
            lambda: count(sky) and sky.rows, lambda: duck.count() and sky.rows, "rows/s",
            f"DuckDB, the same search of {sky.rows:,} rows",
        )  # fmt: skip

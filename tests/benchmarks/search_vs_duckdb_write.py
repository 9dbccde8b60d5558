"""Mirror rows a second through the search of 2,500 cones, matches written, against DuckDB."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from ocspark.catalogue.write import in_tasks, staged_by_tasks
from tests.benchmarks.measure import Comparison, compare
from tests.benchmarks.sky import DuckSearch, Sky, mock_sky


def write(sky: Sky, folder: str) -> int:
    """Write all pairs as a unit of the main job does; return their number."""

    def matches(batch: pa.RecordBatch) -> dict[str, pa.RecordBatch]:
        return {"matches": batch}

    written = sky.search(in_tasks(lambda batches: batches, folder, matches))
    return sum(file.rows for file in staged_by_tasks(written, ["matches"])["matches"])


def run() -> Comparison:
    """Compare on the same files; both write every column that the main job keeps, as zstd."""
    with mock_sky() as sky, TemporaryDirectory(dir=sky.folder) as folder:
        duck, file = DuckSearch(sky), Path(folder) / "duckdb.parquet"
        columns = list(sky.columns.values())

        def ours() -> float:
            with TemporaryDirectory(dir=folder) as target:
                return write(sky, target) and sky.rows

        with TemporaryDirectory(dir=folder) as target:
            found, theirs = write(sky, target), duck.write(file, columns)
        if found != theirs or not found:
            raise RuntimeError(f"{found} pairs written, {theirs} by DuckDB")
        return compare(
            ours,
            lambda: duck.write(file, columns) and sky.rows,
            "rows/s",
            f"DuckDB, the same search of {sky.rows:,} rows",
        )

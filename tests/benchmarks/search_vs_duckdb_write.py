"""Mirror rows a second through the search of 2,500 cones, matches written, against DuckDB."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.measure import Comparison, compare
from tests.benchmarks.sky import DuckSearch, mock_sky


def run() -> Comparison:
    """Compare on the same files; both write every column that the main job keeps, as zstd."""
    with mock_sky() as sky, TemporaryDirectory(dir=sky.folder) as folder:
        duck, file = DuckSearch(sky), Path(folder) / "duckdb.parquet"
        columns = list(sky.columns.names.values())

        def ours() -> float:
            with TemporaryDirectory(dir=folder) as target:
                return sky.write(target) and sky.rows

        with TemporaryDirectory(dir=folder) as target:
            found, theirs = sky.write(target), duck.write(file, columns)
        if found != theirs or not found:
            raise RuntimeError(f"{found} pairs written, {theirs} by DuckDB")
        return compare(
            ours,
            lambda: duck.write(file, columns) and sky.rows,
            "rows/s",
            f"DuckDB, the same search of {sky.rows:,} rows",
        )

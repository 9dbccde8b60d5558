"""A run whose mirror is a Spark table, against the same run on the same rows as HATS files.

A candidate is judged once and gets no posterior, so that mostly reading and searching are measured;
``OCSPARK_BENCH_SOURCES`` sets the number of sources, 5.7 million by default here.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd

from ocspark.catalogue.full_catalogue import run_full_catalogue
from ocspark.locations import for_spark
from ocspark.settings import make_settings
from tests.benchmarks.measure import Comparison, compare
from tests.benchmarks.sky import mock_sky

_SOURCES = "5700000"


def run() -> Comparison:
    """Compare; the candidates of both runs are the same, bit by bit, or it is an error."""
    os.environ.setdefault("OCSPARK_BENCH_SOURCES", _SOURCES)
    with mock_sky() as sky:
        files = [for_spark(piece.path) for piece in sky.inputs.mirror.pieces.files]
        table = sky.folder / "table"
        rows = sky.spark.read.parquet(*files).repartitionByRange(24, "_healpix_29")
        if not (table / "_SUCCESS").exists():  # laid out by the index, as Delta clusters a table
            rows.sortWithinPartitions("_healpix_29").write.mode("overwrite").parquet(str(table))
        sky.spark.read.parquet(str(table)).createOrReplaceTempView("mock_gaia")
        found: dict[str, pd.DataFrame] = {}

        def search(mirror: str) -> float:
            output = Path(sky.folder, "runs")
            shutil.rmtree(output, ignore_errors=True)
            changes = {
                "mirror": {"path": mirror},
                "output": {"path": str(output)},
                "membership": {"n_samples": 1},
                "posterior": {"enabled": False},
            }
            tree = sky.inputs.settings.model_dump() | changes
            done = run_full_catalogue(make_settings(tree), sky.spark)
            key = ["cluster", "source_id"]
            stars = pd.read_parquet(f"{done.path}/candidates")
            found[mirror] = stars.sort_values(key, ignore_index=True)
            return sky.rows

        files_path = sky.inputs.settings.mirror.path
        measured = compare(
            lambda: search("table:mock_gaia"), lambda: search(files_path), "rows/s", "HATS files"
        )
        pd.testing.assert_frame_equal(*found.values(), check_exact=True)
        return measured

"""Time and memory of a worker process's imports, beside those of Spark's own imports.

A worker imports the modules of the functions that tasks run (`TASKS`). Spark's own part of it, for
functions over Arrow batches, is the baseline; both are imported by fresh interpreters.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.measure import RUNS, WARM_UPS, Comparison

#: The modules whose functions the tasks of the two passes over the mirror run.
TASKS = (
    "ocspark.store.folder",
    "ocspark.mirror.scan",
    "ocspark.catalogue.search",
    "ocspark.catalogue.membership",
    "ocspark.membership.evaluate",
)
_SPARK = ("numpy", "pyarrow.parquet", "pyspark.sql.pandas.types", "pyspark.worker")
_MEASURE = """
import sys, time
start, processor = time.perf_counter(), time.process_time()
for name in sys.argv[1:]:
    __import__(name)
seconds, processor = time.perf_counter() - start, time.process_time() - processor
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(seconds, processor, float(peak.split()[1]) / 1024)
"""


def run() -> dict[str, Comparison]:
    """Measure imports in turn, on Linux, from which a process's peak of memory is read."""
    pairs = [(_measure(_SPARK), _measure((*_SPARK, *TASKS))) for _ in range(WARM_UPS + RUNS)]
    spark, ours = (
        [statistics.median(column) for column in zip(*some, strict=True)]
        for some in zip(*pairs[WARM_UPS:], strict=True)
    )
    what = "what Spark's own worker imports (numpy, pyarrow, pyspark), without ocspark"
    seconds, processor, megabytes = ours
    times = {"seconds": seconds, "processor_seconds": processor}
    return {
        "worker_import_time": Comparison(1.0 / seconds, "imports/s", what, 1.0 / spark[0], times),
        "worker_import_memory": Comparison(
            1024.0 / megabytes, "workers/GB", what, 1024.0 / spark[2], {"megabytes": megabytes}
        ),
    }


def _measure(modules: tuple[str, ...]) -> tuple[float, float, float]:
    """Return seconds, seconds of processor time and peak memory [MB] of a process that imports."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *modules],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, processor, megabytes = map(float, done.stdout.split())
    return seconds, processor, megabytes

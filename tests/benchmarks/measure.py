"""How a speed is measured: ours and the baseline's in turn, after warm-ups, medians."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

WARM_UPS, RUNS = 3, 5


@dataclass(frozen=True)
class Comparison:
    """Our speed and that of a baseline, which `baseline` describes."""

    value: float
    unit: str
    baseline: str
    baseline_value: float

    def as_dict(self) -> dict[str, object]:
        """Return what is printed, to four figures."""
        return {
            "value": float(f"{self.value:.4g}"),
            "unit": self.unit,
            "baseline": f"{self.baseline}: {self.baseline_value:.4g} {self.unit}",
            "ratio": float(f"{self.value / self.baseline_value:.4g}"),
        }


def compare(
    ours: Callable[[], float], theirs: Callable[[], float], unit: str, baseline: str
) -> Comparison:
    """Measure, in turn so that both drift alike, two functions that return how much they did."""
    speeds = [(_speed(ours), _speed(theirs)) for _ in range(WARM_UPS + RUNS)][WARM_UPS:]
    value, reference = (statistics.median(column) for column in zip(*speeds, strict=True))
    return Comparison(value, unit, baseline, reference)


def _speed(work: Callable[[], float]) -> float:
    start = time.perf_counter()
    amount = work()
    return amount / (time.perf_counter() - start)


@contextmanager
def spark_session() -> Iterator[SparkSession]:
    """Give a quiet session on all local cores."""
    root = str(Path(__file__).parents[2])
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    session = (
        SparkSession.builder.master("local[*]")
        .appName("ocspark benchmarks")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()

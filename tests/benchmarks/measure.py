"""Measure two speeds in turn, ours and a baseline's: medians, after warm-ups."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pyspark.sql import SparkSession

WARM_UPS, RUNS = 3, 5


@dataclass(frozen=True)
class Comparison:
    """Our speed and that of a baseline, which `baseline` describes; `extra` is printed too."""

    value: float
    unit: str
    baseline: str
    baseline_value: float
    extra: Mapping[str, object] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return what is printed, to four figures."""
        return {
            "value": float(f"{self.value:.4g}"),
            "unit": self.unit,
            "baseline": f"{self.baseline}: {self.baseline_value:.4g} {self.unit}",
            "ratio": float(f"{self.value / self.baseline_value:.4g}"),
            **{name: _rounded(value) for name, value in self.extra.items()},
        }


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


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

"""A rehearsal of a run on DR3: the whole job on a slice as crowded, and what all of it would take.

``make rehearse [CLUSTERS=100]`` makes the slice under ``runs/rehearsal``, runs the job on it with
default settings, and prints what was measured. A task's seconds are the clock's: whatever else the
machine does is in them. The benchmark of this name compares the job with one that judges all
samples, on ``OCSPARK_BENCH_CLUSTERS`` clusters (2 by default).
"""

from __future__ import annotations

import heapq
import logging
import os
import resource
import shutil
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from ocspark.catalogue.full_catalogue import run_full_catalogue
from ocspark.errors import InputError
from ocspark.mock.catalogue import build_catalogue
from ocspark.mock.extent import BYTES_PER_SOURCE, extent_of
from ocspark.mock.parameters import MockParameters
from tests.benchmarks.dense import (
    MIN_DISTANCE_PC,
    N_CLUSTERS,
    make_slice,
    settings_of,
    slice_parameters,
)
from tests.benchmarks.measure import Comparison, spark_session

#: Candidates of a cluster beyond 700 pc in the mean, and what a run writes for each, twice while it
#: runs (measured on slices of several seeds).
_CANDIDATES, _BYTES_PER_CANDIDATE = 50_000, 320
_CORES = (8, 64, 512)
_STEPS = {
    "search": "pass 1",
    "characterise": "characterise",
    "membership": "pass 2",
    "layout": "by cluster, with posteriors",
    "share": "sharing stars",
}


def rehearse(n_clusters: int, folder: Path) -> None:
    """Make the slice, run the job on it and print what was measured.

    Raises
    ------
    InputError
        If there is no room for it.
    """
    whole, rows_touched = expected_rows(n_clusters)
    needed = rows_touched * BYTES_PER_SOURCE + n_clusters * _CANDIDATES * _BYTES_PER_CANDIDATE
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    _say(
        f"{n_clusters} clusters beyond {MIN_DISTANCE_PC:g} pc: {rows_touched:,} sources to make "
        f"and to search, some {n_clusters * _CANDIDATES:,} candidates; about {needed / 1e9:.1f} GB "
        f"in {folder}, where {free / 1e9:.1f} GB are free"
    )
    mock = folder / f"slice-{n_clusters}"
    if needed > free and not mock.exists():
        raise InputError(
            f"CLUSTERS={n_clusters}: needs {needed / 1e9:.1f} GB in {folder}, which has "
            f"{free / 1e9:.1f}; expected fewer clusters, or more room"
        )
    with spark_session() as spark:
        make_slice(spark, mock, n_clusters)
        run = run_full_catalogue(settings_of(mock, folder / f"run-{n_clusters}"), spark)
        cores = spark.sparkContext.defaultParallelism
        memory = driver_memory_mb(spark)
    tables = [measured(run.record, cores, memory)]
    tables.append(projected(run.record, cores, n_clusters, whole / rows_touched))
    for line in (line for table in tables for line in (*table, "")):
        print(line)


def expected_rows(n_clusters: int) -> tuple[int, int]:
    """Return how many sources the files hold that all clusters' cones touch, and the slice's."""
    parameters = slice_parameters(n_clusters)
    catalogue = build_catalogue(parameters)
    everything = MockParameters(
        parameters.sources, parameters.clusters, parameters.seed, around=parameters.clusters
    )
    return extent_of(catalogue, everything).sources, extent_of(catalogue, parameters).sources


def driver_memory_mb(spark: SparkSession) -> dict[str, int]:
    """Return the greatest memory of the driver's Python and of its JVM [MB]; Linux only."""
    python = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    gateway = spark.sparkContext._gateway  # type: ignore[attr-defined]
    status = Path(f"/proc/{gateway.proc.pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peak = [int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:")]
    return {"Python": python, "JVM": peak[0] if peak else 0}


def measured(record: Mapping[str, Any], cores: int, memory: Mapping[str, int]) -> list[str]:
    """Return the lines of a table of what a run took, from its run.json.

    Parameters
    ----------
    record : mapping
        run.json.
    cores : int
    memory : mapping
        Of the driver's processes [MB].
    """
    portions, sampling = record["portions"], record["settings"]["membership"]
    candidates = sum(p.get("candidates", 0) for p in portions)
    evaluations = sum(p.get("evaluations", 0) for p in portions)
    rows = sum(p["rows"] for p in portions if p["step"] == "search")
    spent = {step: _seconds(portions, step) for step in _STEPS}
    saved = sampling["n_samples"] * candidates - evaluations
    size = sum(table["bytes"] for table in record["tables"].values())
    lines = [
        f"| the whole job, {record['clusters']['done']} clusters, {cores} cores | |",
        "|---|---|",
        f"| seconds | {record['seconds']:,.0f} |",
        f"| rows of the mirror searched | {rows:,}, {rows / record['seconds']:,.0f} a second |",
        f"| candidates | {candidates:,} |",
        f"| evaluations | {evaluations:,}; {saved:,} saved, "
        f"{(evaluations + saved) / max(evaluations, 1):.1f} times fewer |",
    ]
    for step, title in _STEPS.items():
        seconds = spent[step]
        peak = max((p["peak_mb"] for p in portions if p["step"] == step), default=0)
        lines.append(
            f"| {title} | {len(seconds)} tasks, {sum(seconds):,.0f} s of a core, the longest "
            f"{max(seconds, default=0.0):.1f} s, {peak:,} MB at most |"
        )
    names = ", ".join(f"{name} {mb:,} MB" for name, mb in memory.items())
    return [*lines, f"| driver | {names} |", f"| tables | {size / 1e9:.2f} GB |"]


def projected(
    record: Mapping[str, Any], cores: int, n_clusters: int, more_rows: float
) -> list[str]:
    """Return the lines of a table of what all clusters would take on more cores.

    The measured tasks are repeated until they are as many as for all clusters (those of pass 1, for
    all sources that any cone touches) and go, dearest first, to the core that is free first. What
    the driver did between them is taken as here, cores and storage as being as fast as here.

    Parameters
    ----------
    record : mapping
        run.json.
    cores : int
        Of the rehearsal.
    n_clusters : int
        Of the rehearsal.
    more_rows : float
        How many times more sources the cones of all clusters touch.
    """
    more = defaultdict(lambda: N_CLUSTERS / n_clusters, search=more_rows)
    spent = {step: _seconds(record["portions"], step) for step in _STEPS}
    driver = max(record["seconds"] - sum(makespan(s, cores) for s in spent.values()), 0.0)
    many = {step: repeated(seconds, more[step]) for step, seconds in spent.items()}
    core_hours = sum(sum(seconds) for seconds in many.values()) / 3600.0
    lines = [
        f"| {N_CLUSTERS} clusters of DR3, {core_hours:.1f} core hours | "
        + " | ".join(f"{n} cores" for n in _CORES)
        + " |",
        "|---" * (len(_CORES) + 1) + "|",
    ]
    total = [driver] * len(_CORES)
    for step, title in _STEPS.items():
        times = [makespan(many[step], n) for n in _CORES]
        total = [a + b for a, b in zip(total, times, strict=True)]
        lines.append(_row(title, times))
    return [*lines, _row("the driver between them", [driver] * len(_CORES)), _row("all", total)]


def makespan(seconds: Sequence[float], cores: int) -> float:
    """Return how long tasks take on some cores, the dearest first and each when a core is free."""
    free = [0.0] * cores
    for task in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + task)
    return max(free)


def repeated(seconds: Sequence[float], times: float) -> list[float]:
    """Return as many tasks as `times` says, with the same distribution of seconds."""
    ranked, n = sorted(seconds), round(len(seconds) * times)
    return [ranked[min(i * len(ranked) // n, len(ranked) - 1)] for i in range(n)]


def run() -> Comparison:
    """Compare candidates a second of the whole job with those of fixed sampling, one run each."""
    n_clusters = int(os.environ.get("OCSPARK_BENCH_CLUSTERS", 2))
    folder = Path("runs/benchmarks")
    speeds, extra = {}, {}
    with spark_session() as spark:
        mock = folder / f"slice-{n_clusters}"
        make_slice(spark, mock, n_clusters)
        for name, adaptive in (("fixed", False), ("adaptive", True)):
            output = mock / f"rehearsal-{name}"
            shutil.rmtree(output, ignore_errors=True)
            record = run_full_catalogue(settings_of(mock, output, adaptive=adaptive), spark).record
            candidates = record["totals"]["n_candidates"]
            speeds[name] = candidates / record["seconds"]
            extra[name] = {
                "seconds": record["seconds"],
                "evaluations": sum(p.get("evaluations", 0) for p in record["portions"]),
                "core_seconds": {
                    step: round(sum(_seconds(record["portions"], step)), 1) for step in _STEPS
                },
            }
        extra["candidates"] = candidates
    return Comparison(
        speeds["adaptive"],
        "candidates/s",
        "the whole job with 100 samples for every star, one run each",
        speeds["fixed"],
        extra,
    )


def _seconds(portions: Sequence[Mapping[str, Any]], step: str) -> list[float]:
    return [float(p["seconds"]) for p in portions if p["step"] == step]


def _row(title: str, seconds: Sequence[float]) -> str:
    cells = (f"{s:.0f} s" if s < 600 else f"{s / 60:.0f} min" for s in seconds)
    return f"| {title} | " + " | ".join(cells) + " |"


def _say(text: str) -> None:
    sys.stderr.write(f"[ocspark] {text}\n")


def main(arguments: Sequence[str]) -> int:
    """Rehearse with so many clusters; return 0 when done, 2 for bad input."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("[ocspark] %(message)s"))
    logging.getLogger("ocspark").addHandler(handler)
    logging.getLogger("ocspark").setLevel(logging.INFO)
    try:
        number = int(arguments[0]) if arguments and arguments[0].isdecimal() else 0
        if not 1 <= number <= N_CLUSTERS:
            raise InputError(f"CLUSTERS: expected a number from 1 to {N_CLUSTERS}")
        rehearse(number, Path("runs/rehearsal"))
    except InputError as error:
        sys.stderr.write(f"ocspark: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The report of a finished run: a static site, its pages made in parallel by Spark."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark import storage
from ocspark.analysis.differences import Differences
from ocspark.analysis.distributed import (
    by_cluster,
    count_multiply_claimed,
    measure_clusters,
    shared_stars,
)
from ocspark.analysis.literature import Comparison
from ocspark.analysis.saved import records
from ocspark.errors import InputError
from ocspark.exports.source import run_facts
from ocspark.reports.assets import own_texts, write_assets
from ocspark.reports.citation import bibtex
from ocspark.reports.front import write_front
from ocspark.reports.links import source_address
from ocspark.reports.names import natural_order, page_folders
from ocspark.reports.page import PageFacts, page_files
from ocspark.reports.page_stars import read_page_stars, view_of
from ocspark.selection.run_models import read_models
from ocspark.session import ship
from ocspark.store.claim import Claim
from ocspark.store.finished_run import FinishedRun
from ocspark.store.made_before import INPUTS, inputs_digest, record_made_of
from ocspark.tables.candidates import carried_fields

log = logging.getLogger("ocspark")

#: Says that the site is whole; written last.
_SUMMARY = "report.json"
_PAGES_PER_STEP = 400
_DONE = T.StructType(
    [T.StructField("cluster", T.StringType()), T.StructField("bytes", T.LongType())]
)


@dataclass(frozen=True)
class _Page:
    """All that a worker needs for a page beside the stars."""

    folder: str
    row: dict[str, Any]
    curve: np.ndarray
    structure: dict[str, Any]
    comparisons: list[list[dict[str, Any]]]
    facts: PageFacts


def make_report(
    spark: SparkSession,
    run: FinishedRun,
    output: str,
    comparisons: Sequence[Comparison] = (),
    differences: Sequence[Differences] = (),
) -> str:
    """Write the report of a run, unless that was done before.

    Parameters
    ----------
    spark : SparkSession
    run : FinishedRun
    output : str
        Directory for the site: new, empty, or with an earlier report, which is replaced. A
        shared or object-store path if the workers are other machines.
    comparisons : sequence of Comparison
        Of this run, as `ocspark.analysis.literature.compare` wrote them.
    differences : sequence of Differences
        Of this run to others, as `ocspark.analysis.differences.find_differences` wrote them.

    Returns
    -------
    str
        The path of its index.html, which is written last.
    """
    _check(run, comparisons, differences)
    shown = [[beside.path, beside.record] for beside in (*comparisons, *differences)]
    inputs = inputs_digest([__name__], run.record, shown, own_texts())
    summary, index = storage.join(output, _SUMMARY), storage.join(output, "index.html")
    if record_made_of(inputs, summary, files=["index.html"]) is not None:
        log.info("%s holds the report of the same run: nothing to do", output)
        return index
    with Claim(output, {"holds": "a report"}, "a report").hold():
        _write_site(spark, run, output, comparisons, differences)
        made = {"finished": True, "run": run.record["run_id"], "pages": len(run.clusters)}
        storage.write_file(summary, json.dumps({**made, INPUTS: inputs}))
    return index


def _write_site(
    spark: SparkSession,
    run: FinishedRun,
    output: str,
    comparisons: Sequence[Comparison],
    differences: Sequence[Differences],
) -> None:
    started = time.monotonic()
    _clear(output)
    write_assets(output)
    structure = measure_clusters(spark, run).toPandas()
    structure = structure.sort_values("cluster", ignore_index=True)
    shared = shared_stars(spark, run).toPandas()
    log.info("report: structure of %d clusters measured", len(structure))
    folders = page_folders(run.clusters["cluster"])
    pages = _pages(run, folders, structure, shared, comparisons)
    _write_pages(spark, run, pages, output, comparisons)
    claimed = count_multiply_claimed(spark, run)
    write_front(run, output, folders, structure, comparisons, claimed, differences)
    log.info("report: done in %.0f s", time.monotonic() - started)


def _check(
    run: FinishedRun, comparisons: Sequence[Comparison], differences: Sequence[Differences]
) -> None:
    for comparison in comparisons:
        if comparison.record["run"] != run.record["run_id"]:
            raise InputError(
                f"--comparison: {comparison.path}: is of run {comparison.record['run']}; "
                f"expected one of {run.record['run_id']}"
            )
    for differing in differences:
        runs = [differing.record[side]["run_id"] for side in ("run", "with_run")]
        if run.record["run_id"] not in runs:
            raise InputError(
                f"--differences: {differing.path}: is of runs {' and '.join(runs)}; expected "
                f"{run.record['run_id']} among them"
            )


def _clear(output: str) -> None:
    """Remove what an earlier report left, above all what says that it is whole."""
    for file in ("index.html", _SUMMARY):
        storage.remove_file(storage.join(output, file))
    for folder in ("clusters", "differences"):
        storage.remove_directory(storage.join(output, folder))


def _pages(
    run: FinishedRun,
    folders: dict[str, str],
    structure: pd.DataFrame,
    shared: pd.DataFrame,
    comparisons: Sequence[Comparison],
) -> dict[str, _Page]:
    measured = {row["cluster"]: row for row in records(structure)}
    neighbours: dict[str, list[dict[str, Any]]] = {}
    ranked = shared.sort_values(["n_from_10", "other"], ascending=[False, True])
    for row in records(ranked):
        page = f"clusters/{folders[row['other']]}/index.html"
        neighbour = {"name": row["other"], "page": page}
        counts = {name: row[name] for name in ("n_from_10", "n_from_50")}
        neighbours.setdefault(row["cluster"], []).append({**neighbour, **counts})
    compared = [_rows_by_cluster(comparison) for comparison in comparisons]
    models, names = read_models(run), natural_order(folders)
    place = {name: number for number, name in enumerate(names)}
    pages, carried = {}, carried_fields(run.record)
    about, cite, source = run_facts(run), bibtex(run.record), source_address(run.release)

    def link(number: int) -> dict[str, str] | None:
        if not 0 <= number < len(names):
            return None
        return {"name": names[number], "page": f"clusters/{folders[names[number]]}/index.html"}

    for row in records(run.clusters):
        name, model = row["cluster"], models.get(row["cluster_key"])
        pages[name] = _Page(
            folder=folders[name],
            row=row,
            curve=model.curve if model is not None else np.empty((0, 2)),
            structure=measured.get(name, {}),
            comparisons=[rows.get(name, []) for rows in compared],
            facts=PageFacts(
                about,
                cite,
                neighbours.get(name, []),
                link(place[name] - 1),
                link(place[name] + 1),
                carried,
                source,
            ),
        )
    return pages


def _rows_by_cluster(comparison: Comparison) -> dict[str, list[dict[str, Any]]]:
    described = {cut["name"]: cut["description"] for cut in comparison.record["cuts"]}
    order = {name: place for place, name in enumerate(described)}
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in records(comparison.table("clusters")):
        rows.setdefault(row["cluster"], []).append({**row, "description": described[row["cut"]]})
    return {name: sorted(of, key=lambda row: order[row["cut"]]) for name, of in rows.items()}


def _write_pages(
    spark: SparkSession,
    run: FinishedRun,
    pages: dict[str, _Page],
    output: str,
    comparisons: Sequence[Comparison],
) -> None:
    shipped = ship(spark, pages)
    stars = read_page_stars(spark, run, comparisons)
    names = list(pages)
    started = time.monotonic()
    for first in range(0, len(names), _PAGES_PER_STEP):
        step = names[first : first + _PAGES_PER_STEP]
        some = stars.where(F.col("cluster").isin(step))
        write = _writer(shipped, output, [c.record["name"] for c in comparisons])
        written = by_cluster(some, len(step)).groupBy("cluster").applyInArrow(write, _DONE)
        row = written.agg(F.count("*").alias("n"), F.sum("bytes").alias("bytes")).collect()[0]
        if row["n"] != len(step):
            raise RuntimeError(f"report: {row['n']} pages written, expected {len(step)}")
        done = first + len(step)
        seconds = time.monotonic() - started
        log.info(
            "report: %d/%d pages, %.0f kB each, %.0f s left",
            done,
            len(names),
            row["bytes"] / row["n"] / 1000,
            seconds / done * (len(names) - done),
        )


def _writer(
    shipped: Callable[[], Any], output: str, lists: Sequence[str]
) -> Callable[[pa.Table], pa.Table]:
    def write(group: pa.Table) -> pa.Table:
        name = group["cluster"][0].as_py()
        page: _Page = shipped()[name]
        compared = zip(lists, page.comparisons, strict=True)
        view = view_of(group, page.row, page.curve, page.structure, compared)
        files = page_files(view, page.facts)
        folder = storage.join(output, "clusters", page.folder)
        storage.make_directory(folder)
        for file, content in files.items():
            storage.write_file(storage.join(folder, file), content)
        row = {"cluster": name, "bytes": sum(map(len, files.values()))}
        return pa.Table.from_pylist([row], to_arrow_schema(_DONE))

    return write

"""Verify a mirror: every file read in Spark tasks, identifiers counted over the whole of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import pyarrow as pa
from pyspark.sql import Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from ocspark import storage
from ocspark.build.findings import MAX_EXAMPLES, FileFindings, FileToCheck, findings_from_text
from ocspark.build.verify_checks import (
    check_counts,
    check_listing,
    check_nulls,
    check_reading,
    check_rows,
    check_schema,
    column_reports,
    list_mirror,
)
from ocspark.build.verify_file import findings_as_text
from ocspark.build.verify_report import Check, Report, make_check
from ocspark.build.verify_values import check_codes, check_values, value_reports
from ocspark.errors import InputError
from ocspark.locations import is_table
from ocspark.release import load_release
from ocspark.session import get_session
from ocspark.store.frames import read_frame
from ocspark.store.made_before import inputs_digest, record_made_of
from ocspark.store.progress import Progress
from ocspark.store.tasks import run_tasks

ANY = "any"
#: Files of one Spark job, a task each, and jobs at a time: what a cluster of 512 cores can take.
_FILES_PER_JOB, _JOBS = 64, 8


def verify_mirror(
    path: str, release_name: str, expected: str | None = None, spark: SparkSession | None = None
) -> Report:
    """Check a mirror against its own list, its release and itself.

    Rows never reach the driver: a task reads a file and returns its findings; only identifiers
    are shuffled, to find repeated ones.

    Parameters
    ----------
    path : str
        HATS catalogue or collection, or a plain Parquet directory (whose checks are fewer).
    release_name : str
    expected : str, optional
        Number of rows of a partial mirror, or ``any``; by default the release's (of a draft one,
        about). Only a mirror held against the release's own number must have its published shares
        of missing values.
    spark : SparkSession, optional

    Raises
    ------
    InputError
        If there is no mirror to verify. Faults are in the report.
    """
    started = time.monotonic()
    inputs = verified_inputs(path, release_name, expected)
    release = load_release(release_name)
    n_expected = _expected_rows(expected, release.expected_rows)
    listing = list_mirror(path, release.columns)
    footers = _footers(listing.files)
    session = spark or get_session("ocspark: verify mirror")
    found = _check_files(session, listing.files, footers)
    values = value_reports(found, release)
    checks = [
        *check_listing(listing),
        check_reading(found),
        *check_counts(listing, found, footers, n_expected, release.draft and expected is None),
        *check_schema(listing, found, release),
        *check_rows(listing, found),
        _check_unique(session, found),
        check_nulls(found, release, whole=expected is None),
        check_codes(found, release),
        check_values(values),
    ]
    return Report(
        mirror=path,
        release=release.name,
        expected_rows=n_expected,
        rows=sum(f.rows for f in found),
        files=len(listing.files),
        passed=all(check.status != "failed" for check in checks),
        checks=checks,
        columns=column_reports(found, release),
        values=values,
        seconds=round(time.monotonic() - started, 1),
        inputs_sha256=inputs,
    )


def verified_inputs(path: str, release_name: str, expected: str | None = None) -> str:
    """Return a digest of a mirror's files and of what `verify_mirror` checks them against.

    Sizes and times of change stand for the files, as in a listing.
    """
    if is_table(path):
        raise InputError(f"--mirror: {path}: expected a HATS catalogue or a Parquet directory")
    release = load_release(release_name)
    n_expected = _expected_rows(expected, release.expected_rows)
    files = [[info.path, info.n_bytes, info.modified_ns] for info in storage.list_infos(path)]
    facts = [path, files, release.model_dump(mode="json"), n_expected, expected is None]
    return inputs_digest([__name__], *facts)


def passed_before(report: str, inputs: str) -> Report | None:
    """Return an earlier report if every check of these inputs passed in it.

    Parameters
    ----------
    report : str
        File of the report.
    inputs : str
        From `verified_inputs`.
    """
    record = record_made_of(inputs, report)
    earlier = Report(**record) if record is not None else None
    return earlier if earlier is not None and earlier.passed else None


def _expected_rows(given: str | None, of_release: int) -> int | None:
    if given is None:
        return of_release
    if given == ANY:
        return None
    if not given.isdecimal():
        raise InputError(f"--expected-rows: {given!r}: expected a number of rows, or {ANY}")
    return int(given)


def _footers(files: Sequence[FileToCheck]) -> dict[str, int]:
    """Return the numbers of rows in footers; unreadable ones are left out, and found later."""

    def rows(file: FileToCheck) -> int | None:
        try:
            return storage.parquet_rows(file.path)
        except (pa.ArrowException, OSError):
            return None

    with ThreadPoolExecutor(8) as pool:
        counts = pool.map(rows, files)
        return {f.path: n for f, n in zip(files, counts, strict=True) if n is not None}


def _check_files(
    spark: SparkSession, files: Sequence[FileToCheck], footers: Mapping[str, int]
) -> list[FileFindings]:
    """Return the findings of all files, in their order."""
    jobs = [files[i : i + _FILES_PER_JOB] for i in range(0, len(files), _FILES_PER_JOB)]
    progress = Progress("verify", len(jobs), sum(footers.values()))
    found: dict[str, FileFindings] = {}
    with ThreadPoolExecutor(_JOBS) as pool:
        running = [pool.submit(run_tasks, spark, findings_as_text, job) for job in jobs]
        for job in as_completed(running):
            some = [findings_from_text(text) for text in job.result()]
            found |= {f.path: f for f in some}
            progress.done(sum(footers.get(f.path, 0) for f in some), False)
    return [found[f.path] for f in files]


def _check_unique(spark: SparkSession, found: Sequence[FileFindings]) -> Check:
    """Find repeated identifiers over all readable files: an exact, spilling shuffle of the ids."""
    name, description = "source_id_unique", "no source_id appears twice"
    column = next((f.columns["source_id"] for f in found if "source_id" in f.columns), "")
    paths = [f.path for f in found if f.error is None and f.rows and f.types.get(column) == "int64"]
    if not paths:
        return make_check(name, description, [], counts={"repeated_ids": 0})
    schema = T.StructType([T.StructField(column, T.LongType())])
    key = F.col(f"`{column}`")
    seen = Observation()
    repeated = (
        read_frame(spark, paths, schema)
        .where(key.isNotNull())
        .groupBy(key.alias("id"))
        .agg(F.count("*").alias("n"))
        .where("n > 1")
        .observe(seen, F.count("*").alias("ids"), F.sum(F.col("n") - 1).alias("surplus"))
        .orderBy("id")
        .limit(MAX_EXAMPLES)
        .collect()
    )
    if not repeated:
        return make_check(name, description, [], counts={"repeated_ids": 0})
    places = (
        read_frame(spark, paths, schema, path_column="path")
        .select(key.alias("id"), "path")
        .where(F.col("id").isin([row["id"] for row in repeated]))
        .groupBy("id")
        .agg(F.sort_array(F.collect_list("path")).alias("paths"))
        .orderBy("id")
        .collect()
    )
    examples = [f"source_id {row['id']} in {', '.join(row['paths'])}" for row in places]
    totals = seen.get
    return make_check(
        name, description, examples, totals["surplus"], counts={"repeated_ids": totals["ids"]}
    )

"""A run against another run: members gained, lost and changed beyond Monte Carlo noise (Spark)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import reduce
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark import storage
from ocspark.analysis.changes import (
    MEANS,
    count_changes,
    find_critical,
    judge_changes,
    probability_pairs,
)
from ocspark.analysis.counterparts import link, read_neighbourhood
from ocspark.analysis.saved import SavedTables
from ocspark.errors import InputError
from ocspark.store.claim import Claim
from ocspark.store.finished_run import FinishedRun
from ocspark.tables.differences import DIFFERENCES, DIFFERENT_STARS
from ocspark.tables.fields import struct
from ocspark.tables.member_columns import is_member, members_by
from ocspark.tables.member_rule import MemberRule, describe_rules

#: Share of the changes called real that may be noise.
FALSE_SHARE = 0.01
MARKER = "differences.json"
#: Folder of what is not finished. Spark would warn of a name that begins with an underscore.
JOINED = "joined.unfinished"
_STAR = (
    "source_id probability n_samples posterior posterior_low posterior_high members_by is_member "
    "phot_g_mean_mag f_r"
).split()


class Differences(SavedTables):
    """Differences of two runs: differences.json, tables of clusters and probabilities."""


def open_differences(path: str) -> Differences:
    """Open what `find_differences` wrote."""
    record = storage.join(path, MARKER)
    found = storage.read_json(record)
    if found is None:
        raise InputError(
            f"--differences: {record}: no such file; jobs/compare.py with --with-run writes it"
        )
    return Differences(path, found)


def find_differences(
    spark: SparkSession,
    run: FinishedRun,
    other: FinishedRun,
    output: str,
    *,
    min_posterior: float | None = None,
    min_probability: float | None = None,
    neighbourhood: str | None = None,
    same_ids: bool = False,
) -> Differences:
    """Compare two runs star by star and write what came out.

    The votes of a star that is a candidate in both have noise: their change is held against
    that of as many votes at the pooled share, and counts as more than noise from
    `ocspark.analysis.noise.critical_sigmas` on. Runs with the same seed share draws, which makes
    the noise smaller than that, never larger. Posteriors differ if their intervals do not overlap.

    Parameters
    ----------
    spark : SparkSession
    run, other : FinishedRun
        Before and after: gained is what only the second has.
    output : str
        Directory for ``stars/``, ``clusters/``, ``probabilities/`` and, last,
        ``differences.json``.
    min_posterior, min_probability : float, optional
        Which candidates are members; see `ocspark.tables.member_rule.member_rule`.
    neighbourhood : str, optional
        Table of old and new ids for runs of two releases; see `read_neighbourhood`.
    same_ids : bool
        Say that two releases share their ids.

    Raises
    ------
    InputError
        For releases that need a neighbourhood table, no cluster in
        common, or a directory `output` with something else in it.
    """
    backwards = _check_releases(run, other, neighbourhood, same_ids)
    clusters = _clusters(run, other)
    rules = [side.member_rules(min_posterior, min_probability) for side in (run, other)]
    sides = (_stars(spark, run, clusters, rules[0]), _stars(spark, other, clusters, rules[1]))
    if neighbourhood is None:
        same = {"common": F.col("source_id"), "link": F.lit("own")}
        sides = sides[0].withColumns(same), sides[1].withColumns(same)
    else:
        pairs = read_neighbourhood(spark, neighbourhood)
        old, new = reversed(sides) if backwards else sides
        old, new = link(old, new, pairs)
        sides = (new, old) if backwards else (old, new)
    with Claim(output, {"holds": "differences"}, "differences").hold():
        options = {"neighbourhood": neighbourhood, "members": list(map(describe_rules, rules))}
        record = _write_differences(spark, (run, other), sides, clusters, output, options)
    return Differences(output, record)


def _write_differences(
    spark: SparkSession,
    runs: tuple[FinishedRun, FinishedRun],
    sides: tuple[DataFrame, DataFrame],
    clusters: pd.DataFrame,
    output: str,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Write the tables and the record; return it."""
    run, other = runs
    storage.remove_file(storage.join(output, MARKER))
    joined = _landed(spark, _join(spark, *sides, clusters), storage.join(output, JOINED))
    critical, n_compared = find_critical(joined, FALSE_SHARE)
    stars = _land_stars(spark, judge_changes(joined, critical), output)
    _write(probability_pairs(stars), storage.join(output, "probabilities"))
    table, totals = count_changes(stars, clusters)
    _write(spark.createDataFrame(table, struct(DIFFERENCES)).coalesce(1), f"{output}/clusters")
    record = {
        "run": _identity(run),
        "with_run": _identity(other),
        **options,
        "false_share": FALSE_SHARE,
        "critical_sigmas": critical,
        "stars_compared": n_compared,
        "clusters": {
            "done_in_both": int((clusters["done"] & clusters["with_done"]).sum()),
            "done_in_run_only": int((clusters["done"] & ~clusters["with_done"]).sum()),
            "done_in_other_only": int((~clusters["done"] & clusters["with_done"]).sum()),
        },
        "totals": totals,
        "settings_that_differ": _unlike(run.record["settings"], other.record["settings"]),
    }
    storage.write_file(storage.join(output, MARKER), json.dumps(record, indent=1))
    storage.remove_directory(storage.join(output, JOINED))
    return record


def _check_releases(
    run: FinishedRun, other: FinishedRun, neighbourhood: str | None, same_ids: bool
) -> bool:
    """Return whether the other run is the one of the older release."""
    names = run.release.name, other.release.name
    if names[0] == names[1]:
        if neighbourhood is not None:
            raise InputError(f"--neighbourhood: both runs are of {names[0]}; expected no table")
        return False
    if neighbourhood is None and not same_ids:
        raise InputError(
            f"--neighbourhood: the runs are of {names[0]} and {names[1]}; expected a table of "
            "their ids, or --same-ids if both releases share them"
        )
    if neighbourhood is not None and same_ids:
        raise InputError("--same-ids: expected either this or --neighbourhood")
    return other.release.epoch < run.release.epoch


def _clusters(run: FinishedRun, other: FinishedRun) -> pd.DataFrame:
    """Return the clusters of both runs by key: name, statuses, done flags, mean astrometry."""
    wanted = ["cluster_key", "cluster", "status", "members_by", *MEANS]
    both = run.clusters[wanted].merge(
        other.clusters[wanted], on="cluster_key", how="outer", suffixes=("", "_with")
    )
    both["done"], both["with_done"] = both["status"] == "done", both["status_with"] == "done"
    both["cluster"] = both["cluster"].fillna(both["cluster_with"])
    if not (both["done"] & both["with_done"]).any():
        raise InputError(f"--with-run: {other.path}: no cluster is done in both runs")
    return both.sort_values("cluster", ignore_index=True)


def _stars(
    spark: SparkSession,
    run: FinishedRun,
    clusters: pd.DataFrame,
    rules: Mapping[str, MemberRule],
) -> DataFrame:
    """Return a run's candidates, members marked, with the common name of their clusters."""
    own = run.clusters[["cluster", "cluster_key"]].merge(
        clusters[["cluster_key", "cluster"]].rename(columns={"cluster": "name"}), on="cluster_key"
    )
    names = spark.createDataFrame(pa.Table.from_pandas(own, preserve_index=False))
    marks = {"members_by": members_by(rules), "is_member": is_member(rules)}
    stars = run.read(spark, "candidates").withColumns(marks).join(F.broadcast(names), "cluster")
    # votes are of all samples, also where the network had to judge only some
    all_samples = F.lit(int(run.record["settings"]["membership"]["n_samples"]))
    drawn = F.when(F.col("n_samples") > 0, F.greatest("n_samples", all_samples)).otherwise(0)
    stars = stars.withColumn("n_samples", drawn)
    return stars.select(F.col("name").alias("cluster"), *_STAR)


def _join(
    spark: SparkSession, run: DataFrame, other: DataFrame, clusters: pd.DataFrame
) -> DataFrame:
    """Return every candidate of either run once, with both sides' columns and the sigmas."""
    renamed = {name: f"with_{name}" for name in (*_STAR, "link")}
    both = run.join(other.withColumnsRenamed(renamed), ["cluster", "common"], "full_outer")
    flags = pa.Table.from_pandas(clusters[["cluster", "done", "with_done"]], preserve_index=False)
    both = both.join(F.broadcast(spark.createDataFrame(flags)), "cluster")
    p, n, with_p, with_n = (
        F.col(name) for name in ("probability", "n_samples", "with_probability", "with_n_samples")
    )
    pooled = (p * n + with_p * with_n) / (n + with_n)
    noise = F.sqrt(pooled * (1.0 - pooled) * (1.0 / n + 1.0 / with_n))
    change = F.when(noise > 0.0, (with_p - p) / noise).otherwise(with_p - p)
    return both.withColumn("sigmas", change)  # null where either is


def _land_stars(spark: SparkSession, stars: DataFrame, output: str) -> DataFrame:
    _write(stars, storage.join(output, "stars"))
    path = storage.for_spark(storage.join(output, "stars"))
    return spark.read.schema(struct(DIFFERENT_STARS)).parquet(path)


def _identity(run: FinishedRun) -> dict[str, Any]:
    record = run.record
    own = {"run_id": record["run_id"], "path": run.path, "release": run.release.name}
    return {**own, "model": record["model"]["name"]}


def _unlike(one: Any, other: Any) -> dict[str, list[Any]]:
    """Return the settings that differ, by dotted key: what they are in one and in the other."""
    a, b = _flat(one), _flat(other)
    return {k: [a.get(k), b.get(k)] for k in sorted(a.keys() | b.keys()) if a.get(k) != b.get(k)}


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    parts = [
        {f"{key}.{inner}": v for inner, v in _flat(value).items()}
        if isinstance(value, dict)
        else {key: value}
        for key, value in tree.items()
    ]
    return reduce(lambda some, more: some | more, parts, {})


def _landed(spark: SparkSession, frame: DataFrame, path: str) -> DataFrame:
    _write(frame, path)
    return spark.read.parquet(storage.for_spark(path))


def _write(frame: DataFrame, path: str) -> None:
    frame.write.mode("overwrite").parquet(storage.for_spark(path))

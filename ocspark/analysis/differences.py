"""Compare two runs: members gained, members lost, changes beyond Monte Carlo noise (Spark)."""

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
from ocspark.analysis.saved import SavedTables, read_saved, save_rows
from ocspark.errors import InputError
from ocspark.store.claim import Claim
from ocspark.store.finished_run import FinishedRun
from ocspark.store.frames import read_frame
from ocspark.tables.differences import DIFFERENCES, DIFFERENT_STARS
from ocspark.tables.fields import struct
from ocspark.tables.member_columns import is_member, members_by
from ocspark.tables.member_rule import MemberRule, describe_rules

#: Largest share of the changes called real that may be noise.
FALSE_SHARE = 0.01
MARKER = "differences.json"
#: Folder of intermediate rows. (Spark warns of names that begin with an underscore.)
JOINED = "joined.unfinished"
_STAR = (
    "source_id probability n_samples posterior posterior_low posterior_high members_by is_member "
    "phot_g_mean_mag f_r"
).split()


class Differences(SavedTables):
    """Differences of two runs as `find_differences` wrote them."""


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
    """Compare two runs star by star and write the differences.

    The change of a star's votes is divided by the binomial noise of as many votes with the pooled
    share of both runs; it is real from `ocspark.analysis.noise.critical_sigmas` on. Runs with the
    same seed share draws, so their noise is smaller than that, never larger. Posteriors differ if
    their intervals do not overlap.

    Parameters
    ----------
    spark : SparkSession
        Session that compares.
    run, other : FinishedRun
        The earlier and the later run: a member of the second alone is gained.
    output : str
        Directory for ``stars/``, ``clusters/``, ``probabilities/`` and, last,
        ``differences.json``.
    min_posterior, min_probability : float, optional
        Level that members have; see `ocspark.tables.member_rule.member_rule`.
    neighbourhood : str, optional
        Table of old and new ids for runs of two releases; see `read_neighbourhood`.
    same_ids : bool
        Whether two releases have the same ids.

    Raises
    ------
    InputError
        If the releases need a neighbourhood table, no cluster is in both runs, or the directory
        `output` has something else in it.
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
    """Write the tables and differences.json, and return the content of the latter."""
    run, other = runs
    storage.remove_file(storage.join(output, MARKER))
    joined = _written(spark, _join(spark, *sides, clusters), storage.join(output, JOINED))
    critical, n_compared = find_critical(joined, FALSE_SHARE)
    stars = _write_stars(spark, judge_changes(joined, critical), output)
    save_rows(probability_pairs(stars), storage.join(output, "probabilities"))
    table, totals = count_changes(stars, clusters)
    save_rows(spark.createDataFrame(table, struct(DIFFERENCES)).coalesce(1), f"{output}/clusters")
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
    """Check the releases of two runs; return whether the second is of the older one."""
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
    """Return a run's candidates, with is_member, under the name that both runs' clusters share."""
    own = run.clusters[["cluster", "cluster_key"]].merge(
        clusters[["cluster_key", "cluster"]].rename(columns={"cluster": "name"}), on="cluster_key"
    )
    names = spark.createDataFrame(pa.Table.from_pandas(own, preserve_index=False))
    marks = {"members_by": members_by(rules), "is_member": is_member(rules)}
    stars = run.read(spark, "candidates").withColumns(marks).join(F.broadcast(names), "cluster")
    # votes are those of all samples, also if the network judged only some
    all_samples = F.lit(int(run.record["settings"]["membership"]["n_samples"]))
    drawn = F.when(F.col("n_samples") > 0, F.greatest("n_samples", all_samples)).otherwise(0)
    stars = stars.withColumn("n_samples", drawn)
    return stars.select(F.col("name").alias("cluster"), *_STAR)


def _join(
    spark: SparkSession, run: DataFrame, other: DataFrame, clusters: pd.DataFrame
) -> DataFrame:
    """Return every candidate of either run once, with the columns of both runs and ``sigmas``."""
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
    return both.withColumn("sigmas", change)  # null if one of them is


def _write_stars(spark: SparkSession, stars: DataFrame, output: str) -> DataFrame:
    path = storage.join(output, "stars")
    save_rows(stars, path)
    return read_saved(spark, path, DIFFERENT_STARS)


def _identity(run: FinishedRun) -> dict[str, Any]:
    record = run.record
    own = {"run_id": record["run_id"], "path": run.path, "release": run.release.name}
    return {**own, "model": record["model"]["name"]}


def _unlike(one: Any, other: Any) -> dict[str, list[Any]]:
    """Return the settings that differ, by dotted key: the values in both runs."""
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


def _written(spark: SparkSession, frame: DataFrame, path: str) -> DataFrame:
    save_rows(frame, path)
    return read_frame(spark, path)

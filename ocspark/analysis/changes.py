"""Classify changes between the candidates of two runs: noise or not, and their reasons (Spark)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark.analysis.noise import critical_sigmas
from ocspark.analysis.saved import records
from ocspark.tables.differences import (
    CHANGE_REASONS,
    DIFFERENCES,
    DIFFERENT_STARS,
    PROBABILITY_PAIRS,
)
from ocspark.tables.fields import struct
from ocspark.tables.member_rule import VOTES

#: Means of a cluster whose changes are reported.
MEANS = ("parallax", "pmra", "pmdec")
_BINS, _SIGMA_STEP = 50, 0.01


def find_critical(joined: DataFrame, false_share: float) -> tuple[float | None, int]:
    """Return the least significance of a real change [sigma], and the number of stars compared.

    Parameters
    ----------
    joined : DataFrame
        Candidates of both runs, with ``sigmas``, null for a candidate of one run only.
    false_share : float
        Largest share of the changes called real that may be noise.
    """
    # with the low edges of bins, the test rather calls a real change noise than noise real
    step = F.floor(F.abs("sigmas") / _SIGMA_STEP).alias("step")
    table = joined.where("sigmas is not null").groupBy(step).agg(F.count("*").alias("n")).toArrow()
    steps, counts = (table[name].to_numpy().astype(np.int64) for name in ("step", "n"))
    if not len(steps):
        return None, 0
    critical = critical_sigmas(steps * _SIGMA_STEP, counts, false_share)
    return critical, int(counts.sum())


def judge_changes(joined: DataFrame, critical: float | None) -> DataFrame:
    """Return the `DIFFERENT_STARS` table.

    Parameters
    ----------
    joined : DataFrame
        The columns of that table but the last three, and ``done``, ``is_member``, ``link`` of both
        runs.
    critical : float or None
        Least significance of a real change of votes [sigma]; None if none is real.
    """
    beyond = F.lit(False)
    if critical is not None:
        beyond = F.floor(F.abs("sigmas") / _SIGMA_STEP) >= round(critical / _SIGMA_STEP)
    before, after = (
        F.coalesce(F.col(name), F.lit(False)) for name in ("is_member", "with_is_member")
    )
    change = F.when(before & after, "kept").when(after, "gained").when(before, "lost")
    stars = joined.withColumn("beyond_noise", F.when(F.col("sigmas").isNotNull(), beyond))
    stars = stars.withColumn("change", change)
    gained = _reason("done", "source_id", "with_link")
    lost = _reason("with_done", "with_source_id", "link")
    reason = F.when(F.col("change") == "gained", gained).when(F.col("change") == "lost", lost)
    return stars.withColumn("reason", reason).select([f.name for f in DIFFERENT_STARS])


def _reason(done: str, source_id: str, link_name: str) -> Column:
    """Return why a star is no member in one run; `link_name` is its link in the other run."""
    candidate, by = F.col(source_id).isNotNull(), F.col("members_by")
    # if an interval is null, the star is outside the radius that has posteriors
    overlap = (F.col("posterior_low") <= F.col("with_posterior_high")) & (
        F.col("with_posterior_low") <= F.col("posterior_high")
    )
    differs = F.when(by == VOTES, F.col("beyond_noise")).otherwise(
        F.coalesce(~overlap, F.lit(True))
    )
    return (
        F.when(~F.col(done), "cluster_not_done")
        .when(candidate & (by != F.col("with_members_by")), "members_by")
        .when(candidate & differs & (by == VOTES), "probability")
        .when(candidate & differs, "posterior")
        .when(candidate, "noise")
        .when(F.col(link_name) == "none", "no_counterpart")
        .when(F.col(link_name) == "merged", "merged")
        .otherwise("no_candidate")
    )


def probability_pairs(stars: DataFrame) -> DataFrame:
    """Return the `PROBABILITY_PAIRS` table."""

    def fiftieth(column: str) -> Column:
        place = F.floor(F.col(column) * _BINS + 1e-9).cast("int")
        return F.coalesce(
            F.when(F.col(column).isNotNull(), F.least(place, F.lit(_BINS - 1))), F.lit(-1)
        )

    bins = {"bin": fiftieth("probability"), "with_bin": fiftieth("with_probability")}
    counts = stars.withColumns(bins).groupBy("bin", "with_bin").agg(F.count("*").alias("n"))
    return counts.select([f.name for f in PROBABILITY_PAIRS]).coalesce(1)


def count_changes(stars: DataFrame, clusters: pd.DataFrame) -> tuple[pa.Table, dict[str, Any]]:
    """Return the `DIFFERENCES` table, and the same counts over all clusters.

    Parameters
    ----------
    stars : DataFrame
        `DIFFERENT_STARS`.
    clusters : DataFrame
        Clusters of both runs: name, status, members_by and means, those of the second run with
        the suffix ``_with``.
    """
    change, both = F.col("change"), F.col("sigmas").isNotNull()
    conditions = {
        "n_candidates": F.col("source_id").isNotNull(),
        "with_n_candidates": F.col("with_source_id").isNotNull(),
        "n_members": change.isin("kept", "lost"),
        "with_n_members": change.isin("kept", "gained"),
        "n_in_both": both,
        "n_changed": F.col("beyond_noise"),
        **{f"n_{name}": change == name for name in ("kept", "gained", "lost")},
        **{
            f"n_{name}_{reason}": (change == name) & (F.col("reason") == reason)
            for name in ("gained", "lost")
            for reason in CHANGE_REASONS
        },
    }
    counts = [F.count_if(what).cast("long").alias(name) for name, what in conditions.items()]
    # if all votes of both runs agree there is no noise to compare with
    undecided = both & ~(F.col("probability") + F.col("with_probability")).isin(0.0, 2.0)
    squares = F.when(undecided, F.col("sigmas") ** 2)
    apart = F.col("with_probability") - F.col("probability")
    means = [
        F.round(F.avg(value), 9).alias(name)
        for name, value in (("chi2", squares), ("mean_change", apart))
    ]
    rows = [row.asDict() for row in stars.rollup("cluster").agg(*counts, *means).collect()]
    totals = next((row for row in rows if row["cluster"] is None), {})
    found = {row["cluster"]: row for row in rows}
    none = dict.fromkeys(conditions, 0)
    table = []
    for cluster in records(clusters):
        row = {**none, **found.get(cluster["cluster"], {}), "cluster": cluster["cluster"]}
        for name in ("status", "members_by"):
            row |= {name: cluster[name], f"with_{name}": cluster[f"{name}_with"]}
        row |= {f"{m}_change": cluster[f"{m}_with"] - cluster[m] for m in MEANS}
        table.append({k: None if pd.isna(v) else v for k, v in row.items()})
    schema = to_arrow_schema(struct(DIFFERENCES))
    totals.pop("cluster", None)
    return pa.Table.from_pylist(table, schema=schema), totals

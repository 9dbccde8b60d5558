"""Measure structure, count shared stars and run the baseline for all clusters (Spark)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from ocspark.analysis.clustering import SPACE, Baseline, cluster_members
from ocspark.analysis.saved import records
from ocspark.analysis.structure import measure_structure
from ocspark.errors import InputError
from ocspark.session import ship
from ocspark.store.finished_run import FinishedRun
from ocspark.tables.analysis import SHARED, STRUCTURE
from ocspark.tables.fields import struct
from ocspark.tables.member_columns import member_value
from ocspark.tables.member_rule import LEVEL, member_rule

#: Columns that the structure kernels read.
_MEASURED = (
    "cluster source_id ra dec pmra pmra_error pmdec pmdec_error parallax parallax_error "
    "phot_g_mean_mag f_r probability posterior is_training_member"
).split()
_CLUSTERS_PER_TASK, _MAX_PARTITIONS = 8, 400


def by_cluster(stars: DataFrame, n_clusters: int) -> DataFrame:
    """Partition stars by cluster, a few clusters to a task.

    The work on a cluster is large for its number of bytes. Adaptive execution would therefore join
    hundreds of clusters in one task; it does not change a number of partitions that is given.

    Parameters
    ----------
    stars : DataFrame
        Stars with a column cluster.
    n_clusters : int
        Number of clusters.
    """
    wanted = -(-n_clusters // _CLUSTERS_PER_TASK)
    return stars.repartition(max(4, min(wanted, _MAX_PARTITIONS)), "cluster")


def measure_clusters(spark: SparkSession, run: FinishedRun) -> DataFrame:
    """Return the `STRUCTURE` table of all evaluated clusters that have candidates."""
    done = records(run.clusters[run.clusters["status"] == "done"])
    facts = {
        row["cluster"]: (
            (row["ra"], row["dec"]),
            row["distance"],
            row["cluster_key"],
            member_rule(row["members_by"]),
        )
        for row in done
    }
    shipped = ship(spark, facts)

    def measure(stars: pa.Table) -> pa.Table:
        table = stars.sort_by("source_id").to_pandas()
        name = str(table["cluster"].iloc[0])
        columns = {str(c): table[c].to_numpy() for c in table.columns}
        row = {"cluster": name, **measure_structure(columns, *shipped()[name])}
        return pa.Table.from_pylist([row], to_arrow_schema(struct(STRUCTURE)))

    stars = by_cluster(run.read(spark, "candidates").select(_MEASURED), len(facts))
    return stars.groupBy("cluster").applyInArrow(measure, struct(STRUCTURE))


def shared_stars(spark: SparkSession, run: FinishedRun) -> DataFrame:
    """Return the `SHARED` table: pairs of clusters with common stars, in both orders."""
    claims = F.collect_list(F.struct("cluster", "chance")).alias("claims")
    per_star = _claims(spark, run).groupBy("source_id").agg(claims)
    first = per_star.where(F.size("claims") > 1).withColumn("one", F.explode("claims"))
    pairs = first.withColumn("two", F.explode("claims")).where("one.cluster != two.cluster")
    both = F.least("one.chance", "two.chance")
    counts = pairs.groupBy(
        F.col("one.cluster").alias("cluster"), F.col("two.cluster").alias("other")
    ).agg(F.count("*").alias("n_from_10"), F.count_if(both >= LEVEL).alias("n_from_50"))
    return counts.select([f.name for f in SHARED])


def count_multiply_claimed(spark: SparkSession, run: FinishedRun) -> dict[str, int]:
    """Return the numbers of stars with 0.1 or more, and 0.5 or more, in several clusters."""
    per_star = (
        _claims(spark, run)
        .groupBy("source_id")
        .agg(F.count("*").alias("n_from_10"), F.count_if(F.col("chance") >= LEVEL).alias("n_50"))
    )
    row = per_star.agg(
        F.count_if(F.col("n_from_10") > 1).alias("n_from_10"),
        F.count_if(F.col("n_50") > 1).alias("n_from_50"),
    ).collect()[0]
    return row.asDict()


def _claims(spark: SparkSession, run: FinishedRun) -> DataFrame:
    """Return candidates of 0.1 or more in `chance`: the posterior or votes, as each cluster's."""
    chance = member_value(run.member_rules())
    return run.read(spark, "candidates").withColumn("chance", chance).where("chance >= 0.1")


def baseline_members(spark: SparkSession, run: FinishedRun, how: Baseline) -> DataFrame:
    """Return the members that HDBSCAN finds in every cone, as a member list.

    Stars brighter than ``how.max_g`` are grouped by cluster. At most ``how.max_stars`` of a cluster
    are clustered, which limits the time and memory of a task.

    Parameters
    ----------
    spark : SparkSession
        Session that runs the baseline.
    run : FinishedRun
        Run with non-members.
    how : Baseline
        Settings of the baseline.

    Returns
    -------
    DataFrame
        cluster, source_id, probability: a list that jobs/compare.py takes.

    Raises
    ------
    InputError
        If the run has no non_members, since the baseline needs the whole cone.
    """
    if not run.has("non_members"):
        raise InputError(
            f"--run: {run.path}: has no non_members, and the baseline clusters the whole cone; "
            "expected a run with output.non_members=true"
        )
    errors = [f"{name}_error" for name in SPACE]
    wanted = ["cluster", "source_id", *SPACE, *errors, "phot_g_mean_mag"]
    stars = run.read(spark, "candidates").select(wanted)
    stars = stars.unionByName(run.read(spark, "non_members").select(wanted))
    stars = stars.where(F.col("phot_g_mean_mag") < how.max_g)
    done = run.clusters[run.clusters["status"] == "done"]
    means = {
        row.cluster: ((row.parallax, row.pmra, row.pmdec), row.cluster_key)
        for row in done.itertuples()
    }
    schema = T.StructType(
        [
            T.StructField("cluster", T.StringType()),
            T.StructField("source_id", T.LongType()),
            T.StructField("probability", T.DoubleType()),
        ]
    )
    return (
        by_cluster(stars, len(means))
        .groupBy("cluster")
        .applyInPandas(_clusterer(ship(spark, means), how), schema)
    )


def _clusterer(shipped: Callable[[], Any], how: Baseline) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def find(stars: pd.DataFrame) -> pd.DataFrame:
        name = str(stars["cluster"].iloc[0])
        mean, key = shipped()[name]
        stars = stars.sort_values("source_id")
        columns = {str(c): stars[c].to_numpy() for c in stars.columns}
        ids, probability = cluster_members(columns, mean, int(key), how)
        return pd.DataFrame({"cluster": name, "source_id": ids, "probability": probability})

    return find

"""Count stars of runs and of the truth in cells of G, radius and probability (Spark)."""

from __future__ import annotations

from functools import reduce
from operator import add

import pandas as pd
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark.selection_function.offsets import LEAST_PROBABILITY
from ocspark.tables.member_rule import POSTERIOR, VOTES, MemberRule
from ocspark.tables.selection_function import SELECTION_COUNTS

#: Edges of the bins in G [mag] and radius [pc]; the first and last bins take all beyond them.
G_EDGES = (5.0, 10.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0, 20.0, 21.0)
RADIUS_EDGES = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 50.0)
#: Kinds of stars: planted, other members of the run with twins, and members at offset positions.
PLANTED, FIELD, OFFSET = "planted", "field", "offset"
#: The column of candidates for each way to define members.
_COLUMNS = {by: MemberRule(by).column for by in (VOTES, POSTERIOR)}
_PLACE = ["cluster", "source_id", "phot_g_mean_mag", "f_r"]


def count_planted(candidates: DataFrame, truth: DataFrame, done: DataFrame) -> DataFrame:
    """Count planted stars and field stars in the clusters of a run.

    All planted stars are counted, found or not, and field stars with votes or a posterior of 0.1 or
    more. Both are counted by votes, and by posterior in the clusters that have one. Stars that were
    planted in another cluster, whose cone overlaps, are not counted.

    Parameters
    ----------
    candidates : DataFrame
        `CANDIDATES` of the run.
    truth : DataFrame
        `MOCK_TRUTH` of the planted stars.
    done : DataFrame
        The clusters to count: cluster and has_posterior; see `done_clusters`.

    Returns
    -------
    DataFrame
        `SELECTION_COUNTS`.
    """
    done = F.broadcast(done.select("cluster", "has_posterior"))
    truth = truth.join(done, "cluster")
    found = candidates.join(done, "cluster").select(*_PLACE, "has_posterior", *_COLUMNS.values())
    planted = truth.select(
        "cluster",
        "source_id",
        "phot_g_mean_mag",
        F.col("projected_radius").alias("f_r"),
        "has_posterior",
    ).join(
        found.select("cluster", "source_id", *_COLUMNS.values()), ["cluster", "source_id"], "left"
    )
    others = found.join(truth.select("source_id"), "source_id", "left_anti")
    return _counted(_by_each(planted), PLANTED).unionByName(
        _counted(_by_each(others).where(F.col("p") >= LEAST_PROBABILITY), FIELD)
    )


def done_clusters(spark: SparkSession, clusters: pd.DataFrame) -> DataFrame:
    """Return the clusters that a run has processed, as `count_planted` takes them.

    Parameters
    ----------
    spark : SparkSession
        Session of the table that is returned.
    clusters : DataFrame
        cluster, status, and expected_members, which is null without a posterior.
    """
    done = clusters[clusters["status"] == "done"]
    has_posterior = done["expected_members"].notna().tolist()
    rows = list(zip(done["cluster"].tolist(), has_posterior, strict=True))
    return spark.createDataFrame(rows, "cluster string, has_posterior boolean")


def count_offsets(offsets: DataFrame) -> DataFrame:
    """Count the members at offset positions by votes; return `SELECTION_COUNTS`."""
    by_votes = {"by": F.lit(VOTES), "p": F.col(_COLUMNS[VOTES])}
    return _counted(offsets.withColumns(by_votes), OFFSET)


def _by_each(stars: DataFrame) -> DataFrame:
    """Return each star with its votes as `p`, and again with its posterior if there is one."""
    both = [F.struct(F.lit(by).alias("by"), F.col(c).alias("p")) for by, c in _COLUMNS.items()]
    twice = stars.withColumn("_each", F.explode(F.array(*both))).select(
        *_PLACE, "has_posterior", "_each.by", "_each.p"
    )
    return twice.where((F.col("by") == VOTES) | F.col("has_posterior"))


def _counted(stars: DataFrame, kind: str) -> DataFrame:
    """Return `SELECTION_COUNTS` of stars of one kind."""
    # votes are multiples of 0.01 and the like: 0.3 may be stored slightly lower
    tenths = F.floor(F.col("p") * 10.0 + 1e-9).cast("int")
    cells = stars.select(
        "cluster",
        F.lit(kind).alias("kind"),
        "by",
        _bin("phot_g_mean_mag", G_EDGES).alias("g_bin"),
        _bin("f_r", RADIUS_EDGES).alias("radius_bin"),
        F.coalesce(tenths, F.lit(-1)).alias("p_bin"),
    )
    names = [field.name for field in SELECTION_COUNTS if field.name != "n"]
    return cells.groupBy(*names).agg(F.count("*").alias("n"))


def _bin(column: str, edges: tuple[float, ...]) -> Column:
    """Return the number of the bin that a value lies in."""
    return reduce(add, [(F.col(column) >= edge).cast("int") for edge in edges[1:-1]])

"""A run on a mock against the truth: completeness and purity of its members."""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark import storage
from ocspark.store.finished_run import FinishedRun

LEVELS = (0.1, 0.5, 0.9)


class Score(NamedTuple):
    """Members of some clusters at a probability level.

    Completeness is the share of the planted stars in the mirror that are members; purity is the
    share of members that were planted in that cluster. Both are NaN where nothing is to share.
    """

    name: str
    level: float
    n_planted: int
    n_members: int
    n_true: int

    @property
    def completeness(self) -> float:
        """Planted members / planted."""
        return self.n_true / self.n_planted if self.n_planted else float("nan")

    @property
    def purity(self) -> float:
        """Planted members / members."""
        return self.n_true / self.n_members if self.n_members else float("nan")


def score_run(spark: SparkSession, run: FinishedRun, truth: str) -> list[Score]:
    """Score the clusters that a run has done.

    Parameters
    ----------
    spark : SparkSession
    run : FinishedRun
    truth : str
        The mock's truth.parquet: source_id, cluster.

    Returns
    -------
    list of Score
        Per cluster and level, in order of name; then those of all clusters, named "all".
    """
    done = run.read(spark, "clusters").where("status = 'done'").select("cluster")
    planted = (
        spark.read.parquet(storage.for_spark(truth))
        .select("cluster", "source_id")
        .join(F.broadcast(done), "cluster")
    )
    counts = planted.groupBy("cluster").agg(F.count("*").alias("n_planted"))
    candidates = run.read(spark, "candidates").select("cluster", "source_id", "probability")
    found = candidates.join(planted.withColumn("true", F.lit(1)), ["cluster", "source_id"], "left")
    rows = done.join(counts, "cluster", "left").join(_tally(found), "cluster", "left").fillna(0)
    scores = [
        Score(row["cluster"], p, row["n_planted"], row[f"n_{i}"], row[f"true_{i}"])
        for row in sorted(rows.collect(), key=lambda r: r["cluster"])
        for i, p in enumerate(LEVELS)
    ]
    for p in LEVELS:
        level = [s for s in scores if s.level == p and s.name != "all"]
        sums = (
            sum(getattr(s, name) for s in level) for name in ("n_planted", "n_members", "n_true")
        )
        scores.append(Score("all", p, *sums))
    return scores


def _tally(found: DataFrame) -> DataFrame:
    members = {i: F.col("probability") >= p for i, p in enumerate(LEVELS)}
    sums = [F.count_if(m).alias(f"n_{i}") for i, m in members.items()]
    sums += [
        F.count_if(m & F.col("true").isNotNull()).alias(f"true_{i}") for i, m in members.items()
    ]
    return found.groupBy("cluster").agg(*sums)

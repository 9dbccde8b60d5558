"""Score a run on a mock by the truth: completeness and purity of its members."""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark.store.finished_run import FinishedRun
from ocspark.store.frames import read_frame
from ocspark.tables.member_columns import is_member
from ocspark.tables.member_rule import VOTES, MemberRule, describe_rules

#: The rule of the second score of each cluster; the first is by the cluster's own rule.
BY_VOTES = MemberRule(VOTES)


class Score(NamedTuple):
    """Planted stars and members of a cluster, or of all clusters, under a rule for members.

    Attributes
    ----------
    name : str
        Name of the cluster, or "all".
    rule : str
        The rule for members, in words.
    n_planted, n_members, n_true : int
        Stars planted in the mirror, members of the run, and members that were planted in that
        cluster.
    """

    name: str
    rule: str
    n_planted: int
    n_members: int
    n_true: int

    @property
    def completeness(self) -> float:
        """Share of the planted stars that are members; NaN if none were planted."""
        return self.n_true / self.n_planted if self.n_planted else float("nan")

    @property
    def purity(self) -> float:
        """Share of the members that were planted in that cluster; NaN if there are none."""
        return self.n_true / self.n_members if self.n_members else float("nan")


def score_run(spark: SparkSession, run: FinishedRun, truth: str) -> list[tuple[Score, Score]]:
    """Score the clusters that a run has processed.

    Parameters
    ----------
    spark : SparkSession
        Session that reads and joins the tables.
    run : FinishedRun
        A run of the main job on the mock.
    truth : str
        The mock's truth.parquet: source_id, cluster.

    Returns
    -------
    list of (Score, Score)
        For each cluster in order of name, and last for "all": the score of members by the
        cluster's own rule (`ocspark.tables.member_rule`), and by votes.
    """
    rules = run.member_rules()
    members = [is_member(rules), is_member(dict.fromkeys(rules, BY_VOTES))]
    names = spark.createDataFrame([(name,) for name in rules], "cluster string")
    planted = (
        read_frame(spark, truth).select("cluster", "source_id").join(F.broadcast(names), "cluster")
    )
    counts = planted.groupBy("cluster").agg(F.count("*").alias("n_planted"))
    found = run.read(spark, "candidates").join(
        planted.withColumn("true", F.lit(1)), ["cluster", "source_id"], "left"
    )
    rows = names.join(counts, "cluster", "left").join(_tally(found, members), "cluster", "left")
    table = rows.fillna(0).toPandas().set_index("cluster").sort_index()
    table.loc["all"] = table.sum()
    scores = []
    for name, row in table.iterrows():
        described = str(rules[str(name)]) if name in rules else describe_rules(rules)
        own, by_votes = (
            Score(str(name), rule, *(int(row[c]) for c in ("n_planted", f"n_{i}", f"true_{i}")))
            for i, rule in enumerate((described, str(BY_VOTES)))
        )
        scores.append((own, by_votes))
    return scores


def _tally(found: DataFrame, members: list[Column]) -> DataFrame:
    """Count members, and true members, by cluster and rule."""
    true = F.col("true").isNotNull()
    sums = [F.count_if(m).alias(f"n_{i}") for i, m in enumerate(members)]
    sums += [F.count_if(m & true).alias(f"true_{i}") for i, m in enumerate(members)]
    return found.groupBy("cluster").agg(*sums)

"""A run on a mock against the truth: completeness and purity of its members."""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ocspark import storage
from ocspark.store.finished_run import FinishedRun
from ocspark.tables.member_columns import is_member
from ocspark.tables.member_rule import VOTES, MemberRule, describe_rules

#: What is counted beside the members by each cluster's own rule.
BY_VOTES = MemberRule(VOTES)


class Score(NamedTuple):
    """Members of some clusters by a rule: each one's own, or votes.

    Completeness is the share of the planted stars in the mirror that are members; purity is the
    share of members that were planted in that cluster. Both are NaN where nothing is to share.
    """

    name: str
    rule: str
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


def score_run(spark: SparkSession, run: FinishedRun, truth: str) -> list[tuple[Score, Score]]:
    """Score the clusters that a run has done.

    Parameters
    ----------
    spark : SparkSession
    run : FinishedRun
    truth : str
        The mock's truth.parquet: source_id, cluster.

    Returns
    -------
    list of (Score, Score)
        For each cluster, in order of name, and last for all of them, named "all": its members by
        its own rule (`ocspark.tables.member_rule`), and those by votes.
    """
    rules = run.member_rules()
    members = [is_member(rules), is_member(dict.fromkeys(rules, BY_VOTES))]
    names = spark.createDataFrame([(name,) for name in rules], "cluster string")
    planted = (
        spark.read.parquet(storage.for_spark(truth))
        .select("cluster", "source_id")
        .join(F.broadcast(names), "cluster")
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
        said = str(rules[str(name)]) if name in rules else describe_rules(rules)
        own, by_votes = (
            Score(str(name), rule, *(int(row[c]) for c in ("n_planted", f"n_{i}", f"true_{i}")))
            for i, rule in enumerate((said, str(BY_VOTES)))
        )
        scores.append((own, by_votes))
    return scores


def _tally(found: DataFrame, members: list[Column]) -> DataFrame:
    """Count members, and true ones, by cluster."""
    true = F.col("true").isNotNull()
    sums = [F.count_if(m).alias(f"n_{i}") for i, m in enumerate(members)]
    sums += [F.count_if(m & true).alias(f"true_{i}") for i, m in enumerate(members)]
    return found.groupBy("cluster").agg(*sums)

"""Apply the rule for members (`ocspark.tables.member_rule`) to Spark columns."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from ocspark.tables.member_rule import POSTERIOR, VOTES, MemberRule


def member_value(rules: Mapping[str, MemberRule]) -> Column:
    """Return each candidate's posterior or votes, as its cluster's rule says.

    Parameters
    ----------
    rules : mapping
        Rules by cluster, from `ocspark.tables.member_rule.member_rules`. Candidates must have the
        columns cluster, posterior and probability.
    """
    return _of_cluster(rules, F.col("posterior"), F.col("probability"))


def members_by(rules: Mapping[str, MemberRule]) -> Column:
    """Return `POSTERIOR` or `VOTES` for each row, as its cluster's rule says."""
    return _of_cluster(rules, F.lit(POSTERIOR), F.lit(VOTES))


def is_member(rules: Mapping[str, MemberRule]) -> Column:
    """Return whether each candidate is a member of its cluster; see `member_value`."""
    levels = {rule.level for rule in rules.values()}
    if len(levels) > 1:
        raise ValueError("rules: several levels; expected those of member_rules, which have one")
    level = levels.pop() if levels else 0.0
    return F.coalesce(member_value(rules) >= level, F.lit(False))


def _of_cluster(rules: Mapping[str, MemberRule], posterior: Column, votes: Column) -> Column:
    by_posterior = [name for name, rule in rules.items() if rule.members_by == POSTERIOR]
    if len(by_posterior) == len(rules):
        return posterior
    return F.when(F.col("cluster").isin(by_posterior), posterior).otherwise(votes)

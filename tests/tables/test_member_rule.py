"""Members are told by the posterior where a cluster's can be relied on, else by votes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ocspark.errors import InputError
from ocspark.tables.member_rule import (
    MemberRule,
    are_members,
    describe_rules,
    member_rule,
    member_rules,
)

#: A cluster told by its posterior, one told by votes though it has one, one without, one skipped.
CLUSTERS = pd.DataFrame(
    {"cluster": ["A", "B", "C", "D"], "members_by": ["posterior", "votes", "votes", None]}
)
CANDIDATES = pd.DataFrame(
    {
        "cluster": ["B", "A", "A", "A", "A", "B", "C", "C"],
        "posterior": [0.9, 0.5, 0.4, 0.9, np.nan, 0.1, np.nan, np.nan],
        "probability": [0.3, 0.1, 1.0, 0.6, 1.0, 0.8, 0.5, 0.49],
    }
)
BY_DEFAULT = [False, True, False, True, False, True, True, False]


@pytest.mark.parametrize("arrow", [False, True])
@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ({}, BY_DEFAULT),
        ({"min_posterior": 0.5}, [True, True, False, True, False, False, False, False]),
        ({"min_probability": 0.6}, [False, False, True, True, True, True, False, False]),
    ],
)
def test_a_level_of_votes_or_posterior_is_that_for_all_clusters_and_none_means_each_ones_own(
    levels: dict[str, float], expected: list[bool], arrow: bool
) -> None:
    rules = member_rules(CLUSTERS, **levels)
    stars = pa.Table.from_pandas(CANDIDATES) if arrow else CANDIDATES
    assert are_members(stars, rules).tolist() == expected
    for cluster in "ABC":
        mine = CANDIDATES["cluster"] == cluster
        some = CANDIDATES[mine]
        given = pa.Table.from_pandas(some) if arrow else some
        assert rules[cluster].members(given).tolist() == np.array(expected)[mine].tolist()


def test_a_skipped_cluster_and_no_candidates_have_no_members() -> None:
    assert member_rule(None) == MemberRule("votes", 0.5)
    none = pa.Table.from_pandas(CANDIDATES.head(0))
    assert are_members(none, member_rules(CLUSTERS)).tolist() == []


def test_the_rule_is_said_in_words() -> None:
    assert str(member_rule("posterior")) == "posterior >= 0.5"
    assert member_rule("posterior").column == "posterior"
    assert str(member_rule("posterior", min_probability=0.9)) == "votes >= 0.9"
    assert member_rule("posterior", min_probability=0.9).column == "probability"
    assert describe_rules(member_rules(CLUSTERS)) == (
        "posterior >= 0.5 (1 cluster), votes >= 0.5 (3 clusters)"
    )
    assert describe_rules(member_rules(CLUSTERS, min_posterior=0.7)) == "posterior >= 0.7"


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        ({"min_posterior": 0.5, "min_probability": 0.5}, "both given"),
        ({"min_posterior": 1.5}, "min_posterior: 1.5; expected 0 to 1"),
        ({"min_probability": -1.0}, "min_probability: -1; expected 0 to 1"),
    ],
)
def test_levels_that_make_no_sense_are_refused(levels: dict[str, float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        member_rule("posterior", **levels)

"""Decide which candidates are members: the one rule for summaries, plots, exports, comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from ocspark.errors import InputError

#: Values of the column ``members_by`` of a clusters table: how members are chosen.
POSTERIOR, VOTES = "posterior", "votes"
#: Least posterior or votes of a member, if no other level is asked for.
LEVEL = 0.5
_COLUMNS = {POSTERIOR: "posterior", VOTES: "probability"}


@dataclass(frozen=True)
class MemberRule:
    """Rule by which candidates of a cluster are its members: a least posterior, or least votes.

    Attributes
    ----------
    members_by : str
        `POSTERIOR` or `VOTES`.
    level : float
        Least posterior or votes of a member.
    """

    members_by: str
    level: float = LEVEL

    @property
    def column(self) -> str:
        """The column of candidates that is compared: ``posterior`` or ``probability``."""
        return _COLUMNS[self.members_by]

    def __str__(self) -> str:
        """Return the rule in words, such as ``posterior >= 0.5``."""
        return f"{self.members_by} >= {self.level:g}"

    def members(self, candidates: pd.DataFrame | pa.Table | Mapping[str, Any]) -> NDArray[np.bool_]:
        """Return which candidates are members, shape (n,); those without a posterior are not.

        Parameters
        ----------
        candidates : DataFrame, Table or mapping of arrays
            Candidates of one cluster, with `column`.
        """
        values = candidates[self.column]
        if isinstance(values, pa.ChunkedArray | pa.Array):
            values = values.to_numpy()
        return np.asarray(np.asarray(values, dtype=float) >= self.level)


def member_rule(
    members_by: str | None,
    min_posterior: float | None = None,
    min_probability: float | None = None,
) -> MemberRule:
    """Return the rule for one cluster.

    Parameters
    ----------
    members_by : str or None
        Value in its row of the clusters table; null, as for a skipped cluster, means votes.
    min_posterior, min_probability : float, optional
        Level that is asked for, of the posterior or of votes. With neither it is 0.5 of the one
        that `members_by` names.

    Raises
    ------
    InputError
        If both are asked for, or one is not within 0–1.
    """
    if min_posterior is not None and min_probability is not None:
        raise InputError(
            "min_posterior and min_probability: both given; expected one of them, as "
            "min_probability is of votes"
        )
    for name, level in (("min_posterior", min_posterior), ("min_probability", min_probability)):
        if level is not None and not 0.0 <= level <= 1.0:
            raise InputError(f"{name}: {level:g}; expected 0 to 1")
    if min_posterior is not None:
        return MemberRule(POSTERIOR, min_posterior)
    if min_probability is not None:
        return MemberRule(VOTES, min_probability)
    return MemberRule(POSTERIOR if members_by == POSTERIOR else VOTES)


def member_rules(
    clusters: pd.DataFrame,
    min_posterior: float | None = None,
    min_probability: float | None = None,
) -> dict[str, MemberRule]:
    """Return the `member_rule` of each cluster by its name.

    Parameters
    ----------
    clusters : DataFrame
        Clusters table with ``cluster`` and ``members_by``.
    min_posterior, min_probability : float, optional
        See `member_rule`.
    """
    columns = clusters[["cluster", "members_by"]].itertuples(index=False, name=None)
    return {str(name): member_rule(by, min_posterior, min_probability) for name, by in columns}


def are_members(
    candidates: pd.DataFrame | pa.Table, rules: Mapping[str, MemberRule]
) -> NDArray[np.bool_]:
    """Return which candidates of several clusters are members of their cluster, shape (n,).

    Parameters
    ----------
    candidates : DataFrame or Table
        Candidates with ``cluster``, ``posterior`` and ``probability``.
    rules : mapping
        Rules by cluster, from `member_rules`.
    """
    names = candidates["cluster"]
    values = names.to_pandas() if isinstance(names, pa.ChunkedArray) else names
    place, found = pd.factorize(values)
    result = np.zeros(len(place), dtype=bool)
    for members_by in _COLUMNS:
        rule_of = [rules[name] for name in found]
        level = np.array(
            [rule.level if rule.members_by == members_by else np.nan for rule in rule_of]
        )
        # No number is >= NaN, so stars of the other clusters are not touched.
        column = candidates[_COLUMNS[members_by]].to_numpy()
        result |= column.astype(float) >= level[place]
    return result


def describe_rules(rules: Mapping[str, MemberRule]) -> str:
    """Return the rules of some clusters in words, such as ``posterior >= 0.5 (2 clusters)``.

    Parameters
    ----------
    rules : mapping
        Rules by cluster; at least one.
    """
    texts = [str(rule) for rule in rules.values()]
    kinds = sorted(set(texts))
    if len(kinds) == 1:
        return kinds[0]
    numbers = {kind: texts.count(kind) for kind in kinds}
    return ", ".join(f"{kind} ({n} cluster{'s' if n > 1 else ''})" for kind, n in numbers.items())

"""Choose listed stars by levels of the list's probability (method §3)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

#: Lowest list probability that `relax_probability` goes down to, and its step.
RELAX_FLOOR, RELAX_STEP = 0.5, 0.1
#: A probability that is below a level by no more than this still reaches it, since lists round.
TOLERANCE = 1e-9


def reaches(probability: pd.Series, level: float) -> pd.Series:
    """Return which probabilities of a list reach a level, within `TOLERANCE`."""
    return probability >= level - TOLERANCE


def probability_levels(min_probability: float, relax: bool) -> list[float]:
    """Return the levels of list probability to try, highest first."""
    if not relax:
        return [min_probability]
    n_steps = int(np.floor((min_probability - RELAX_FLOOR) / RELAX_STEP + TOLERANCE))
    return [round(min_probability - RELAX_STEP * i, 10) for i in range(max(n_steps, 0) + 1)]


def possible_members(
    members: pd.DataFrame, lowest: float, cluster_keys: Collection[int] | pd.Series
) -> pd.DataFrame:
    """Return the listed stars of some clusters that may become training members.

    Parameters
    ----------
    members : DataFrame
        A member list: cluster_key, source_id, probability.
    lowest : float
        The lowest level.
    cluster_keys : collection of int
        The clusters, by key.

    Returns
    -------
    DataFrame
        cluster_key, source_id, list_probability.
    """
    keep = reaches(members["probability"], lowest) & members["cluster_key"].isin(cluster_keys)
    return members[keep].rename(columns={"probability": "list_probability"})


def count_listed(
    members: pd.DataFrame, levels: Sequence[float], cluster_keys: pd.Series
) -> pd.DataFrame:
    """Return the number of listed members per cluster (index: key) at each level (columns)."""
    counts = {
        level: members[reaches(members["probability"], level)].groupby("cluster_key").size()
        for level in levels
    }
    return pd.DataFrame(counts).reindex(cluster_keys, fill_value=0).fillna(0).astype(int)

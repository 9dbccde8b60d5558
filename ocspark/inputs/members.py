"""Member lists of any catalogue become the canonical list; older ids are brought forward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ocspark.errors import InputError
from ocspark.inputs.files import canonical_columns, id_column, numeric_column, read_table
from ocspark.inputs.neighbourhood import bring_forward
from ocspark.names import cluster_key, matching_name

MEMBER_COLUMNS = ("cluster", "source_id", "probability")


@dataclass(frozen=True)
class MemberList:
    """The canonical member list.

    Attributes
    ----------
    table : DataFrame
        cluster_key (int64), source_id (int64), probability (float64) of the list, only for
        clusters of the cluster table; sorted by the first two.
    counts : dict
        What was read, dropped, unknown or lost, for the run's record.
    unknown_clusters : list of str
        Names in the list that the cluster table lacks.
    """

    table: pd.DataFrame
    counts: dict[str, int]
    unknown_clusters: list[str] = field(default_factory=list)


def read_members(
    path: str,
    columns: Mapping[str, str],
    known_keys: frozenset[int],
    neighbourhood: str | None = None,
    other_names: Mapping[str, int] | None = None,
) -> MemberList:
    """Read and check a member list.

    Parameters
    ----------
    path : str
        CSV, Parquet, ECSV, FITS, VOTable, or ``table:NAME``.
    columns : mapping
        Canonical name (cluster, source_id, probability) to the file's column.
    known_keys : frozenset of int
        Keys of the cluster table; other clusters are counted and left out.
    neighbourhood : str, optional
        Table of old and new ids (method §3), whole or in part: see `bring_forward`.
    other_names : mapping, optional
        `ClusterTable.other_names`: they count for clusters that the list does not have under the
        name of the cluster table.

    Raises
    ------
    InputError
        For an empty list, a missing column, ids that are not 64-bit integers, a probability
        outside [0, 1], or the same star in the same cluster with two probabilities.
    """
    raw = canonical_columns(
        read_table(path, "members.path"), columns, MEMBER_COLUMNS, path, "members"
    )
    if raw.empty:
        raise InputError(f"members: {path}: the list is empty")
    if raw["cluster"].isna().any():
        raise InputError(f"members: {path}: column cluster: a row has no name")
    probability = numeric_column(raw, "probability", path, "members")
    if not probability.between(0.0, 1.0).all():
        row = int(np.flatnonzero(~probability.between(0.0, 1.0))[0])
        raise InputError(
            f"members: {path}: column probability, row {row + 1}: expected a number within [0, 1], "
            f"got {probability.iloc[row]:g}"
        )
    names = pd.Series(pd.unique(raw["cluster"].astype(str)))
    keys = _cluster_keys(names, known_keys, other_names or {})
    table = pd.DataFrame(
        {
            "cluster_key": raw["cluster"].astype(str).map(keys).astype(np.int64),
            "source_id": id_column(raw, "source_id", path, "members"),
            "probability": probability,
        }
    )
    counts = {"rows": len(table), "clusters": len(set(keys.values()))}
    table = table.drop_duplicates()
    counts["identical_duplicates"] = counts["rows"] - len(table)
    twice = table.duplicated(["cluster_key", "source_id"])
    if twice.any():
        key, star = (int(table.loc[twice, c].iloc[0]) for c in ("cluster_key", "source_id"))
        name = next(n for n, k in keys.items() if k == key)
        raise InputError(
            f"members: {path}: cluster {name!r} has source_id {star} twice with "
            "different probabilities"
        )
    unknown = sorted(name for name, key in keys.items() if key not in known_keys)
    table = table[table["cluster_key"].isin(known_keys)]
    counts["clusters_not_in_table"] = len({keys[name] for name in unknown})
    renamed = {name for name, key in keys.items() if key != cluster_key(name)}
    counts["clusters_under_other_names"] = len(renamed)
    if neighbourhood is not None:
        table, moved = bring_forward(table, neighbourhood)
        counts.update(moved)
    table = table.sort_values(["cluster_key", "source_id"], ignore_index=True)
    return MemberList(table, counts, unknown)


def _cluster_keys(
    names: pd.Series, known: frozenset[int], other_names: Mapping[str, int]
) -> dict[str, int]:
    """Return each name's key: its own, or that of the one cluster it is another name of."""
    own = {name: cluster_key(name) for name in names}
    taken = known & set(own.values())
    meant = {
        name: other_names.get(matching_name(name), key)
        for name, key in own.items()
        if key not in taken
    }
    # where the list tells apart what the table has as one cluster, none of its names is the one
    claims = Counter(key for _, key in {(own[name], key) for name, key in meant.items()})
    single = {n: key for n, key in meant.items() if claims[key] == 1 and key not in taken}
    return {**own, **single}

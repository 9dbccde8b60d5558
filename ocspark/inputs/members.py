"""Member lists of any catalogue become the canonical list; older ids are brought forward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ocspark.errors import InputError
from ocspark.inputs.column_maps import NO_MAP, ColumnMap, choose_columns
from ocspark.inputs.columns import canonical_columns, name_column, numeric_column
from ocspark.inputs.files import AnyTable, name_of, read_table
from ocspark.inputs.ids import digits_lost_by_part, id_column
from ocspark.inputs.neighbourhood import bring_forward
from ocspark.names import cluster_key, did_you_mean, matching_name

MEMBER_COLUMNS = ("cluster", "source_id", "probability")
#: What rounding may add to a probability.
ROUNDING = 1e-6
_PERCENT = ("%", "percent")
#: Unknown names for which the nearest known ones are looked for.
_TRIED = 20


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
    columns : ColumnMap
        The columns that the values are from, and the map that had them.
    """

    table: pd.DataFrame
    counts: dict[str, int]
    unknown_clusters: list[str] = field(default_factory=list)
    columns: ColumnMap = NO_MAP


def read_members(
    path: AnyTable,
    columns: Mapping[str, str] | str,
    known_keys: frozenset[int],
    neighbourhood: str | None = None,
    other_names: Mapping[str, int] | None = None,
    *,
    chosen: str | int | None = None,
    known_names: Iterable[str] = (),
    key: str = "members",
) -> MemberList:
    """Read and check a member list.

    Parameters
    ----------
    path : path or table
        What `ocspark.inputs.files.read_table` reads.
    columns : mapping or str
        Canonical name (cluster, source_id, probability) to the file's column, or the name or path
        of a map; with neither, shipped maps are tried.
    known_keys : frozenset of int
        Keys of the cluster table; other clusters are counted and left out.
    neighbourhood : str, optional
        Table of old and new ids (method §3), whole or in part: see `bring_forward`.
    other_names : mapping, optional
        `ClusterTable.other_names`: they count for clusters that the list does not have under the
        name of the cluster table.
    chosen : str or int, optional
        Which table of a file with several.
    known_names : iterable of str
        Names of the cluster table, for the error line.
    key : str
        What errors start with: ``members``, or an option of the command line.

    Raises
    ------
    InputError
        For an empty list, a missing column, ids that are not 64-bit integers or have lost digits,
        a probability outside [0, 1], the same star in the same cluster with two probabilities, or
        a list of which the cluster table has no cluster.
    """
    option = key.startswith("--")
    chooser = "--table" if option else f"{key}.table"
    raw = read_table(path, key if option else f"{key}.path", chosen, chooser)
    path = name_of(path)
    used = choose_columns(raw.columns, columns, MEMBER_COLUMNS, (), "members", (key, path))
    raw = canonical_columns(raw, used.columns, MEMBER_COLUMNS, path, key)
    if raw.empty:
        raise InputError(f"{key}: {path}: the list is empty")
    cluster = name_column(raw, "cluster", path, key)
    probability = _probability(raw, path, key)
    names = pd.Series(pd.unique(cluster))
    keys = _cluster_keys(names, known_keys, other_names or {})
    members = pd.DataFrame(
        {
            "cluster_key": cluster.map(keys).astype(np.int64),
            "source_id": id_column(raw, "source_id", path, key),
            "probability": probability,
        }
    )
    _check_ids_by_cluster(members, keys, path, key)
    counts = {"rows": len(members), "clusters": len(set(keys.values()))}
    members = members.drop_duplicates()
    counts["identical_duplicates"] = counts["rows"] - len(members)
    twice = members.duplicated(["cluster_key", "source_id"])
    if twice.any():
        which, star = (int(members.loc[twice, c].iloc[0]) for c in ("cluster_key", "source_id"))
        raise InputError(
            f"{key}: {path}: cluster {_name_of_key(which, keys)!r} has source_id {star} twice with "
            "different probabilities"
        )
    unknown = sorted(name for name, own in keys.items() if own not in known_keys)
    members = members[members["cluster_key"].isin(known_keys)]
    if members.empty:
        near = {name: did_you_mean(name, known_names) for name in unknown[:_TRIED]}
        first = next((name for name, hint in near.items() if hint), unknown[0])
        where = "among those done in the run" if option else "in the cluster table"
        raise InputError(
            f"{key}: {path}: none of its {len(set(keys.values()))} clusters is {where}, "
            f"such as {first!r}{near[first] or '; expected names of clusters that are'}"
        )
    counts["clusters_not_in_table"] = len({keys[name] for name in unknown})
    renamed = {name for name, own in keys.items() if own != cluster_key(name)}
    counts["clusters_under_other_names"] = len(renamed)
    if neighbourhood is not None:
        members, moved = bring_forward(members, neighbourhood)
        counts.update(moved)
    members = members.sort_values(["cluster_key", "source_id"], ignore_index=True)
    return MemberList(members, counts, unknown, used)


def _probability(raw: pd.DataFrame, path: str, key: str) -> pd.Series:
    """Return the probabilities as their author wrote them, within [0, 1].

    Those in single precision are the decimals that they were before: 0.9, not 0.89999998. What
    rounding has put beyond 0 or 1 is 0 or 1; percent are divided by 100 if that is their unit.
    """
    units = dict(raw.attrs.get("units", {}))
    percent = units.pop("probability", "").strip() in _PERCENT
    if percent:
        raw.attrs = {"units": units}
    probability = numeric_column(raw, "probability", path, key)
    with np.errstate(over="ignore"):
        single = probability.to_numpy().astype(np.float32)
    if (single == probability.to_numpy()).all():
        values, places = np.unique(single, return_inverse=True)
        probability = pd.Series(
            np.array([float(str(value)) for value in values])[places], index=probability.index
        )
    expected = "a number within [0, 1]"
    if percent:
        if probability.max() <= 1.0:
            raise InputError(
                f"{key}: {path}: column probability is in %, but the largest value is "
                f"{probability.max():g}; expected percent, or no unit"
            )
        probability, expected = probability / 100.0, "a number within [0, 100] %"
    bad = ~probability.between(-ROUNDING, 1.0 + ROUNDING)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        maybe = not percent and probability.between(0.0, 100.0).all() and probability.max() > 1.5
        raise InputError(
            f"{key}: {path}: column probability, row {row + 1}: expected {expected}, got "
            f"{raw['probability'].iloc[row]}{'; they may be percent' if maybe else ''}"
        )
    return probability.clip(0.0, 1.0)


def _check_ids_by_cluster(
    members: pd.DataFrame, keys: Mapping[str, int], path: str, key: str
) -> None:
    lost = digits_lost_by_part(members["source_id"].to_numpy(), members["cluster_key"].to_numpy())
    if lost is not None:
        name = _name_of_key(lost[0], keys)
        raise InputError(f"{key}: {path}: column source_id, cluster {name!r}: {lost[1]}")


def _name_of_key(wanted: int, keys: Mapping[str, int]) -> str:
    return next(name for name, own in keys.items() if own == wanted)


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

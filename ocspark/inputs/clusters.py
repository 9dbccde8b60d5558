"""Cluster tables of any catalogue become the canonical table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ocspark.errors import InputError
from ocspark.inputs.column_maps import NO_MAP, ColumnMap, choose_columns
from ocspark.inputs.columns import canonical_columns, name_column, numeric_column
from ocspark.inputs.files import AnyTable, name_of, read_table
from ocspark.inputs.plausible import ALLOWED, check_cluster_values, check_positions, faults_of
from ocspark.names import cluster_key, did_you_mean, matching_name, normalise_name
from ocspark.units import LOG_YEARS

CLUSTER_COLUMNS = (
    "cluster",
    "ra",
    "dec",
    "pmra",
    "pmdec",
    "pmra_dispersion",
    "pmdec_dispersion",
    "parallax",
    "parallax_dispersion",
    "log_age",
    "a0",
    "distance",
)
#: What a cluster must have to be processed; one that lacks any is skipped with that reason.
REQUIRED = CLUSTER_COLUMNS[1:]
#: What a table may have besides: [M/H] [dex] chooses the isochrone; the others serve merging.
OPTIONAL = ("metallicity", "aliases", "radius_deg")
#: Units that columns are converted to from those that the file gives.
UNITS = {
    **dict.fromkeys(("ra", "dec", "radius_deg"), "deg"),
    **dict.fromkeys(("pmra", "pmdec", "pmra_dispersion", "pmdec_dispersion"), "mas/yr"),
    **dict.fromkeys(("parallax", "parallax_dispersion"), "mas"),
    "distance": "pc",
    "log_age": LOG_YEARS,
    "a0": "mag",
    "metallicity": "dex",
}


@dataclass(frozen=True)
class ClusterTable:
    """The canonical cluster table.

    Attributes
    ----------
    table : DataFrame
        `CLUSTER_COLUMNS` (ra wrapped to [0, 360) deg), metallicity [dex] (NaN where there is
        none), ``cluster_key`` (int64) and ``fault`` (why the cluster cannot be processed: values
        that are missing or do not go together; "" where nothing is wrong), in the file's order.
    all_keys : frozenset of int
        Keys of every cluster of the file, chosen by ``clusters.names`` or not.
    all_names : tuple of str
        Their names.
    n_identical : int
        Identical duplicate rows that were dropped.
    other_names : dict
        Any name or alias that means just one cluster, in the form of `matching_name`, to that
        cluster's key.
    columns : ColumnMap
        The columns that the values are from, and the map that had them.
    """

    table: pd.DataFrame
    all_keys: frozenset[int]
    all_names: tuple[str, ...]
    n_identical: int
    other_names: dict[str, int] = field(default_factory=dict)
    columns: ColumnMap = NO_MAP


def read_clusters(
    path: AnyTable,
    columns: Mapping[str, str] | str,
    names: Sequence[str] | None = None,
    chosen: str | int | None = None,
) -> ClusterTable:
    """Read and check a cluster table.

    Parameters
    ----------
    path : path or table
        What `ocspark.inputs.files.read_table` reads.
    columns : mapping or str
        Canonical name to the file's column, where they differ, or the name or path of a map; with
        neither, shipped maps are tried. See `ocspark.inputs.column_maps.choose_columns`.
    names : sequence of str, optional
        Only these clusters (blanks and underscores alike).
    chosen : str or int, optional
        Which table of a file with several.

    Raises
    ------
    InputError
        For a missing column, an impossible value, a name twice with different values, or a
        chosen name that the table lacks.
    """
    rows, used = canonical_clusters(path, columns, CLUSTER_COLUMNS, "clusters", chosen)
    path, aliases = name_of(path), rows.get("aliases")
    table = rows.drop(columns=["aliases", "radius_deg"], errors="ignore")
    if "metallicity" not in table:
        table["metallicity"] = np.nan
    table["cluster_key"] = np.array([cluster_key(c) for c in table["cluster"]], dtype=np.int64)
    other_names = name_owners(table["cluster"], table["cluster_key"], aliases)
    before = len(table)
    same = table.assign(cluster=table["cluster"].map(normalise_name)).duplicated()
    table = table[~same].reset_index(drop=True)
    twice = table["cluster_key"].duplicated()
    if twice.any():
        name = table.loc[twice, "cluster"].iloc[0]
        raise InputError(f"clusters: {path}: cluster {name!r} is there twice with different values")
    all_keys, all_names = frozenset(table["cluster_key"].tolist()), tuple(table["cluster"])
    if names is not None:
        table = _choose(table, names, path)
    table["fault"] = faults_of(table, list(REQUIRED))
    n_identical = before - int((~same).sum())
    return ClusterTable(table, all_keys, all_names, n_identical, other_names, used)


def read_cluster(
    path: AnyTable,
    columns: Mapping[str, str] | str,
    name: str,
    wanted: Sequence[str],
    key: str,
) -> dict[str, float]:
    """Read what a table has of one cluster.

    Parameters
    ----------
    path, columns
        As for `read_clusters`.
    name : str
        The cluster, by the table's name or alias, or by one that agrees with it (`matching_name`).
    wanted : sequence of str
        Columns that must be there; the cluster need not have a value in them.
    key : str
        What errors start with.

    Returns
    -------
    dict
        Values of `REQUIRED` by column, but for those that it lacks.

    Raises
    ------
    InputError
        For a missing column, or if the table lacks the cluster, or has it several times.
    """
    rows, _ = canonical_clusters(path, columns, ["cluster", *wanted], key)
    keys = pd.Series([cluster_key(own) for own in rows["cluster"]])
    owners = name_owners(rows["cluster"], keys, rows.get("aliases"))
    wanted_key = cluster_key(name)
    if wanted_key not in set(keys):
        wanted_key = owners.get(matching_name(name), wanted_key)
    found = rows[keys == wanted_key].drop_duplicates()
    if len(found) != 1:
        what = "there several times in" if len(found) else "not in"
        near = "" if len(found) else did_you_mean(name, rows["cluster"])
        raise InputError(f"{key}: {name!r} is {what} {name_of(path)}{near}")
    values = found.iloc[0]
    return {c: float(values[c]) for c in REQUIRED if c in found and not pd.isna(values[c])}


def name_owners(
    names: pd.Series, keys: pd.Series, aliases: pd.Series | None = None
) -> dict[str, int]:
    """Return every name that means just one of some clusters, to that cluster's key.

    Parameters
    ----------
    names, keys : Series
        A row per cluster.
    aliases : Series of str, optional
        Other names of each, separated by commas.

    Returns
    -------
    dict
        By the form of `matching_name`.
    """
    owners: dict[str, set[int]] = {}
    cells = [""] * len(names) if aliases is None else aliases
    for name, key, cell in zip(names, keys, cells, strict=True):
        for label in [name, *filter(None, map(str.strip, cell.split(",")))]:
            owners.setdefault(matching_name(label), set()).add(int(key))
    return {name: keys.pop() for name, keys in owners.items() if len(keys) == 1}


def canonical_clusters(
    path: AnyTable,
    columns: Mapping[str, str] | str,
    wanted: Sequence[str],
    key: str,
    chosen: str | int | None = None,
) -> tuple[pd.DataFrame, ColumnMap]:
    """Return the rows of a cluster table with checked values and canonical names.

    Parameters
    ----------
    path, columns, chosen
        As for `read_clusters`.
    wanted : sequence of str
        Columns that must be there; others of `CLUSTER_COLUMNS` and `OPTIONAL` are returned if
        they are.
    key : str
        What errors start with: a section of the settings, an option, or an argument's name.

    Returns
    -------
    rows : DataFrame
    columns : ColumnMap
        The columns that they are from.

    Raises
    ------
    InputError
        For a missing column or an impossible value.
    """
    others = [name for name in (*CLUSTER_COLUMNS, *OPTIONAL) if name not in wanted]
    if key == "clusters":
        given = read_table(path, "clusters.path", chosen, "clusters.table")
    else:
        given = read_table(path, key, chosen, "--table" if key.startswith("--") else "")
    path = name_of(path)
    used = choose_columns(given.columns, columns, wanted, others, "clusters", (key, path))
    raw = canonical_columns(given, used.columns, wanted, path, key, others)
    if raw.empty:
        raise InputError(f"{key}: {path}: the table has no rows")
    table = pd.DataFrame({"cluster": name_column(raw, "cluster", path, key)})
    for name in raw.columns[1:]:
        if name == "aliases":
            table[name] = raw[name].fillna("").astype(str).str.strip()
            continue
        table[name] = numeric_column(raw, name, path, key, UNITS[name])
        if name in ALLOWED:
            check_cluster_values(table, name, path, key)
    if "ra" in table:
        if "dec" in table:
            ra, dec = table["ra"].to_numpy(), table["dec"].to_numpy()
            check_positions(ra, dec, raw.attrs["units"], f"{key}: {path}")
        ra = np.mod(table["ra"].to_numpy(), 360.0)
        table["ra"] = np.where(ra == 360.0, 0.0, ra)  # what a tiny negative angle is rounded to
    return table, used


def _choose(table: pd.DataFrame, names: Sequence[str], path: str) -> pd.DataFrame:
    if not names:
        raise InputError("clusters.names: the list is empty; expected names, or null for all")
    wanted = {cluster_key(name): name for name in names}
    absent = set(wanted) - set(table["cluster_key"])
    if absent:
        name = wanted[min(absent)]
        near = did_you_mean(name, table["cluster"])
        raise InputError(f"clusters.names: {name!r} is not in {path}{near}")
    return table[table["cluster_key"].isin(wanted)].reset_index(drop=True)

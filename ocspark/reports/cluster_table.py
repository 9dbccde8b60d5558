"""The table of all clusters on the front page, which its map is drawn from too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from ocspark.analysis.saved import records
from ocspark.figures import PROBABILITY_MAP
from ocspark.reports.facts import centre
from ocspark.reports.names import natural_order
from ocspark.reports.skymap import galactic
from ocspark.reports.tables import Column, table_of
from ocspark.reports.words import is_known
from ocspark.tables.member_rule import POSTERIOR, member_rule

_COLUMNS = (
    Column("cluster", "cluster", "Name, as the table of clusters has it", kind="link"),
    Column("status", "status", "done, or why the cluster was skipped", kind="status"),
    Column("separation", "away [deg]", "Distance from the position looked for", 3, hidden=True),
    Column("members", "members", "Candidates with 0.5 or more of what the next column says", 0),
    Column(
        "members_by",
        "decided by",
        "What decides on members: the posterior, or votes of the network",
    ),
    Column(
        "expected_members",
        "expected",
        "Expected number of members, the sum of the posteriors, and its error",
        1,
        "expected_members_error",
    ),
    Column(
        "n_p50",
        "votes ≥ 0.5",
        "Candidates called members in at least half of the samples",
        0,
    ),
    Column("distance", "distance [pc]", "Distance of the catalogue", 0),
    Column("log_age", "log age", "Logarithm of the catalogue's age in years", 2),
    Column(
        "ra", "RA [deg]", "Right ascension: of training members, or if skipped the catalogue's", 4
    ),
    Column("dec", "Dec [deg]", "Declination, likewise", 4),
    Column("l", "l [deg]", "Galactic longitude", 2),
    Column("b", "b [deg]", "Galactic latitude", 2),
    Column("parallax", "ϖ [mas]", "Mean parallax of the training members", 3),
    Column("pmra", "μα* [mas/yr]", "Their mean proper motion in right ascension × cos δ", 2),
    Column("pmdec", "μδ [mas/yr]", "Their mean proper motion in declination", 2),
    Column("n_training_members", "training", "Stars of the list that the search started from", 0),
    Column("n_new", "new", "Members that are no training members", 0),
    Column("faint_fraction", "faint", "Share of the stars from 0.1 on that have G > 18", 2),
    Column("r50", "r50 [pc]", "Projected radius that holds half of the members", 2),
    Column("core_radius", "r_c [pc]", "Core radius of the King profile", 2),
    Column("tidal_radius", "r_t [pc]", "Tidal radius of the King profile", 2),
    Column("segregation_ratio", "Λ_MSR", "Mass segregation ratio of the 10 brightest; 1: none", 2),
)
_OF_STRUCTURE = [
    "cluster", "n_new", "faint_fraction", "r50", "core_radius", "tidal_radius", "segregation_ratio"
]  # fmt: skip
#: Colours of the map, from the least to the most.
_SHADES = 12


def cluster_rows(
    clusters: pd.DataFrame, structure: pd.DataFrame, folders: Mapping[str, str]
) -> pd.DataFrame:
    """Return a row per cluster in the order of names, with what the table and the map show.

    Parameters
    ----------
    clusters : DataFrame
        A run's clusters table.
    structure : DataFrame
        `STRUCTURE` rows of clusters that are done.
    folders : mapping
        Cluster to the folder of its page.
    """
    rows = clusters.merge(structure[_OF_STRUCTURE], on="cluster", how="left")
    rows = rows.set_index("cluster", drop=False).loc[natural_order(rows["cluster"])]
    centres = np.array([centre(row) for row in records(rows)]).reshape(-1, 2)
    rows["ra"], rows["dec"] = centres.T
    known = np.isfinite(centres).all(axis=1)
    rows["l"], rows["b"] = np.nan, np.nan
    rows.loc[known, "l"], rows.loc[known, "b"] = galactic(*centres[known].T)
    done = rows["status"] == "done"
    rules = [member_rule(by) for by in rows["members_by"]]
    by_posterior = np.array([rule.members_by == POSTERIOR for rule in rules], dtype=bool)
    rows["members"] = np.where(by_posterior, rows["n_members"], rows["n_p50"])
    rows["members_by"] = [rule.members_by if d else "" for rule, d in zip(rules, done, strict=True)]
    rows["status"] = np.where(done, "done", "skipped: " + rows["reason"].fillna("").astype(str))
    rows["page"] = [f"clusters/{folders[name]}/index.html" for name in rows["cluster"]]
    return rows.reset_index(drop=True)


def cluster_table(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the table as the page's script wants it, with the colours of the map."""
    columns = list(_COLUMNS)
    if not any(is_known(value) for value in rows["expected_members"]):
        columns = [c for c in columns if c.name not in ("expected_members", "members_by")]
    names = {c.name for c in columns} | {c.error for c in columns} | {"page"}
    values = {name: rows[name].tolist() for name in rows.columns if name in names}
    values["separation"] = [None] * len(rows)
    shades = [to_hex(PROBABILITY_MAP(x)) for x in np.linspace(0.0, 1.0, _SHADES)]
    return table_of(columns, values, [("members", "desc")], 50, shades=shades)

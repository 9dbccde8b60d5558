"""Tabulate the twins, and the completeness and contamination to expect of each real cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ocspark.names import cluster_key
from ocspark.selection_function.count import G_EDGES
from ocspark.selection_function.tabulate import BRIGHT_BINS, Tally, estimates, has_values, tally
from ocspark.selection_function.twins import Twin
from ocspark.tables.member_rule import POSTERIOR, VOTES
from ocspark.tables.selection_function import SELECTION_CLUSTERS, SELECTION_TWINS

#: Least probabilities of members in tenths, by the ending of the columns of the clusters table.
CLUSTER_TENTHS = {
    VOTES: {"p10": 1, "p50": 5, "p90": 9},
    POSTERIOR: {"posterior_10": 1, "posterior_50": 5, "posterior_90": 9},
}
#: If the density of sources around the twins, relative to that around their cluster, is below this,
#: the mirror does not cover the twins' field.
THIN = 0.2
#: Columns of twins that come from the run on them.
_OF_RUN = ("status", "reason", "n_training_members", "expected_members", "posterior_reason")


def describe_twins(
    twins: Sequence[Twin], run: pd.DataFrame, planted: pd.DataFrame, in_cone: Mapping[int, int]
) -> pd.DataFrame:
    """Return the `SELECTION_TWINS` table.

    Parameters
    ----------
    twins : sequence of Twin
        All twins.
    run : DataFrame
        `CLUSTERS` of the run on the twins.
    planted : DataFrame
        Stars planted in each twin: cluster, n_planted, richness.
    in_cone : mapping
        Number of sources in the cone at the twin's position, by the key of the twin.
    """
    found = run.set_index("cluster").to_dict("index")
    stars = planted.set_index("cluster").to_dict("index")
    none = {"n_planted": 0, "richness": 0}
    rows: list[dict[str, Any]] = []
    for twin in twins:
        name = twin.cluster.name
        n_cone = in_cone.get(cluster_key(name), 0)
        rows.append(
            {
                "cluster": name,
                "twin_of": twin.twin_of,
                "ra": twin.row["ra"],
                "dec": twin.row["dec"],
                "distance": twin.cluster.distance_pc,
                **{c: found[name][c] for c in _OF_RUN},
                **{c: stars.get(name, none)[c] for c in none},
                "n_cone_offset": n_cone,
                "field_density": n_cone / cone_area_deg2(twin.row["radius_deg"]),
            }
        )
    return pd.DataFrame(rows, columns=[field.name for field in SELECTION_TWINS])


def expected_clusters(
    counts: pd.DataFrame, twins: pd.DataFrame, clusters: pd.DataFrame
) -> pd.DataFrame:
    """Return the `SELECTION_CLUSTERS` table.

    Contamination is left empty if the mirror does not cover the twins' field (see `THIN`).

    Parameters
    ----------
    counts : DataFrame
        `SELECTION_COUNTS`.
    twins : DataFrame
        `SELECTION_TWINS` of the twins that are done.
    clusters : DataFrame
        `CLUSTERS` of the real run.
    """
    known = {by: has_values(twins, by) for by in CLUSTER_TENTHS}
    by_g = {
        by: tally(counts, by, twins["cluster"].tolist(), "g_bin", len(G_EDGES) - 1) for by in known
    }
    rows = []
    for cluster in clusters.to_dict("records"):
        own = (twins["twin_of"] == cluster["cluster"]).to_numpy()
        row: dict[str, Any] = {name: cluster[name] for name in ("cluster", "status", "reason")}
        row |= {"n_training_members": cluster["n_training_members"], "n_twins": int(own.sum())}
        if own.any():
            row["twin_training_members"] = twins.loc[own, "n_training_members"].mean()
            row["field_density"] = twins.loc[own, "field_density"].mean()
            area = cone_area_deg2(cluster["radius_deg"])
            row["cone_density"] = cluster["n_cone"] / area
            row["n_twins_with_posterior"] = int((own & known[POSTERIOR]).sum())
            for by, levels in CLUSTER_TENTHS.items():
                stars = by_g[by][:, own & known[by]]
                for level, tenths in levels.items():
                    row |= _expected(stars, tenths, level)
                    if by == VOTES:
                        row |= _by_chance(stars, tenths, level, int(cluster[f"n_{level}"]))
            # apart from the cluster's members, its cone should be as dense as the twins' field
            if row["field_density"] < THIN * (cluster["n_cone"] - cluster["n_p10"]) / area:
                row = {c: v for c, v in row.items() if "contamina" not in c}
        rows.append(row)
    return pd.DataFrame(rows, columns=[field.name for field in SELECTION_CLUSTERS])


def _expected(stars: Tally, tenths: int, level: str) -> dict[str, float]:
    """Return completeness and contamination of a cluster, from the stars of its twins."""
    every = dict(estimates(stars.sum(axis=0), tenths))
    bright = dict(estimates(stars[:BRIGHT_BINS].sum(axis=0), tenths))
    return {
        **_with_ends("completeness", level, every["completeness"][2:]),
        **_with_ends("completeness_g18", level, bright["completeness"][2:]),
        **_with_ends("contamination", level, every["contamination"][2:]),
    }


def _by_chance(stars: Tally, tenths: int, level: str, n_members: int) -> dict[str, float]:
    """Return the contaminants of a cluster with `n_members`, estimated at offset positions."""
    chance = dict(estimates(stars.sum(axis=0), tenths))["offset_contaminants"][2:]
    of_members = [min(float(value) / n_members, 1.0) if n_members else np.nan for value in chance]
    return {
        **_with_ends("contaminants", level, chance),
        **_with_ends("offset_contamination", level, of_members),
    }


def _with_ends(name: str, level: str, values: Sequence[float]) -> dict[str, float]:
    """Return an estimate and the ends of its interval by the names of their columns."""
    ends = ("", "_low", "_high")
    return {f"{name}_{level}{end}": value for end, value in zip(ends, values, strict=True)}


def cone_area_deg2(radius_deg: float) -> float:
    """Return the area [deg²] of a cone on the sphere."""
    return float(2.0 * np.pi * (1.0 - np.cos(np.radians(radius_deg))) * np.degrees(1.0) ** 2)

"""Characterise clusters by the listed members that pass 1 found (method §3–4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ocspark.physics.isochrone import apparent_isochrone
from ocspark.physics.isochrone_grid import IsochroneGrid
from ocspark.release import ExtinctionSource
from ocspark.selection.calibrate import Calibration, calibrate
from ocspark.selection.candidates import describe_stars
from ocspark.selection.characterise import characterise
from ocspark.selection.listed_levels import reaches
from ocspark.selection.model import ClusterModel
from ocspark.tables.arrow import stars_to_batch
from ocspark.tables.characterised import TRAINING_MEMBERS
from ocspark.tables.stars import RawStars


@dataclass(frozen=True)
class TrainingRules:
    """Everything that characterising clusters needs besides the stars.

    Attributes
    ----------
    clusters : dict
        cluster_key to name, distance [pc], log_age [dex], a0 [mag], metallicity [dex] (NaN for
        the default) and n_listed, the number of listed members at each of `levels`.
    levels : list of float
        List probabilities to try, highest first.
    min_members : int
        Fewest training members of a cluster.
    calibration : Calibration
        How the release's stars are calibrated.
    isochrones : IsochroneGrid
        Isochrones by age and metallicity.
    extinction : ExtinctionSource
        The release's extinction law and passbands.
    """

    clusters: Mapping[int, Mapping[str, Any]]
    levels: list[float]
    min_members: int
    calibration: Calibration
    isochrones: IsochroneGrid
    extinction: ExtinctionSource


def training_rules(
    clusters: pd.DataFrame,
    n_listed: pd.DataFrame,
    min_members: int,
    calibration: Calibration,
    isochrones: IsochroneGrid,
    extinction: ExtinctionSource,
) -> TrainingRules:
    """Return the `TrainingRules` of some clusters.

    Parameters
    ----------
    clusters : DataFrame
        Canonical cluster table, every value present but metallicity.
    n_listed : DataFrame
        Listed members by cluster_key (index) at each level (columns, highest first).
    min_members, calibration, isochrones, extinction
        As `TrainingRules` has them.
    """
    table = clusters[["cluster_key", "cluster", "distance", "log_age", "a0", "metallicity"]]
    by_key = {
        int(key): {
            "cluster": str(cluster),
            "distance": float(distance),
            "log_age": float(log_age),
            "a0": float(a0),
            "metallicity": float(metallicity),
            "n_listed": n_listed.loc[[key]].to_numpy()[0].tolist(),
        }
        for key, cluster, distance, log_age, a0, metallicity in table.itertuples(index=False)
    }
    levels = [float(level) for level in n_listed.columns]
    return TrainingRules(by_key, levels, min_members, calibration, isochrones, extinction)


def characterise_cluster(found: pd.DataFrame, rules: TrainingRules) -> dict[str, Any]:
    """Characterise a cluster by its listed stars and return its row of `MODELS`.

    Parameters
    ----------
    found : DataFrame
        `SEARCH` rows of one cluster, at least one.
    rules : TrainingRules
        With this cluster among others.
    """
    key = int(found["cluster_key"].iloc[0])
    cluster = rules.clusters[key]
    for tried, level in enumerate(rules.levels):
        members = found[reaches(found["list_probability"], level)]
        n_listed = cluster["n_listed"][tried]
        if len(members) >= rules.min_members:
            break
    row: dict[str, Any] = {
        "cluster_key": key,
        "n_training_members": len(members),
        "training_probability": level,
        "reason": None,
    }
    if len(members) < rules.min_members:
        row["reason"] = too_few(len(members), n_listed, level, rules.min_members)
        return row
    members = members.sort_values("source_id")
    isochrone = rules.isochrones.at(cluster["log_age"], cluster["metallicity"])
    curve = apparent_isochrone(
        isochrone.points,
        cluster["distance"],
        cluster["a0"],
        rules.extinction.law,
        rules.extinction.passbands,
    )
    stars = calibrate(RawStars.from_frame(members), rules.calibration)
    model = characterise(
        stars,
        curve,
        cluster_key=key,
        cluster=cluster["cluster"],
        distance=cluster["distance"],
        log_age=cluster["log_age"],
        a0=cluster["a0"],
        training_probability=level,
        isochrone_log_age=isochrone.log_age,
        isochrone_metallicity=isochrone.metallicity,
    )
    if len(model.support_id) < 2:
        row["reason"] = (
            f"{len(model.support_id)} of {len(members)} training members pass the candidate "
            "conditions; a support set needs 2"
        )
        return row
    values = {f.name: getattr(model, f.name) for f in fields(ClusterModel)}
    values["curve"] = model.curve.ravel()
    values["support_features"] = model.support_features.ravel()
    return {**values, **row}


def too_few(n_found: int, n_listed: int, level: float, needed: int) -> str:
    """Return the reason of a cluster with too few training members, with both numbers."""
    return (
        f"{n_found} training members in the cone, of {n_listed} listed with p >= {level:g}; "
        f"needs {needed}"
    )


def describe_training_members(
    found: pd.DataFrame, model: ClusterModel, calibration: Calibration
) -> pa.RecordBatch:
    """Return the `TRAINING_MEMBERS` rows of a cluster: its support members, by source_id.

    Parameters
    ----------
    found : DataFrame
        `SEARCH` rows of the cluster.
    model : ClusterModel
        The cluster's.
    calibration : Calibration
        How the release's stars are calibrated.
    """
    kept = found[np.isin(found["source_id"], model.support_id)].sort_values("source_id")
    stars = calibrate(RawStars.from_frame(kept), calibration)
    return stars_to_batch(describe_stars(stars, model), TRAINING_MEMBERS)

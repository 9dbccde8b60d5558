"""Candidates to judge: of the real clusters in ../shared/data, or a toy cluster without it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ocspark.inputs.isochrones import default_isochrones, read_isochrones
from ocspark.physics.isochrone import apparent_isochrone, nearest_age
from ocspark.selection.candidates import features
from ocspark.selection.model import ClusterModel
from ocspark.tables.stars import CalibratedStars
from tests.helpers.kernels import make_cluster, random_stars

_DATA = Path(__file__).parents[2] / "../shared/data"
_CORRELATIONS = ("parallax_pmra_corr", "parallax_pmdec_corr", "pmra_pmdec_corr")


@dataclass(frozen=True)
class Case:
    """A cluster, its candidates, and its support members among them."""

    cluster: ClusterModel
    stars: CalibratedStars
    support: np.ndarray


def cases() -> list[Case]:
    """Return the 46 clusters of the reference results, or the toy where they are missing."""
    return _real() if (_DATA / "reference_results").exists() else [_toy()]


def _real() -> list[Case]:
    reference = _DATA / "reference_results"
    wanted = pd.read_parquet(reference / "candidates.parquet").set_index("source_id")
    support = pd.read_parquet(reference / "training_members.parquet")
    parameters = pd.read_csv(reference / "clusters.csv")
    isochrones = read_isochrones(str(reference / "isochrones_z0.0164.dat.gz"), None)
    ages = np.unique(isochrones["log_age"])
    cones = pd.read_parquet(_DATA / "gaia/edr3_cones.parquet").set_index("source_id")
    names = "ra dec pmra pmdec parallax_error pmra_error pmdec_error".split()
    rows = wanted.join(cones[[*names, *_CORRELATIONS]], how="inner").sort_index().reset_index()
    result = []
    for _, p in parameters.iterrows():
        own = rows[rows["cluster"] == p["name"]]
        stars = CalibratedStars.from_frame(own.drop(columns=["cluster", "PMemb"]))
        same_age = isochrones["log_age"] == nearest_age(ages, p["age"])
        given = {n: float(p[n]) for n in "ra dec pmra pmdec parallax a0 delta_pm".split()}
        given |= {n: float(p[n]) for n in ("delta_plx_plus", "delta_c", "delta_g")}
        bare = make_cluster(
            cluster=p["name"],
            log_age=float(p["age"]),
            distance=float(p["dist"]),
            delta_plx_minus=float(p["delta_plx_min"]),
            curve=apparent_isochrone(isochrones[same_age], float(p["dist"]), float(p["a0"])),
            **given,
        )
        trained = support["source_id"][support["cluster"] == p["name"]]
        result.append(_case(bare, stars, np.isin(stars["source_id"], trained)))
    return result


def _toy() -> Case:
    stars = random_stars(1000, 90)
    # positive definite, without which the published loop stops
    stars = stars.with_columns({name: 0.5 * stars[name] for name in _CORRELATIONS})
    ages = default_isochrones()
    curve = apparent_isochrone(ages[ages["log_age"] == nearest_age(ages["log_age"], 8.6)], 300, 0.2)
    return _case(make_cluster(curve=curve), stars, np.arange(1000) < 60)


def _case(bare: ClusterModel, stars: CalibratedStars, support: np.ndarray) -> Case:
    members = stars.take(np.flatnonzero(support))
    cluster = replace(
        bare, support_id=members["source_id"], support_features=features(members, bare)
    )
    return Case(cluster, stars, support)

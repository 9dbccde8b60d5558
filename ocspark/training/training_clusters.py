"""Select the clusters that a network may be trained on (paper §3.2)."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from astropy.coordinates import SkyCoord

from ocspark.names import cluster_key


def galactic_longitude_deg(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return Galactic longitude [deg] in [0, 360) of ICRS positions [deg]."""
    return np.asarray(SkyCoord(ra, dec, unit="deg", frame="icrs").galactic.l.deg)


def leave_out(
    clusters: pd.DataFrame,
    n_listed: pd.Series,
    *,
    min_listed: int,
    test_clusters: Collection[str],
    longitude_deg: tuple[float, float],
    max_parallax: float,
) -> pd.Series:
    """Return the reason why each cluster is left out, "" for clusters that are kept.

    Parameters
    ----------
    clusters : DataFrame
        The canonical cluster table, with cluster_key and fault.
    n_listed : Series
        Number of listed members with the training probability, by cluster_key.
    min_listed : int
        Least number of such members (criterion i).
    test_clusters : collection of str
        Names of the clusters reserved for tests (criterion ii); blanks match underscores.
    longitude_deg : (float, float)
        Open interval of Galactic longitude [deg] (criterion iii).
    max_parallax : float
        Upper limit of the catalogue's parallax [mas] (criterion iv).

    Returns
    -------
    Series of str
        With the index of `clusters`: the first criterion that fails, in the paper's order.
    """
    tested = {cluster_key(name) for name in test_clusters}
    longitude = np.full(len(clusters), np.nan)
    known = clusters[["ra", "dec"]].notna().all(axis=1).to_numpy()
    longitude[known] = galactic_longitude_deg(
        clusters["ra"].to_numpy()[known], clusters["dec"].to_numpy()[known]
    )
    listed = clusters["cluster_key"].map(n_listed).fillna(0).astype(int).to_numpy()
    parallax = clusters["parallax"].to_numpy(dtype=float)
    low, high = longitude_deg
    reasons = []
    for i, (key, fault) in enumerate(zip(clusters["cluster_key"], clusters["fault"], strict=True)):
        if fault:
            reasons.append(fault)
        elif listed[i] < min_listed:
            reasons.append(f"{listed[i]} members listed; needs {min_listed}")
        elif key in tested:
            reasons.append("a test cluster")
        elif not low < longitude[i] < high:
            reasons.append(
                f"Galactic longitude {longitude[i]:.2f} deg; expected between {low:g} and {high:g}"
            )
        elif not parallax[i] < max_parallax:
            reasons.append(f"parallax {parallax[i]:g} mas; expected below {max_parallax:g}")
        else:
            reasons.append("")
    return pd.Series(reasons, index=clusters.index, dtype=object)

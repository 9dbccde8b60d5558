"""Describe a characterised cluster: the numbers and arrays that pass 2 needs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.spatial import cKDTree


@dataclass(frozen=True)
class ClusterModel:
    """A cluster as its training members describe it (method §4–7).

    Attributes
    ----------
    cluster_key : int
        Stable hash of the name.
    cluster : str
        Name of the cluster.
    ra, dec : float
        Mean direction of the training members [deg].
    pmra, pmdec, parallax : float
        Inverse-variance weighted means [mas/yr, mas].
    distance, log_age, a0 : float
        Values of the cluster table [pc, dex, mag].
    delta_pm : float
        Δμ, Eq. 4 [mas/yr].
    delta_plx_plus, delta_plx_minus : float
        Δϖ for stars farther and nearer than the cluster, Eq. 7 [mas].
    delta_c, delta_g : float
        Δ_C, Δ_G, Eqs. 9 and 10 [mag].
    curve : array, shape (n, 2)
        Apparent isochrone points (C, G) [mag].
    training_id : array of int64, shape (t,)
        All training members, sorted.
    training_probability : float
        Level of the list's probability from which on stars are training members.
    support_id : array of int64, shape (s,)
        Training members that pass all candidate conditions, sorted.
    support_features : array, shape (s, 5)
        Their f_R, f_μ, f_ϖ, f_C, f_G in the paper's signs.
    isochrone_log_age, isochrone_age_offset : float
        Age of the isochrone and its offset from the catalogue's [dex].
    isochrone_metallicity : float
        [M/H] of the isochrone [dex].
    """

    cluster_key: int
    cluster: str
    ra: float
    dec: float
    pmra: float
    pmdec: float
    parallax: float
    distance: float
    log_age: float
    a0: float
    delta_pm: float
    delta_plx_plus: float
    delta_plx_minus: float
    delta_c: float
    delta_g: float
    curve: NDArray[np.float64]
    training_id: NDArray[np.int64]
    training_probability: float
    support_id: NDArray[np.int64]
    support_features: NDArray[np.float64]
    isochrone_log_age: float
    isochrone_age_offset: float
    isochrone_metallicity: float = math.nan

    @cached_property
    def _tree(self) -> cKDTree:
        from scipy.spatial import cKDTree  # here, since few tasks need it

        return cKDTree(self.curve / self._scale)

    @property
    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.delta_c, self.delta_g])

    def isochrone_vector(
        self, colour: NDArray[np.floating], g_mag: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return f_C = C − C_ic and f_G = G − G_ic [mag] (paper §3.1.4).

        The isochrone point is the listed one nearest in (ΔC/Δ_C, ΔG/Δ_G), Eq. 15.

        Parameters
        ----------
        colour, g_mag : arrays, shape (n,)
            G − G_RP and G [mag].
        """
        points = np.stack((colour, g_mag), axis=-1)
        _, nearest = self._tree.query(points / self._scale)
        vector = points - self.curve[nearest]
        return vector[..., 0], vector[..., 1]


def models_of_rows(
    rows: Iterable[Mapping[str, Any]], names: Mapping[int, str]
) -> dict[int, ClusterModel]:
    """Return the models of characterised clusters by key.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of a `MODELS` table; skipped clusters, whose row has a reason, are left out.
    names : mapping
        Names of the wanted clusters by key.
    """
    return {
        row["cluster_key"]: model_from_row(row, names[row["cluster_key"]])
        for row in rows
        if row["reason"] is None and row["cluster_key"] in names
    }


def model_from_row(row: Mapping[str, Any], cluster: str) -> ClusterModel:
    """Return the `ClusterModel` of a row of a `MODELS` table."""
    values = {f.name: row[f.name] for f in fields(ClusterModel) if f.name != "cluster"}
    values["curve"] = np.array(row["curve"], dtype=float).reshape(-1, 2)
    values["support_features"] = np.array(row["support_features"], dtype=float).reshape(-1, 5)
    for name in ("training_id", "support_id"):
        values[name] = np.array(row[name], dtype=np.int64)
    return ClusterModel(cluster=cluster, **values)

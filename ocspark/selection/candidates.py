"""Select candidates (paper Eqs. 1–3) and compute their five features (paper §3.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ocspark.selection.model import ClusterModel
from ocspark.sky.sphere import separation_rad
from ocspark.tables.stars import CalibratedStars, Stars

FEATURES = ("f_r", "f_pm", "f_plx", "f_c", "f_g")
#: Errors of the source added to each Δ (the 3 of Eqs. 1–3).
ERROR_WEIGHT = 3.0
_CHUNK = 2_000_000  # star–isochrone point pairs held at once


def passes_proper_motion(
    stars: Stars, pmra: float, pmdec: float, delta_pm: float
) -> NDArray[np.bool_]:
    """Return which stars satisfy Eq. 1: a proper motion near the cluster's.

    Parameters
    ----------
    stars : Stars
        Raw or calibrated: proper motions and their errors are the same in both.
    pmra, pmdec : float
        Mean proper motion of the cluster [mas/yr].
    delta_pm : float
        Δμ [mas/yr].
    """
    x = (stars["pmra"] - pmra) / (ERROR_WEIGHT * stars["pmra_error"] + delta_pm)
    y = (stars["pmdec"] - pmdec) / (ERROR_WEIGHT * stars["pmdec_error"] + delta_pm)
    return np.asarray(np.sqrt(x * x + y * y) < 1.0)


def passes_parallax(
    stars: CalibratedStars, parallax: float, plus: float, minus: float
) -> NDArray[np.bool_]:
    """Return which stars satisfy Eq. 2: a parallax near the cluster's.

    Parameters
    ----------
    stars : CalibratedStars
        With parallax and parallax_error [mas].
    parallax : float
        Mean parallax ϖ_c of the cluster [mas].
    plus, minus : float
        Δϖ+ for stars farther than the cluster (ϖ < ϖ_c) and Δϖ− for the others [mas].
    """
    difference = stars["parallax"] - parallax
    delta = np.where(difference < 0.0, plus, minus)
    return np.asarray(np.abs(difference / (ERROR_WEIGHT * stars["parallax_error"] + delta)) < 1.0)


def passes_isochrone(
    stars: CalibratedStars, curve: NDArray[np.float64], delta_c: float, delta_g: float
) -> NDArray[np.bool_]:
    """Return which stars satisfy Eq. 3: colour and magnitude near the isochrone.

    The isochrone point is the one nearest in units of the star's own errors plus Δ.

    Parameters
    ----------
    stars : CalibratedStars
        With g_rp, phot_g_mean_mag and their errors [mag].
    curve : array, shape (p, 2)
        Apparent isochrone (C, G) [mag].
    delta_c, delta_g : float
        Δ_C, Δ_G [mag].
    """
    n = len(stars)
    passed = np.zeros(n, dtype=bool)
    step = max(1, _CHUNK // len(curve))
    for i in range(0, n, step):
        part = {k: stars[k][i : i + step, None] for k in _PLANE}
        x = (part["g_rp"] - curve[:, 0]) / (ERROR_WEIGHT * part["g_rp_error"] + delta_c)
        y = (part["phot_g_mean_mag"] - curve[:, 1]) / (
            ERROR_WEIGHT * part["phot_g_mean_mag_error"] + delta_g
        )
        passed[i : i + step] = np.min(x * x + y * y, axis=1) < 1.0
    return passed


_PLANE = ("g_rp", "g_rp_error", "phot_g_mean_mag", "phot_g_mean_mag_error")


def passes_all(stars: CalibratedStars, model: ClusterModel) -> NDArray[np.bool_]:
    """Return which stars satisfy Eqs. 1, 2 and 3 of a cluster, shape (n,)."""
    passed = passes_proper_motion(stars, model.pmra, model.pmdec, model.delta_pm)
    passed &= passes_parallax(stars, model.parallax, model.delta_plx_plus, model.delta_plx_minus)
    left = np.flatnonzero(passed)
    some = stars.select(_PLANE).take(left)
    passed[left] = passes_isochrone(some, model.curve, model.delta_c, model.delta_g)
    return passed


def radius_pc(stars: Stars, model: ClusterModel) -> NDArray[np.float64]:
    """Return the projected radius f_R = d θ [pc] (Eq. 11), shape (n,)."""
    theta = separation_rad(stars["ra"], stars["dec"], model.ra, model.dec)
    return np.asarray(model.distance * theta)


def features(
    stars: CalibratedStars, model: ClusterModel, radius: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return f_R [pc], f_μ [mas/yr], f_ϖ [mas], f_C, f_G [mag], shape (n, 5) (Eqs. 11, 13–15).

    Parameters
    ----------
    stars : CalibratedStars
        Stars near the cluster.
    model : ClusterModel
        The cluster that they are compared with.
    radius : array, shape (n,), optional
        f_R [pc], if it is known already.
    """
    f_r = radius_pc(stars, model) if radius is None else radius
    f_pm = np.hypot(stars["pmra"] - model.pmra, stars["pmdec"] - model.pmdec)
    f_c, f_g = model.isochrone_vector(stars["g_rp"], stars["phot_g_mean_mag"])
    f_plx = stars["parallax"] - model.parallax
    return np.column_stack((f_r, f_pm, f_plx, f_c, f_g))


def describe_stars(stars: CalibratedStars, model: ClusterModel) -> CalibratedStars:
    """Return stars with columns added: the cluster's name and the five features."""
    named = {"cluster": np.full(len(stars), model.cluster, dtype=object)}
    return stars.with_columns(
        {**named, **dict(zip(FEATURES, features(stars, model).T, strict=True))}
    )

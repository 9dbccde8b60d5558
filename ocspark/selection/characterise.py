"""Compute means and maximum separations Δ of a cluster from its training members (§2.3.1)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ocspark.selection.candidates import ERROR_WEIGHT, features, passes_all
from ocspark.selection.model import ClusterModel
from ocspark.sky.sphere import mean_direction, separation_rad
from ocspark.tables.stars import CalibratedStars

#: σ of the parallax zero point (Lindegren et al. 2021) [mas].
ZERO_POINT_SIGMA = 0.015
#: Added to R_90 [pc], Δ_C,90 [mag] and Δ_G,90 [mag] (Eqs. 8–10).
RADIUS_MARGIN_PC, COLOUR_MARGIN, MAGNITUDE_MARGIN = 15.0, 0.1, 0.8
#: Δ_G,90 / Δ_C,90.
MAGNITUDE_PER_COLOUR = 8.0


def weighted_mean(values: NDArray[np.float64], errors: NDArray[np.float64]) -> tuple[float, float]:
    """Return the weighted mean and its error 1/√(Σ 1/σ²); Eq. 5 omits the square by mistake."""
    weights = 1.0 / errors**2
    total = np.sum(weights)
    return float(np.sum(values * weights) / total), float(1.0 / np.sqrt(total))


def quantile_90(values: NDArray[np.float64]) -> float:
    """Return the ⌈0.9 n⌉-th smallest value, without interpolation."""
    n = len(values)
    return float(np.sort(values)[-(-9 * n // 10) - 1])


def parallax_deltas(
    parallax: float, parallax_error: float, r90_pc: float, catalogue_distance_pc: float
) -> tuple[float, float]:
    """Return Δϖ+ (farther) and Δϖ− (nearer) [mas] (Eqs. 6–8).

    Δ− is infinite if the cluster's distance does not exceed R_max. If the mean parallax is not
    positive, the catalogue's distance is used in place of 1000/ϖ_c.

    Parameters
    ----------
    parallax, parallax_error : float
        Weighted mean and its error [mas].
    r90_pc : float
        Radius that holds 90 % of the members [pc].
    catalogue_distance_pc : float
        Distance of the cluster table [pc].
    """
    r_max = r90_pc + RADIUS_MARGIN_PC
    distance = 1000.0 / parallax if parallax > 0 else catalogue_distance_pc
    margin = 3.0 * parallax_error + 3.0 * ZERO_POINT_SIGMA
    plus = abs(parallax - 1000.0 / (distance + r_max)) + margin
    minus = math.inf if distance <= r_max else abs(parallax - 1000.0 / (distance - r_max)) + margin
    return plus, minus


def isochrone_scale_90(stars: CalibratedStars, curve: NDArray[np.float64]) -> float:
    """Return Δ_C,90 [mag]: the smallest scale at which 90 % of the stars pass Eq. 3 (Δ_G = 8 Δ_C).

    Passing is monotonic in the scale, so it is the 90 % quantile of each star's own threshold.
    """
    return quantile_90(isochrone_thresholds(stars, curve))


def isochrone_thresholds(stars: CalibratedStars, curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smallest scale Δ_C >= 0 at which each star passes Eq. 3 with Δ_G = 8 Δ_C.

    For one isochrone point the scale s solves (a/(α+s))² + (b/(β+8s))² = 1, with a, b the
    distances in C and G and α, β three times the errors. It lies between max(a−α, (b−β)/8) and
    the same with √2 a, √2 b. A star's scale is the smallest over all points; bisection is done
    only for the points whose bounds allow them to be the smallest.

    Parameters
    ----------
    stars : CalibratedStars
        With g_rp, phot_g_mean_mag and their errors [mag].
    curve : array, shape (p, 2)
        Apparent isochrone (C, G) [mag].

    Returns
    -------
    array, shape (n,)
    """
    k = MAGNITUDE_PER_COLOUR
    a = np.abs(stars["g_rp"][:, None] - curve[:, 0])
    b = np.abs(stars["phot_g_mean_mag"][:, None] - curve[:, 1])
    alpha = ERROR_WEIGHT * stars["g_rp_error"][:, None]
    beta = ERROR_WEIGHT * stars["phot_g_mean_mag_error"][:, None]
    root2 = math.sqrt(2.0)
    low = np.maximum(np.maximum(a - alpha, (b - beta) / k), 0.0)
    high = np.maximum(np.maximum(root2 * a - alpha, (root2 * b - beta) / k), 0.0)
    star, point = np.nonzero(low <= high.min(axis=1, keepdims=True))
    a, b, low, high = a[star, point], b[star, point], low[star, point], high[star, point]
    alpha, beta = alpha[star, 0], beta[star, 0]
    inside = _scaled(a, alpha) ** 2 + _scaled(b, beta) ** 2 < 1.0
    high[inside] = low[inside] = 0.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        passes = _scaled(a, alpha + middle) ** 2 + _scaled(b, beta + k * middle) ** 2 < 1.0
        high = np.where(passes, middle, high)
        low = np.where(passes, low, middle)
    thresholds = np.full(len(stars), np.inf)
    np.minimum.at(thresholds, star, high)
    return thresholds


def _scaled(distance: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance == 0.0, 0.0, distance / scale)


def characterise(
    stars: CalibratedStars,
    curve: NDArray[np.float64],
    *,
    cluster_key: int,
    cluster: str,
    distance: float,
    log_age: float,
    a0: float,
    training_probability: float,
    isochrone_log_age: float,
    isochrone_metallicity: float = math.nan,
) -> ClusterModel:
    """Characterise a cluster from all its training members.

    Parameters
    ----------
    stars : CalibratedStars
        Training members sorted by source_id, so that sums do not depend on how they
        were found.
    curve : array, shape (p, 2)
        Apparent isochrone (C, G) [mag].
    cluster_key, cluster : int, str
        Key and name of the cluster.
    distance, log_age, a0 : float
        Values of the cluster table [pc, dex, mag].
    training_probability : float
        Level of the list's probability from which on stars are training members.
    isochrone_log_age, isochrone_metallicity : float
        Age and [M/H] of `curve` [dex].

    Returns
    -------
    ClusterModel
        Its support members are the training members that pass all three conditions.
    """
    ra, dec = mean_direction(stars["ra"], stars["dec"])
    pmra, pmra_error = weighted_mean(stars["pmra"], stars["pmra_error"])
    pmdec, pmdec_error = weighted_mean(stars["pmdec"], stars["pmdec_error"])
    parallax, parallax_error = weighted_mean(stars["parallax"], stars["parallax_error"])
    delta_pm = math.hypot(
        3.0 * float(np.std(stars["pmra"])) + 3.0 * pmra_error,
        3.0 * float(np.std(stars["pmdec"])) + 3.0 * pmdec_error,
    )  # Eq. 4
    radius = distance * separation_rad(stars["ra"], stars["dec"], ra, dec)
    plus, minus = parallax_deltas(parallax, parallax_error, quantile_90(radius), distance)
    scale = isochrone_scale_90(stars, curve)
    model = ClusterModel(
        cluster_key=cluster_key,
        cluster=cluster,
        ra=ra,
        dec=dec,
        pmra=pmra,
        pmdec=pmdec,
        parallax=parallax,
        distance=distance,
        log_age=log_age,
        a0=a0,
        delta_pm=delta_pm,
        delta_plx_plus=plus,
        delta_plx_minus=minus,
        delta_c=scale + COLOUR_MARGIN,
        delta_g=MAGNITUDE_PER_COLOUR * scale + MAGNITUDE_MARGIN,
        curve=curve,
        training_id=stars["source_id"],
        training_probability=training_probability,
        support_id=np.empty(0, np.int64),
        support_features=np.empty((0, 5)),
        isochrone_log_age=isochrone_log_age,
        isochrone_age_offset=abs(isochrone_log_age - log_age),
        isochrone_metallicity=isochrone_metallicity,
    )
    support = passes_all(stars, model)
    return replace(
        model,
        support_id=stars["source_id"][support],
        support_features=features(stars, model)[support],
    )

"""Compute the windows in which stars are candidates, and the share of members inside (step 0).

Whether a star is a candidate depends on its own errors, so its window is larger for larger errors.
All densities are therefore per (mas/yr)² mas and not per window; S = a·b·W is the volume that
converts one into the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

#: Errors of the star added to each Δ by the candidate conditions (Eqs. 1–3 of the paper).
ERROR_WEIGHT = 3.0
#: Dispersions of the cluster table at which the cone search cuts.
CONE_SIGMAS = 10.0
#: Δϖ− is limited to this many times Δϖ+, since it is infinite for the nearest clusters.
MAX_MINUS_OVER_PLUS = 5.0


def mean_delta_parallax(plus: float, minus: float) -> float:
    """Return (Δϖ+ + min(Δϖ−, 5 Δϖ+)) / 2 [mas], the half-width used for the asymmetric window."""
    return 0.5 * (plus + min(minus, MAX_MINUS_OVER_PLUS * plus))


def half_widths(
    error: Floats,
    delta_pm: float,
    delta_parallax: tuple[float, float],
    dispersion: tuple[float, float, float],
) -> Floats:
    """Return the half-widths (a, b, W) of each star's window, shape (3, n).

    a = min(3σα + Δμ, Rc), b = min(3σδ + Δμ, Rc) with Rc = 10 √((dα² + dδ²)/2), and
    W = min(3σϖ + mean Δϖ, 10 dϖ).

    Parameters
    ----------
    error : array, shape (3, n)
        σα, σδ [mas/yr], σϖ [mas].
    delta_pm : float
        Δμ [mas/yr].
    delta_parallax : tuple of float
        Δϖ+ and Δϖ− [mas].
    dispersion : tuple of float
        dα, dδ [mas/yr], dϖ [mas] of the cluster table.
    """
    delta_plx = mean_delta_parallax(*delta_parallax)
    cut_pm = CONE_SIGMAS * np.hypot(dispersion[0], dispersion[1]) / np.sqrt(2.0)
    wanted = ERROR_WEIGHT * error + np.array([delta_pm, delta_pm, delta_plx])[:, None]
    limit = np.array([cut_pm, cut_pm, CONE_SIGMAS * dispersion[2]])
    return np.minimum(wanted, limit[:, None])


def member_share(
    half_width: Floats, error: Floats, pm_variance: float, plx_variance: float
) -> Floats:
    """Return Z, the share of members with a star's errors that are inside its window, shape (n,).

    Z = (1 − exp(−ab / 2√(TαTδ))) · (2Φ(W/√Tϖ) − 1), with T = σ² + s² the variance of a measurement;
    exact for a round window and equal errors in both motions.

    Parameters
    ----------
    half_width, error : arrays, shape (3, n)
        Half-widths and errors of the stars.
    pm_variance, plx_variance : float
        s² of the members' motions [(mas/yr)²] and parallaxes [mas²].
    """
    total_ra, total_dec = error[0] ** 2 + pm_variance, error[1] ** 2 + pm_variance
    in_motion = -np.expm1(-0.5 * half_width[0] * half_width[1] / np.sqrt(total_ra * total_dec))
    in_parallax = 2.0 * ndtr(half_width[2] / np.sqrt(error[2] ** 2 + plx_variance)) - 1.0
    return in_motion * in_parallax

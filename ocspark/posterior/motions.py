"""Model the members' motions (step 2): a Gaussian in (pmra, pmdec, parallax) without errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from ocspark.posterior.stars import RelativeStars

Floats = NDArray[np.float64]

#: Least intrinsic widths of motions [mas/yr] and parallaxes [mas].
FLOOR = (0.01, 0.01, 0.005)
#: Training members beyond this many sigmas are left out; number of times that this is repeated.
CLIP_SIGMAS, CLIPS = 4.0, 4
#: Faintest stars from which widths are learnt [mag]; weight of the training members' values, in
#: stars.
MAX_G, PRIOR_STARS = 18.5, 50.0
#: Largest factor by which a variance may differ from that of the training members.
MAX_CHANGE = 2.0


@dataclass(frozen=True)
class Motion:
    """Mean offset and intrinsic variances of the members.

    Attributes
    ----------
    mean : tuple of float
        Δα, Δδ [mas/yr] and Δϖ [mas] from the training members' means.
    variance : tuple of float
        Variances: the same in both motions [(mas/yr)²], and that of the parallax [mas²].
    """

    mean: tuple[float, float, float]
    variance: tuple[float, float, float]


def log_density(stars: RelativeStars, motion: Motion) -> tuple[Floats, Floats]:
    """Return ln N₃(offset; m, Σ_star + diag(s², s², s_ϖ²)) and χ², shape (n,) each.

    Σ_star holds a star's errors and Gaia's three correlations.
    """
    x, y, z = (stars.offset[i] - motion.mean[i] for i in range(3))
    sx, sy, sz = stars.error
    xx, yy, zz = (stars.error[i] ** 2 + motion.variance[i] for i in range(3))
    xy, xz, yz = stars.correlation * np.stack([sx * sy, sx * sz, sy * sz])
    # Cofactors of the symmetric 3 × 3 matrix.
    c_xx, c_yy, c_zz = yy * zz - yz * yz, xx * zz - xz * xz, xx * yy - xy * xy
    c_xy, c_xz, c_yz = xz * yz - xy * zz, xy * yz - xz * yy, xy * xz - xx * yz
    determinant = xx * c_xx + xy * c_xy + xz * c_xz
    square = c_xx * x * x + c_yy * y * y + c_zz * z * z
    mixed = c_xy * x * y + c_xz * x * z + c_yz * y * z
    chi2 = (square + 2.0 * mixed) / determinant
    return -0.5 * (chi2 + np.log(determinant)) - 1.5 * np.log(2.0 * np.pi), chi2


def fit_training_members(stars: RelativeStars) -> Motion:
    """Return the motion of the training members without their errors, fitted axis by axis.

    It is the most likely Gaussian, convolved with each star's error, of the stars within 4 sigma.
    """
    fits = [_deconvolve(stars.offset[i], stars.error[i], FLOOR[i] ** 2) for i in range(3)]
    mean_x, mean_y, mean_z = (mean for mean, _ in fits)
    pm_variance = 0.5 * (fits[0][1] + fits[1][1])
    return Motion((mean_x, mean_y, mean_z), (pm_variance, pm_variance, fits[2][1]))


def _deconvolve(values: Floats, errors: Floats, least: float) -> tuple[float, float]:
    """Return mean and variance of the Gaussian from which values with errors were drawn."""
    mean = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - mean)))
    variance = max(spread**2, least)
    highest = np.log(4.0 * variance + least)
    for _ in range(CLIPS):
        kept = np.abs(values - mean) < CLIP_SIGMAS * np.sqrt(variance + errors**2)
        if not kept.any():
            break
        x, squares = values[kept], errors[kept] ** 2
        best = minimize_scalar(
            lambda log_variance, x=x, squares=squares: _minus_two_log_likelihood(
                x, squares + np.exp(log_variance)
            ),
            bounds=(np.log(least), highest),
            method="bounded",
        )
        variance = float(np.exp(best.x))
        mean = _weighted_mean(x, squares + variance)
    return mean, variance


def _weighted_mean(values: Floats, total: Floats) -> float:
    return float((values / total).sum() / (1.0 / total).sum())


def _minus_two_log_likelihood(values: Floats, total: Floats) -> float:
    """Return −2 ln L of Gaussians with variances `total` about the most likely mean, up to 2π."""
    deviation = values - _weighted_mean(values, total)
    return float((deviation**2 / total + np.log(total)).sum())


def _own_variance(deviation: Floats, total: Floats, variance: float) -> Floats:
    """Return the expected square of each star's true deviation, given the measured one."""
    gain = variance / total
    return (gain * deviation) ** 2 + variance * (1.0 - gain)


def update_motion(stars: RelativeStars, weight: Floats, motion: Motion, first: Motion) -> Motion:
    """Return the motion after one step of expectation–maximisation, axis by axis.

    The step is that for a Gaussian convolved with each star's error (Bovy, Hogg & Roweis 2011,
    doi:10.1214/10-AOAS439).

    Parameters
    ----------
    stars : RelativeStars
        The near stars.
    weight : array, shape (n,)
        q of each star; stars fainter than `MAX_G` do not count.
    motion : Motion
        The present motion.
    first : Motion
        Motion of the training members. It counts as `PRIOR_STARS` stars more, and the resulting
        variances stay within a factor `MAX_CHANGE` of its own.
    """
    used = weight * (stars.g_mag < MAX_G)
    likely = used > 0.5
    means, variances = [], []
    for i in range(3):
        total = motion.variance[i] + stars.error[i] ** 2
        typical = float(np.median(total[likely] if likely.any() else total))
        prior = PRIOR_STARS / typical
        per_star = used / total
        mean = float(
            ((per_star * stars.offset[i]).sum() + prior * first.mean[i]) / (per_star.sum() + prior)
        )
        squares = _own_variance(stars.offset[i] - mean, total, motion.variance[i])
        variance = ((used * squares).sum() + PRIOR_STARS * first.variance[i]) / (
            used.sum() + PRIOR_STARS
        )
        means.append(mean)
        variances.append(
            float(np.clip(variance, first.variance[i] / MAX_CHANGE, first.variance[i] * MAX_CHANGE))
        )
    pm_variance = 0.5 * (variances[0] + variances[1])
    return Motion((means[0], means[1], means[2]), (pm_variance, pm_variance, variances[2]))

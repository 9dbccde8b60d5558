"""Model the members on the sky: a sum of discs of fixed radii, each normalised within R."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Radii b of the discs [pc]; half of a disc's stars lie within 0.45 b. Since discs end, so does the
#: profile: with the wings of Plummer profiles, field stars would count as members.
REACHES_PC = (1.2, 1.8, 2.7, 4.0, 6.0, 9.0, 13.5, 20.0, 30.0, 45.0)
#: Faintest stars from which the profile is learnt [mag]; with fainter ones it includes field stars.
MAX_G = 18.0
#: Stars added to each disc; radius of wide discs [pc]; largest weight of the wide discs together.
PRIOR_STARS, WIDE_PC, LARGEST_OF_WIDE = 0.1, 15.0, 0.15
#: Added to the density of a disc [1/pc²], so that it is positive everywhere.
_LEAST = 1e-12


def discs(radius: Floats, covered_radius: float) -> Floats:
    """Return the densities of the discs, B_k(r) = 3 (1 − r²/b²)² / (π b²) [1/pc²], shape (10, n).

    Each is divided by its integral within R, which is 1 − (1 − R²/b²)³ if b > R, else 1. Any sum of
    discs decreases outwards.

    Parameters
    ----------
    radius : array, shape (n,)
        Projected radius [pc].
    covered_radius : float
        R [pc].
    """
    reach = np.array(REACHES_PC)[:, None]
    within = 1.0 - np.maximum(1.0 - (covered_radius / reach) ** 2, 0.0) ** 3
    shape = np.maximum(1.0 - (radius / reach) ** 2, 0.0) ** 2
    return 3.0 * shape / (np.pi * reach**2 * within) + _LEAST


def half_radius(weights: Floats, covered_radius: float) -> float:
    """Return the radius that holds half of the stars within R [pc]: Σ w_k M_k(r) = ½.

    M_k(r) = (1 − (1 − r²/b²)³) / (1 − (1 − R²/b²)³), the share of a disc's stars within r.
    """
    reach = np.array(REACHES_PC)[:, None]

    def within(radius: Floats) -> Floats:
        return 1.0 - np.maximum(1.0 - (radius / reach) ** 2, 0.0) ** 3

    low, high = 0.0, covered_radius
    for _ in range(60):
        middle = 0.5 * (low + high)
        share = within(np.array([middle])) / within(np.array([covered_radius]))
        low, high = (middle, high) if float(weights @ share[:, 0]) < 0.5 else (low, middle)
    return 0.5 * (low + high)


def first_weights() -> Floats:
    """Return equal weights of the discs, shape (10,)."""
    return np.full(len(REACHES_PC), 1.0 / len(REACHES_PC))


def surface_density(discs: Floats, weights: Floats) -> Floats:
    """Return Σ w_k B_k [1/pc²], shape (n,), summed in a fixed order."""
    total = np.zeros(discs.shape[1])
    for disc, weight in zip(discs, weights, strict=True):
        total += weight * disc
    return total


def update_weights(discs: Floats, weights: Floats, q: Floats, g_mag: Floats) -> Floats:
    """Return the weights after one step of expectation–maximisation over stars of G < 18.

    w_k ← Σ q w_k B_k / Σ_j w_j B_j + 0.1, normalised; discs larger than 15 pc get at most 0.15
    together.

    Parameters
    ----------
    discs : array, shape (10, n)
        B_k at the stars.
    weights : array, shape (10,)
        The present weights.
    q, g_mag : arrays, shape (n,)
        Probability and G of the stars.
    """
    per_density = np.where(g_mag < MAX_G, q, 0.0) / surface_density(discs, weights)
    shares = weights * (discs * per_density).sum(axis=1) + PRIOR_STARS
    shares /= shares.sum()
    wide = np.array(REACHES_PC) > WIDE_PC
    in_wide = float(shares[wide].sum())
    if in_wide > LARGEST_OF_WIDE:
        shares[wide] *= LARGEST_OF_WIDE / in_wide
        shares[~wide] *= (1.0 - LARGEST_OF_WIDE) / (1.0 - in_wide)
    return shares

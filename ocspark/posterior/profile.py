"""The members on the sky: a sum of Plummer discs of fixed scales, each normalised within R."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Scales of the discs [pc]; any sum of them falls outwards.
SCALES_PC = (0.6, 1.2, 2.4, 4.8, 9.6)
#: Faintest stars that the profile follows [mag]; fainter ones let it swallow residual field.
MAX_G = 18.0
#: Stars added to each disc, and the largest weight of the widest.
PRIOR_STARS, LARGEST_OF_WIDEST = 0.3, 0.12


def plummer_discs(radius: Floats, covered_radius: float) -> Floats:
    """Return B_k(r) [1/pc²], shape (5, n): (1 + r²/a²)^−2 / (π a²) over its integral within R.

    The integral is 1 − 1/(1 + R²/a²) (Plummer 1911, in projection).
    """
    scale = np.array(SCALES_PC)[:, None]
    within = 1.0 - 1.0 / (1.0 + (covered_radius / scale) ** 2)
    return (1.0 + (radius / scale) ** 2) ** -2 / (np.pi * scale**2 * within)


def first_weights() -> Floats:
    """Return equal weights of the discs, shape (5,)."""
    return np.full(len(SCALES_PC), 1.0 / len(SCALES_PC))


def surface_density(discs: Floats, weights: Floats) -> Floats:
    """Return Σ w_k B_k [1/pc²], shape (n,), summed in a fixed order."""
    total = np.zeros(discs.shape[1])
    for disc, weight in zip(discs, weights, strict=True):
        total += weight * disc
    return total


def update_weights(discs: Floats, weights: Floats, q: Floats, g_mag: Floats) -> Floats:
    """Return the weights after one step of expectation–maximisation over stars of G < 18.

    w_k ← Σ q w_k B_k / Σ_j w_j B_j + 0.3, normalised, the widest at most 0.12.

    Parameters
    ----------
    discs : array, shape (5, n)
    weights : array, shape (5,)
    q, g_mag : arrays, shape (n,)
    """
    per_density = np.where(g_mag < MAX_G, q, 0.0) / surface_density(discs, weights)
    shares = weights * (discs * per_density).sum(axis=1) + PRIOR_STARS
    shares /= shares.sum()
    shares[-1] = min(shares[-1], LARGEST_OF_WIDEST)
    return shares / shares.sum()

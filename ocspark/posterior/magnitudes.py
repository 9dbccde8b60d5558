"""Sums of Gaussian kernels along G: how many stars of some weight there are per magnitude."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Floats = NDArray[np.float64]

#: Fine grid of G on which sums are held [mag]: first edge, step, number of bins.
LOW, STEP, N_BINS = 2.0, 0.02, 1025
#: Middles of its bins [mag].
GRID = LOW + STEP * (np.arange(N_BINS) + 0.5)


class MagnitudeBins:
    """Places of some stars on the grid of G, found once.

    Parameters
    ----------
    g_mag : array, shape (n,)
        G [mag].
    """

    def __init__(self, g_mag: Floats) -> None:
        self._bin = np.clip((g_mag - LOW) / STEP, 0, N_BINS - 1).astype(np.int64)
        place = np.clip((g_mag - LOW) / STEP - 0.5, 0.0, N_BINS - 1.001)
        self._below = place.astype(np.int64)
        self._fraction = place - self._below

    def smooth(self, weight: Floats, width: float) -> Floats:
        """Return Σ ω K(G − G_j) [1/mag] on `GRID`, K a Gaussian of this width [mag]."""
        counts = np.bincount(self._bin, weight, N_BINS) / STEP
        return gaussian_filter1d(counts, width / STEP, mode="constant", truncate=4.0)

    def read(self, curve: Floats) -> Floats:
        """Return the value of a curve on `GRID` at each star, shape (n,)."""
        below = curve[self._below]
        return below + self._fraction * (curve[self._below + 1] - below)

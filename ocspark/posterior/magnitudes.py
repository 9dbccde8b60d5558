"""Sum Gaussian kernels along G: weighted numbers of stars per magnitude."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Floats = NDArray[np.float64]

#: Grid of G on which sums are stored [mag]: first edge, step, number of bins.
LOW, STEP, N_BINS = 2.0, 0.02, 1025
#: Middles of its bins [mag].
GRID = LOW + STEP * (np.arange(N_BINS) + 0.5)


class MagnitudeBins:
    """Stars on the grid of G; their bins are found once and used for many sums.

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
        """Return Σ ω K(G − G_j) [1/mag] on `GRID`, with K a Gaussian of a width [mag]."""
        counts = np.bincount(self._bin, weight, N_BINS) / STEP
        return gaussian_filter1d(counts, width / STEP, mode="constant", truncate=4.0)

    def read(self, curve: Floats) -> Floats:
        """Return a curve on `GRID` interpolated at each star, shape (n,)."""
        below = curve[self._below]
        return below + self._fraction * (curve[self._below + 1] - below)

"""Find the changes of probability that exceed Monte Carlo noise, among very many stars."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc


def critical_sigmas(
    sigmas: NDArray[np.float64], counts: NDArray[np.int64], false_share: float
) -> float | None:
    """Return the least significance of a real change [sigma].

    By the test of Benjamini & Hochberg (1995, doi:10.1111/j.2517-6161.1995.tb02031.x): among the
    changes called real, no more than `false_share` are noise on average. It takes a histogram of
    significances instead of single stars.

    Parameters
    ----------
    sigmas : array, shape (b,)
        Absolute changes in units of their noise, or low edges of bins of them.
    counts : array, shape (b,)
        Number of stars with each.
    false_share : float
        Between 0 and 1.

    Returns
    -------
    float or None
        None if no change is real.
    """
    order = np.argsort(sigmas)[::-1]
    sigmas, counts = np.asarray(sigmas)[order], np.asarray(counts)[order]
    by_chance = erfc(sigmas / np.sqrt(2.0))
    rank = np.cumsum(counts)
    real = (by_chance <= false_share * rank / counts.sum()) & (sigmas > 0)
    return float(sigmas[np.flatnonzero(real)[-1]]) if real.any() else None

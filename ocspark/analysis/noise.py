"""Which changes of probability are more than Monte Carlo noise, among very many stars."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc


def critical_sigmas(
    sigmas: NDArray[np.float64], counts: NDArray[np.int64], false_share: float
) -> float | None:
    """Return from how many sigmas on a change is more than noise.

    Benjamini & Hochberg (1995, doi:10.1111/j.2517-6161.1995.tb02031.x): among the changes that
    are called real, no more than `false_share` are noise on average. Stars come counted, so that
    the test needs a histogram and not the stars.

    Parameters
    ----------
    sigmas : array, shape (b,)
        Absolute change in units of its noise, or the low edge of a bin of it.
    counts : array, shape (b,)
        Stars with that change.
    false_share : float
        Between 0 and 1.

    Returns
    -------
    float or None
        None where nothing is more than noise.
    """
    order = np.argsort(sigmas)[::-1]
    sigmas, counts = np.asarray(sigmas)[order], np.asarray(counts)[order]
    by_chance = erfc(sigmas / np.sqrt(2.0))
    rank = np.cumsum(counts)
    real = (by_chance <= false_share * rank / counts.sum()) & (sigmas > 0)
    return float(sigmas[np.flatnonzero(real)[-1]]) if real.any() else None

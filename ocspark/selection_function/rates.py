"""Shares and counts with their 95 % intervals, from stars that come in clusters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2, norm, t

CONFIDENCE = 0.95
_TAIL = 0.5 + CONFIDENCE / 2.0
_Z = float(norm.ppf(_TAIL))


class Rate(NamedTuple):
    """An estimate with its interval; NaN where there is nothing to tell it from.

    Attributes
    ----------
    n, k : int
        Trials and hits; for a count per cone, cones and stars.
    value, low, high : float
    """

    n: int
    k: int
    value: float
    low: float
    high: float


def wilson(share: float, n: float) -> tuple[float, float]:
    """Return the Wilson (1927) score interval of a share seen in `n` (effective) trials."""
    centre = (share + _Z**2 / (2.0 * n)) / (1.0 + _Z**2 / n)
    half = np.sqrt(share * (1.0 - share) / n + _Z**2 / (4.0 * n**2)) * _Z / (1.0 + _Z**2 / n)
    # rounding must not take the estimate itself out at 0 and 1
    return min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share)


def share(hits: ArrayLike, trials: ArrayLike) -> Rate:
    """Return the share of hits where they come in groups that differ: twins of clusters.

    The interval is Wilson's at the effective number of trials of Korn & Graubard (1998), which is
    smaller by the design effect (the variance between groups over the binomial one) and by the
    few degrees of freedom; never larger than the number of trials. With one group there is no
    telling, and the interval is the binomial one.

    Parameters
    ----------
    hits, trials : arrays, shape (g,)
        Of each group.
    """
    k_of, n_of = np.asarray(hits, dtype=float), np.asarray(trials, dtype=float)
    k_of, n_of = k_of[n_of > 0], n_of[n_of > 0]
    n, k, groups = float(n_of.sum()), float(k_of.sum()), len(n_of)
    if not groups:
        return Rate(0, 0, np.nan, np.nan, np.nan)
    value, effective = k / n, n
    if groups > 1 and 0.0 < value < 1.0:
        variance = groups / (groups - 1) * np.sum((k_of - value * n_of) ** 2) / n**2
        freedom = (_Z / float(t.ppf(_TAIL, groups - 1))) ** 2
        if variance > 0.0:
            effective = min(n, value * (1.0 - value) / variance * freedom)
    return Rate(int(n), int(k), value, *wilson(value, effective))


def per_cone(counts: ArrayLike) -> Rate:
    """Return the mean count per cone, with the exact Poisson interval (Garwood 1936).

    Where cones differ by more than Poisson noise, counts are scaled down by that much
    (quasi-Poisson).

    Parameters
    ----------
    counts : array, shape (g,)
    """
    counts = np.asarray(counts, dtype=float)
    cones, total = len(counts), float(counts.sum())
    if not cones:
        return Rate(0, 0, np.nan, np.nan, np.nan)
    excess = 1.0
    if cones > 1 and total > 0:
        excess = max(1.0, float(counts.var(ddof=1)) / (total / cones))
    scaled = total / excess
    low = chi2.ppf(1.0 - _TAIL, 2.0 * scaled) / 2.0 if scaled > 0 else 0.0
    high = chi2.ppf(_TAIL, 2.0 * scaled + 2.0) / 2.0
    to_mean = excess / cones
    return Rate(cones, int(total), total / cones, float(low) * to_mean, float(high) * to_mean)

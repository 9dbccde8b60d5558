"""Estimate shares and mean counts with 95 % intervals from stars grouped in clusters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2, norm, t

#: Probability that an interval contains the true value.
CONFIDENCE = 0.95
_TAIL = 0.5 + CONFIDENCE / 2.0
_Z = float(norm.ppf(_TAIL))


class Rate(NamedTuple):
    """An estimate with its interval; NaN if there are no data.

    Attributes
    ----------
    n, k : int
        Numbers of trials and hits; for a mean count, of cones and stars.
    value, low, high : float
        The estimate, and the ends of its interval.
    """

    n: int
    k: int
    value: float
    low: float
    high: float


def wilson(share: float, n: float) -> tuple[float, float]:
    """Return the Wilson (1927) score interval of a share observed in `n` (effective) trials."""
    centre = (share + _Z**2 / (2.0 * n)) / (1.0 + _Z**2 / n)
    half = np.sqrt(share * (1.0 - share) / n + _Z**2 / (4.0 * n**2)) * _Z / (1.0 + _Z**2 / n)
    # rounding must not exclude the estimate itself when it is 0 or 1
    return min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share)


def estimate_share(hits: ArrayLike, trials: ArrayLike) -> Rate:
    """Estimate the share of hits among trials that come in groups, here twins of clusters.

    The interval is Wilson's with the effective number of trials of Korn & Graubard (1998): the
    number of trials divided by the design effect (the variance between groups over the binomial
    variance), reduced for the small number of groups, and never more than the number of trials.
    With a single group the interval is the binomial one.

    Parameters
    ----------
    hits, trials : arrays, shape (g,)
        Numbers of hits and trials in each group.
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


def estimate_mean_count(counts: ArrayLike) -> Rate:
    """Estimate the mean count per cone, with the exact Poisson interval (Garwood 1936).

    If counts vary more between cones than Poisson noise, the interval is widened accordingly
    (quasi-Poisson).

    Parameters
    ----------
    counts : array, shape (g,)
        Number of stars in each cone.
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

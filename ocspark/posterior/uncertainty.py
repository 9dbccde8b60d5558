"""Estimate the uncertainty of posteriors by a Bayesian bootstrap of the fit (step 7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from ocspark.keyed import star_keys, uniforms
from ocspark.posterior.mixture import Mixture, Solution

Floats = NDArray[np.float64]

#: Standard deviations of logit q on each side, for 95 %.
INTERVAL_SIGMAS = 1.96
#: Number of the keyed draw for a star's weight; the Monte Carlo samples use other numbers.
_DRAW = np.array([8], dtype=np.int64)
#: Limits of q before its logit is taken.
_SMALLEST = 1e-9


def bootstrap_weights(
    seed: int, cluster_key: int, source_id: NDArray[np.int64], replicate: int
) -> Floats:
    """Return weights drawn from Exp(1) for each star, shape (n,).

    They depend on seed, cluster, star and replicate only. Divided by their sum they are a draw of
    the distribution from which the stars come (Rubin 1981, doi:10.1214/aos/1176345338).

    Parameters
    ----------
    seed, cluster_key, replicate : int
        Seed, key of the cluster, and number of the replicate.
    source_id : array, shape (n,)
        The stars.
    """
    keys = star_keys(seed, cluster_key, source_id)
    draws = uniforms(keys, np.array([replicate], dtype=np.int64), _DRAW)
    return -np.log(draws[:, 0, 0])


def bootstrap_interval(
    mixture: Mixture,
    solution: Solution,
    source_id: NDArray[np.int64],
    cluster_key: int,
    seed: int,
    n_replicates: int,
) -> tuple[Floats, Floats]:
    """Return the ends of the 95 % interval of q, expit(logit q ± 1.96 sd of logit q), shape (n,).

    The standard deviation is that of fits to weighted stars, with motions, widths and ridge fixed.
    With fewer than 2 replicates the interval has no width.

    Parameters
    ----------
    mixture : Mixture
        The cluster's mixture.
    solution : Solution
        Its fit.
    source_id : array, shape (n,)
        The mixture's stars.
    cluster_key, seed, n_replicates : int
        Key of the cluster, seed of the weights, and number of replicates.
    """
    rows = mixture.near
    low, high = solution.q.copy(), solution.q.copy()
    if n_replicates < 2:
        return low, high
    mean, squares = np.zeros(len(rows)), np.zeros(len(rows))
    for replicate in range(n_replicates):
        weight = bootstrap_weights(seed, cluster_key, source_id, replicate)
        value = _logit(mixture.refit(solution, weight)[rows])
        step = value - mean
        mean += step / (replicate + 1)
        squares += step * (value - mean)
    reach = INTERVAL_SIGMAS * np.sqrt(squares / (n_replicates - 1))
    centre = _logit(solution.q[rows])
    low[rows] = np.minimum(expit(centre - reach), solution.q[rows])
    high[rows] = np.maximum(expit(centre + reach), solution.q[rows])
    return low, high


def _logit(q: Floats) -> Floats:
    return np.asarray(logit(np.clip(q, _SMALLEST, 1.0 - _SMALLEST)))

"""When a star needs no more samples, and the interval its votes allow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

#: Membership thresholds that catalogues are cut at (paper §4: 0.1 and 0.5).
THRESHOLDS = (0.1, 0.5, 0.9)
#: Bound on the error of a decision about one threshold.
DECISION_ERROR = 0.01
#: Samples at the first look, and between looks.
FIRST_LOOK, NEXT_LOOK = 24, 8
#: Samples of a star held at once where it gets all of them.
_PART = 1000
#: Content of the interval of the probability.
INTERVAL = 0.95


def band(threshold: float) -> float:
    """Return 3 √(t (1 − t) / 100): how near a threshold t 100 samples cannot tell either."""
    return float(3.0 * np.sqrt(threshold * (1.0 - threshold) / 100.0))


def decided(votes: NDArray[np.int64], n_samples: int) -> NDArray[np.bool_]:
    """Return whether a star is above or below every threshold.

    Per threshold t this is Wald's sequential test (1945, doi:10.1214/aoms/1177731118) between
    t − `band` and t + `band`: a star outside them comes to lie on the wrong side with a
    probability of at most `DECISION_ERROR`, rapidly less farther away. A star between them is
    decided either way or goes on to the most samples allowed.

    Parameters
    ----------
    votes : array, shape (n,)
        Samples called member so far.
    n_samples : int
        Samples drawn so far.
    """
    bound = np.log((1.0 - DECISION_ERROR) / DECISION_ERROR)
    done = np.ones(len(votes), dtype=bool)
    for t in THRESHOLDS:
        low, high = t - band(t), t + band(t)
        ratio = votes * np.log(high / low)
        ratio += (n_samples - votes) * np.log((1.0 - high) / (1.0 - low))
        # the fraction of votes, which is what is reported, must lie on the side decided for
        done &= np.where(votes / n_samples >= t, ratio, -ratio) >= bound
    return done


def looks(n_samples: int, adaptive: bool) -> list[int]:
    """Return after how many samples votes are counted, `n_samples` the last."""
    first, step = (FIRST_LOOK, NEXT_LOOK) if adaptive else (_PART, _PART)
    return [*range(first, n_samples, step), n_samples]


def interval(
    votes: NDArray[np.int64], n_samples: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the central Jeffreys interval of content `INTERVAL`, arrays of shape (n,).

    The Beta(v + ½, n − v + ½) quantiles, 0 below no votes and 1 above none against
    (Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286).
    """
    pairs, place = np.unique(np.stack((votes, n_samples)), axis=1, return_inverse=True)
    v, n = pairs
    tail = (1.0 - INTERVAL) / 2.0
    low = np.where(v == 0, 0.0, betaincinv(v + 0.5, n - v + 0.5, tail))
    high = np.where(v == n, 1.0, betaincinv(v + 0.5, n - v + 0.5, 1.0 - tail))
    return low[place], high[place]

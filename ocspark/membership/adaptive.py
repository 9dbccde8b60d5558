"""Stop judging a star's samples once the votes of all remaining samples are certain.

A sample's margin (member minus non-member logit) falls with its distance from the cluster in
proper motion and parallax. That distance is cheap: the network costs ten times as much as drawing a
sample. So the samples of a star are ordered by distance, and the network judges them beginning at
the end where a vote is most likely to differ from the others. As soon as the votes there no longer
differ, and the margins predict that none of the remaining samples will, their votes are known
without the network.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: All samples are judged of a star that has this share of its votes or more in the minority.
FEW = 0.05
#: Largest probability that one of the remaining samples votes differently, if they were like the
#: last ones judged. They are farther from the minority, so it is far smaller in fact: some 0.00001,
#: measured at DR3's density.
ERROR = 0.1
#: Number of margins, the last ones, from which the prediction is made.
LAST = 8
#: Least standard deviation of these margins: now and then one support set changes the vote of a
#: sample although all others of the star are alike.
LEAST_SPREAD = 2.0
#: Samples judged, at the end where votes may differ, before the first check.
FIRST_CHECK = 4
#: Checks end when this share of the samples is judged: then all are.
MOST = 0.4
#: Probability content of the interval.
INTERVAL = 0.95


def judging_orders(n_samples: int) -> NDArray[np.int64]:
    """Return the two orders in which samples are judged, as ranks, shape (2, n_samples).

    Rank 0 is the sample nearest to the cluster. The middle sample comes first. If it votes "no
    member", the farthest follows and then the others from the nearest on (row 0); if it votes
    "member", the nearest follows and then the others from the farthest on (row 1).

    Parameters
    ----------
    n_samples : int
        At least 3.
    """
    ranks = np.arange(n_samples)
    middle = n_samples // 2
    near, far = (np.delete(ranks, [middle, end]) for end in (n_samples - 1, 0))
    return np.stack((np.append([middle, n_samples - 1], near), np.append([middle, 0], far[::-1])))


def checkpoints(n_samples: int) -> list[int]:
    """Return the numbers of judged samples after which a star is checked, and last `n_samples`."""
    at, judged = [], FIRST_CHECK
    while judged <= MOST * n_samples:
        at.append(judged + 2)  # the middle sample and the one at the other end
        judged += max(2, judged // 2)
    return [*at, n_samples]


def find_certain(
    margins: NDArray[np.float32], n_samples: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which stars have certain votes, and which have too many minority votes to get there.

    Votes are certain if the upper prediction limit of the remaining margins is below 0. It is that
    of a normal variate, mean + t s √(1 + 1/k) with Student's t (e.g. Hahn & Meeker 1991,
    doi:10.1002/9780470316771, §4.7), from the mean and the standard deviation s of the last k
    margins, s at least `LEAST_SPREAD`, and holds for all remaining samples together (Bonferroni).

    Parameters
    ----------
    margins : array, shape (n, judged)
        Margins in the order of `judging_orders`, with the sign reversed for stars whose middle
        sample votes "member".
    n_samples : int
        All samples of a star.

    Returns
    -------
    certain, never : arrays of bool, shape (n,)
        Stars with certain votes, and stars of which all samples must be judged.
    """
    from scipy.special import stdtrit

    last = margins[:, 2:][:, -LAST:].astype(np.float64)
    k = last.shape[1]
    t = stdtrit(k - 1, 1.0 - ERROR / (n_samples - margins.shape[1]))
    spread = np.maximum(last.std(axis=1, ddof=1), LEAST_SPREAD)
    limit = last.mean(axis=1) + t * np.sqrt(1.0 + 1.0 / k) * spread
    few = (margins > 0).sum(axis=1) < FEW * n_samples
    return few & (limit < 0.0) & (margins[:, 1] < 0.0), ~few


def sum_of_others(margins: NDArray[np.float32], n_samples: int) -> NDArray[np.float64]:
    """Estimate the sum of the margins of the samples that were not judged, shape (n,).

    Margins are interpolated by rank: from the last judged sample to the middle one, and from there
    to the one at the other end.

    Parameters
    ----------
    margins : array, shape (n, judged)
        Margins in the order of `judging_orders`.
    n_samples : int
        All samples of a star.
    """
    middle, end, last = (margins[:, i].astype(np.float64) for i in (0, 1, -1))
    between = n_samples // 2 - (margins.shape[1] - 2)
    beyond = n_samples - margins.shape[1] - between
    return (between * (last + middle) + beyond * (middle + end)) / 2.0


def jeffreys_interval(
    votes: NDArray[np.int64], n_samples: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the central Jeffreys interval of content `INTERVAL`, arrays of shape (n,).

    Its ends are quantiles of Beta(v + ½, n − v + ½); the lower end is 0 for v = 0 and the upper
    end 1 for v = n (Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286).

    Parameters
    ----------
    votes, n_samples : arrays, shape (n,)
        Samples called member, and all samples.
    """
    from scipy.special import betaincinv

    pairs, place = np.unique(np.stack((votes, n_samples)), axis=1, return_inverse=True)
    v, n = pairs
    tail = (1.0 - INTERVAL) / 2.0
    low = np.where(v == 0, 0.0, betaincinv(v + 0.5, n - v + 0.5, tail))
    high = np.where(v == n, 1.0, betaincinv(v + 0.5, n - v + 0.5, 1.0 - tail))
    return low[place], high[place]

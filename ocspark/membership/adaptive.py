"""Which samples of a star the network has to judge until all its votes are sure.

A sample's margin (member minus non-member logit) falls with its distance from the cluster in
motion and parallax, which costs next to nothing: the network costs ten times as much as drawing.
So the samples of a star are ordered by it, and the network judges them from the end at which a
vote is most likely to differ from those of the rest. Once it no longer does, and the margins say
that it will not, the votes of the samples left are known without the network.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: A star of which this share of votes or more may be in the minority has all its samples judged.
FEW = 0.05
#: Bound on the chance that any of the samples left votes otherwise, if they were like the last
#: ones judged; they are farther on, so it is far less: some 0.00001, measured at DR3's density.
ERROR = 0.1
#: Margins that the bound is derived from: the last so many.
LAST = 8
#: Their standard deviation counts as no less, since now and then a support set turns a sample of a
#: star whose others are all alike.
LEAST_SPREAD = 2.0
#: Samples judged at the end where votes may differ before the first decision.
FIRST_CHECK = 4
#: Largest share of the samples that is judged without judging all.
MOST = 0.4
#: Content of the interval of the probability.
INTERVAL = 0.95


def judging_orders(n_samples: int) -> NDArray[np.int64]:
    """Return the ranks of three samples or more in order of judging them, shape (2, n_samples).

    Rank 0 is the sample nearest to the cluster. The middle one comes first: if it is no member,
    the farthest and then all from the nearest on (row 0); if it is, the nearest and then all from
    the farthest on (row 1).
    """
    ranks = np.arange(n_samples)
    middle = n_samples // 2
    near, far = (np.delete(ranks, [middle, end]) for end in (n_samples - 1, 0))
    return np.stack((np.append([middle, n_samples - 1], near), np.append([middle, 0], far[::-1])))


def checkpoints(n_samples: int) -> list[int]:
    """Return after how many judged samples to decide; `n_samples`, which needs none, is last."""
    at, judged = [], FIRST_CHECK
    while judged <= MOST * n_samples:
        at.append(judged + 2)  # the middle one and the one at the other end
        judged += max(2, judged // 2)
    return [*at, n_samples]


def find_certain(
    margins: NDArray[np.float32], n_samples: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which stars' votes are sure, and which have too many in the minority to become so.

    The bound is the upper prediction limit of a normal variate, mean + t s √(1 + 1/k) with
    Student's t (e.g. Hahn & Meeker 1991, doi:10.1002/9780470316771, §4.7), for all samples left
    together (Bonferroni), from the mean and standard deviation s of the last k margins, s at least
    `LEAST_SPREAD`. A star is sure where it lies below 0.

    Parameters
    ----------
    margins : array, shape (n, judged)
        In the order of `judging_orders`; their sign turned where the middle sample is a member.
    n_samples : int
        All samples of a star.
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
    """Return the sum of the margins of the samples that were not judged, shape (n,).

    Interpolated by rank, from the last one judged to the middle one and on to the other end's.
    """
    middle, end, last = (margins[:, i].astype(np.float64) for i in (0, 1, -1))
    between = n_samples // 2 - (margins.shape[1] - 2)
    beyond = n_samples - margins.shape[1] - between
    return (between * (last + middle) + beyond * (middle + end)) / 2.0


def jeffreys_interval(
    votes: NDArray[np.int64], n_samples: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the central Jeffreys interval of content `INTERVAL`, arrays of shape (n,).

    The Beta(v + ½, n − v + ½) quantiles, 0 below no votes and 1 above none against
    (Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286).
    """
    from scipy.special import betaincinv

    pairs, place = np.unique(np.stack((votes, n_samples)), axis=1, return_inverse=True)
    v, n = pairs
    tail = (1.0 - INTERVAL) / 2.0
    low = np.where(v == 0, 0.0, betaincinv(v + 0.5, n - v + 0.5, tail))
    high = np.where(v == n, 1.0, betaincinv(v + 0.5, n - v + 0.5, 1.0 - tail))
    return low[place], high[place]

"""Measure mass segregation by minimum spanning trees (Allison et al. 2009, MNRAS 395, 1449)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Number of random sets that the brightest stars are compared with.
N_RANDOM = 200
#: Sizes of the sets of brightest stars; the ratio of the first is the one that is reported.
SET_SIZES = (10, 20, 40, 80)


class Segregation(NamedTuple):
    """Λ_MSR of the `n` brightest stars and its 1-sigma error."""

    n: int
    ratio: float
    error: float


def tree_lengths(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the length of the Euclidean minimum spanning tree of each set of points.

    Prim's algorithm, for all sets at once.

    Parameters
    ----------
    points : array, shape (sets, n, 2)
        Points of each set.

    Returns
    -------
    array, shape (sets,)
        Lengths in the unit of the points.
    """
    sets, n = points.shape[:2]
    rows = np.arange(sets)
    outside = np.ones((sets, n), dtype=bool)
    outside[:, 0] = False
    nearest = np.linalg.norm(points - points[:, :1], axis=-1)
    total = np.zeros(sets)
    for _ in range(n - 1):
        added = np.argmin(np.where(outside, nearest, np.inf), axis=1)
        total += nearest[rows, added]
        outside[rows, added] = False
        step = np.linalg.norm(points - points[rows, added][:, None], axis=-1)
        nearest = np.minimum(nearest, step)
    return total


def segregation(
    positions: NDArray[np.float64], magnitude: NDArray[np.float64], rng: np.random.Generator
) -> list[Segregation]:
    """Return Λ_MSR = ⟨l_random⟩ / l_brightest ± σ_random / l_brightest for several set sizes.

    A ratio of 1 means no segregation; above 1 the brightest stars, which on a main sequence are the
    most massive, lie closer together than random members. Sets with more than half of the stars are
    left out, since they hardly differ from all.

    Parameters
    ----------
    positions : array, shape (n, 2)
        Positions in the tangent plane, in any unit.
    magnitude : array, shape (n,)
        G [mag]; of equally bright stars the first comes first.
    rng : Generator
        Generator of the random sets.
    """
    order = np.argsort(magnitude, kind="stable")
    found = []
    for size in SET_SIZES:
        if 2 * size > len(order):
            break
        brightest = float(tree_lengths(positions[None, order[:size]])[0])
        # the stars with the smallest random keys are a random subset
        keys = rng.random((N_RANDOM, len(order)))
        picked = np.argpartition(keys, size - 1, axis=1)[:, :size]
        random = tree_lengths(positions[picked])
        if brightest > 0.0:
            ratio = float(random.mean()) / brightest
            found.append(Segregation(size, ratio, float(random.std(ddof=1)) / brightest))
    return found

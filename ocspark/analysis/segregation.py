"""Mass segregation by minimum spanning trees (Allison et al. 2009, MNRAS 395, 1449)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Random sets each ratio is compared with.
N_RANDOM = 200
#: Sizes of the sets of brightest stars; the first is the one reported as *the* ratio.
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

    Returns
    -------
    array, shape (sets,)
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
    """Return Λ_MSR = ⟨l_random⟩ / l_brightest ± σ_random / l_brightest for some set sizes.

    1 means no segregation, above 1 that the brightest stars (the most massive, on a main
    sequence) lie closer together than random members. Sets of more than half of the stars are
    left out: they are no longer different from the whole.

    Parameters
    ----------
    positions : array, shape (n, 2)
        In the tangent plane, any unit.
    magnitude : array, shape (n,)
        G [mag]; ties are broken by order.
    rng : Generator
    """
    order = np.argsort(magnitude, kind="stable")
    found = []
    for size in SET_SIZES:
        if 2 * size > len(order):
            break
        brightest = float(tree_lengths(positions[None, order[:size]])[0])
        # the smallest of n random keys: a random subset for each row, without replacement
        keys = rng.random((N_RANDOM, len(order)))
        picked = np.argpartition(keys, size - 1, axis=1)[:, :size]
        random = tree_lengths(positions[picked])
        if brightest > 0.0:
            ratio = float(random.mean()) / brightest
            found.append(Segregation(size, ratio, float(random.std(ddof=1)) / brightest))
    return found

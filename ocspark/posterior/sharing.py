"""Share stars that several clusters claim (step 6), so that posteriors sum to at most 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: A star with a smaller q is not claimed; its q counts as 0.
LEAST_CLAIM = 1e-6
#: Largest q of which odds are computed; a larger one counts as this.
MAX_Q = 1.0 - 1e-9


def odds(q: Floats) -> Floats:
    """Return the odds q/(1 − q), with q limited to 1 − 10⁻⁹."""
    limited = np.minimum(q, MAX_Q)
    return limited / (1.0 - limited)


def share_stars(
    source_id: NDArray[np.int64], q: Floats, low: Floats, high: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return posteriors of stars shared between the clusters that claim them: o_c / (1 + Σ o).

    A star belongs to one of the clusters or to the field; o are its odds for each cluster. A row
    with q null or 0 claims nothing. A star that one cluster alone claims keeps its q bit by bit.

    Parameters
    ----------
    source_id : array, shape (n,)
        Star of each row (cluster, star), for any number of clusters. The rows of a star must always
        be in the same order of clusters, so that sums have the same bits. Stars that one cluster
        alone claims may be among them.
    q, low, high : arrays, shape (n,)
        Each cluster's own probability and its interval, NaN for null.

    Returns
    -------
    tuple of arrays, shape (n,) each
        posterior, posterior_low, posterior_high. For the interval only the row's own odds vary.
    """
    _, star = np.unique(source_id, return_inverse=True)
    alone = np.bincount(star, q > 0)[star] <= 1
    own = odds(q)
    total = np.bincount(star, np.nan_to_num(own))[star]
    others = np.maximum(total - np.nan_to_num(own), 0.0)
    shared = (
        np.where(alone, values, odds(values) / (1.0 + others + odds(values)))
        for values in (q, low, high)
    )
    posterior, lower, upper = shared
    return posterior, lower, upper

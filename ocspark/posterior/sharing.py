"""Step 6, stars that several clusters claim: their posteriors sum to at most 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: A star of smaller q is not claimed: its q counts as 0.
LEAST_CLAIM = 1e-6
#: Largest q that enters odds.
MAX_Q = 1.0 - 1e-9


def odds(q: Floats) -> Floats:
    """Return q/(1 − q), q at most 1 − 10⁻⁹."""
    limited = np.minimum(q, MAX_Q)
    return limited / (1.0 - limited)


def share_stars(
    source_id: NDArray[np.int64], q: Floats, low: Floats, high: Floats
) -> tuple[Floats, Floats, Floats]:
    """Share stars between the clusters that claim them: posterior = o_c / (1 + Σ o).

    A star is one cluster's, another's or the field's. A cluster whose posterior is null claims
    nothing, nor does one whose q is 0. What one cluster alone claims stays as it is, to the bit.

    Parameters
    ----------
    source_id : array, shape (n,)
        Of rows (cluster, star) of any number of clusters, those of a star always in the same
        order of clusters, so that sums do not depend on how rows were found; rows of stars that
        one cluster alone claims may be among them.
    q, low, high : arrays, shape (n,)
        Each cluster's own probability and its interval, NaN where null.

    Returns
    -------
    tuple of arrays, shape (n,) each
        posterior, posterior_low, posterior_high. The interval is for the row's own odds, those
        of the other clusters as they are.
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

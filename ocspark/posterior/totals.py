"""What a cluster's posteriors add up to: expected members, contaminants, and their errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Error of N beyond the counting of stars, as shares of N and of K = Σq(1−q); set on mocks, where
#: 95 % of the clusters lie within 2σ.
SHARE_OF_N, SHARE_OF_K = 0.03, 0.3
#: The same in small cones: shares of N and of the field Σ(1−q).
SMALL_SHARE_OF_N, SMALL_SHARE_OF_FIELD = 0.05, 0.03
#: Level at which a star is called a member.
LEVEL = 0.5


@dataclass(frozen=True)
class Totals:
    """Sums over a cluster's candidates.

    Attributes
    ----------
    n_members : int
        Stars with posterior >= 0.5.
    expected_members, expected_members_error : float
        N = Σ posterior and its 1-sigma error.
    contaminants_posterior_50, contaminants_votes_50 : float
        Expected non-members among the stars with posterior, and with votes, >= 0.5.
    """

    n_members: int
    expected_members: float
    expected_members_error: float
    contaminants_posterior_50: float
    contaminants_votes_50: float


def sum_up(posterior: Floats, votes: Floats, covered_radius: float, small_radius: float) -> Totals:
    """Return the totals of one cluster.

    σ_N² = K + (0.03 N)² + (0.3 K)², K = Σq(1−q); where R is small, + (0.05 N)² + (0.03 Σ(1−q))².

    Parameters
    ----------
    posterior : array, shape (n,)
        Of all its candidates, in order of source_id, shared or not; NaN beyond R.
    votes : array, shape (n,)
    covered_radius, small_radius : float
        R, and below what R it is small [pc].
    """
    known = np.flatnonzero(np.isfinite(posterior))
    q, votes = posterior[known], votes[known]
    expected, spread, field = float(q.sum()), float((q * (1.0 - q)).sum()), float((1.0 - q).sum())
    variance = spread + (SHARE_OF_N * expected) ** 2 + (SHARE_OF_K * spread) ** 2
    if covered_radius < small_radius:
        variance += (SMALL_SHARE_OF_N * expected) ** 2 + (SMALL_SHARE_OF_FIELD * field) ** 2
    return Totals(
        n_members=int((q >= LEVEL).sum()),
        expected_members=expected,
        expected_members_error=float(np.sqrt(variance)),
        contaminants_posterior_50=float((1.0 - q)[q >= LEVEL].sum()),
        contaminants_votes_50=float((1.0 - q)[votes >= LEVEL].sum()),
    )

"""What a cluster's posteriors add up to: expected members, contaminants, and their errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocspark.posterior.field import COUNT_WIDTH
from ocspark.posterior.magnitudes import MagnitudeBins

Floats = NDArray[np.float64]

#: Errors of N beyond the counting of stars: what the members' model gets wrong, as a share of N,
#: and the field's density, as a share of the field beneath the members; set on mocks.
SHARE_OF_N, SHARE_OF_FIELD = 0.03, 0.25
#: Largest κ: where all of a magnitude is doubt, nothing holds φ but its neighbours.
_LARGEST_KAPPA = 0.98
_LEAST = 1e-12
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


def field_beneath(q: Floats, g_mag: Floats) -> float:
    """Return B, how many field stars lie beneath the members.

    B = Σ q(1−q) / (1 − κ(G)), κ = Σ q(1−q) K / Σ q K over neighbours in G, K as for φ. Where
    members and field do not differ but in number, as in a count on and off a cluster, all q are
    N/(N+B). In general Σ q(1−q) is how much N changes with ln F if φ is held, and 1/(1−κ) how
    much more it does because φ(G) is fitted to the same stars.

    Parameters
    ----------
    q, g_mag : arrays, shape (n,)
        Probabilities and G [mag].
    """
    bins, doubt = MagnitudeBins(g_mag), q * (1.0 - q)
    members = bins.read(bins.smooth(q, COUNT_WIDTH))
    kappa = bins.read(bins.smooth(doubt, COUNT_WIDTH)) / np.maximum(members, _LEAST)
    return float((doubt / (1.0 - np.minimum(kappa, _LARGEST_KAPPA))).sum())


def sum_up(posterior: Floats, votes: Floats, g_mag: Floats) -> Totals:
    """Return the totals of one cluster.

    σ_N² = B + (0.03 N)² + (0.25 B)², B the field beneath the members (`field_beneath`): chance,
    the members' model, and the field's density.

    Parameters
    ----------
    posterior : array, shape (n,)
        Of all its candidates, in order of source_id, shared or not; NaN beyond R.
    votes, g_mag : arrays, shape (n,)
    """
    known = np.flatnonzero(np.isfinite(posterior))
    q, votes = posterior[known], votes[known]
    some = np.flatnonzero(q > 0.0)
    expected, beneath = float(q.sum()), field_beneath(q[some], g_mag[known][some])
    variance = beneath + (SHARE_OF_N * expected) ** 2 + (SHARE_OF_FIELD * beneath) ** 2
    return Totals(
        n_members=int((q >= LEVEL).sum()),
        expected_members=expected,
        expected_members_error=float(np.sqrt(variance)),
        contaminants_posterior_50=float((1.0 - q)[q >= LEVEL].sum()),
        contaminants_votes_50=float((1.0 - q)[votes >= LEVEL].sum()),
    )

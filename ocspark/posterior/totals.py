"""Sum up a cluster's posteriors: expected members with their error, contaminants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocspark.posterior.field import COUNT_WIDTH
from ocspark.posterior.magnitudes import MagnitudeBins

Floats = NDArray[np.float64]

#: Errors of N in addition to counting: of the members' model, as a share of N, and of the field's
#: density, as a share of the field beneath the members. They were chosen with mocks.
SHARE_OF_N, SHARE_OF_FIELD = 0.03, 0.25
#: Largest κ, for magnitudes at which all stars are doubtful.
_LARGEST_KAPPA = 0.98
_LEAST = 1e-12
#: Least posterior, or votes, of a member.
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
    """Return B, the number of field stars beneath the members.

    B = Σ q(1−q) / (1 − κ(G)), with κ = Σ q(1−q) K / Σ q K over neighbours in G and K as for φ. If
    members and field differ in nothing but number, as in counts on and off a cluster, all q are
    N/(N+B) and B is exact. In general Σ q(1−q) is the change of N with ln F for fixed φ, and
    1/(1−κ) the factor by which it is larger because φ(G) is fitted to the same stars.

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

    σ_N² = B + (0.03 N)² + (0.25 B)², with B from `field_beneath`; the terms are for counting, the
    members' model, and the field's density.

    Parameters
    ----------
    posterior : array, shape (n,)
        Posteriors of all candidates, sorted by source_id, before or after sharing; NaN beyond R.
    votes, g_mag : arrays, shape (n,)
        Their votes and G [mag].
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

"""Compute the posteriors of one cluster's candidates, in all steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocspark.posterior.checks import flags_of, moved_off_sum, reason_after_fit, reason_before_fit
from ocspark.posterior.colours import MemberColours
from ocspark.posterior.magnitudes import GRID, MagnitudeBins
from ocspark.posterior.mixture import Mixture, Solution
from ocspark.posterior.settings import PosteriorSettings
from ocspark.posterior.stars import Candidates, ClusterToFit, is_measured, relative_stars
from ocspark.posterior.totals import LEVEL, Totals, sum_up
from ocspark.posterior.uncertainty import bootstrap_interval

Floats = NDArray[np.float64]

#: Step in G of the luminosity function that is returned [mag].
LUMINOSITY_STEP = 0.2


@dataclass(frozen=True)
class ClusterFit:
    """Values fitted to a cluster.

    Attributes
    ----------
    pmra, pmdec, parallax : float
        Mean of the members [mas/yr, mas].
    pm_width, parallax_width : float
        Intrinsic widths s [mas/yr] and s_ϖ [mas].
    binary_share : float
        f_b.
    colour_shift : tuple of float
        dC at G = 12, 15, 18 [mag].
    colour_width : float
        w_C [mag].
    radial_weights : tuple of float
        Weights of the discs of `profile.REACHES_PC`.
    luminosity_g, luminosity : arrays, shape (b,)
        G [mag] and members per magnitude there, corrected for those outside the windows.
    recovered : float
        Share of the training members within R with q >= 0.5.
    offset_sum : float
        Moved-off sum; see `checks.moved_off_sum`.
    """

    pmra: float
    pmdec: float
    parallax: float
    pm_width: float
    parallax_width: float
    binary_share: float
    colour_shift: tuple[float, float, float]
    colour_width: float
    radial_weights: tuple[float, ...]
    luminosity_g: Floats
    luminosity: Floats
    recovered: float
    offset_sum: float


@dataclass(frozen=True)
class PosteriorResult:
    """Posteriors of one cluster's candidates, before stars are shared between clusters.

    Attributes
    ----------
    q, low, high : arrays, shape (n,)
        Probability of being a member and its 95 % interval, in the order of the candidates. NaN
        beyond R and if the cluster has no posterior; 0 for a star that lacks a measurement.
    reason : str or None
        Why the cluster has no posterior.
    totals : Totals or None
        Sums over q, None if there is no posterior; after sharing `totals.sum_up` gives them again.
    fit : ClusterFit or None
        Fitted values; None if no fit was tried.
    flags : tuple of str
        Remarks from `checks.flags_of`.
    """

    q: Floats
    low: Floats
    high: Floats
    reason: str | None
    totals: Totals | None
    fit: ClusterFit | None
    flags: tuple[str, ...]


def compute_posterior(
    candidates: Candidates, cluster: ClusterToFit, settings: PosteriorSettings | None = None
) -> PosteriorResult:
    """Return the probability of each candidate of being a member of the cluster.

    A mixture of members and field is fitted to the cluster's own candidates. The result depends
    on nothing else; it has no random state.

    Parameters
    ----------
    candidates : Candidates
        All candidates of the cluster, training members included, sorted by source_id.
    cluster : ClusterToFit
        The cluster.
    settings : PosteriorSettings, optional
        By default those of `PosteriorSettings()`.
    """
    settings = settings or PosteriorSettings()
    stars, rows = relative_stars(candidates, cluster)
    radius = cluster.covered_radius_pc
    reason = reason_before_fit(radius, int(stars.is_training.sum()), settings)
    if reason is not None:
        return _null(candidates, reason)
    mixture = Mixture(stars, MemberColours(cluster.isochrone), radius)
    solution = mixture.fit()
    recovered = float((solution.q[stars.is_training] >= LEVEL).mean())
    offset_sum = moved_off_sum(mixture, solution, cluster)
    totals = sum_up(solution.q, stars.votes, stars.g_mag)
    fit = _describe(solution, cluster, stars.g_mag, recovered, offset_sum)
    flags = flags_of(solution, recovered, offset_sum, totals.expected_members, radius, settings)
    reason = reason_after_fit(recovered, settings)
    if reason is not None:
        return _null(candidates, reason, fit, flags)
    low, high = bootstrap_interval(
        mixture,
        solution,
        candidates.source_id[rows],
        cluster.key,
        settings.seed,
        settings.n_replicates,
    )
    start = _unmeasured_zero(candidates, radius)
    q, low, high = (_put(start, rows, values) for values in (solution.q, low, high))
    return PosteriorResult(q, low, high, None, totals, fit, flags)


def _null(
    candidates: Candidates,
    reason: str,
    fit: ClusterFit | None = None,
    flags: tuple[str, ...] = (),
) -> PosteriorResult:
    nothing = np.full(len(candidates.source_id), np.nan)
    return PosteriorResult(nothing, nothing, nothing, reason, None, fit, flags)


def _unmeasured_zero(candidates: Candidates, radius: float) -> Floats:
    """Return 0 for stars that lack a measurement, NaN for the others."""
    lacking = ~is_measured(candidates)
    beyond = np.hypot(candidates.xi, candidates.eta) > radius
    return np.where(lacking & ~beyond, 0.0, np.nan)


def _put(start: Floats, rows: NDArray[np.int64], values: Floats) -> Floats:
    out = start.copy()
    out[rows] = values
    return out


def _describe(
    solution: Solution, cluster: ClusterToFit, g_mag: Floats, recovered: float, offset_sum: float
) -> ClusterFit:
    mean, variance = solution.motion.mean, solution.motion.variance
    first = np.floor(g_mag.min() / LUMINOSITY_STEP)
    last = np.ceil(g_mag.max() / LUMINOSITY_STEP)
    luminosity_g = LUMINOSITY_STEP * np.arange(first, last + 1)
    luminosity_g = luminosity_g[(luminosity_g >= GRID[0]) & (luminosity_g <= GRID[-1])]
    return ClusterFit(
        pmra=cluster.pmra + mean[0],
        pmdec=cluster.pmdec + mean[1],
        parallax=cluster.parallax + mean[2],
        pm_width=float(np.sqrt(variance[0])),
        parallax_width=float(np.sqrt(variance[2])),
        binary_share=solution.colours.binary_share,
        colour_shift=solution.colours.shift,
        colour_width=solution.colours.width,
        radial_weights=tuple(solution.radial_weights.tolist()),
        luminosity_g=luminosity_g,
        luminosity=MagnitudeBins(luminosity_g).read(solution.luminosity),
        recovered=recovered,
        offset_sum=offset_sum,
    )

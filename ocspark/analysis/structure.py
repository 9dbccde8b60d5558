"""Measure the structure of a cluster from its members: radii, profile, mass segregation, means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocspark.analysis.king import Interval, fit_king
from ocspark.analysis.segregation import segregation
from ocspark.sky.sphere import tangent_plane_rad
from ocspark.tables.member_rule import MemberRule

#: Least posterior or votes of stars for the faint fraction, and the paper's faint limit [mag].
FAINT_LEVEL, FAINT_G = 0.1, 18.0
_PROFILE_RINGS = 12
_MIN_R50 = 5


def measure_structure(
    stars: Mapping[str, NDArray],
    centre: tuple[float, float],
    distance_pc: float,
    seed: int,
    rule: MemberRule,
) -> dict[str, Any]:
    """Return the structure of a cluster; NaN for what its members do not constrain.

    Parameters
    ----------
    stars : mapping of arrays, shape (n,)
        All its candidates, sorted by source_id, with the columns of the candidates table.
    centre : (float, float)
        ra, dec of the cluster [deg].
    distance_pc : float
        Distance of the cluster [pc].
    seed : int
        Seed of the random sets for mass segregation: the cluster's key.
    rule : MemberRule
        Rule by which candidates are members.

    Returns
    -------
    dict
        The columns of the `STRUCTURE` table but the cluster's name.
    """
    value = np.asarray(stars[rule.column], dtype=float)
    member = rule.members(stars)
    own = {name: np.asarray(column)[member] for name, column in stars.items()}
    # the farthest candidate shows how far the mirror was searched; candidates without a posterior
    # lie outside the radius in which there are members
    radius = stars["f_r"][np.isfinite(value)]
    extent = float(radius.max()) if len(radius) else math.nan
    fit = fit_king(own["f_r"], extent)
    r50 = median_interval(own["f_r"])
    bright = stars["phot_g_mean_mag"][value >= FAINT_LEVEL] <= FAINT_G
    faint = share_interval(int((~bright).sum()), len(bright))
    profile = density_profile(own["f_r"], extent)
    plane = distance_pc * np.column_stack(tangent_plane_rad(own["ra"], own["dec"], *centre))
    rng = np.random.default_rng([seed % 2**64])
    ratios = segregation(plane, own["phot_g_mean_mag"], rng)
    new = ~own["is_training_member"].astype(bool)
    row: dict[str, Any] = {
        "members_by": rule.members_by,
        "n_members": int(member.sum()),
        "extent_pc": extent,
        "background_fraction": fit.background,
        "king_status": fit.status,
        **{f"profile_{name}": values.tolist() for name, values in profile._asdict().items()},
        "segregation_ratio": ratios[0].ratio if ratios else math.nan,
        "segregation_error": ratios[0].error if ratios else math.nan,
        "segregation_sizes": [r.n for r in ratios],
        "segregation_ratios": [r.ratio for r in ratios],
        "segregation_errors": [r.error for r in ratios],
        "n_new": int(new.sum()),
    }
    for name, found in (
        ("r50", r50),
        ("core_radius", fit.core),
        ("tidal_radius", fit.tidal),
        ("faint_fraction", faint),
    ):
        row |= {name: found.value, f"{name}_lower": found.lower, f"{name}_upper": found.upper}
    for name in ("pmra", "pmdec", "parallax"):
        mean, sigma = scaled_mean(own[name][new], own[f"{name}_error"][new])
        row |= {f"new_{name}": mean, f"new_{name}_error": sigma}
    return row


def median_interval(values: NDArray[np.float64]) -> Interval:
    """Return the median and its 68 % interval by order statistics.

    No distribution is assumed: the number of values below the true median is binomial with
    probability 1/2 and standard deviation √n/2. Fewer than 5 values give no interval.
    """
    n = len(values)
    if n < _MIN_R50:
        return Interval(float(np.median(values)) if n else math.nan, math.nan, math.nan)
    ranks = np.arange(1, n + 1)
    reach = 0.5 * math.sqrt(n)
    centre = 0.5 * (n + 1)
    low, high = np.interp([centre - reach, centre + reach], ranks, np.sort(values))
    return Interval(float(np.median(values)), float(low), float(high))


def share_interval(k: int, n: int) -> Interval:
    """Return k/n and its 68 % interval (Wilson 1927, JASA 22, 209)."""
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    share = k / n
    middle, width = share + 0.5 / n, math.sqrt(share * (1.0 - share) / n + 0.25 / n**2)
    scale = 1.0 + 1.0 / n
    return Interval(share, (middle - width) / scale, (middle + width) / scale)


def scaled_mean(values: NDArray[np.float64], errors: NDArray[np.float64]) -> tuple[float, float]:
    """Return the weighted mean and its error, multiplied by √(χ²/(n−1)) if that exceeds 1.

    The formal error does not include the cluster's own dispersion.
    """
    n = len(values)
    if n == 0:
        return math.nan, math.nan
    weights = 1.0 / errors**2
    mean = float(np.sum(values * weights) / np.sum(weights))
    chi2 = float(np.sum(weights * (values - mean) ** 2)) / (n - 1) if n > 1 else 1.0
    return mean, float(math.sqrt(max(chi2, 1.0) / np.sum(weights)))


class DensityProfile(NamedTuple):
    """Rings of a density profile, arrays of shape (rings,).

    Attributes
    ----------
    inner, outer : arrays
        Edges [pc].
    radius : array
        Radius that halves the area of the ring [pc].
    density, error : arrays
        Density and its Poisson error [stars/pc²].
    """

    inner: NDArray[np.float64]
    outer: NDArray[np.float64]
    radius: NDArray[np.float64]
    density: NDArray[np.float64]
    error: NDArray[np.float64]


def density_profile(radius: NDArray[np.float64], extent: float) -> DensityProfile:
    """Return the density profile out to a radius, in rings with about equal numbers of stars.

    Empty rings are left out. There is no ring for fewer than 24 stars.

    Parameters
    ----------
    radius : array, shape (n,)
        Projected radii of the members [pc].
    extent : float
        Outer edge of the last ring [pc].
    """
    n = len(radius)
    if n < 2 * _PROFILE_RINGS or not extent > 0.0:
        return DensityProfile(*(np.empty(0) for _ in DensityProfile._fields))
    quantiles = np.quantile(radius, np.linspace(0.0, 1.0, _PROFILE_RINGS + 1)[1:-1])
    edges = np.unique(np.concatenate(([0.0], quantiles, [extent])))
    counts = np.histogram(radius, edges)[0]
    area = np.pi * np.diff(edges**2)
    middle = np.sqrt(0.5 * (edges[1:] ** 2 + edges[:-1] ** 2))
    rings = (edges[:-1], edges[1:], middle, counts / area, np.sqrt(counts) / area)
    return DensityProfile(*(values[counts > 0] for values in rings))

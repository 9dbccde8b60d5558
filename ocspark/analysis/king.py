"""Fit King (1962) profiles to projected radii, with intervals that may be open."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Least number of stars for a fit, and least gain in ln L over a flat density.
MIN_STARS, MIN_GAIN = 30, 5.0
#: Ranges of core and tidal radius that are searched, in units of the fitted area's radius R.
CORE_RANGE, TIDAL_RANGE = (1.0 / 400.0, 1.0), (1.0 / 40.0, 4.0)
#: Ratio of core to tidal radius above which the profile's shape no longer constrains the core.
MAX_CORE = 0.7
_BINS, _GRID, _BACKGROUNDS = 48, 36, 17
#: Decrease of ln L at the ends of a 68 % interval of one parameter.
_ONE_SIGMA = 0.5


@dataclass(frozen=True)
class Interval:
    """A value with its 68 % interval; an end that the data do not constrain is NaN."""

    value: float
    lower: float
    upper: float


NOTHING = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class KingFit:
    """A fitted King profile.

    Attributes
    ----------
    core, tidal : Interval
        Core and tidal radius [pc]. A radius that is not constrained has the value NaN, and may
        still have one end of its interval.
    background : float
        Fraction of the stars in a flat background.
    status : str
        "fitted", or what is not constrained.
    """

    core: Interval
    tidal: Interval
    background: float
    status: str


def king_number(
    radius: NDArray[np.float64], core: NDArray[np.float64], tidal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the number of stars within a radius of a King profile, up to a factor.

    King (1962, AJ 67, 471), Eq. 18 divided by π k r_c²: ln(1+x) − 4 (√(1+x) − 1)/√(1+x_t)
    + x/(1+x_t), with x = (r/r_c)²; constant beyond the tidal radius.

    Parameters
    ----------
    radius, core, tidal : arrays
        Radius, core radius and tidal radius in the same unit; they are broadcast.
    """
    x_t = (tidal / core) ** 2
    x = np.minimum((radius / core) ** 2, x_t)
    return np.asarray(
        np.log1p(x) - 4.0 * (np.sqrt(1.0 + x) - 1.0) / np.sqrt(1.0 + x_t) + x / (1.0 + x_t)
    )


def king_density(radius: NDArray[np.float64], core: float, tidal: float) -> NDArray[np.float64]:
    """Return the surface density of King (1962), Eq. 14, with k = 1 (0 beyond `tidal`)."""
    edge = 1.0 / math.sqrt(1.0 + (tidal / core) ** 2)
    inside = 1.0 / np.sqrt(1.0 + (radius / core) ** 2) - edge
    return np.asarray(np.where(radius < tidal, inside, 0.0) ** 2)


def fit_king(radius_pc: NDArray[np.float64], extent_pc: float) -> KingFit:
    """Fit a King profile on a flat background to projected radii, by maximum likelihood.

    The likelihood of narrow rings is evaluated on a grid of (log r_c, log r_t, background
    fraction), which is refined around the maximum. Intervals are those of profile likelihoods, so
    that no Gaussian shape is assumed; one that reaches the end of the searched range (`CORE_RANGE`,
    `TIDAL_RANGE`) is open.

    Parameters
    ----------
    radius_pc : array, shape (n,)
        Projected radii of the members [pc].
    extent_pc : float
        Radius R of the area in which members were searched [pc].
    """
    radius = radius_pc[radius_pc <= extent_pc]
    if len(radius) < MIN_STARS:
        return KingFit(NOTHING, NOTHING, math.nan, f"not fitted: fewer than {MIN_STARS} members")
    # rings with about equal numbers of stars; equal radii may give equal edges
    inner = np.quantile(radius, np.linspace(0.0, 1.0, _BINS + 1)[1:-1])
    edges = np.unique(np.concatenate(([0.0], inner, [extent_pc])))
    counts = np.histogram(radius, edges)[0].astype(float)
    area = np.diff(edges**2) / extent_pc**2
    core_box = [math.log(v * extent_pc) for v in CORE_RANGE]
    tidal_box = [math.log(v * extent_pc) for v in TIDAL_RANGE]
    background_box = [0.0, 1.0]
    limits = [tuple(core_box), tuple(tidal_box), (0.0, 1.0)]
    boxes = [core_box, tidal_box, background_box]
    for _ in range(3):
        axes = [
            np.linspace(box[0], box[1], n)
            for box, n in zip(boxes, (_GRID, _GRID, _BACKGROUNDS), strict=True)
        ]
        log_l = _log_likelihood(counts, edges, area, *axes)
        boxes = [_close_in(axis, _profile(log_l, i), limits[i]) for i, axis in enumerate(axes)]
    flat = float(np.sum(counts * np.log(area)))
    if log_l.max() - flat < MIN_GAIN:
        return KingFit(NOTHING, NOTHING, math.nan, "not constrained: no concentration of stars")
    best = np.unravel_index(int(np.argmax(log_l)), log_l.shape)
    core = _interval(axes[0], _profile(log_l, 0), limits[0])
    tidal = _interval(axes[1], _profile(log_l, 1), limits[1])
    if (
        core.value > MAX_CORE * tidal.value
    ):  # a flat profile that ends at the tidal radius has no core
        core = Interval(math.nan, core.lower, math.nan)
    open_ends = [
        name
        for name, found in (("core radius", core), ("tidal radius", tidal))
        if math.isnan(found.value)
    ]
    status = "not constrained: " + ", ".join(open_ends) if open_ends else "fitted"
    return KingFit(core, tidal, float(axes[2][best[2]]), status)


def _log_likelihood(
    counts: NDArray[np.float64],
    edges: NDArray[np.float64],
    area: NDArray[np.float64],
    log_core: NDArray[np.float64],
    log_tidal: NDArray[np.float64],
    background: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return ln L on the grid, shape (core, tidal, background); −∞ where r_t ≤ r_c."""
    core, tidal = np.exp(log_core)[:, None, None], np.exp(log_tidal)[None, :, None]
    number = king_number(edges, core, np.maximum(tidal, 1.0001 * core))
    # near the tidal radius rounding may make a ring's number negative
    share = np.maximum(np.diff(number, axis=-1) / number[..., -1:], 0.0)
    out = np.empty((len(log_core), len(log_tidal), len(background)))
    with np.errstate(divide="ignore", invalid="ignore"):
        for i, b in enumerate(background):
            logs = np.log((1.0 - b) * share + b * area)
            out[..., i] = np.where(counts > 0, counts * logs, 0.0).sum(axis=-1)
    out[(log_tidal[None, :] <= log_core[:, None])] = -np.inf
    return out


def _profile(log_l: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    others = tuple(i for i in range(3) if i != axis)
    return np.asarray(log_l.max(axis=others))


def _close_in(
    axis: NDArray[np.float64], profile: NDArray[np.float64], limits: tuple[float, ...]
) -> list[float]:
    """Return the range of an axis with ln L within 4 of its maximum, a cell more on each side."""
    inside = np.flatnonzero(profile > profile.max() - 4.0)
    cell = axis[1] - axis[0]
    low, high = axis[inside[0]] - cell, axis[inside[-1]] + cell
    return [max(float(low), limits[0]), min(float(high), limits[1])]


def _interval(
    log_axis: NDArray[np.float64], profile: NDArray[np.float64], limits: tuple[float, ...]
) -> Interval:
    depth = profile.max() - profile - _ONE_SIGMA
    best = int(np.argmax(profile))
    lower = _crossing(log_axis[: best + 1][::-1], depth[: best + 1][::-1])
    upper = _crossing(log_axis[best:], depth[best:])
    closed = not (math.isnan(lower) or math.isnan(upper))
    return Interval(
        math.exp(_vertex(log_axis, profile, best)) if closed else math.nan,
        math.exp(lower),
        math.exp(upper),
    )


def _crossing(axis: NDArray[np.float64], depth: NDArray[np.float64]) -> float:
    """Return where `depth` (negative at first) rises through 0, or NaN if it does not."""
    above = np.flatnonzero(depth > 0.0)
    if not len(above):
        return math.nan
    i = int(above[0])
    step = -depth[i - 1] / (depth[i] - depth[i - 1]) if np.isfinite(depth[i]) else 1.0
    return float(axis[i - 1] + step * (axis[i] - axis[i - 1]))


def _vertex(axis: NDArray[np.float64], profile: NDArray[np.float64], best: int) -> float:
    """Return the top of the parabola through the maximum and its neighbours."""
    if not 0 < best < len(axis) - 1:
        return float(axis[best])
    left, top, right = profile[best - 1 : best + 2]
    curvature = left - 2.0 * top + right
    if not np.isfinite(curvature) or curvature >= 0.0:
        return float(axis[best])
    return float(axis[best] + 0.5 * (left - right) / curvature * (axis[1] - axis[0]))

"""Model the field in motion, parallax, colour and G (step 3): density per (mas/yr)² mas, mag, pc².

f(u, w, v, c | G) = f₁(u, w | G) · f₂(v, c | G), learnt from the cluster's own candidates with
weights ω = 1 − q, in the coordinates of each star's window; c is C less the main sequence's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates

from ocspark.posterior.magnitudes import MagnitudeBins
from ocspark.posterior.stars import RelativeStars
from ocspark.posterior.windows import member_share

Floats = NDArray[np.float64]

#: Widths of the kernels in u and w, v, c [mag] and G [mag].
PM_WIDTH, PLX_WIDTH, COLOUR_WIDTH, G_WIDTH = 0.12, 0.12, 0.03, 0.35
#: Width along G of counts and means [mag].
COUNT_WIDTH = 0.4
#: Stars added to every count, so that none is zero.
PRIOR_COUNT = 0.2
#: A star's own weight taken out may not lower f below this share of f.
LEAST_OF_OWN = 0.1
#: Limits of Z̄, the share of members inside the windows.
SHARE_LIMITS = (0.2, 1.0)
#: The kernels' smoothed coverage of the window below which a cell is empty.
_LEAST_COVERAGE = 0.02
_TRUNCATE = 3.0


@dataclass(frozen=True)
class GridShape:
    """A grid of two features and G.

    Attributes
    ----------
    low, step, bins, width : tuples
        Lower edges, steps, numbers of bins and kernel widths along the three axes.
    window : int
        Number of features, from the first, that are limited by the window: two by the unit disc,
        or one by the interval (−1, 1).
    """

    low: tuple[float, float, float]
    step: tuple[float, float, float]
    bins: tuple[int, int, int]
    width: tuple[float, float, float]
    window: int

    @property
    def peak(self) -> float:
        """Value k₀ · k_G of a star's own kernel at the star, including the width that bins add."""
        breadth = np.sqrt(np.square(self.width) + np.square(self.step) / 6.0)
        return float(np.prod(1.0 / (np.sqrt(2.0 * np.pi) * breadth)))

    @property
    def even(self) -> float:
        """Uniform density in the window and along the other feature."""
        if self.window == 2:
            return 1.0 / np.pi
        return 0.5 / (self.bins[1] * self.step[1])


MOTION_GRID = GridShape(
    (-1.05, -1.05, 4.0), (0.05, 0.05, 0.2), (42, 42, 86), (PM_WIDTH, PM_WIDTH, G_WIDTH), 2
)
COLOUR_GRID = GridShape(
    (-1.05, -1.0, 4.0), (0.05, 0.0125, 0.2), (42, 208, 86), (PLX_WIDTH, COLOUR_WIDTH, G_WIDTH), 1
)


class ConditionalDensity:
    """Density f(x, y | G) from weighted stars, normalised at each G over the window.

    It is a smoothed histogram divided by the smoothed coverage of the window.

    Parameters
    ----------
    shape : GridShape
        The grid.
    features : array, shape (3, n)
        x, y and G [mag] of the stars.
    weight : array, shape (n,)
        Weights of the stars.
    """

    def __init__(self, shape: GridShape, features: Floats, weight: Floats) -> None:
        self.shape = shape
        index = np.zeros(features.shape[1], dtype=np.int64)
        for place, size in zip(self._places(features), shape.bins, strict=True):
            index = index * size + np.clip(place, 0, size - 1).astype(np.int64)
        flat = np.bincount(index, weight, int(np.prod(shape.bins))).astype(float)
        counts: Floats = flat.reshape(shape.bins)
        for axis in range(3):
            counts = _smoothed(counts, shape, axis, "nearest" if axis == 2 else "constant")
        covered, share = window_coverage(shape)
        density = np.where(share > _LEAST_COVERAGE, counts / np.maximum(share, _LEAST_COVERAGE), 0)
        total = (density * covered).sum(axis=(0, 1)) * shape.step[0] * shape.step[1]
        self._density = density / np.maximum(total, 1e-12)

    def _places(self, features: Floats) -> Floats:
        low, step = np.array(self.shape.low), np.array(self.shape.step)
        return (features - low[:, None]) / step[:, None]

    def __call__(self, features: Floats) -> Floats:
        """Return f at some features, shape (3, n), by linear interpolation."""
        place = self._places(features) - 0.5
        limit = np.array(self.shape.bins)[:, None] - 1
        place = np.clip(place, 0, limit)
        return np.asarray(map_coordinates(self._density, place, order=1, mode="nearest"))


def _smoothed(values: Floats, shape: GridShape, axis: int, mode: str) -> Floats:
    sigma = shape.width[axis] / shape.step[axis]
    return np.asarray(gaussian_filter1d(values, sigma, axis=axis, mode=mode, truncate=_TRUNCATE))


@lru_cache
def window_coverage(shape: GridShape) -> tuple[Floats, Floats]:
    """Return the share of each cell inside the window, and this smoothed by the kernels.

    Both have the shape (x, y or 1, 1), to be broadcast with the grid.
    """
    parts = 5
    inner = (np.arange(parts) + 0.5) / parts
    axes = [
        shape.low[i] + shape.step[i] * (np.arange(shape.bins[i])[:, None] + inner).ravel()
        for i in range(shape.window)
    ]
    radius = np.hypot(axes[0][:, None], axes[1]) if shape.window == 2 else np.abs(axes[0])[:, None]
    covered = (radius < 1.0).astype(float)
    for axis in range(shape.window):
        edges = np.arange(0, covered.shape[axis], parts)
        covered = np.add.reduceat(covered, edges, axis=axis) / parts
    smooth = covered
    for axis in range(shape.window):
        smooth = _smoothed(smooth, shape, axis, "constant")
    return covered[:, :, None], smooth[:, :, None]


def without_own(
    density: Floats, total: Floats, weight: Floats, shape: GridShape, own_share: Floats | float
) -> Floats:
    """Return f(x, y | G) at each star as it would be without that star.

    f_i = (f T − ω k₀ k_G + κ u)/(T − ω k_G + κ), at least 0.1 f. T = Σ ω K_G is the weight of stars
    around the star's G. κ = 0.2 stars per magnitude of the uniform density u are a prior for
    features at which no star was seen.

    Parameters
    ----------
    density, total, weight : arrays, shape (n,)
        f, T [1/mag] and ω at the stars.
    shape : GridShape
        Grid of f.
    own_share : array or float
        Smoothed coverage of the window at the stars, by which f has been divided.
    """
    k_g = 1.0 / (np.sqrt(2.0 * np.pi) * shape.width[2])
    left = density * total - weight * shape.peak / own_share + PRIOR_COUNT * shape.even
    rest = np.maximum(total - weight * k_g, 0.0) + PRIOR_COUNT
    return np.maximum(np.maximum(left, PRIOR_COUNT * shape.even) / rest, LEAST_OF_OWN * density)


@dataclass(frozen=True)
class FieldModel:
    """The field, as learnt from weighted stars.

    Attributes
    ----------
    motions, colours : ConditionalDensity
        f₁(u, w | G) and f₂(v, c | G).
    weight_curve : array
        T = Σ ω K_G on the grid of G [1/mag].
    surface_density : array
        ν(G) on the grid of G [1/(mag pc²)].
    window : array
        S̄(G), the harmonic mean of the stars' windows, on the grid of G [(mas/yr)² mas].
    member_share : array
        Z̄(G), the share of members inside the windows, on the grid of G.
    """

    motions: ConditionalDensity
    colours: ConditionalDensity
    weight_curve: Floats
    surface_density: Floats
    window: Floats
    member_share: Floats

    def density(
        self, stars: RelativeStars, bins: MagnitudeBins, ridge: Floats, own_weight: Floats
    ) -> tuple[Floats, Floats]:
        """Return F₀ = ν f / S̄ [1/(mag pc² (mas/yr)² mas mag)] and F₀/ν, without each star itself.

        Parameters
        ----------
        stars : RelativeStars
            Stars at which the density is computed.
        bins : MagnitudeBins
            Bins of their G.
        ridge : array, shape (n,)
            Colour of the main sequence at their G [mag].
        own_weight : array, shape (n,)
            Weight of each star in this model, 0 if it is not part of it.
        """
        total = bins.read(self.weight_curve)
        shape = np.ones(len(stars))
        for density, features in (
            (self.motions, _motion_features(stars)),
            (self.colours, _colour_features(stars, ridge)),
        ):
            covered = _coverage_at(density.shape, features)
            shape *= without_own(density(features), total, own_weight, density.shape, covered)
        shape /= bins.read(self.window)
        return bins.read(self.surface_density) * shape, shape


def _motion_features(stars: RelativeStars) -> Floats:
    return np.stack([stars.scaled[0], stars.scaled[1], stars.g_mag])


def _colour_features(stars: RelativeStars, ridge: Floats) -> Floats:
    return np.stack([stars.scaled[2], stars.colour - ridge, stars.g_mag])


def _coverage_at(shape: GridShape, features: Floats) -> Floats:
    _, smooth = window_coverage(shape)
    place = [
        np.clip((features[i] - shape.low[i]) / shape.step[i] - 0.5, 0, shape.bins[i] - 1)
        for i in range(shape.window)
    ]
    values = smooth[:, :, 0] if shape.window == 2 else smooth[:, 0, 0]
    share = map_coordinates(values, place, order=1, mode="nearest")
    return np.maximum(share, _LEAST_COVERAGE)


def fit_field(
    stars: RelativeStars,
    bins: MagnitudeBins,
    ridge: Floats,
    weight: Floats,
    area_pc2: float,
    variances: tuple[float, float],
) -> FieldModel:
    """Learn the field from weighted stars.

    ν(G) = (Σ ω K + 0.2)/area. S̄(G) = (Σ ω K + 0.2)/(Σ (ω/S) K + 0.2/median S) is a harmonic mean,
    since field stars per (mas/yr)² mas do not depend on the size of a star's window.

    Parameters
    ----------
    stars, bins, ridge
        As `FieldModel.density` takes them.
    weight : array, shape (n,)
        ω of each star, not negative.
    area_pc2 : float
        Area in which stars have positive weights [pc²].
    variances : tuple of float
        Variances of the members' motion and parallax, for Z̄.
    """
    used = np.flatnonzero(weight > 0)
    motion_features = _motion_features(stars)[:, used]
    colour_features = _colour_features(stars, ridge)[:, used]
    count = bins.smooth(weight, COUNT_WIDTH)
    per_window = bins.smooth(weight / stars.window, COUNT_WIDTH)
    share = member_share(stars.half_width, stars.error, *variances)
    inside = bins.smooth(weight * share / stars.window, COUNT_WIDTH)
    mean_share = np.where(per_window > 0, inside / np.maximum(per_window, 1e-300), 1.0)
    typical = float(np.median(stars.window[used])) if len(used) else float(np.median(stars.window))
    return FieldModel(
        motions=ConditionalDensity(MOTION_GRID, motion_features, weight[used]),
        colours=ConditionalDensity(COLOUR_GRID, colour_features, weight[used]),
        weight_curve=bins.smooth(weight, G_WIDTH),
        surface_density=(count + PRIOR_COUNT) / area_pc2,
        window=(count + PRIOR_COUNT) / (per_window + PRIOR_COUNT / typical),
        member_share=np.clip(mean_share, *SHARE_LIMITS),
    )

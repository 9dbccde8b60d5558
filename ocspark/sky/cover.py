"""Cover cones with ranges of nested HEALPix indices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocspark.sky.healpix import finer, pixel_ranges
from ocspark.sky.sphere import separation_rad

#: Least number of cells along a cone's radius; the fastest for a search of 2,500 cones.
CELLS_PER_RADIUS = 8
#: Finest order of a cover, for cones of an arcminute or less.
FINEST_COVER = 16
#: Added to each radius, so that rounding at a cell's edge loses no source [deg].
PADDING_DEG = 1e-6


@dataclass(frozen=True)
class Cover:
    """Half-open ranges of order-29 nested indices, sorted by start.

    Ranges of one cone do not overlap; those of different cones may.

    Attributes
    ----------
    start, end : arrays of int64, shape (m,)
        First index of each range, and the index after its last.
    cone : array of int64, shape (m,)
        Index of the cone that the range belongs to.
    inner : array of bool, shape (m,)
        Whether the whole range lies inside its cone, so that its sources need no further test.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    cone: NDArray[np.int64]
    inner: NDArray[np.bool_]

    def take(self, pick: NDArray[np.bool_] | NDArray[np.int64]) -> Cover:
        """Return some of the ranges, given by number or by a mask."""
        return Cover(self.start[pick], self.end[pick], self.cone[pick], self.inner[pick])

    def touches(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of the ranges [low, high) overlap any range of the cover, shape (p,)."""
        if not len(self.start):
            return np.zeros(len(low), dtype=bool)
        reach = np.maximum.accumulate(self.end)
        new = np.append(True, self.start[1:] > reach[:-1])  # the union as disjoint ranges
        starts, ends = self.start[new], reach[np.append(new[1:], True)]
        return np.asarray(
            np.searchsorted(ends, low, side="right") < np.searchsorted(starts, high, side="left")
        )


def cover_cones(
    ra_deg: NDArray[np.float64],
    dec_deg: NDArray[np.float64],
    radius_deg: NDArray[np.float64],
    cells_per_radius: float = CELLS_PER_RADIUS,
) -> Cover:
    """Return the cover of some cones, each at a HEALPix order that suits its radius.

    It contains every point of the cones, and some points beyond their rims.

    Parameters
    ----------
    ra_deg, dec_deg, radius_deg : arrays, shape (n,)
        Centres and radii, up to 180 [deg].
    cells_per_radius : float
        Least number of cells along a radius. A finer cover has more ranges, and fewer points
        beyond the rim.
    """
    parts = [
        _cover_cone(i, float(ra), float(dec), float(radius), cells_per_radius)
        for i, (ra, dec, radius) in enumerate(zip(ra_deg, dec_deg, radius_deg, strict=True))
    ]
    if not parts:
        nothing = np.empty(0, np.int64)
        return Cover(nothing, nothing, nothing, np.empty(0, bool))
    whole = Cover(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return whole.take(np.argsort(whole.start, kind="stable"))


def cover_pixels(order: NDArray[np.int64] | int, pixel: NDArray[np.int64]) -> Cover:
    """Return the cover that consists of some nested pixels, none of which contains another."""
    start, end = pixel_ranges(order, pixel)
    place = np.argsort(start, kind="stable")
    return Cover(start[place], end[place], place, np.ones(len(place), dtype=bool))


def _cover_cone(
    index: int, ra: float, dec: float, radius: float, cells_per_radius: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    order = cover_order(radius, cells_per_radius)
    nside = 1 << order
    padded = min(radius + PADDING_DEG, 180.0)
    import hpgeom  # here, since tasks get the cover

    cell = np.sort(hpgeom.query_circle(nside, ra, dec, padded, inclusive=True, fact=4))
    cell_ra, cell_dec = hpgeom.pixel_to_angle(nside, cell)
    middle = np.degrees(separation_rad(cell_ra, cell_dec, ra, dec))
    inner = middle + hpgeom.max_pixel_radius(nside) < radius - PADDING_DEG
    edge = (np.diff(cell) != 1) | (np.diff(inner.astype(np.int8)) != 0)
    first = np.append(True, edge)  # of consecutive cells that are all inner, or all not
    start, end = cell[first], cell[np.append(edge, True)] + 1
    return finer(start, order), finer(end, order), np.full(len(start), index), inner[first]


def cover_order(radius_deg: float, cells_per_radius: float = CELLS_PER_RADIUS) -> int:
    """Return the coarsest order with at least `cells_per_radius` cells along a radius."""
    side_deg = np.degrees(np.sqrt(np.pi / 3))  # of a base pixel
    order = np.ceil(np.log2(max(side_deg * cells_per_radius / max(radius_deg, 1e-9), 1.0)))
    return int(min(order, FINEST_COVER))

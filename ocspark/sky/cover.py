"""HEALPix covers of cones: which cells a cone touches (nested scheme)."""

from __future__ import annotations

import hpgeom
import numpy as np
from numpy.typing import NDArray

MAX_ORDER = 29
#: Rows of the cell table aimed at; it is broadcast, 16 bytes a row.
MAX_COVER_CELLS = 600_000
#: Added to each radius, so that rounding at a cell's edge loses no source [deg].
PADDING_DEG = 1e-6


def cover_order(radius_deg: NDArray[np.float64], max_cells: int = MAX_COVER_CELLS) -> int:
    """Return the finest order (4 to 9) at which covers of all cones stay below `max_cells` rows."""
    for order in range(9, 4, -1):
        side = np.degrees(np.sqrt(np.pi / 3)) / 2**order
        cap = 2 * np.pi * (1 - np.cos(np.radians(np.minimum(radius_deg + side, 180.0))))
        if np.sum(cap / (4 * np.pi) * 12 * 4**order) + 2 * len(radius_deg) < max_cells:
            return order
    return 4


def cone_cells(
    ra_deg: NDArray[np.float64],
    dec_deg: NDArray[np.float64],
    radius_deg: NDArray[np.float64],
    order: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the cells that each cone touches (a superset near the rim).

    Parameters
    ----------
    ra_deg, dec_deg, radius_deg : arrays, shape (n,)
        Centres and radii [deg].
    order : int
        HEALPix order of the cells.

    Returns
    -------
    cone : array, shape (m,)
        Index of the cone of each pair.
    cell : array, shape (m,)
        Nested HEALPix index of the cell.
    """
    nside = 2**order
    cells = [
        hpgeom.query_circle(nside, ra, dec, min(r + PADDING_DEG, 180.0), inclusive=True, fact=4)
        for ra, dec, r in zip(ra_deg, dec_deg, radius_deg, strict=True)
    ]
    lengths = [len(c) for c in cells]
    cone = np.repeat(np.arange(len(cells), dtype=np.int64), lengths)
    return cone, np.concatenate(cells).astype(np.int64) if cells else np.empty(0, np.int64)


def pixel_ranges(
    order: NDArray[np.int64] | int, pixel: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the half-open range [start, end) of order-29 indices of each nested pixel."""
    shift = 2 * (MAX_ORDER - np.asarray(order, dtype=np.int64))
    return pixel << shift, (pixel + 1) << shift


def overlapping(
    order: NDArray[np.int64] | int,
    pixel: NDArray[np.int64],
    other_order: NDArray[np.int64] | int,
    other_pixel: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Say which pixels, of any order, overlap at least one of some other pixels.

    Parameters
    ----------
    order, pixel : int or array, array of shape (p,)
        Orders and nested indices of the pixels.
    other_order, other_pixel : int or array, array of shape (m,)
        The others; repeats allowed, but of two different ones none may lie inside another.

    Returns
    -------
    array of bool, shape (p,)
    """
    low, high = pixel_ranges(order, pixel)
    starts, ends = (np.unique(edge) for edge in pixel_ranges(other_order, other_pixel))
    # the others are disjoint: one overlaps [low, high) iff it ends after low and starts before high
    return np.searchsorted(ends, low, side="right") < np.searchsorted(starts, high, side="left")

"""Find the radius R of the largest disc about a cluster's centre that the mirror covers.

A mirror may hold squares or other parts of the sky in place of whole cones. The radius is therefore
measured from counts of all sources in small HEALPix cells.
"""

from __future__ import annotations

import hpgeom
import numpy as np
from numpy.typing import NDArray

from ocspark.sky.sphere import separation_rad

#: Least number of cells in a cone; there are at most four times as many.
MIN_CELLS = 1000
#: A cell is a hole if it and its empty neighbours should have at least this many sources.
EXPECTED = 20.0
#: Cells are merged by fours until the median of their counts is at least this.
MIN_MEDIAN = 6.0
#: Finest order of cells, and coarsest order to which they are merged.
MAX_ORDER, MIN_ORDER = 17, 2


def cone_cell_order(radius_deg: float) -> int:
    """Return the HEALPix order at which a cone has `MIN_CELLS` to four times as many cells.

    Parameters
    ----------
    radius_deg : float
        Radius of the cone [deg], positive.
    """
    area = 2.0 * np.pi * (1.0 - np.cos(np.radians(min(radius_deg, 180.0))))
    order = int(np.ceil(0.5 * np.log2(MIN_CELLS * 4.0 * np.pi / 12.0 / area)))
    return min(max(order, MIN_ORDER), MAX_ORDER)


def covered_radius_deg(
    ra_deg: float,
    dec_deg: float,
    radius_deg: float,
    order: int,
    cells: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> float:
    """Return the radius of the largest disc about a centre that has sources everywhere [deg].

    A hole is an empty cell that, together with its empty neighbours, should have 20 or more sources
    by the counts of cells around, or whose neighbours are all empty. The disc ends half a cell
    before the nearest edge of a hole, since sources may end anywhere inside the cell before it.

    Parameters
    ----------
    ra_deg, dec_deg : float
        Centre of the cluster [deg]; it may differ from the cone's.
    radius_deg : float
        Radius about the centre within which all sources were counted [deg].
    order : int
        HEALPix order of the cells, nested.
    cells : array of int64, shape (c,)
        Cells with sources, in any order.
    counts : array of int64, shape (c,)
        Number of all sources in each.

    Returns
    -------
    float
        At most `radius_deg`; 0 where no source is near the centre.
    """
    cells, counts = _merged(cells, counts)
    while order > MIN_ORDER and len(cells) and np.median(counts) < MIN_MEDIAN:
        cells, counts = _merged(cells >> 2, counts)
        order -= 1
    side = 2**order
    cell_deg = float(np.degrees(np.sqrt(4.0 * np.pi / (12 * side**2))))
    # only cells inside the cone: cells at its edge were counted in part
    inner = hpgeom.query_circle(
        side, ra_deg, dec_deg, max(radius_deg - cell_deg, 0.1 * cell_deg), nest=True
    )
    at_centre = hpgeom.angle_to_pixel(side, ra_deg, dec_deg, nest=True)
    empty = np.setdiff1d(np.append(inner, at_centre), cells)
    neighbours = _neighbours(side, empty)
    # cells at the edge of a footprint have few sources, so that the next ones count, too
    second = _neighbours(side, neighbours.ravel()).reshape(-1, 64)
    nearest = _median_of_covered(neighbours, cells, counts)
    expected = np.maximum(nearest, _median_of_covered(second, cells, counts))
    n_empty = 1 + np.isin(neighbours, empty).sum(axis=1)
    holes = empty[(n_empty * expected >= EXPECTED) | (nearest == 0)]
    if at_centre in holes:
        return 0.0
    if not len(holes):
        return radius_deg
    edge_ra, edge_dec = hpgeom.boundaries(side, holes, step=4, nest=True)
    end = float(np.degrees(separation_rad(edge_ra, edge_dec, ra_deg, dec_deg).min()))
    return min(max(end - 0.5 * cell_deg, 0.0), radius_deg)


def _merged(
    cells: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each cell once, sorted, with its sum of counts; cells without sources left out."""
    unique, place = np.unique(cells, return_inverse=True)
    total = np.bincount(place, counts, len(unique)).astype(np.int64)
    return unique[total > 0], total[total > 0]


def _neighbours(side: int, cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the eight neighbours of each cell, shape (n, 8); the cell itself for a missing one."""
    found = hpgeom.neighbors(side, cells, nest=True).reshape(-1, 8)
    return np.where(found < 0, cells[:, None], found)


def _median_of_covered(
    wanted: NDArray[np.int64], cells: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the median count of the cells with sources in each row; 0 if none has any."""
    if not len(cells):
        return np.zeros(len(wanted))
    place = np.minimum(np.searchsorted(cells, wanted), len(cells) - 1)
    found = np.where(cells[place] == wanted, counts[place], np.nan)
    found[np.isnan(found).all(axis=1)] = 0.0
    return np.nanmedian(found, axis=1)

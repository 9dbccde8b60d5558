"""The adaptive partition of a mirror: pixels of mixed orders, none with too many rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ocspark.sky.healpix import PixelTable, coarser

#: Order of the cells that rows are counted in, so the finest order of a partition.
COUNT_ORDER = 10


def count_cells(index: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order-`COUNT_ORDER` cells that order-29 indices lie in, and rows in each."""
    cells, counts = np.unique(coarser(index, COUNT_ORDER), return_counts=True)
    return cells, counts.astype(np.int64)


def adaptive_pixels(
    cells: NDArray[np.int64], counts: NDArray[np.int64], max_rows: int
) -> PixelTable:
    """Return the coarsest pixels that hold at most `max_rows` rows each.

    A pixel with more is divided into the four below it, down to `COUNT_ORDER`, where a pixel is
    kept whatever it holds. Pixels without rows are left out.

    Parameters
    ----------
    cells, counts : arrays, shape (n,)
        Nested cells of order `COUNT_ORDER` (one may occur several times) and rows in them.
    max_rows : int
    """
    cells, place = np.unique(cells, return_inverse=True)
    left = np.zeros(len(cells), dtype=np.int64)
    np.add.at(left, place, counts)
    found = []
    for order in range(COUNT_ORDER + 1):
        parent = coarser(cells, order, COUNT_ORDER)
        pixels, place = np.unique(parent, return_inverse=True)
        rows = np.zeros(len(pixels), dtype=np.int64)
        np.add.at(rows, place, left)
        fits = (rows <= max_rows) | (order == COUNT_ORDER)
        found.append((np.full(fits.sum(), order, dtype=np.int64), pixels[fits], rows[fits]))
        divided = ~fits[place]
        cells, left = cells[divided], left[divided]
    order_, pixel, rows = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return PixelTable(order_, pixel, rows).along_sky()

"""Divide the sky into cells, in which stars are drawn, and files, which hold whole cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocspark.errors import InputError
from ocspark.sky.healpix import HealpixPixel, PixelTable, coarser, n_pixels

#: A cell is split while more stars than this are expected in it.
CELL_ROWS = 20_000
#: Coarsest and finest HEALPix order of cells and files.
MIN_ORDER, MAX_ORDER = 1, 12

_Pixels = NDArray[np.int64]


def tile(expected: NDArray[np.float64], limit_rows: float) -> PixelTable:
    """Split pixels, from `MIN_ORDER` on, until none is expected to hold more than `limit_rows`.

    Pixels of a larger limit are unions of those of a smaller one.

    Parameters
    ----------
    expected : array, shape (12 · 4^k,)
        Expected stars per NESTED pixel of order k, taken as evenly spread within each.
    limit_rows : float
        Largest expected number of stars in a pixel.

    Returns
    -------
    PixelTable
        Pixels that cover the sky, in HEALPix order, with the expected stars of each.
    """
    finest = round(np.log(len(expected) / 12) / np.log(4))
    leaves: list[NDArray[np.float64]] = []
    pixel = np.arange(n_pixels(MIN_ORDER))
    for order in range(MIN_ORDER, MAX_ORDER + 1):
        if order <= finest:
            rows = expected.reshape(n_pixels(order), -1).sum(axis=1)[pixel]
        else:
            rows = expected[coarser(pixel, finest, order)] / 4.0 ** (order - finest)
        whole = (rows <= limit_rows) | (order == MAX_ORDER)
        leaves.append(np.stack([np.full(whole.sum(), order), pixel[whole], rows[whole]]))
        pixel = (4 * pixel[~whole, None] + np.arange(4)).ravel()
    table = np.concatenate(leaves, axis=1)  # numbers below 2^53: exact as floating point
    order, pixel = table[0].astype(np.int64), table[1].astype(np.int64)
    return PixelTable(order, pixel, table[2]).along_sky()


@dataclass(frozen=True)
class FilePlan:
    """Files of a catalogue and the cells of each.

    Attributes
    ----------
    files, cells : PixelTable
        Pixels of the files and of the cells, with the expected stars of each.
    first_cell : array, shape (n_files + 1,)
        File i holds the cells from ``first_cell[i]`` to before ``first_cell[i + 1]``.
    """

    files: PixelTable
    cells: PixelTable
    first_cell: _Pixels

    @classmethod
    def build(cls, expected: NDArray[np.float64], rows_per_file: int) -> FilePlan:
        """Divide the sky into files and cells.

        Parameters
        ----------
        expected : array, shape (n_pixels,)
            See `tile`.
        rows_per_file : int
            Largest expected number of rows in a file; the cells do not depend on it.

        Raises
        ------
        InputError
            If a file would be smaller than a cell.
        """
        if rows_per_file < CELL_ROWS:
            raise InputError(f"--rows-per-partition {rows_per_file}: expected at least {CELL_ROWS}")
        files, cells = tile(expected, rows_per_file), tile(expected, CELL_ROWS)
        first = np.searchsorted(cells.first, files.first)
        return cls(files, cells, np.append(first, len(cells)))

    def only(self, files: _Pixels) -> FilePlan:
        """Return the plan of some files, given their numbers in ascending order."""
        first, n_cells = self.first_cell[files], np.diff(self.first_cell)[files]
        new_first = np.concatenate(([0], np.cumsum(n_cells)))
        cells = np.arange(new_first[-1]) + np.repeat(first - new_first[:-1], n_cells)
        return FilePlan(self.files.take(files), self.cells.take(cells), new_first)

    def cells_of(self, file: int) -> list[HealpixPixel]:
        """Return the cells of a file, in HEALPix order."""
        return list(self.cells.take(slice(self.first_cell[file], self.first_cell[file + 1])))

    def tasks(self, n_tasks: int) -> _Pixels:
        """Return the bounds, shape (≤ n_tasks + 1,), of ranges of files with similar row counts."""
        middle = np.cumsum(self.files.rows) - self.files.rows / 2.0
        share = np.arange(1, n_tasks) / n_tasks * self.files.rows.sum()
        return np.unique(np.concatenate(([0], np.searchsorted(middle, share), [len(self.files)])))

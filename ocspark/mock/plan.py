"""How the sky is divided: cells that stars are drawn in, files that hold whole cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ocspark.errors import InputError

#: A cell is split while more stars than this are expected in it.
CELL_ROWS = 20_000
#: No cell or file is coarser or finer than these orders.
MIN_ORDER, MAX_ORDER = 1, 12

_Pixels = NDArray[np.int64]


@dataclass(frozen=True)
class Tiling:
    """HEALPix pixels of several orders that tile the sky or some of it, in its NESTED order.

    Attributes
    ----------
    order, pixel : array, shape (n,)
        NESTED pixels.
    rows : array, shape (n,)
        Stars expected in each.
    """

    order: _Pixels
    pixel: _Pixels
    rows: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of pixels."""
        return len(self.order)

    def take(self, which: _Pixels) -> Tiling:
        """Return some of the pixels."""
        return Tiling(self.order[which], self.pixel[which], self.rows[which])

    @property
    def first(self) -> _Pixels:
        """First pixel at `MAX_ORDER` within each pixel, shape (n,)."""
        return self.pixel << 2 * (MAX_ORDER - self.order)


def tile(expected: NDArray[np.float64], limit_rows: float) -> Tiling:
    """Split pixels, from `MIN_ORDER` on, until none is expected to hold more than `limit_rows`.

    Of two limits the larger one gives pixels that are unions of the other's.

    Parameters
    ----------
    expected : array, shape (12 · 4^k,)
        Stars expected per NESTED pixel of order k; within such a pixel they are spread evenly.
    limit_rows : float
    """
    finest = round(np.log(len(expected) / 12) / np.log(4))
    leaves: list[NDArray[np.float64]] = []
    pixel = np.arange(12 * 4**MIN_ORDER)
    for order in range(MIN_ORDER, MAX_ORDER + 1):
        if order <= finest:
            rows = expected.reshape(12 * 4**order, -1).sum(axis=1)[pixel]
        else:
            rows = expected[pixel >> 2 * (order - finest)] / 4.0 ** (order - finest)
        whole = (rows <= limit_rows) | (order == MAX_ORDER)
        leaves.append(np.stack([np.full(whole.sum(), order), pixel[whole], rows[whole]]))
        pixel = (4 * pixel[~whole, None] + np.arange(4)).ravel()
    table = np.concatenate(leaves, axis=1)  # numbers below 2^53: exact as floating point
    order, pixel = table[0].astype(np.int64), table[1].astype(np.int64)
    along = np.argsort(pixel << 2 * (MAX_ORDER - order), kind="stable")
    return Tiling(order[along], pixel[along], table[2][along])


@dataclass(frozen=True)
class Plan:
    """Files of a catalogue and the cells of each.

    Attributes
    ----------
    files, cells : Tiling
    first_cell : array, shape (n_files + 1,)
        File i holds the cells from ``first_cell[i]`` to before ``first_cell[i + 1]``.
    """

    files: Tiling
    cells: Tiling
    first_cell: _Pixels

    @classmethod
    def build(cls, expected: NDArray[np.float64], rows_per_file: int) -> Plan:
        """Divide the sky; the cells do not depend on `rows_per_file`.

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

    def only(self, files: _Pixels) -> Plan:
        """Return the plan of some of the files, by their numbers, ascending."""
        first, n_cells = self.first_cell[files], np.diff(self.first_cell)[files]
        new_first = np.concatenate(([0], np.cumsum(n_cells)))
        cells = np.arange(new_first[-1]) + np.repeat(first - new_first[:-1], n_cells)
        return Plan(self.files.take(files), self.cells.take(cells), new_first)

    def cells_of(self, file: int) -> list[tuple[int, int]]:
        """Return (order, pixel) of the cells of a file, along the sky."""
        part = slice(self.first_cell[file], self.first_cell[file + 1])
        orders, pixels = self.cells.order[part].tolist(), self.cells.pixel[part].tolist()
        return list(zip(orders, pixels, strict=True))

    def tasks(self, n_tasks: int) -> _Pixels:
        """Return the bounds, shape (≤ n_tasks + 1,), of runs of files with like many rows."""
        middle = np.cumsum(self.files.rows) - self.files.rows / 2.0
        share = np.arange(1, n_tasks) / n_tasks * self.files.rows.sum()
        return np.unique(np.concatenate(([0], np.searchsorted(middle, share), [len(self.files)])))

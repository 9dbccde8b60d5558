"""Compute with nested HEALPix pixels: index ranges, coarser and finer pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

#: Column and HEALPix order of the index by which HATS files are sorted.
HEALPIX_COLUMN, HEALPIX_ORDER = "_healpix_29", 29
#: Gaia's source_id begins with the nested pixel of this order, followed by so many bits more.
SOURCE_ID_ORDER, SOURCE_ID_BITS = 12, 35

#: One pixel or index, or an array of them.
Pixels = TypeVar("Pixels", int, NDArray[np.int64])


@dataclass(frozen=True, order=True)
class HealpixPixel:
    """One nested pixel.

    Attributes
    ----------
    order : int
        0 to 29.
    pixel : int
        Number of the pixel at that order.
    """

    order: int
    pixel: int

    def __str__(self) -> str:
        """Return the pixel in the notation of HATS."""
        return f"Norder={self.order}, Npix={self.pixel}"

    @property
    def first(self) -> int:
        """First order-29 index inside."""
        return finer(self.pixel, self.order)

    @property
    def end(self) -> int:
        """Order-29 index after the last inside."""
        return finer(self.pixel + 1, self.order)

    def holds(self, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether order-29 indices lie inside, shape (n,)."""
        return (index >= self.first) & (index < self.end)


@dataclass(frozen=True)
class PixelTable:
    """Disjoint nested pixels of several orders, with the number of rows in each.

    Attributes
    ----------
    order, pixel : arrays of int64, shape (n,)
        Order of each pixel, and its number at that order.
    rows : array, shape (n,)
        Number of rows in each: counted (int64) or expected (float64).
    """

    order: NDArray[np.int64]
    pixel: NDArray[np.int64]
    rows: NDArray[np.int64] | NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of pixels."""
        return len(self.order)

    def __iter__(self) -> Iterator[HealpixPixel]:
        """Yield the pixels one by one."""
        for order, pixel in zip(self.order.tolist(), self.pixel.tolist(), strict=True):
            yield HealpixPixel(order, pixel)

    def pixel_at(self, row: int) -> HealpixPixel:
        """Return one of the pixels."""
        return HealpixPixel(int(self.order[row]), int(self.pixel[row]))

    def take(self, which: NDArray[np.int64] | slice) -> PixelTable:
        """Return some of the pixels."""
        return PixelTable(self.order[which], self.pixel[which], self.rows[which])

    def along_sky(self) -> PixelTable:
        """Return the pixels sorted by their first order-29 index."""
        return self.take(np.argsort(self.first, kind="stable"))

    @property
    def first(self) -> NDArray[np.int64]:
        """First order-29 index in each pixel."""
        return pixel_ranges(self.order, self.pixel)[0]

    @property
    def end(self) -> NDArray[np.int64]:
        """Order-29 index after the last in each pixel."""
        return pixel_ranges(self.order, self.pixel)[1]


def pixel_ranges(
    order: NDArray[np.int64] | int, pixel: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the half-open range [start, end) of order-29 indices of each nested pixel."""
    shift = 2 * (HEALPIX_ORDER - np.asarray(order, dtype=np.int64))
    return pixel << shift, (pixel + 1) << shift


def index_ranges(pixels: Sequence[HealpixPixel]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the half-open range [start, end) of order-29 indices of each pixel."""
    ends = np.array([(pixel.first, pixel.end) for pixel in pixels], dtype=np.int64).reshape(-1, 2)
    return ends[:, 0], ends[:, 1]


def n_pixels(order: int) -> int:
    """Return the number of pixels of an order on the whole sky."""
    return 12 * 4**order


def coarser(pixel: Pixels, order: int, from_order: int = HEALPIX_ORDER) -> Pixels:
    """Return the pixels of `order` that contain pixels of the finer `from_order`."""
    return pixel >> 2 * (from_order - order)


def finer(pixel: Pixels, order: int, to_order: int = HEALPIX_ORDER) -> Pixels:
    """Return the first pixel of the finer `to_order` inside each pixel of `order`."""
    return pixel << 2 * (to_order - order)


def source_id_pixels(source_id: Pixels, order: int = SOURCE_ID_ORDER) -> Pixels:
    """Return the pixels of an order, 12 or coarser, that are encoded in Gaia's source_id."""
    return source_id >> source_id_shift(order)


def source_id_shift(order: int = SOURCE_ID_ORDER) -> int:
    """Return the number of bits of a source_id after its pixel of an order, 12 or coarser."""
    return SOURCE_ID_BITS + 2 * (SOURCE_ID_ORDER - order)


def index_29(ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the order-29 index of positions given in degrees, shape (n,).

    Raises
    ------
    ValueError
        If a declination lies outside -90 to 90, or a coordinate is not finite.
    """
    import healpy  # here, since it takes a third of a second

    index: NDArray[np.int64] = healpy.ang2pix(
        1 << HEALPIX_ORDER, ra_deg, dec_deg, nest=True, lonlat=True
    )
    return index


def index_or_zero(ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the order-29 index of positions [deg], and 0 for those that are NaN, shape (n,)."""
    known = np.isfinite(ra_deg) & np.isfinite(dec_deg)
    index = np.zeros(len(ra_deg), dtype=np.int64)
    index[known] = index_29(ra_deg[known], dec_deg[known])
    return index

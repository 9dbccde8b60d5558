"""Pixels and indices agree with healpy and with Gaia's source_ids."""

from __future__ import annotations

import healpy
import numpy as np
import pytest

from ocspark.sky.healpix import (
    HealpixPixel,
    PixelTable,
    coarser,
    finer,
    index_29,
    n_pixels,
    source_id_pixels,
)


@pytest.mark.parametrize("order", [0, 5, 12, 29])
def test_a_pixel_holds_the_indices_of_the_positions_that_healpy_puts_into_it(order: int):
    rng = np.random.default_rng(order)
    ra, dec = rng.uniform(0, 360, 500), np.degrees(np.arcsin(rng.uniform(-1, 1, 500)))
    index = index_29(ra, dec)
    expected = healpy.ang2pix(1 << order, ra, dec, nest=True, lonlat=True)
    assert np.array_equal(coarser(index, order), expected)
    pixel = HealpixPixel(order, int(expected[0]))
    assert np.array_equal(pixel.holds(index), expected == expected[0])
    assert pixel.end - pixel.first == 4 ** (29 - order)
    assert coarser(finer(pixel.pixel, order), order) == pixel.pixel < n_pixels(order)


def test_a_source_id_names_the_pixel_of_its_position():
    # a star of Gaia EDR3 (ESA's archive)
    source_id, ra, dec = 5588804929547478656, 114.702523, -33.884758
    for order in (12, 7, 0):
        expected = healpy.ang2pix(1 << order, ra, dec, nest=True, lonlat=True)
        assert source_id_pixels(source_id, order) == expected


def test_pixels_of_mixed_orders_lie_along_the_sky():
    table = PixelTable(np.array([1, 0, 2]), np.array([9, 1, 5]), np.array([3, 4, 5])).along_sky()
    assert list(table) == [HealpixPixel(2, 5), HealpixPixel(0, 1), HealpixPixel(1, 9)]
    assert np.array_equal(table.rows, [5, 4, 3])
    assert np.all(table.first[1:] >= table.end[:-1])

"""Covers of cones and pixel overlap, against healpy, astropy and brute force."""

from __future__ import annotations

import healpy
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from ocspark.sky.cover import cone_cells, cover_order, overlapping, pixel_ranges

# where three or four base pixels meet
CORNERS = [(ra, dec) for dec in (41.8103148957786, -41.8103148957786) for ra in (0, 90, 180, 270)]
CORNERS += [(ra, 0.0) for ra in (0, 45, 90, 135, 180, 225, 270, 315)]
POLES = [(0.0, 90.0), (77.0, -90.0), (123.0, 89.99), (359.999, -89.9), (0.0, 88.0)]

centres = st.one_of(
    st.sampled_from(CORNERS + POLES),
    st.tuples(
        st.floats(0, 360, exclude_max=True),
        st.floats(-1, 1).map(lambda z: np.degrees(np.arcsin(z))),
    ),
)


def points_in_cone(ra: float, dec: float, radius: float, seed: int) -> SkyCoord:
    """Points of the cap, a third of them within 1e-9 of its rim, as astropy places and measures."""
    rng = np.random.default_rng(seed)
    centre = SkyCoord(ra, dec, unit="deg")
    cosine = rng.uniform(np.cos(np.radians(radius)), 1, 400)
    away = np.concatenate(
        (np.degrees(np.arccos(cosine)), radius * (1 - 10.0 ** rng.uniform(-14, -9, 200)))
    )
    points = centre.directional_offset_by(rng.uniform(0, 360, 600) * u.deg, away * u.deg)
    return points[points.separation(centre).deg <= radius]


@settings(max_examples=80, deadline=None)
@given(
    centre=centres,
    radius=st.floats(0.2, 30.0),
    order=st.integers(4, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_cover_holds_the_cell_of_every_point_of_the_cone(centre, radius, order, seed):
    order = order if radius < 8 else min(order, 7)
    cone, cell = cone_cells(*(np.array([float(x)]) for x in (*centre, radius)), order)
    points = points_in_cone(*centre, radius, seed)
    assert len(points) > 300
    own = healpy.ang2pix(2**order, points.ra.deg, points.dec.deg, nest=True, lonlat=True)
    assert not np.setdiff1d(own, cell).size
    assert len(np.unique(cell)) == len(cell)
    assert not cone.any()


@settings(max_examples=40, deadline=None)
@given(centre=centres, radius=st.floats(0.2, 30.0), order=st.integers(4, 7))
def test_cover_reaches_no_further_than_two_cells_beyond_the_rim(centre, radius, order):
    _, cell = cone_cells(*(np.array([float(x)]) for x in (*centre, radius)), order)
    ra, dec = healpy.pix2ang(2**order, cell, nest=True, lonlat=True)
    apart = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(*centre, unit="deg")).deg
    assert apart.max() <= radius + 2 * np.degrees(healpy.max_pixrad(2**order))


def test_every_cell_whose_centre_is_in_the_cone_is_in_the_cover():
    order = 5
    ra, dec = healpy.pix2ang(
        2**order, np.arange(healpy.nside2npix(2**order)), nest=True, lonlat=True
    )
    cells = SkyCoord(ra, dec, unit="deg")
    for centre in CORNERS[:2] + POLES:
        for radius in (0.5, 5.0, 29.0, 60.0):
            inside = np.flatnonzero(cells.separation(SkyCoord(*centre, unit="deg")).deg <= radius)
            _, cover = cone_cells(
                np.array([centre[0]]), np.array([centre[1]]), np.array([radius]), order
            )
            assert not np.setdiff1d(inside, cover).size


def test_cones_keep_their_own_cells():
    ra, dec, radius = (
        np.array([0.0, 180.0, 0.05]),
        np.array([90.0, -5.0, 89.5]),
        np.array([1, 2, 3.0]),
    )
    cone, cell = cone_cells(ra, dec, radius, 6)
    for i in range(3):
        _, alone = cone_cells(ra[i : i + 1], dec[i : i + 1], radius[i : i + 1], 6)
        np.testing.assert_array_equal(np.sort(cell[cone == i]), np.sort(alone))


def test_a_cone_of_180_degrees_covers_the_sphere_and_no_cones_give_no_cells():
    _, cell = cone_cells(np.array([10.0]), np.array([20.0]), np.array([180.0]), 4)
    np.testing.assert_array_equal(np.sort(cell), np.arange(12 * 4**4))
    cone, cell = cone_cells(np.empty(0), np.empty(0), np.empty(0), 4)
    assert cone.size == cell.size == 0
    assert cell.dtype == np.int64


@pytest.mark.parametrize(
    ("radius", "limit"),
    [
        (np.full(40, 0.2), 2_000),
        (np.full(10, 3.0), 20_000),
        (np.array([30.0, 20.0, 1.0, 0.5]), 50_000),
        (np.geomspace(0.2, 30.0, 30), 100_000),
    ],
)
def test_cover_order_keeps_the_cell_table_within_its_limit_and_is_not_far_too_coarse(radius, limit):
    rng = np.random.default_rng(8)
    ra, dec = (
        rng.uniform(0, 360, len(radius)),
        np.degrees(np.arcsin(rng.uniform(-1, 1, len(radius)))),
    )
    order = cover_order(radius, limit)
    assert 4 <= order <= 9
    assert len(cone_cells(ra, dec, radius, order)[0]) < limit
    if order < 9:
        assert len(cone_cells(ra, dec, radius, order + 1)[0]) > limit / 2


def test_cover_order_is_finest_for_one_small_cone_and_4_where_nothing_fits():
    assert cover_order(np.array([0.5])) == 9
    assert cover_order(np.full(100, 90.0), 10) == 4


@pytest.mark.parametrize("order", [0, 3, 8, 12, 29])
def test_pixel_ranges_hold_exactly_the_pixels_own_points(order):
    rng = np.random.default_rng(9)
    ra, dec = rng.uniform(0, 360, 500), np.degrees(np.arcsin(rng.uniform(-1, 1, 500)))
    deep = healpy.ang2pix(2**29, ra, dec, nest=True, lonlat=True)
    pixel = healpy.ang2pix(2**order, ra, dec, nest=True, lonlat=True)
    start, end = pixel_ranges(order, pixel)
    inside = (deep >= start[:, None]) & (deep < end[:, None])
    np.testing.assert_array_equal(inside, pixel[:, None] == pixel)


def brute_force_overlap(order, pixel, other_order, other_pixel):
    """Two nested pixels overlap iff they are the same at the coarser of their orders."""
    hits = []
    for o, p in zip(order, pixel, strict=True):
        hits.append(
            any(
                (p >> 2 * (o - min(o, oo))) == (q >> 2 * (oo - min(o, oo)))
                for oo, q in zip(other_order, other_pixel, strict=True)
            )
        )
    return np.array(hits, dtype=bool)


@st.composite
def disjoint_pixels(draw):
    """Some leaves, with repeats, of a random quadtree below the 12 base pixels."""
    leaves, stack = [], [(0, p) for p in range(12)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    split, keep = rng.uniform(0.1, 0.4), rng.uniform(0.05, 0.9)
    while stack:
        order, pixel = stack.pop()
        if order < 5 and rng.random() < split:
            stack += [(order + 1, 4 * pixel + i) for i in range(4)]
        elif rng.random() < keep:
            leaves += [(order, pixel)] * int(rng.integers(1, 3))
    rng.shuffle(leaves)
    return leaves


@settings(max_examples=150, deadline=None)
@given(others=disjoint_pixels(), seed=st.integers(0, 2**32 - 1))
def test_overlapping_agrees_with_brute_force(others, seed):
    rng = np.random.default_rng(seed)
    order = rng.integers(0, 7, 60)
    pixel = (rng.random(60) * 12 * 4**order).astype(np.int64)
    other = np.array(others, dtype=np.int64).reshape(-1, 2)
    got = overlapping(order, pixel, other[:, 0], other[:, 1])
    expected = brute_force_overlap(
        order.tolist(), pixel.tolist(), other[:, 0].tolist(), other[:, 1].tolist()
    )
    np.testing.assert_array_equal(got, expected)


def test_overlapping_takes_one_order_for_all():
    got = overlapping(1, np.array([0, 1, 47]), 2, np.array([4, 4, 188]))
    np.testing.assert_array_equal(got, [False, True, True])

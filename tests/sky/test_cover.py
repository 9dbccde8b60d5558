"""Covers of cones and pixel overlap, against healpy, astropy and brute force."""

from __future__ import annotations

import healpy
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from ocspark.sky.cover import Cover, cover_cones, cover_order, cover_pixels
from ocspark.sky.healpix import pixel_ranges
from tests.helpers.positions import CORNERS, POLES

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


def cover_of(ra: float, dec: float, radius: float, cells: float = 8) -> Cover:
    return cover_cones(*(np.array([float(x)]) for x in (ra, dec, radius)), cells)


def holds(cover: Cover, index: np.ndarray) -> np.ndarray:
    return ((cover.start[:, None] <= index) & (index < cover.end[:, None])).any(axis=0)


def deep_index(points: SkyCoord) -> np.ndarray:
    return healpy.ang2pix(2**29, points.ra.deg, points.dec.deg, nest=True, lonlat=True)


@settings(max_examples=80, deadline=None)
@given(
    centre=centres,
    radius=st.floats(0.2, 30.0),
    cells=st.floats(0.5, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_cover_holds_every_point_of_the_cone(centre, radius, cells, seed):
    cover = cover_of(*centre, radius, cells)
    points = points_in_cone(*centre, radius, seed)
    assert len(points) > 300
    assert holds(cover, deep_index(points)).all()
    assert not cover.cone.any()
    assert (cover.start[1:] >= cover.end[:-1]).all()  # of one cone, none overlaps another


@settings(max_examples=60, deadline=None)
@given(centre=centres, radius=st.floats(0.2, 30.0), seed=st.integers(0, 2**32 - 1))
def test_inner_ranges_lie_inside_and_are_most_of_a_cone(centre, radius, seed):
    cover = cover_of(*centre, radius)
    inner = cover.take(cover.inner)
    rng = np.random.default_rng(seed)
    pick = rng.integers(len(inner.start), size=300)
    index = inner.start[pick] + (rng.random(300) * (inner.end - inner.start)[pick]).astype(int)
    edges = np.concatenate((index, inner.start, inner.end - 1))
    ra, dec = healpy.pix2ang(2**29, edges, nest=True, lonlat=True)
    apart = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(*centre, unit="deg")).deg
    assert apart.max() <= radius
    cap = (1 - np.cos(np.radians(radius))) / 2 * 12 * 4.0**29
    assert 0.5 * cap < (inner.end - inner.start).sum() <= cap
    assert (cover.end - cover.start).sum() < 1.6 * cap


def test_cones_keep_their_own_ranges_and_the_cover_is_sorted():
    ra, dec, radius = (
        np.array([0.0, 180.0, 0.05]),
        np.array([90.0, -5.0, 89.5]),
        np.array([1, 2, 3.0]),
    )
    cover = cover_cones(ra, dec, radius)
    assert (np.diff(cover.start) >= 0).all()
    for i in range(3):
        alone = cover_of(ra[i], dec[i], radius[i])
        own = cover.take(cover.cone == i)
        np.testing.assert_array_equal(own.start, alone.start)
        np.testing.assert_array_equal(own.end, alone.end)


def test_a_cone_of_180_degrees_covers_the_sphere_and_no_cones_give_no_ranges():
    cover = cover_of(10.0, 20.0, 180.0)
    assert (cover.end - cover.start).sum() == 12 * 4**29
    nothing = cover_cones(np.empty(0), np.empty(0), np.empty(0))
    assert nothing.start.size == 0
    assert nothing.start.dtype == np.int64
    assert not nothing.touches(np.array([0]), np.array([12 * 4**29])).any()


@pytest.mark.parametrize("radius", [0.001, 0.2, 1.0, 30.0, 180.0])
def test_the_order_is_the_coarsest_with_enough_cells_along_a_radius(radius):
    order = cover_order(radius, 8)
    side = np.degrees(np.sqrt(4 * np.pi / 12)) / 2.0**order
    assert radius / side >= 8 or order == 16
    assert radius / (2 * side) < 8 or order == 0


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
def test_touching_agrees_with_brute_force(others, seed):
    rng = np.random.default_rng(seed)
    order = rng.integers(0, 7, 60)
    pixel = (rng.random(60) * 12 * 4**order).astype(np.int64)
    other = np.array(others, dtype=np.int64).reshape(-1, 2)
    expected = brute_force_overlap(
        order.tolist(), pixel.tolist(), other[:, 0].tolist(), other[:, 1].tolist()
    )
    cover = cover_pixels(other[:, 0], other[:, 1])
    low, high = pixel_ranges(order, pixel)
    np.testing.assert_array_equal(cover.touches(low, high), expected)

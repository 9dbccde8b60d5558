"""The covered radius: cones, squares, holes and edges, from sources that are drawn."""

from __future__ import annotations

import hpgeom
import numpy as np
import pytest

from ocspark.posterior.footprint import cone_cell_order, covered_radius_deg

RA, DEC, RADIUS = 30.0, 50.0, 1.5


def counted(ra: np.ndarray, dec: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    return np.unique(hpgeom.angle_to_pixel(2**order, ra, dec, nest=True), return_counts=True)


def sources(n: int = 120_000, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Even over a square of 4° about the centre: ra, dec and distance from the centre [deg]."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-2, 2, (2, n))
    return RA + x / np.cos(np.radians(DEC + y)), DEC + y, np.hypot(x, y)


def radius_of(kept: np.ndarray, ra: np.ndarray, dec: np.ndarray) -> float:
    order = cone_cell_order(RADIUS)
    return covered_radius_deg(RA, DEC, RADIUS, order, *counted(ra[kept], dec[kept], order))


@pytest.mark.parametrize("radius", [0.3, 1.0, 5.7, 30.0])
def test_a_cone_has_a_thousand_to_a_few_thousand_cells(radius):
    order = cone_cell_order(radius)
    cells = hpgeom.query_circle(2**order, 100.0, -20.0, radius, inclusive=False, nest=True)
    assert 900 < len(cells) < 4_400


def test_a_cone_that_is_covered_ends_where_it_ends():
    ra, dec, distance = sources()
    assert radius_of(np.ones(len(ra), dtype=bool), ra, dec) == RADIUS
    assert radius_of(distance < RADIUS, ra, dec) == RADIUS  # only what lies in the cone is counted


@pytest.mark.parametrize("n", [400, 4_000, 20_000, 30_000])
def test_few_sources_are_no_holes(n):
    for seed in range(10):
        ra, dec, _ = sources(n, seed)
        assert radius_of(np.ones(len(ra), dtype=bool), ra, dec) == RADIUS


@pytest.mark.parametrize("half_side", [0.4, 0.9])
def test_a_square_gives_its_inner_circle(half_side):
    ra, dec, _ = sources()
    in_square = (np.abs(dec - DEC) < half_side) & (
        np.abs(ra - RA) * np.cos(np.radians(DEC)) < half_side
    )
    found = radius_of(in_square, ra, dec)
    assert half_side - 0.1 < found < half_side + 0.03


@pytest.mark.parametrize("seed", range(8))
def test_a_square_of_few_sources_about_a_cluster_does_not_seem_larger(seed):
    # as of Berkeley 20 in EDR3 to G = 18: most of 550 sources in the outer parts of a square
    ra, dec, _ = sources(3_300, seed)
    core = np.random.default_rng(seed).normal(0.0, 0.04, (2, 80))
    ra = np.append(ra, RA + core[0] / np.cos(np.radians(DEC)))
    dec = np.append(dec, DEC + core[1])
    in_square = (np.abs(dec - DEC) < 0.75) & (np.abs(ra - RA) * np.cos(np.radians(DEC)) < 0.75)
    assert 400 < in_square.sum() < 700
    assert 0.1 < radius_of(in_square, ra, dec) < 0.9


def test_a_hole_ends_the_disc_and_a_sparse_patch_does_not():
    ra, dec, _ = sources()
    near = np.hypot(dec - DEC - 1.0, (ra - RA) * np.cos(np.radians(DEC))) < 0.25
    assert radius_of(~near, ra, dec) == pytest.approx(0.75, abs=0.1)
    thinned = ~near | (np.random.default_rng(2).uniform(size=len(ra)) < 0.4)
    assert radius_of(thinned, ra, dec) == RADIUS


def test_a_centre_outside_the_footprint_has_no_disc():
    ra, dec, _ = sources()
    assert radius_of(dec > DEC + 0.3, ra, dec) == 0.0
    assert radius_of(np.zeros(len(ra), dtype=bool), ra, dec) == 0.0

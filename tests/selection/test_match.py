"""The numpy join of sources and cones, against brute force over astropy separations."""

from __future__ import annotations

import healpy
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from ocspark.selection import match as module
from ocspark.selection.match import ConeCuts, match, within_cone
from ocspark.sky.cover import cover_cones
from tests.helpers.positions import CORNERS, POLES


def random_cones(rng: np.random.Generator, n: int) -> ConeCuts:
    """Cones of 0.2° to 30°, some on poles and corners of base pixels, some on top of others."""
    special = np.array(CORNERS + POLES)
    ra, dec = special[rng.integers(len(special), size=n)].T
    free = rng.random(n) < 0.5
    ra = np.where(free, rng.uniform(0, 360, n), ra)
    dec = np.where(free, np.degrees(np.arcsin(rng.uniform(-1, 1, n))), dec)
    return ConeCuts(
        cluster_key=rng.integers(-(2**62), 2**62, n),
        ra=ra,
        dec=dec,
        radius_rad=np.radians(np.exp(rng.uniform(np.log(0.2), np.log(30.0), n))),
        parallax=rng.normal(1.0, 0.3, n),
        parallax_limit=rng.uniform(0.2, 3.0, n),
        pmra=rng.normal(0.0, 1.0, n),
        pmdec=rng.normal(0.0, 1.0, n),
        pm_limit=rng.uniform(0.5, 5.0, n),
    )


def random_sources(rng: np.random.Generator, cones: ConeCuts, n: int) -> dict[str, np.ndarray]:
    """Sources in and around the cones, some missing a value."""
    cone = rng.integers(len(cones.ra), size=n)
    centre = SkyCoord(cones.ra[cone], cones.dec[cone], unit="deg")
    away = np.degrees(cones.radius_rad[cone]) * rng.choice([0.3, 0.9, 0.999999, 1.000001, 1.2], n)
    sky = centre.directional_offset_by(rng.uniform(0, 360, n) * u.deg, away * u.deg)
    ra, dec = sky.ra.deg % 360.0, sky.dec.deg
    index = healpy.ang2pix(1 << 29, ra, dec, nest=True, lonlat=True)
    order = np.argsort(index)
    columns = {
        "ra": ra,
        "dec": dec,
        "parallax": rng.normal(1.0, 0.5, n),
        "pmra": rng.normal(0.0, 2.0, n),
        "pmdec": rng.normal(0.0, 2.0, n),
    }
    columns["parallax"][rng.random(n) < 0.02] = np.nan
    columns["pmra"][rng.random(n) < 0.02] = np.nan
    return {"healpix_29": index[order], **{name: v[order] for name, v in columns.items()}}


def found_pairs(sources: dict[str, np.ndarray], cones: ConeCuts) -> set[tuple[int, int]]:
    names = ("healpix_29", "parallax", "pmra", "pmdec")
    cover = cover_cones(cones.ra, cones.dec, np.degrees(cones.radius_rad))
    pairs = match(*(sources[name] for name in names), cones, cover)
    keep = within_cone(pairs, sources["ra"][pairs.row], sources["dec"][pairs.row], cones)
    found = list(zip(pairs.row[keep].tolist(), pairs.cone[keep].tolist(), strict=True))
    assert len(set(found)) == len(found)
    return set(found)


def brute_force(sources: dict[str, np.ndarray], cones: ConeCuts) -> set[tuple[int, int]]:
    sky = SkyCoord(sources["ra"], sources["dec"], unit="deg")
    pairs = set()
    for cone in range(len(cones.ra)):
        apart = sky.separation(SkyCoord(cones.ra[cone], cones.dec[cone], unit="deg")).rad
        motion = np.hypot(sources["pmra"] - cones.pmra[cone], sources["pmdec"] - cones.pmdec[cone])
        inside = (
            (apart <= cones.radius_rad[cone])
            & (np.abs(sources["parallax"] - cones.parallax[cone]) <= cones.parallax_limit[cone])
            & (motion <= cones.pm_limit[cone])
        )
        pairs |= {(int(row), cone) for row in np.flatnonzero(inside)}
    return pairs


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_cones=st.integers(1, 12))
def test_match_finds_what_brute_force_finds(seed: int, n_cones: int) -> None:
    rng = np.random.default_rng(seed)
    cones = random_cones(rng, n_cones)
    sources = random_sources(rng, cones, 800)
    assert found_pairs(sources, cones) == brute_force(sources, cones)


@pytest.mark.parametrize(("stretch", "pairs"), [(7, 1 << 20), (64, 5), (1000, 1)])
def test_nothing_depends_on_how_the_work_is_cut_up(
    monkeypatch: pytest.MonkeyPatch, stretch: int, pairs: int
) -> None:
    rng = np.random.default_rng(5)
    cones = random_cones(rng, 9)
    sources = random_sources(rng, cones, 500)
    whole = found_pairs(sources, cones)
    assert len(whole) > 100
    monkeypatch.setattr(module, "_STRETCH", stretch)
    monkeypatch.setattr(module, "_PAIRS", pairs)
    assert found_pairs(sources, cones) == whole


def test_bounds_are_inclusive() -> None:
    one = np.ones(1)
    cones = ConeCuts(
        cluster_key=np.array([1]), ra=one, dec=one, radius_rad=one * 0.1, parallax=one,
        parallax_limit=one * 0.5, pmra=one * 0, pmdec=one * 0, pm_limit=one * 5.0,
    )  # fmt: skip
    index = healpy.ang2pix(1 << 29, 1.0, 1.0, nest=True, lonlat=True)
    sources = {
        "healpix_29": np.full(4, index),
        "ra": np.ones(4),
        "dec": np.ones(4),
        "parallax": np.array([0.5, 1.5, 1.5000001, 1.0]),
        "pmra": np.array([3.0, -3.0, 3.0, 3.0]),
        "pmdec": np.array([4.0, -4.0, 4.0, 4.0000001]),
    }
    assert found_pairs(sources, cones) == {(0, 0), (1, 0)}


def test_no_sources_and_no_cones_give_no_pairs() -> None:
    rng = np.random.default_rng(6)
    cones = random_cones(rng, 3)
    nothing = {name: v[:0] for name, v in random_sources(rng, cones, 10).items()}
    assert found_pairs(nothing, cones) == set()
    none = ConeCuts(**{name: v[:0] for name, v in vars(cones).items()})
    assert found_pairs(random_sources(rng, cones, 10), none) == set()


def test_pairs_that_pass_the_cut_in_parallax_are_counted_by_cone() -> None:
    rng = np.random.default_rng(8)
    cones = random_cones(rng, 9)
    sources = random_sources(rng, cones, 500)
    cover = cover_cones(cones.ra, cones.dec, np.degrees(cones.radius_rad))
    counted = np.zeros(9, dtype=np.int64)
    names = ("healpix_29", "parallax", "pmra", "pmdec")
    match(*(sources[name] for name in names), cones, cover, counted)
    expected = np.zeros(9, dtype=np.int64)
    for start, end, cone in zip(cover.start, cover.end, cover.cone, strict=True):
        on_cover = (sources["healpix_29"] >= start) & (sources["healpix_29"] < end)
        away = np.abs(sources["parallax"] - cones.parallax[cone])
        expected[cone] += np.sum(on_cover & (away <= cones.parallax_limit[cone]))
    assert counted.tolist() == expected.tolist()
    assert counted.all()

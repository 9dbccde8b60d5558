"""The generated sources: deterministic, in their cells, consistent with the errors they state."""

from __future__ import annotations

import healpy
import numpy as np
import pytest

from ocspark.mock.catalogue import MockCatalogue, build_catalogue
from ocspark.mock.observatory import SOURCE_TYPES
from ocspark.mock.parameters import MockParameters
from ocspark.mock.plan import CELL_ROWS, tile
from ocspark.mock.rng import keyed_generator
from ocspark.sky.healpix import HealpixPixel

TWO_PARAMETERS, FIVE_PARAMETERS, SIX_PARAMETERS = 3, 31, 95  # Gaia's codes


def _equal(one, other) -> bool:
    same = (np.array_equal(one[n], other[n], equal_nan=True) for n in one)
    return one.keys() == other.keys() and all(same)


@pytest.fixture(scope="module")
def sky(catalogue: MockCatalogue):
    """All sources, as one table."""
    cells = [catalogue.cell(cell) for cell in tile(catalogue.expected, CELL_ROWS)]
    return {name: np.concatenate([cell[name] for cell in cells]) for name in cells[0]}


@pytest.fixture(scope="module")
def planted(catalogue: MockCatalogue):
    return [catalogue.cluster(i) for i in range(len(catalogue.clusters))]


def test_a_cell_is_the_same_whatever_was_drawn_before(catalogue: MockCatalogue):
    again = build_catalogue(MockParameters(20_000, 24, 7))
    cells = [HealpixPixel(*c) for c in ((1, 3), (1, 40), (2, 100), (7, 9_000))]
    forwards = [catalogue.cell(c) for c in cells]
    backwards = [again.cell(c) for c in cells[::-1]][::-1]
    assert all(_equal(a, b) for a, b in zip(forwards, backwards, strict=True))


def test_another_seed_gives_other_stars(catalogue: MockCatalogue):
    other, cell = build_catalogue(MockParameters(20_000, 24, 8)), HealpixPixel(1, 40)
    assert not np.array_equal(catalogue.cell(cell)["ra"], other.cell(cell)["ra"])


def test_there_are_at_least_as_many_sources_as_asked_for(sky):
    assert 20_000 <= len(sky["ra"]) <= 40_000


def test_columns_have_gaias_types(sky):
    assert {name: values.dtype for name, values in sky.items()} == {
        name: np.dtype(dtype)
        for name, dtype in SOURCE_TYPES.items()
        # the bias is DR4's; fluxes are of releases whose magnitude errors come from them
        if "flux" not in name and name != "parallax_bias"
    }


def test_source_ids_are_unique_and_name_the_pixel_at_order_12(sky):
    assert len(np.unique(sky["source_id"])) == len(sky["source_id"])
    pixel = healpy.ang2pix(1 << 12, sky["ra"], sky["dec"], nest=True, lonlat=True)
    assert np.array_equal(sky["source_id"] >> 35, pixel)


def test_healpix_29_is_that_of_the_position(sky):
    pixel = healpy.ang2pix(1 << 29, sky["ra"], sky["dec"], nest=True, lonlat=True)
    assert np.array_equal(sky["_healpix_29"], pixel)
    assert np.all(np.diff(sky["_healpix_29"]) >= 0)  # cells follow each other, each one sorted


def test_every_star_of_every_cluster_is_in_the_sky_once(sky, planted):
    where = {sid: i for i, sid in enumerate(sky["source_id"])}
    for cluster in planted:
        rows = np.array([where[sid] for sid in cluster.sources["source_id"]])
        assert _equal({n: v[rows] for n, v in sky.items()}, cluster.sources)


def test_ecliptic_latitude_agrees_with_astropy(sky):
    from astropy.coordinates import SkyCoord

    some = slice(None, None, 97)
    coordinates = SkyCoord(sky["ra"][some], sky["dec"][some], unit="deg")
    expected = coordinates.transform_to("barycentricmeanecliptic").lat.deg
    assert np.max(np.abs(sky["ecl_lat"][some] - expected)) < 1e-4


def test_missing_values_are_those_gaia_lacks(sky):
    solution = sky["solution"]
    assert set(np.unique(solution)) == {TWO_PARAMETERS, FIVE_PARAMETERS, SIX_PARAMETERS}
    two = solution == TWO_PARAMETERS
    assert np.array_equal(np.isnan(sky["parallax"]), two)
    assert np.array_equal(np.isnan(sky["pmra_pmdec_corr"]), two)
    assert np.array_equal(~np.isnan(sky["nu_eff"]), solution == FIVE_PARAMETERS)
    assert np.array_equal(~np.isnan(sky["pseudocolour"]), solution == SIX_PARAMETERS)
    colourless = np.isnan(sky["phot_bp_mean_mag"])
    assert np.array_equal(colourless, sky["phot_bp_n_obs"] == 0)
    assert 0 < colourless.mean() < 0.1 and 0 < two.mean() < 0.3


def test_astrometry_scatters_as_its_errors_and_correlations_say(catalogue: MockCatalogue, planted):
    from ocspark.physics.zeropoint import parallax_zero_point

    chi2, products = [], []
    for cluster in planted:
        s, t = cluster.sources, cluster.true
        good = s["solution"] != TWO_PARAMETERS
        zero_point = parallax_zero_point(
            s["phot_g_mean_mag"],
            s["nu_eff"],
            s["pseudocolour"],
            s["ecl_lat"],
            s["solution"],
        )
        offset = np.stack(
            [
                (s["parallax"] - zero_point - t["parallax"]) / s["parallax_error"],
                (s["pmra"] - t["pmra"]) / s["pmra_error"],
                (s["pmdec"] - t["pmdec"]) / s["pmdec_error"],
            ]
        )[:, good]
        one = np.ones(good.sum())
        ab, ac, bc = (
            s[n][good] for n in ("parallax_pmra_corr", "parallax_pmdec_corr", "pmra_pmdec_corr")
        )
        matrix = np.moveaxis(np.array([[one, ab, ac], [ab, one, bc], [ac, bc, one]]), 2, 0)
        assert np.linalg.eigvalsh(matrix).min() > 0
        chi2.append(np.einsum("in,nij,jn->n", offset, np.linalg.inv(matrix), offset))
        products.append(offset[0] * offset[1] - ab)
    values = np.concatenate(chi2)
    # chi2 with 3 degrees of freedom: mean 3, variance 6
    assert abs(values.mean() - 3.0) < 4.0 * np.sqrt(6.0 / len(values))
    assert abs(np.concatenate(products).mean()) < 4.0 / np.sqrt(len(values))


def test_photometry_scatters_as_the_pipeline_will_assume(catalogue: MockCatalogue, planted):
    pulls = []
    for cluster in planted:
        for band in ("g", "bp", "rp"):
            observed = cluster.sources[f"phot_{band}_mean_mag"].astype(float)
            count = cluster.sources[f"phot_{band}_n_obs"]
            kept = ~np.isnan(observed)
            sigma = catalogue.observatory.errors.sigma(band.upper(), observed[kept], count[kept])
            pulls.append((observed[kept] - cluster.true[band][kept]) / sigma)
    assert np.concatenate(pulls).std() == pytest.approx(1.0, abs=0.03)


def test_field_is_denser_in_the_plane_and_towards_the_centre(sky):
    from astropy.coordinates import SkyCoord

    galactic = SkyCoord(sky["ra"], sky["dec"], unit="deg").galactic
    latitude, longitude = np.abs(galactic.b.deg), galactic.l.wrap_at("180d").deg
    low, high = (latitude < 10).sum() / 0.174, (latitude > 60).sum() / 0.134
    assert low > 8 * high
    assert (np.abs(longitude) < 30).sum() > 2 * (np.abs(longitude) > 150).sum()


def test_keys_make_streams():
    assert keyed_generator(1, "a").random() == keyed_generator(1, "a").random()
    assert keyed_generator(1, "a").random() != keyed_generator(1, "b").random()

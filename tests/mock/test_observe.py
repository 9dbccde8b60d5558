"""Errors and kinds of solutions: PyGaia's model, and real Gaia fields where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pygaia.errors.astrometric import parallax_uncertainty, proper_motion_uncertainty

from ocspark.errors import InputError
from ocspark.mock.compare import COLUMNS, Cone, compare_samples
from ocspark.mock.dust import Dust
from ocspark.mock.frame import Columns
from ocspark.mock.observatory import Observatory
from ocspark.mock.observe import draw_solutions, observe
from ocspark.mock.rng import keyed_generator
from ocspark.physics.zeropoint import parallax_zero_point
from ocspark.release import Release, load_release

GAIA = Path(__file__).parents[3] / "shared/data/gaia"
needs_gaia = pytest.mark.skipif(
    not GAIA.is_dir(), reason="needs the real cones in ../shared/data/gaia"
)
N = 40_000


def _stars(g_mag: float | np.ndarray) -> Columns:
    rng = np.random.default_rng(11)
    true = {name: np.zeros(N) for name in ("parallax", "pmra", "pmdec")}
    g = np.broadcast_to(g_mag, N).astype(float)
    return {
        **true,
        "healpix_29": np.zeros(N, dtype=np.int64),
        "ra": rng.uniform(0, 360, N),
        "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, N))),
        "g": g,
        "bp": g + 0.4,
        "rp": g - 0.6,
    }


@pytest.fixture(scope="module", params=["dr3", "dr4"])
def observatory(request: pytest.FixtureRequest) -> Observatory:
    return Observatory.from_release(load_release(request.param))


@pytest.mark.parametrize("g_mag", [15.0, 17.0, 18.5])
def test_median_errors_over_the_sky_are_pygaias(observatory: Observatory, g_mag: float):
    seen = observe(_stars(g_mag), observatory, keyed_generator("errors"))
    release = observatory.performance
    expected = {
        "parallax_error": parallax_uncertainty(g_mag, release=release),
        "pmra_error": proper_motion_uncertainty(g_mag, release=release)[0],
        "pmdec_error": proper_motion_uncertainty(g_mag, release=release)[1],
    }
    for name, micro_arcsec in expected.items():
        # real fields have 0.9 of PyGaia's, which are for all of the sky
        assert np.nanmedian(seen[name]) * 1000.0 == pytest.approx(micro_arcsec, rel=0.12)


def test_dr4_columns_and_parallax_bias():
    by = Observatory.from_release(load_release("dr4"))
    seen = observe(_stars(16.0), by, keyed_generator("bias"))
    native = by.native_columns({**seen, "source_id": np.arange(N)})
    assert {"tentative_parallax_bias", "astrometric_params"} <= set(native)
    assert "astrometric_params_solved" not in native
    known = ~np.isnan(native["parallax"]) & ~np.isnan(native["tentative_parallax_bias"])
    corrected = (native["parallax"] - native["tentative_parallax_bias"])[known]
    scatter = native["parallax_error"][known]
    assert abs(np.mean(corrected / scatter)) < 4.0 / np.sqrt(known.sum())


def test_dr3_parallaxes_carry_the_zero_point_of_their_recipe():
    by = Observatory.from_release(load_release("dr3"))
    assert "parallax_bias" not in by.names
    seen = observe(_stars(14.0), by, keyed_generator("zero"))
    columns = ("phot_g_mean_mag", "nu_eff", "pseudocolour", "ecl_lat", "solution")
    zero_point = parallax_zero_point(*(seen[c] for c in columns))
    good = ~np.isnan(seen["parallax"])
    pull = ((seen["parallax"] - zero_point) / seen["parallax_error"])[good]
    assert abs(pull.mean()) < 4.0 / np.sqrt(good.sum()) and pull.std() == pytest.approx(1, abs=0.02)
    assert zero_point.mean() < -0.02  # without the correction the mean would be off by that


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    """Real sources off the globular clusters, whose crowding is not the field's."""
    sources = pd.read_parquet(GAIA / "edr3_cones.parquet")
    index = pd.read_csv(GAIA / "edr3_cones_index.csv")
    deep = ["ber26", "ber29", "ber73"]
    named = index.loc[index["cluster"].notna(), "cone"]
    return sources[sources["cone"].isin([*named, *deep])]


@needs_gaia
@pytest.mark.parametrize(
    "low, high, deep",
    [
        *((13, 15, False), (15, 16, False), (16, 17, False)),
        *((18, 18.5, True), (18.5, 19, True), (19, 19.5, True), (19.5, 20, True)),
        *((20, 20.3, True), (20.5, 20.7, True), (20.8, 21, True)),
    ],
)
def test_solutions_are_shared_as_in_real_fields(
    real: pd.DataFrame, low: float, high: float, deep: bool
):
    # beyond G = 18 only three fields have all sources; brighter, fields differ by their crowding
    chosen = real["phot_g_mean_mag"].between(low, high, inclusive="right")
    chosen &= real["cone"].isin(["ber26", "ber29", "ber73"]) if deep else True
    field = real[chosen]
    g = np.tile(field["phot_g_mean_mag"].to_numpy(float), 1 + 40_000 // len(field))
    rng = np.random.default_rng(3)
    drawn = draw_solutions(g, rng.random(len(g)) < 0.03, rng)
    codes = {2: 3, 5: 31, 6: 95}
    for number, code in codes.items():
        share = float(np.mean(field["astrometric_params_solved"] == code))
        assert np.mean(drawn == number) == pytest.approx(share, abs=0.06), number


@needs_gaia
def test_missing_colours_are_as_common_as_in_real_fields(real: pd.DataFrame):
    by = Observatory.from_release(load_release("dr3"))
    for low, high in ((14.0, 16.0), (16.0, 17.0), (17.0, 17.9)):
        field = real[real["phot_g_mean_mag"].between(low, high)]
        seen = observe(_stars((low + high) / 2), by, keyed_generator(str(low)))
        share = float(field["phot_bp_mean_mag"].isna().mean())
        assert np.isnan(seen["phot_bp_mean_mag"]).mean() == pytest.approx(share, abs=0.01)


def test_dust_without_clouds_is_the_integral_of_its_layer():
    from scipy.integrate import quad

    from ocspark.mock import dust as model
    from ocspark.mock import frame

    still = Dust(np.zeros((model.N_WAVES, 3)), np.full(model.N_WAVES, np.pi / 2))
    clouds = np.exp(-(model.CLOUD_SPREAD**2) / 2.0)
    for direction in ([0.6, -0.8, 0.0], [0.0, 0.6, 0.8], [-1.0, 0.0, 0.0]):
        unit = np.array(direction)

        def per_pc(distance: float, unit: np.ndarray = unit) -> float:
            x, y, z = unit * distance
            radius = np.hypot(x - frame.SUN_RADIUS_PC, y)
            disc = (frame.SUN_RADIUS_PC - radius) / model.DUST_LENGTH_PC
            height = abs(z + frame.SUN_HEIGHT_PC) / model.DUST_HEIGHT_PC
            return model.DUST_MAG_PER_KPC / 1000.0 * np.exp(disc - height) * clouds

        for distance in (100.0, 1_000.0, 5_000.0):
            expected, _ = quad(per_pc, 20.0, distance, limit=200)
            assert still.a0(unit * distance) == pytest.approx(expected, rel=0.03, abs=0.01)


def _table(seed: int, shift: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.normal(0.0, 1.0, 5_000) for name in COLUMNS})
    table["phot_g_mean_mag"] = 15.0 + rng.normal(0.0, 1.0, 5_000)
    table["phot_rp_mean_mag"] = table["phot_g_mean_mag"] - 0.7 + 0.1 * rng.normal(size=5_000)
    table["parallax_error"] = 0.1
    return table.assign(pmra=table["pmra"] + shift)


def test_distances_are_noise_for_the_same_and_the_shift_for_shifted():
    errors = np.full(5_000, 0.1)
    same = compare_samples(_table(1, 0.0), _table(2, 0.0), errors, errors)
    for name in ("g", "colour", "parallax", "pmra", "pmdec"):
        assert same[f"ks_{name}"] < 2.5 * same["ks_noise"]
    assert same["ks_log_error"] == 0.0
    moved = compare_samples(_table(1, 0.0), _table(2, 0.5), errors, errors * 2)
    assert moved["w1_pmra"] == pytest.approx(0.5, abs=0.06)
    assert moved["w1_log_error"] == pytest.approx(np.log10(2.0))
    assert same["tv_cmd"] < 0.15
    with pytest.raises(InputError, match="0 real and 5000 mock sources"):
        compare_samples(_table(1, 0.0)[:0], _table(2, 0.0), errors[:0], errors)


def test_cones_are_cut_as_their_makers_did():
    sources = pd.DataFrame(
        {
            "ra": [359.9, 0.1, 0.1, 0.1, 3.0, 0.0],
            "dec": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            "parallax": [1.0, 1.0, np.nan, 5.0, 1.0, 1.0],
            "phot_g_mean_mag": [17.0, 18.5, 17.0, 17.0, 17.0, 17.0],
        }
    )
    cone = Cone("c", 0.0, 0.0, 0.05, 0.5, 18.0, -1.0, 3.0)
    assert cone.cut(sources).index.tolist() == [0, 2]
    assert cone._replace(parallax_min=0.5).cut(sources).index.tolist() == [0]


def test_dr4_draws_every_code_and_values_as_its_bits_say():
    release = load_release("dr4")
    seen = observe(_stars(16.0), Observatory.from_release(release), keyed_generator("codes"))
    code = seen["solution"]
    assert set(code) == {*release.solution_codes.values(), *release.other_codes}
    for name, bit in (("parallax", 4), ("pmra", 8), ("pmdec_error", 16)):
        assert np.array_equal(~np.isnan(seen[name]), code & bit > 0)
    corr, bias = seen["pmra_pmdec_corr"], seen["parallax_bias"]
    binary = code >= 128
    assert not np.isnan(corr[(code & 24 == 24) & ~binary]).any()
    assert 0.1 < np.isnan(corr[binary]).mean() < 0.5
    assert not np.isnan(bias[(code & 4 > 0) & ~binary]).any()
    assert 0.3 < np.isnan(bias[binary]).mean() < 0.7
    lacks_colour = np.isnan(seen["nu_eff"]) & np.isnan(seen["pseudocolour"])
    assert lacks_colour[binary].mean() > 0.3
    assert bias.dtype == np.float64


def test_codes_of_its_own_change_no_other_source_of_a_release():
    release = load_release("dr4")
    plain = Observatory.from_release(release.model_copy(update={"other_codes": {}}))
    some = observe(_stars(16.0), Observatory.from_release(release), keyed_generator("same"))
    none = observe(_stars(16.0), plain, keyed_generator("same"))
    same = np.isin(some["solution"], (3, 31, 95))
    assert 0.9 < same.mean() < 0.99
    for name in some:
        np.testing.assert_array_equal(some[name][same], none[name][same])


def test_fluxes_and_their_errors_are_those_of_the_magnitudes():
    tree = load_release("dr3").model_dump()
    tree["magnitude_errors"]["method"] = "flux_errors"
    by = Observatory.from_release(Release.model_validate(tree))
    seen = observe(_stars(15.0), by, keyed_generator("flux"))
    magnitude = 25.6874 - 2.5 * np.log10(seen["phot_g_mean_flux"])
    np.testing.assert_allclose(magnitude, seen["phot_g_mean_mag"], atol=1e-5)
    share = seen["phot_g_mean_flux_error"] / seen["phot_g_mean_flux"]
    expected = by.errors.sigma("G", np.full(N, 15.0), seen["phot_g_n_obs"])
    np.testing.assert_allclose(1.0857 * share, expected, rtol=1e-4)

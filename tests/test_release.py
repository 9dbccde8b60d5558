"""What differs between releases is data, and a file that lacks some of it is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError
from pygaia.errors.photometric import magnitude_uncertainty

from ocspark.errors import InputError
from ocspark.physics.extinction import extinction_coefficients
from ocspark.release import Release, load_release
from ocspark.selection.calibrate import calibrate, release_calibration
from ocspark.tables.source_columns import BY_NAME, CORRELATIONS
from ocspark.tables.stars import RawStars
from tests.helpers.toyrun import ROOT

DR4 = yaml.safe_load((ROOT / "conf/releases/dr4.yaml").read_text())


def test_dr3_is_whole_and_dr4_is_a_draft_at_j2017_5() -> None:
    dr3, dr4 = load_release("dr3"), load_release("dr4")
    assert (dr3.draft, dr3.epoch, dr3.expected_rows) == (False, 2016.0, 1_811_709_771)
    assert (dr4.draft, dr4.epoch) == (True, 2017.5)
    assert dr4.columns["solution"] == ("astrometric_params",)
    assert set(dr4.foreign) & {spellings[0] for spellings in dr3.columns.values()} == {
        "astrometric_params_solved"
    }


def test_dr4_subtracts_the_bias_that_it_ships() -> None:
    stars = RawStars(
        {
            "parallax": np.array([1.0, 2.0, 0.5]),
            "parallax_bias": np.array([-0.04, 0.01, np.nan]),  # without one it stays, as with DR3's
            **{f"phot_{b}_mean_mag": np.full(3, 15.0) for b in ("g", "bp", "rp")},
            **{f"phot_{b}_n_obs": np.full(3, 200) for b in ("g", "rp")},
        }
    )
    done = calibrate(stars, release_calibration(load_release("dr4")))
    np.testing.assert_array_equal(done["parallax"], [1.04, 1.99, 0.5])


@pytest.mark.parametrize("band", ["G", "BP", "RP"])
def test_dr4_magnitude_errors_are_pygaias(band: str) -> None:
    model = release_calibration(load_release("dr4")).magnitude_errors
    mag = np.array([4.2, 9.0, 14.0, 18.0, 20.9])
    n_obs = {"G": 620, "BP": 70, "RP": 70}[band]
    expected = magnitude_uncertainty(band, mag, release="dr4") / 1000.0  # from mmag
    np.testing.assert_allclose(model.sigma(band, mag, np.full(5, n_obs)), expected, rtol=1e-6)


def test_dr4_extinction_is_that_of_its_passbands() -> None:
    teff = np.array([4000.0, 6000.0, 12000.0])
    dr3, dr4 = (load_release(name).extinction for name in ("dr3", "dr4"))
    old = extinction_coefficients(teff, 1.0, dr3.law, dr3.passbands)
    new = extinction_coefficients(teff, 1.0, dr4.law, dr4.passbands)
    np.testing.assert_allclose(new, old, rtol=0.02)
    assert not np.allclose(new, old, rtol=1e-4)


def test_a_corrected_copy_of_a_release_serves_by_its_path(tmp_path: Path) -> None:
    copy = {**DR4, "name": "dr4final", "draft": False}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(copy))
    assert load_release(str(tmp_path / "mine.yaml")).name == "dr4final"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"columns": {**DR4["columns"], "nu_fe": "x"}}, "nu_fe, which is no canonical name"),
        ({"columns": {k: v for k, v in DR4["columns"].items() if k != "pmra"}}, "lacks pmra"),
        (
            {"columns": {k: v for k, v in DR4["columns"].items() if k != "parallax_bias"}},
            "lacks parallax_bias",
        ),
        ({"zero_point": "guess"}, "zero_point"),
    ],
)
def test_a_release_that_lacks_something_is_refused(
    tmp_path: Path, change: dict, words: str
) -> None:
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump({**DR4, **change}))
    with pytest.raises(InputError, match=words):
        load_release(str(tmp_path / "bad.yaml"))


def test_a_release_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml: no such file"):
        load_release(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "text.yaml").write_text("a: [")
    with pytest.raises(InputError, match="not YAML"):
        load_release(str(tmp_path / "text.yaml"))


def described(**changes: object) -> Release:
    return Release.model_validate({**DR4, **changes})


def star(**values: float) -> RawStars:
    columns = {f"phot_{b}_mean_mag": 15.0 for b in ("g", "bp", "rp")}
    columns |= {"parallax": 1.0, "parallax_bias": 0.0, **values}
    return RawStars({name: np.array([value]) for name, value in columns.items()})


def test_a_release_needs_what_its_choices_use() -> None:
    dr4 = load_release("dr4")
    assert {"parallax_bias", "phot_g_n_obs", "pmra_pmdec_corr"} <= set(dr4.needed)
    assert not {"ecl_lat", "nu_eff", "pseudocolour", "solution"} & set(dr4.needed)
    recipe = described(zero_point="lindegren2021")
    assert {"ecl_lat", "nu_eff", "pseudocolour", "solution"} <= set(recipe.needed)
    assert "parallax_bias" not in recipe.needed
    bare = described(
        zero_point="none",
        correlations="zero",
        magnitude_errors={**DR4["magnitude_errors"], "n_obs": {"G": 620, "BP": 70, "RP": 70}},
        columns={n: n for n in load_release("dr3").needed if BY_NAME[n].use == "always"},
    )
    assert set(bare.needed) == set(bare.columns)


def test_a_release_without_correlations_has_none_of_them_at_zero_by_itself() -> None:
    columns = {n: c for n, c in DR4["columns"].items() if not n.endswith("_corr")}
    with pytest.raises(ValidationError, match="columns lacks parallax_pmra_corr"):
        described(columns=columns)
    without = described(columns=columns, correlations="zero")
    done = calibrate(star(phot_g_n_obs=200, phot_rp_n_obs=20), release_calibration(without))
    assert [done[name].tolist() for name in CORRELATIONS] == [[0.0]] * 3
    where_missing = release_calibration(described(correlations="zero_where_missing"))
    some = dict.fromkeys(CORRELATIONS, np.nan) | {"parallax_pmra_corr": 0.2}
    done = calibrate(star(phot_g_n_obs=200, phot_rp_n_obs=20, **some), where_missing)
    assert [done[name].tolist() for name in CORRELATIONS] == [[0.2], [0.0], [0.0]]


def test_one_number_of_observations_may_stand_for_all() -> None:
    source = {**DR4["magnitude_errors"], "n_obs": {"G": 620, "BP": 70, "RP": 70}}
    done = calibrate(star(), release_calibration(described(magnitude_errors=source)))
    own = star(phot_g_n_obs=620, phot_rp_n_obs=70)
    expected = calibrate(own, release_calibration(load_release("dr4")))
    assert done["g_rp_error"] == expected["g_rp_error"]
    with pytest.raises(ValidationError, match="a number for each of G, BP and RP"):
        described(magnitude_errors={**source, "n_obs": {"G": 620}})


def test_flux_errors_are_errors_of_magnitudes() -> None:
    source = {**DR4["magnitude_errors"], "method": "flux_errors"}
    fluxes = {"phot_g_mean_flux": 1000.0, "phot_g_mean_flux_error": 2.0}
    fluxes |= {"phot_rp_mean_flux": 500.0, "phot_rp_mean_flux_error": 3.0}
    done = calibrate(star(**fluxes), release_calibration(described(magnitude_errors=source)))
    change = -2.5 * np.log10([1002 / 1000, 503 / 500])  # to first order the same
    assert done["phot_g_mean_mag_error"] == pytest.approx(-change[0], rel=2e-3)
    assert done["g_rp_error"] == pytest.approx(np.hypot(*change), rel=4e-3)


def test_dr4_names_all_codes_of_the_draft() -> None:
    codes = {*DR4["solution_codes"].values(), *DR4["other_codes"]}
    draft = "3 7 27 31 63 95 479 2015 2079 2463 3999 4127 4575 6111 6175 8223 8607 10143 10271"
    assert codes == set(map(int, draft.split()))

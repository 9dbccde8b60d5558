"""What differs between releases is data, and a file that lacks some of it is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from pygaia.errors.photometric import magnitude_uncertainty

from ocspark.errors import InputError
from ocspark.physics.extinction import extinction_coefficients
from ocspark.release import load_release
from ocspark.selection.calibrate import calibrate, release_calibration
from tests.toyrun import ROOT

DR4 = yaml.safe_load((ROOT / "conf/releases/dr4.yaml").read_text())


def test_dr3_is_whole_and_dr4_is_a_draft_at_j2017_5() -> None:
    dr3, dr4 = load_release("dr3"), load_release("dr4")
    assert (dr3.draft, dr3.epoch, dr3.expected_rows) == (False, 2016.0, 1_811_709_771)
    assert (dr4.draft, dr4.epoch) == (True, 2017.5)
    assert dr4.columns["solution"] == "astrometric_params"
    assert set(dr4.foreign) & set(dr3.columns.values()) == {"astrometric_params_solved"}


def test_dr4_subtracts_the_bias_that_it_ships() -> None:
    stars = {
        "parallax": np.array([1.0, 2.0, 0.5]),
        "parallax_bias": np.array([-0.04, 0.01, np.nan]),  # without one it stays, as with DR3's
        **{f"phot_{b}_mean_mag": np.full(3, 15.0) for b in ("g", "rp")},
        **{f"phot_{b}_n_obs": np.full(3, 200) for b in ("g", "rp")},
    }
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
    with pytest.raises(InputError, match=r"nowhere\.yaml: cannot be read"):
        load_release(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "text.yaml").write_text("a: [")
    with pytest.raises(InputError, match="not YAML"):
        load_release(str(tmp_path / "text.yaml"))

"""Extinction, against the polynomial's own file and the Kurucz grid it was fitted to."""

from __future__ import annotations

import sys
from pathlib import Path

import dustapprox
import dustapprox.models as dustapprox_models
import numpy as np
import pandas as pd
import pytest

from ocspark.physics.extinction import (
    DEFAULT_LAW,
    DEFAULT_PASSBANDS,
    extinction_coefficients,
    law_file,
)
from ocspark.release import load_release

DATA = Path(dustapprox.__file__).parent / "data" / "precomputed"
TERMS = {
    "1": (0, 0),
    "A0": (1, 0),
    "teffnorm": (0, 1),
    "A0^2": (2, 0),
    "A0 teffnorm": (1, 1),
    "teffnorm^2": (0, 2),
    "A0^3": (3, 0),
    "A0^2 teffnorm": (2, 1),
    "A0 teffnorm^2": (1, 2),
    "teffnorm^3": (0, 3),
}
TEFF = np.array([3500.0, 4200.0, 5040.0, 5772.0, 7500.0, 9600.0, 15000.0, 30000.0, 50000.0])


def polynomials() -> pd.DataFrame:
    """The published coefficients and the fit's rmse, by passband."""
    file = DATA / "polynomial" / "f99" / "kurucz" / f"{DEFAULT_LAW}.ecsv"
    return pd.read_csv(file, comment="#", index_col="passband")


@pytest.mark.parametrize("a0", [0.01, 0.3, 1.0, 2.7, 10.0])
def test_coefficients_are_the_papers_cubic_in_a0_and_teff(a0):
    got = extinction_coefficients(TEFF, a0)
    for band, k in zip(DEFAULT_PASSBANDS, got, strict=True):
        row = polynomials().loc[band]
        expected = sum(
            float(row[term]) * a0**i * (TEFF / 5040.0) ** j for term, (i, j) in TERMS.items()
        )
        np.testing.assert_allclose(k, expected, rtol=1e-10)


@pytest.mark.parametrize("release", ["dr3", "dr4"])
@pytest.mark.parametrize("n", [1, 7, 1000])
def test_the_polynomials_of_releases_give_dustapprox_s_bits(release: str, n: int) -> None:
    source = load_release(release).extinction
    teff = np.random.default_rng(n).uniform(3500, 30000, n)
    library = dustapprox_models.PrecomputedModel()
    (info,) = {
        i.filename: i
        for i in library.find(passband=source.passbands[0])
        if i.filename.endswith(f"/{source.law}.ecsv")
    }.values()
    for a0 in (0.0, 0.7, 3.3):
        table = pd.DataFrame({"teff": teff, "A0": a0, "R0": 3.1})
        ours = extinction_coefficients(teff, a0, source.law, source.passbands)
        for band, k in zip(source.passbands, ours, strict=True):
            theirs = library.load_model(info, passband=band).predict(table)
            np.testing.assert_array_equal(k, theirs)


def test_a_law_that_is_no_file_here_needs_dustapprox(monkeypatch: pytest.MonkeyPatch) -> None:
    law, bands = "sloan_kurucz_f99_a0_teff", ("SLOAN_SDSS.u", "SLOAN_SDSS.g", "SLOAN_SDSS.r")
    assert law_file(law) is None
    assert all((k > 0).all() for k in extinction_coefficients(TEFF, 1.0, law, bands))
    monkeypatch.setitem(sys.modules, "dustapprox.models", None)
    with pytest.raises(ValueError, match=r"not in conf/extinction.*ocspark\[extinction\]"):
        extinction_coefficients(TEFF, 1.0, "another law", bands)


@pytest.mark.parametrize("band", DEFAULT_PASSBANDS)
def test_coefficients_scatter_about_the_kurucz_grid_as_the_fit_says(band):
    grid = pd.read_csv(next((DATA / "grids").glob("*.csv")))
    grid = grid[(grid["passband"] == band) & (grid["A0"] > 0)]
    place = DEFAULT_PASSBANDS.index(band)
    residual = np.concatenate(
        [
            extinction_coefficients(part["teff"].to_numpy(), a0)[place] - part["Ax"] / a0
            for a0, part in grid.groupby("A0")
        ]
    )
    assert len(residual) > 50_000
    # the grid that ships is coarser in A0 than the one fitted, hence not the very same number
    rmse = float(polynomials().loc[band, "rmse"])
    assert 0.7 * rmse < np.sqrt(np.mean(residual**2)) < 1.3 * rmse
    assert abs(residual.mean()) < 1e-3


@pytest.mark.parametrize("a0", [0.1, 1.0, 4.0])
def test_blue_light_is_dimmed_most(a0):
    k_g, k_bp, k_rp = extinction_coefficients(TEFF, a0)
    assert (k_bp > k_g).all()
    assert (k_g > k_rp).all()
    assert (k_rp > 0.4).all()


def test_bands_come_in_the_order_asked_for():
    g, bp, rp = DEFAULT_PASSBANDS
    plain = extinction_coefficients(TEFF, 1.0)
    turned = extinction_coefficients(TEFF, 1.0, passbands=(rp, g, bp))
    for got, expected in zip(turned, (plain[2], plain[0], plain[1]), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_an_unknown_polynomial_is_named():
    with pytest.raises(ValueError, match="no_such_law"):
        extinction_coefficients(TEFF, 1.0, law="no_such_law")

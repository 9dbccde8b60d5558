"""The HATS catalogue of members and the MOC of the searched sky, opened by others."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from mocpy import MOC

from ocspark.errors import InputError
from ocspark.exports import hats, scatter
from ocspark.exports.export import Options, export
from ocspark.exports.source import RowFilter
from ocspark.store.finished_run import FinishedRun
from tests.helpers.made_run import make_run, table_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import lsdb
    from distributed import Client
    from hats.io.validation import is_valid_catalog

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def dask() -> Iterator[None]:
    """One worker thread in this process, no dashboard."""
    with Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None):
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return make_run(tmp_path_factory.mktemp("run") / "made", 6000)


@pytest.mark.usefixtures("dask")
def test_lsdb_opens_the_catalogue(
    run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (hats, scatter):
        monkeypatch.setattr(module, "BUCKET_ROWS", 300)
    path = tmp_path / "members"
    rows = export(run, Options("hats", str(path), rows=RowFilter(min_probability=0.25)))
    assert is_valid_catalog(path, strict=True)
    catalogue = lsdb.read_hats(path)
    read = catalogue.compute().reset_index(drop=True)
    wanted = table_of(run).to_pandas()
    wanted = wanted[wanted["probability"] >= 0.25]
    assert rows == len(read) == len(wanted)
    assert len(catalogue.hc_structure.get_healpix_pixels()) > 12  # mixed orders
    order = ["source_id", "cluster"]
    for name in wanted.columns:
        one = read.sort_values(order)[name].to_numpy()
        two = wanted.sort_values(order)[name].to_numpy()
        if wanted[name].dtype == float:
            np.testing.assert_array_equal(one.astype(float), two, err_msg=name)
        else:
            pd.testing.assert_series_equal(
                pd.Series(one).astype(object).fillna(-1),
                pd.Series(two).astype(object).fillna(-1),
                check_dtype=False,
            )
    near = catalogue.cone_search(ra=180.0, dec=0.0, radius_arcsec=40 * 3600.0).compute()
    sky = SkyCoord(wanted["ra"].to_numpy() * u.deg, wanted["dec"].to_numpy() * u.deg)
    inside = sky.separation(SkyCoord(180 * u.deg, 0 * u.deg)) < 40 * u.deg
    assert 0 < len(near) == inside.sum()
    properties = (path / "hats.properties").read_text()
    assert "run made of ocspark" in properties
    assert not (path / "_ocspark_unfinished").exists()


def test_a_catalogue_needs_a_star(run: FinishedRun, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rows"):
        export(run, Options("hats", str(tmp_path / "none"), rows=RowFilter(faint=-5.0)))
    assert not (tmp_path / "none").exists()


def test_an_unfinished_catalogue_is_replaced_when_asked(
    run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "members"

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(hats, "write_catalogue_metadata", stop)
        with pytest.raises(KeyboardInterrupt):
            export(run, Options("hats", str(path)))
    assert not (path / "hats.properties").exists() and (path / "_ocspark_unfinished").exists()
    with pytest.raises(InputError, match="--overwrite"):
        export(run, Options("hats", str(path)))
    assert export(run, Options("hats", str(path), overwrite=True)) == 6000
    assert is_valid_catalog(path, strict=True)


@pytest.fixture(scope="module")
def moc_file(run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("moc") / "searched.fits"
    assert export(run, Options("moc", str(path), order=11)) is None
    return path


def test_the_searched_sky_is_the_union_of_the_cones(run: FinishedRun, moc_file: Path) -> None:
    moc = MOC.load(moc_file, "fits")
    cones = table_of(run, "clusters").to_pandas().dropna(subset=["radius_deg"])
    assert len(cones) == 3  # the others had none
    cell = 1.72 * u.arcmin * 2  # the diameter of a cell of order 11, with room for its corners
    rng = np.random.default_rng(3)
    area = 0.0
    for cone in cones.itertuples():
        centre = SkyCoord(cone.cone_ra * u.deg, cone.cone_dec * u.deg)
        radius = cone.radius_deg * u.deg
        near = centre.directional_offset_by(
            rng.uniform(0, 360, 3000) * u.deg, radius * np.sqrt(rng.random(3000)) * (1 - 1e-9)
        )
        assert moc.contains_skycoords(near).all()
        rim = centre.directional_offset_by(rng.uniform(0, 360, 3000) * u.deg, radius + cell)
        assert not moc.contains_skycoords(rim).any()
        area += (1 - np.cos(np.radians(cone.radius_deg))) / 2
    assert area < moc.sky_fraction < 1.1 * area
    assert moc.max_order == 11


def test_the_moc_is_a_sound_fits_file(moc_file: Path) -> None:
    header = fits.getheader(moc_file, 1)
    assert (header["ORDERING"], header["COORDSYS"], header["RUN_ID"]) == ("NUNIQ", "C", "made")
    if shutil.which("fitsverify"):
        done = subprocess.run(["fitsverify", "-q", moc_file], capture_output=True, text=True)
        assert "verification OK" in done.stdout


@pytest.mark.parametrize("order", [-1, 17])
def test_an_order_out_of_range_is_refused(order: int, run: FinishedRun, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--order"):
        export(run, Options("moc", str(tmp_path / "m.fits"), order=order))

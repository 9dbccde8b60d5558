"""Other HATS clients: they read what ocspark writes, and ocspark reads what they write.

hats (STScI's and LINCC's library of the layout) and lsdb are test dependencies only.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import astropy.units as u
import healpy
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from pyspark.sql import SparkSession

from ocspark.build.verify_mirror import verify_mirror
from ocspark.mirror.footers import check_files
from ocspark.mirror.layout import list_pieces
from ocspark.mock.generate import write_mock
from ocspark.mock.parameters import MockParameters
from ocspark.release import load_release
from ocspark.selection.cone_search import ConeSearch
from ocspark.selection.cones import make_cones
from ocspark.settings import SearchSettings
from ocspark.tables.run import cone_fields
from tests.helpers.hats import write_hats
from tests.helpers.toy import Toy

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import lsdb
    from distributed import Client
    from hats.io.validation import is_valid_catalog

pytestmark = pytest.mark.filterwarnings("ignore")

DR3 = load_release("dr3")
#: ra, dec, radius [deg]: across RA 0, over the pole, on the equator, where there is nothing
CONES = [(0.02, 20.0, 1.2), (120.0, 89.7, 1.5), (45.3, 0.2, 0.9), (200.0, -60.0, 2.0)]


@pytest.fixture(scope="module", autouse=True)
def dask() -> Iterator[None]:
    """One worker thread in this process, no dashboard."""
    with Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None):
        yield


@pytest.fixture(scope="module")
def written(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ours") / "toy"
    write_hats(toy.sources, path, 2)
    return path


def search(spark: SparkSession, path: Path) -> list[list[int]]:
    """Return the identifiers that the main job's search finds in each cone; no cuts but its rim."""
    ra, dec, radius = np.array(CONES).T
    wide = np.full(len(CONES), 1e6)
    clusters = pd.DataFrame(
        {"cluster_key": range(len(CONES)), "ra": ra, "dec": dec, "parallax": 0.0, "pmra": 0.0}
    ).assign(
        distance=50 / np.radians(radius),
        pmdec=0.0,
        parallax_dispersion=wide,
        pmra_dispersion=wide,
        pmdec_dispersion=wide,
    )
    cones = make_cones(clusters, SearchSettings())
    mirror = list_pieces(str(path))
    files = check_files(mirror.touched_by(cones.cover), DR3, mirror.healpix_column)
    found = (
        ConeSearch(spark, files[0].columns, cones)
        .in_files(files, iter, cone_fields(DR3.needed))
        .toPandas()
    )
    return [sorted(found.loc[found["cluster_key"] == k, "source_id"]) for k in range(len(CONES))]


def by_astropy(sources: pd.DataFrame) -> list[list[int]]:
    at = SkyCoord(sources["ra"].to_numpy(), sources["dec"].to_numpy(), unit="deg")
    return [
        sorted(sources["source_id"][at.separation(SkyCoord(ra, dec, unit="deg")) <= radius * u.deg])
        for ra, dec, radius in CONES
    ]


def test_hats_finds_no_fault_with_what_ocspark_writes(
    written: Path, spark: SparkSession, tmp_path: Path
) -> None:
    assert is_valid_catalog(written, strict=True, verbose=False)
    write_mock(spark, str(tmp_path / "mock"), MockParameters(2000, 2, 7))
    assert is_valid_catalog(tmp_path / "mock" / "mirror", strict=True, verbose=False)


def test_lsdb_finds_the_same_sources_in_what_ocspark_writes(
    toy: Toy, written: Path, spark: SparkSession
) -> None:
    catalogue = lsdb.open_catalog(written)
    assert len(catalogue) == len(toy.sources)
    expected = by_astropy(toy.sources)
    assert [len(ids) > 90 for ids in expected] == [True, True, True, False]
    assert search(spark, written) == expected
    for (ra, dec, radius), ids in zip(CONES[:3], expected[:3], strict=True):
        found = catalogue.cone_search(ra, dec, radius * 3600).compute(progress_bar=False)
        assert sorted(found["source_id"]) == ids


@pytest.mark.parametrize(
    ("in_order", "margin_arcsec", "layout"),
    [
        (False, 5.0, {"as_collection": True}),
        (True, None, {"as_collection": False, "npix_suffix": "/", "create_thumbnail": True}),
    ],
    ids=["collection of files", "folders"],
)
def test_what_lsdb_writes_is_read_searched_and_verified(
    toy: Toy,
    spark: SparkSession,
    tmp_path: Path,
    in_order: bool,
    margin_arcsec: float | None,
    layout: dict[str, Any],
) -> None:
    at = healpy.ang2pix(2**29, *toy.sources[["ra", "dec"]].to_numpy().T, nest=True, lonlat=True)
    rows = toy.sources.iloc[np.argsort(at)] if in_order else toy.sources
    catalogue = lsdb.from_dataframe(
        rows,
        ra_column="ra",
        dec_column="dec",
        partition_rows=600,
        margin_threshold=margin_arcsec,
        catalog_name="toy",
    )
    path = tmp_path / "lsdb"
    catalogue.write_catalog(path, progress_bar=False, **layout)
    mirror = list_pieces(str(path))
    assert len({file.pixel.order for file in mirror.files}) > 1  # mixed orders
    assert mirror.healpix_column == "_healpix_29"
    assert search(spark, path) == by_astropy(toy.sources)
    # lsdb leaves the rows of a pixel in the order they came: searched all the same, but reported
    report = verify_mirror(str(path), "dr3", str(len(toy.sources)), spark)
    assert report.failed == ([] if in_order else ["sorted"])

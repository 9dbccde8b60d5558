"""The Spark job: the same rows under any partitioning, and tables that agree."""

from __future__ import annotations

import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.coordinates import angular_separation

from ocspark.errors import InputError
from ocspark.inputs.isochrones import default_isochrones, read_isochrones
from ocspark.mock.catalogue import build_catalogue
from ocspark.mock.extent import extent_of
from ocspark.mock.generate import finished_mock, write_mock
from ocspark.mock.mirror import mirror_schema
from ocspark.mock.parameters import MockParameters
from ocspark.sky.healpix import HealpixPixel
from tests.helpers.toyrun import ROOT

PARAMETERS = MockParameters(sources=20_000, clusters=24, seed=7)


def _run_job(arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["make_mock.py", *arguments.split()])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "jobs/make_mock.py"), run_name="__main__")
    return int(stop.value.code or 0)


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "mirror/dataset").rglob("*.parquet"))


def _mirror(folder: Path) -> pd.DataFrame:
    table = pd.concat([pq.ParquetFile(f).read().to_pandas() for f in _files(folder)])
    return table.sort_values("source_id", ignore_index=True)


@pytest.fixture(scope="module")
def mock(spark, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mock") / "one"
    write_mock(spark, str(folder), PARAMETERS, n_tasks=8)
    return folder


def test_partitioning_changes_no_byte(spark, mock: Path, tmp_path: Path):
    write_mock(spark, str(tmp_path / "two"), PARAMETERS, n_tasks=3)
    first, second = _files(mock), _files(tmp_path / "two")
    assert [f.relative_to(mock) for f in first] == [f.relative_to(tmp_path / "two") for f in second]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True))
    for name in ("clusters", "members", "truth"):
        one, two = (pd.read_parquet(f / f"{name}.parquet") for f in (mock, tmp_path / "two"))
        pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.fixture(scope="module")
def slice_(spark, mock: Path, tmp_path_factory) -> Path:
    """A slice of the mock around three clusters."""
    folder = tmp_path_factory.mktemp("slice") / "one"
    write_mock(spark, str(folder), replace(PARAMETERS, around=3, min_distance_pc=1500.0), n_tasks=2)
    return folder


def test_files_of_a_slice_are_those_of_the_whole_mock(mock: Path, slice_: Path):
    files = _files(slice_)
    assert 0 < len(files) < len(_files(mock))
    for file in files:
        assert file.read_bytes() == (mock / file.relative_to(slice_)).read_bytes()


def test_a_slice_has_all_sources_in_the_cones_it_was_made_around(mock: Path, slice_: Path):
    clusters = pd.read_parquet(slice_ / "clusters.parquet")
    sources, ids = _mirror(mock), set(_mirror(slice_)["source_id"])
    assert (clusters["distance"] > 1500.0 / 1.1).all()  # listed distances scatter by 2 %
    for row in clusters.itertuples():
        away = angular_separation(
            *np.radians([sources["ra"], sources["dec"]]), *np.radians([row.ra, row.dec])
        )
        inside = sources["source_id"][away <= 50.0 / row.distance]
        assert len(inside) and set(inside) <= ids


def test_tables_of_a_slice_have_the_clusters_it_was_made_around(mock: Path, slice_: Path):
    names = json.loads((slice_ / "mock.json").read_text())["around"]
    assert len(names) == 3
    assert json.loads((mock / "mock.json").read_text())["around"] == []
    for name in ("clusters", "members", "truth"):
        part, all_ = (pd.read_parquet(f / f"{name}.parquet") for f in (slice_, mock))
        expected = all_[all_["cluster"].isin(names)].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, expected, check_exact=True)
    assert list(pd.read_parquet(slice_ / "clusters.parquet")["cluster"]) == names


def test_clusters_of_a_small_slice_are_among_those_of_a_larger_one(catalogue):
    some, more = (
        set(extent_of(catalogue, replace(PARAMETERS, around=n, min_distance_pc=500.0)).around)
        for n in (4, 9)
    )
    assert len(some) == 4 and len(more) == 9 and some < more
    near = {c.name for c in catalogue.clusters if c.distance_pc <= 500.0}
    assert near and not near & more


def test_mirror_is_what_the_kernel_gives(mock: Path, catalogue):
    mirror = _mirror(mock).set_index("source_id")
    cell = catalogue.cell(HealpixPixel(1, 25))
    rows = mirror.loc[cell["source_id"]]
    for name in ("ra", "parallax", "pmra_error", "phot_bp_mean_mag"):
        assert np.array_equal(rows[name].to_numpy(), cell[name], equal_nan=True)


def test_each_pixel_has_one_sorted_file(mock: Path):
    for file in _files(mock):
        order = int(file.parent.parent.name.removeprefix("Norder="))
        table = pq.ParquetFile(file).read(["_healpix_29"])["_healpix_29"].to_numpy()
        assert np.all(np.diff(table) >= 0)
        assert np.all(table >> 2 * (29 - order) == int(file.stem.removeprefix("Npix=")))


def test_missing_values_are_nulls_not_nan(mock: Path):
    n_null = 0
    for file in _files(mock):
        column = pq.ParquetFile(file).read(["parallax"])["parallax"]
        n_null += column.null_count
        assert not np.isnan(column.drop_null().to_numpy()).any()
    assert n_null > 0


def test_tables_agree_with_the_mirror(mock: Path):
    ids = set(_mirror(mock)["source_id"])
    truth = pd.read_parquet(mock / "truth.parquet")
    members = pd.read_parquet(mock / "members.parquet")
    clusters = pd.read_parquet(mock / "clusters.parquet")
    assert truth["source_id"].is_unique and set(truth["source_id"]) <= ids
    assert set(members["source_id"]) <= ids
    assert list(clusters["cluster"]) == [f"Mock_{i:04d}" for i in range(1, 25)]
    assert set(truth["cluster"]) == set(members["cluster"]) == set(clusters["cluster"])
    assert clusters.notna().all(axis=None)


def test_isochrones_read_back_as_they_were_used(mock: Path):
    table = read_isochrones(str(mock / "isochrones"), None)
    pd.testing.assert_frame_equal(table, default_isochrones(), check_exact=True)


def test_finished_mock_is_not_made_again(mock: Path, capsys, monkeypatch):
    marker = json.loads((mock / "mock.json").read_text())
    assert finished_mock(str(mock), PARAMETERS) == marker
    assert finished_mock(str(mock), MockParameters(20_000, 24, 8)) is None
    arguments = f"--output {mock} --sources 20000 --clusters 24 --seed 7"
    assert _run_job(arguments, monkeypatch) == 0
    assert capsys.readouterr().out.startswith("[ocspark] ")


def test_release_decides_the_columns(catalogue):
    dr4 = build_catalogue(MockParameters(20_000, 24, 7, release="dr4"))
    names = {*mirror_schema(dr4.observatory).names} ^ {*mirror_schema(catalogue.observatory).names}
    assert names == {
        "astrometric_params",
        "astrometric_params_solved",
        "tentative_parallax_bias",
    }
    one, other = catalogue.cell(HealpixPixel(1, 25)), dr4.cell(HealpixPixel(1, 25))
    # the same Galaxy, seen better
    assert np.array_equal(one["ra"], other["ra"])
    assert np.nanmedian(other["pmra_error"] / one["pmra_error"]) == pytest.approx(
        0.749 * 0.58 / 1.03, rel=0.02
    )


def test_folder_that_is_not_a_mock_is_left_alone(spark, tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="is not empty and does not hold a mock"):
        write_mock(spark, str(tmp_path), PARAMETERS)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "--output x --sources 0",
        "--output x --clusters -3",
        "--output x --sources many",
        "--output x --nope",
        "--output x --release dr99",
        "--output x --rows-per-partition 5",
        "--output x --around 25",
        "--output x --around -1",
        "--output x --around 24 --min-distance 2000",
        "--output x --around 2 --min-distance far",
        "--output x --around 2 --min-distance nan",
        "--output x --min-distance 700",
        "--output x --cluster-table nowhere.csv",
    ],
)
def test_bad_arguments_give_one_line_and_exit_code_2(arguments: str, capsys, monkeypatch):
    assert _run_job(arguments, monkeypatch) == 2
    printed = capsys.readouterr()
    lines = (printed.out + printed.err).strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("ocspark: ")

"""Columns of the mirror that go along: unchanged in candidates, exports and report, never used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table
from pyspark.sql import SparkSession

from ocspark.catalogue.full_catalogue import RunResult, run_full_catalogue
from ocspark.errors import InputError
from ocspark.exports.export import Options, export
from ocspark.reports.site import make_report
from ocspark.settings import make_settings
from ocspark.store.finished_run import open_run
from tests.helpers.toy import Toy
from tests.helpers.toyrun import candidates_of

WANTED = ["ruwe", "rv_nb_transits", "has_rvs"]


@pytest.fixture(scope="module")
def mirror(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("carried") / "m"
    folder.mkdir()
    rng, n = np.random.default_rng(6), len(toy.sources)
    table = pa.Table.from_pandas(toy.sources, preserve_index=False)
    for name, values in (
        ("RUWE", pa.array(rng.lognormal(size=n), pa.float32(), mask=rng.random(n) < 0.1)),
        ("rv_nb_transits", pa.array(rng.integers(0, 99, n), pa.int16(), mask=rng.random(n) < 0.5)),
        ("has_rvs", pa.array(rng.random(n) < 0.5)),
    ):
        table = table.append_column(name, values)
    pq.write_table(table, folder / "a.parquet")
    return folder


def run(
    spark: SparkSession, toy: Toy, mirror: Path, runs: Path, columns: list[str], **more: object
) -> RunResult:
    output = {"path": str(runs), "columns": columns, **more}
    tree = toy.settings(mirror={"path": str(mirror)}, output=output)
    return run_full_catalogue(make_settings(tree), spark)


@pytest.fixture(scope="module")
def carrying(
    spark: SparkSession, toy: Toy, mirror: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunResult:
    return run(spark, toy, mirror, tmp_path_factory.mktemp("runs"), WANTED)


def test_candidates_have_the_mirrors_values_and_the_same_probabilities(
    spark: SparkSession, toy: Toy, mirror: Path, carrying: RunResult, tmp_path: Path
) -> None:
    ours = candidates_of(carrying.path)
    files = sorted(Path(carrying.path, "candidates").glob("*.parquet"))
    types = {str(pq.read_schema(f).field(n).type) for f in files for n in ("ruwe",)}
    assert types == {"float"}
    mirrored = pd.read_parquet(mirror).set_index("source_id").loc[ours["source_id"]]
    for name, column in zip(WANTED, ("RUWE", "rv_nb_transits", "has_rvs"), strict=True):
        assert ours[name].isna().sum() == mirrored[column].isna().sum()
        np.testing.assert_array_equal(
            ours[name].astype(float), mirrored[column].astype(float).to_numpy()
        )
    plain = candidates_of(run(spark, toy, mirror, tmp_path / "runs", []).path)
    pd.testing.assert_frame_equal(ours.drop(columns=WANTED), plain, check_exact=True)
    blue = mirrored["phot_bp_mean_mag"].astype(float) - mirrored["phot_rp_mean_mag"].astype(float)
    np.testing.assert_array_equal(ours["bp_rp"], blue.to_numpy())
    for pair in ("parallax_pmra", "parallax_pmdec", "pmra_pmdec"):
        np.testing.assert_array_equal(ours[f"{pair}_corr"], mirrored[f"{pair}_corr"])


def test_other_columns_redo_pass_2_alone(
    spark: SparkSession, toy: Toy, mirror: Path, tmp_path: Path
) -> None:
    run(spark, toy, mirror, tmp_path, [])
    stages = run(spark, toy, mirror, tmp_path, ["ruwe"]).record["base"]["stages"]
    assert stages["search"]["redone"] == stages["characterise"]["redone"] == 0
    assert stages["membership"]["reused"] == 0
    assert list(stages["membership"]["reasons"]) == ["carried columns"]


def test_exports_and_report_have_them_with_unit_and_ucd(
    spark: SparkSession, carrying: RunResult, tmp_path: Path
) -> None:
    landed = open_run(carrying.path)
    written = pd.read_parquet(f"{carrying.path}/candidates")
    assert [f.name for f in landed.fields("candidates")][-3:] == WANTED
    export(landed, Options("fits", str(tmp_path / "c.fits")))
    with fits.open(tmp_path / "c.fits") as file:
        header, rows = file[1].header, file[1].data
        names = [header[f"TTYPE{i}"] for i in range(1, header["TFIELDS"] + 1)]
        ucds = {n: header.get(f"TUCD{i}") for i, n in enumerate(names, 1)}
        assert names[-3:] == WANTED
        assert ucds["ruwe"] == "stat.error" and ucds["rv_nb_transits"] == "meta.number"
        assert np.isnan(rows["ruwe"]).sum() == written["ruwe"].isna().sum()
    export(landed, Options("votable", str(tmp_path / "c.vot")))
    table = parse_single_table(tmp_path / "c.vot")
    assert [f.datatype for f in table.fields][-3:] == ["float", "short", "boolean"]
    assert table.array["rv_nb_transits"].mask.sum() == written["rv_nb_transits"].isna().sum()

    make_report(spark, landed, str(tmp_path / "report"))
    done = written.loc[written["probability"] >= 0.5, "cluster"].iloc[0]
    page = tmp_path / "report/clusters" / done.replace(" ", "_")
    members = pd.read_csv(page / "members.csv")
    assert {"bp_rp", *WANTED} <= set(members.columns)
    assert '"ruwe"' in (page / "index.html").read_text()


def test_what_cannot_go_along_is_refused_before_anything_is_read(
    spark: SparkSession, toy: Toy, mirror: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"output\.columns: .*column teff is missing"):
        run(spark, toy, mirror, tmp_path / "a", ["teff"])
    with pytest.raises(
        InputError, match=r"output\.columns: parallax: candidates have a column of this name"
    ):
        run(spark, toy, mirror, tmp_path / "b", ["parallax"])
    assert not list(tmp_path.iterdir())


def test_run_json_says_what_was_read_and_what_sources_lack(
    spark: SparkSession, toy: Toy, mirror: Path, carrying: RunResult, tmp_path: Path
) -> None:
    record = json.loads(Path(carrying.path, "run.json").read_text())
    assert record["mirror_columns"]["solution"] == "astrometric_params_solved"
    assert [c["name"] for c in record["carried_columns"]] == WANTED
    assert record["lacking"] == {} and record["warnings"] == []
    table = pq.read_table(mirror)
    gone = np.arange(len(table)) % 20 == 0
    blue = pa.array(table["phot_bp_mean_mag"].to_numpy(), mask=gone)
    place = table.schema.get_field_index("phot_bp_mean_mag")
    (tmp_path / "m").mkdir()
    pq.write_table(table.set_column(place, "phot_bp_mean_mag", blue), tmp_path / "m/a.parquet")
    lacking = run(spark, toy, tmp_path / "m", tmp_path / "runs", [])
    clusters = pd.read_parquet(f"{lacking.path}/clusters").set_index("cluster")
    whole = pd.read_parquet(f"{carrying.path}/clusters").set_index("cluster")
    searched = whole["n_cone"].notna()
    assert (clusters["n_cone"] + clusters["n_not_kept"] == whole["n_cone"])[searched].all()
    n = int(clusters["n_not_kept"].sum())
    assert n > 20 and lacking.record["lacking"] == {
        "not kept": n,
        "phot_bp_mean_mag is missing": n,
    }
    (warning,) = lacking.record["warnings"]
    assert f"{n:,} of" in warning and "are not kept: phot_bp_mean_mag is missing" in warning
    texts = clusters.loc[clusters["n_not_kept"] > 0, "lacking"]
    assert all(text.startswith("phot_bp_mean_mag is missing: ") for text in texts)

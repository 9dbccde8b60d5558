from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from pyspark.sql import SparkSession
from zero_point import zpt

from ocspark.catalogue.full_catalogue import RunResult
from ocspark.errors import InputError, NoClusterError
from ocspark.names import cluster_key
from ocspark.session import is_connect
from ocspark.tables.run import IN_PARALLAX
from tests.helpers.toy import CLUSTERS, Toy
from tests.helpers.toyrun import candidates_of, portions_of, run_toy

CONTRACT = {
    "candidates": "cluster source_id ra dec parallax pmra pmdec parallax_error pmra_error "
    "pmdec_error phot_g_mean_mag g_rp phot_g_mean_mag_error g_rp_error f_r f_pm f_plx f_c f_g "
    "parallax_pmra_corr parallax_pmdec_corr pmra_pmdec_corr probability n_samples "
    "is_training_member posterior posterior_low posterior_high",
    "training_members": "cluster source_id f_r f_pm f_plx f_c f_g",
    "non_members": "cluster source_id f_r f_pm f_plx f_c f_g",
    "clusters": "cluster status reason radius_deg n_cone n_training_members training_probability "
    "n_candidates n_p10 n_p50 n_p90 ra dec pmra pmdec parallax delta_pm delta_plx_plus "
    "delta_plx_minus delta_c delta_g isochrone_log_age isochrone_age_offset n_members "
    "expected_members expected_members_error contaminants_posterior_50 contaminants_votes_50 "
    "posterior_offset_sum posterior_flags posterior_reason members_by",
    "luminosity_functions": "cluster phot_g_mean_mag members_per_mag",
}


def clusters_of(run: RunResult) -> pd.DataFrame:
    return pd.read_parquet(f"{run.path}/clusters").set_index("cluster")


def in_cone(toy: Toy, name: str) -> pd.DataFrame:
    """The cone and cuts of method §1, by astropy."""
    c = toy.clusters.set_index("cluster").loc[name]
    s = toy.sources
    separation = SkyCoord(s["ra"].values, s["dec"].values, unit="deg").separation(
        SkyCoord(c["ra"], c["dec"], unit="deg")
    )
    keep = separation <= (50 / c["distance"]) * u.rad
    keep &= np.abs(s["parallax"] - c["parallax"]) <= 10 * c["parallax_dispersion"]
    limit = 10 * np.sqrt((c["pmra_dispersion"] ** 2 + c["pmdec_dispersion"] ** 2) / 2)
    keep &= np.hypot(s["pmra"] - c["pmra"], s["pmdec"] - c["pmdec"]) <= limit
    return s[keep]


def test_every_input_cluster_has_its_row_and_the_skipped_ones_a_reason(finished: RunResult) -> None:
    clusters = clusters_of(finished)
    assert list(clusters.index) == list(CLUSTERS)
    assert clusters["status"].to_dict() == {
        name: "done" if name in ("Wrap 1", "Wrap_2", "Pole_1") else "skipped" for name in CLUSTERS
    }
    reasons = clusters["reason"]
    assert "5 training members" in reasons["Poor_1"] and "needs 15" in reasons["Poor_1"]
    assert "no sources" in reasons["Empty_1"]
    assert "log_age" in reasons["Ageless_1"]
    assert "0.40 dex" in reasons["Ancient_1"]
    assert clusters.loc[clusters["status"] == "done", "reason"].isna().all()
    searched = clusters.dropna(subset=["radius_deg"])
    centres = searched[["cone_ra", "cone_dec"]].to_numpy()
    np.testing.assert_array_equal(centres, [CLUSTERS[name][:2] for name in searched.index])


def test_cones_hold_the_sources_that_astropy_finds(toy: Toy, finished: RunResult) -> None:
    clusters = clusters_of(finished)
    candidates, others = (
        pd.read_parquet(f"{finished.path}/{t}") for t in ("candidates", "non_members")
    )
    for name in ("Wrap 1", "Wrap_2", "Pole_1", "Poor_1", "Empty_1"):
        expected = set(in_cone(toy, name)["source_id"])
        assert clusters.at[name, "n_cone"] == len(expected)
        if clusters.at[name, "status"] == "done":
            found = [set(t.loc[t["cluster"] == name, "source_id"]) for t in (candidates, others)]
            assert found[0] | found[1] == expected
            assert not found[0] & found[1]


def test_overlapping_cones_keep_a_row_per_cluster(finished: RunResult) -> None:
    candidates = candidates_of(finished.path)
    assert not candidates.duplicated(["cluster", "source_id"]).any()
    assert candidates.duplicated("source_id").sum() > 50


def test_parallaxes_are_zero_point_corrected(toy: Toy, finished: RunResult) -> None:
    zpt.load_tables()
    raw = toy.sources.set_index("source_id").loc[candidates_of(finished.path)["source_id"]]
    columns = ["phot_g_mean_mag", "nu_eff_used_in_astrometry", "pseudocolour", "ecl_lat"]
    offset = zpt.get_zpt(
        *(raw[c].to_numpy(float) for c in columns),
        raw["astrometric_params_solved"].to_numpy(),
        _warnings=False,
    )
    expected = raw["parallax"].to_numpy() - np.nan_to_num(offset)
    np.testing.assert_allclose(
        candidates_of(finished.path)["parallax"], expected, rtol=0, atol=1e-12
    )


def test_planted_members_are_found_and_training_members_flagged(
    toy: Toy, finished: RunResult
) -> None:
    candidates = candidates_of(finished.path)
    listed = toy.members[toy.members["probability"] == 1.0]
    for name in ("Wrap 1", "Pole_1"):
        own = candidates[candidates["cluster"] == name]
        flagged = set(own.loc[own["is_training_member"], "source_id"])
        assert flagged == set(listed.loc[listed["cluster"] == name, "source_id"])
        planted = toy.members.loc[toy.members["cluster"] == name, "source_id"]
        found = own.set_index("source_id")["probability"].reindex(planted).fillna(0)
        assert (found >= 0.5).mean() > 0.8


def test_counts_in_the_cluster_table_are_those_of_the_candidates(finished: RunResult) -> None:
    candidates, clusters = candidates_of(finished.path), clusters_of(finished)
    for name, own in candidates.groupby("cluster"):
        for column, level in {"n_p10": 0.1, "n_p50": 0.5, "n_p90": 0.9}.items():
            assert clusters.at[name, column] == (own["probability"] >= level).sum()
        assert clusters.at[name, "n_candidates"] == len(own)


def test_stars_that_two_clusters_claim_are_shared(finished: RunResult) -> None:
    """Method §13 step 6, from what each cluster claims by itself."""
    candidates = candidates_of(finished.path)
    names = {cluster_key(name): name for name in CLUSTERS}
    claims = pd.read_parquet(f"{finished.path}/_claims")
    claims["cluster"] = claims["cluster_key"].map(names)
    own = candidates.merge(claims, on=["cluster", "source_id"], how="left")
    odds = own["q"].fillna(0.0).clip(upper=1.0 - 1e-9)
    odds = odds / (1.0 - odds)
    total = odds.groupby(own["source_id"]).transform("sum")
    expected = (odds / (1.0 + total)).where(own["posterior"].notna())
    np.testing.assert_allclose(own["posterior"], expected, rtol=2e-9, atol=1e-15)
    several = candidates.groupby("source_id")["posterior"].agg(["sum", "count"])
    several = several[several["count"] > 1]
    assert len(several) > 50 and several["sum"].max() <= 1.0
    # clusters on top of each other: what one alone would claim, it gives up in part
    assert (own["q"] - own["posterior"] > 0.1).sum() > 3


def test_posteriors_add_up_to_what_the_cluster_table_says(finished: RunResult) -> None:
    candidates, clusters = candidates_of(finished.path), clusters_of(finished)
    luminosity = pd.read_parquet(f"{finished.path}/luminosity_functions")
    for name, own in candidates.groupby("cluster"):
        row, q = clusters.loc[name], own["posterior"]
        assert row["members_by"] == "posterior" and row["posterior_flags"] == ""
        assert row["n_members"] == (q >= 0.5).sum() and 30 < row["n_members"] < 70
        assert row["expected_members"] == pytest.approx(q.sum(), rel=1e-12)
        for column, call in (("posterior", q), ("votes", own["probability"])):
            expected = (1.0 - q)[call >= 0.5].sum()
            assert row[f"contaminants_{column}_50"] == pytest.approx(expected, rel=1e-9)
        beyond = own["f_r"] > row["posterior_radius_pc"]
        assert q.isna().to_numpy().tolist() == beyond.to_numpy().tolist()
        assert (own["posterior_low"] <= q)[~beyond].all()
        assert (own["posterior_high"] >= q)[~beyond].all()
        # the disc lies within the cone, about a centre that may be beside the cone's
        aside = SkyCoord(row["ra"], row["dec"], unit="deg").separation(
            SkyCoord(row["cone_ra"], row["cone_dec"], unit="deg")
        )
        most = row["distance"] * np.radians(row["radius_deg"] - aside.deg)
        assert 45.0 < row["posterior_radius_pc"] <= most * (1 + 1e-9)
        mine = luminosity[luminosity["cluster"] == name]
        members = np.trapezoid(mine["members_per_mag"], mine["phot_g_mean_mag"])
        assert 0.9 < members / q.sum() < 1 / 0.2  # some are no candidates: at most 0.8 of them
    assert clusters.loc[clusters["status"] == "skipped", "members_by"].isna().all()


def test_tables_have_the_columns_of_the_contract_and_folders_only_parquet(
    finished: RunResult,
) -> None:
    for table, columns in CONTRACT.items():
        files = list(Path(finished.path, table).iterdir())
        assert files and all(f.suffix == ".parquet" or f.name.startswith("_") for f in files)
        assert set(columns.split()) <= set(pq.read_schema(files[0]).names)
    assert (
        pq.read_schema(next(Path(finished.path, "candidates").iterdir())).field("probability").type
        == "double"
    )


def test_run_json_tells_what_the_run_was_made_of(finished: RunResult) -> None:
    record = json.loads(Path(finished.path, "run.json").read_text())
    assert record["seed"] == 42 and record["release"] == "dr3"
    assert record["members"]["table_clusters_not_listed"] == 3 and record["warnings"] == []
    assert record["model"]["name"] == "DS10_v02" and len(record["model"]["sha256"]) == 64
    assert {"settings", "inputs", "environment", "portions"} <= set(record)
    assert record["environment"]["packages"]["torch"] and record["environment"]["instruction_set"]
    files = {f["name"]: f for portion in record["portions"] for f in portion["files"]}
    there = {str(f.relative_to(finished.path)): f for f in Path(finished.path).rglob("*.parquet")}
    laid_out = {name for name in there if name.startswith("candidates/")}
    assert laid_out <= files.keys() and len(laid_out) == 3  # a file for each cluster
    assert sum(files[name]["rows"] for name in laid_out) == len(candidates_of(finished.path))
    for name in laid_out:
        content = there[name].read_bytes()
        assert len(content) == files[name]["bytes"]
        assert hashlib.sha256(content).hexdigest() == files[name]["sha256"]
    latest = Path(finished.path).parent / "latest"
    assert latest.read_text().strip() == record["run_id"]


def test_the_same_settings_again_find_the_run_finished(
    toy: Toy, spark: SparkSession, finished: RunResult
) -> None:
    before = Path(finished.path, "run.json").stat().st_mtime_ns
    again = run_toy(toy, spark, output={"non_members": True})
    assert again.already_finished and again.path == finished.path
    assert Path(finished.path, "run.json").stat().st_mtime_ns == before


def test_relaxed_probability_reaches_clusters_with_too_few(toy: Toy, spark: SparkSession) -> None:
    run = run_toy(
        toy,
        spark,
        members={"min_members": 6, "relax_probability": True},
        clusters={"names": ["Poor 1"]},
    )
    row = clusters_of(run).loc["Poor_1"]
    assert (row["status"], row["n_training_members"], row["training_probability"]) == (
        "done",
        6,
        0.7,
    )
    assert row["support_size"] == row["n_support"] <= 6
    assert row["posterior_reason"].startswith("6 training members") and row["members_by"] == "votes"
    assert row[["n_members", "expected_members", "posterior_flags"]].isna().all()
    assert candidates_of(run.path)["posterior"].isna().all()


def test_a_run_that_does_no_cluster_is_refused_with_the_reasons(
    toy: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    output = {"path": str(tmp_path / "runs")}
    # too few in the list is known before any search, too few in the cone only after it
    for names, sigmas in ((["Empty_1", "Ageless_1"], 10.0), (["Wrap 1"], 0.001)):
        search = {"sigmas": sigmas}
        with pytest.raises(NoClusterError, match=rf"none of {len(names)} can be done: ") as error:
            run_toy(toy, spark, clusters={"names": names}, search=search, output=output)
        assert len(error.value.reasons) == len(names) and all(error.value.reasons.values())
    table = str(error.value).rpartition("; the reason of each is in ")[2]
    assert pd.read_parquet(table)["reason"].tolist() == list(error.value.reasons.values())
    assert not list(tmp_path.rglob("run.json")) and not list(tmp_path.rglob("latest"))


def test_a_run_is_six_spark_jobs_however_many_portions_it_has(
    toy: Toy, spark: SparkSession, tmp_path: Path, small_portions: None
) -> None:
    output = {"path": str(tmp_path / "runs")}
    first = run_toy(toy, spark, clusters={"names": ["Wrap 1", "Pole_1"]}, output=output)
    assert portions_of(first)["search"] > 3
    if is_connect(spark):
        return  # a server tells nothing of its jobs
    spark.sparkContext.setJobGroup("second", "takes over and does again")
    second = run_toy(toy, spark, output=output)
    spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)
    steps = {portion["step"] for portion in second.record["portions"]}
    assert steps == {"kept", "search", "characterise", "membership", "layout", "share"}
    assert len(spark.sparkContext.statusTracker().getJobIdsForGroup("second")) == len(steps)


def test_a_mirror_with_a_source_twice_is_refused(
    toy: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    shutil.copytree(toy.folder / "plain", tmp_path / "plain")
    part = pd.read_parquet(tmp_path / "plain" / "part-1.parquet")
    part.iloc[::50].to_parquet(tmp_path / "plain" / "part-9.parquet", index=False)
    with pytest.raises(InputError, match=r"mirror.path: source_id \d+ is there more than once"):
        run_toy(
            toy,
            spark,
            mirror={"path": str(tmp_path / "plain")},
            output={"path": str(tmp_path / "runs")},
        )
    assert not list(tmp_path.rglob("run.json"))


def test_the_reason_of_an_empty_cone_says_which_cut_leaves_it_empty(
    toy: Toy, spark: SparkSession, tmp_path: Path
) -> None:
    table = toy.clusters.set_index("cluster")
    pole = table.loc["Pole_1"]
    changes: dict[str, dict[str, float]] = {
        "Fast_1": {"pmra": 200.0},
        "Near_1": {"parallax": 5.0, "distance": 200.0},
        "Flat_1": {"parallax_dispersion": 0.0},
        "Kpc_1": {"distance": pole["distance"] / 1000},
    }
    for name, change in changes.items():
        table.loc[name] = pd.Series({**pole, **change})
    table.to_csv(tmp_path / "clusters.csv")
    names = ["Wrap 1", "Empty_1", *changes]
    run = run_toy(
        toy,
        spark,
        clusters={"path": str(tmp_path / "clusters.csv"), "names": names},
        output={"path": str(tmp_path / "runs")},
    )
    reasons = clusters_of(run)["reason"]
    stars = SkyCoord(toy.sources["ra"], toy.sources["dec"], unit="deg")
    apart = stars.separation(SkyCoord(pole["ra"], pole["dec"], unit="deg")).deg
    radius, limit = np.degrees(50 / pole["distance"]), 10 * pole["parallax_dispersion"]
    near = np.abs(toy.sources["parallax"] - pole["parallax"]) <= limit
    text = reasons["Fast_1"]
    told = re.search(r"has (\d+) within 2.39 deg of ra 120, dec 89.7; .* (\d+) have a para", text)
    assert told and text.startswith("no sources in the cone: ")
    # by cells of the sky, of which the finer ones hardly reach beyond the cone
    assert int(told[1]) == pytest.approx((apart <= radius).sum(), rel=0.05)
    assert (near & (apart <= radius)).sum() <= int(told[2]) <= (near & (apart < 1.5 * radius)).sum()
    assert "none in the cone a proper motion within" in text and "of 200, -3" in text
    assert "; none has a parallax within 0.6 mas of 5" in reasons["Near_1"]
    assert reasons["Empty_1"].startswith("no sources in the cone: the mirror has none within 3.18")
    assert "parallax_dispersion is 0" in reasons["Flat_1"]
    assert reasons["Kpc_1"].endswith("(1200 pc); is it in kpc?")
    assert IN_PARALLAX not in run.record["lacking"]

"""Twins planted into a crowded patch, found by the main job, and the search beside them."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.coordinates import SkyCoord
from scipy.stats import norm

from ocspark.errors import InputError
from ocspark.selection_function.rates import estimate_share
from ocspark.selection_function.run import SUMMARY, SelectionResult, measure_selection_function
from ocspark.settings import make_settings
from ocspark.store.folder import TASKS
from tests.helpers.toyrun import ROOT
from tests.selection_function.conftest import ROWS, Patch


def table(measured: SelectionResult, name: str) -> pd.DataFrame:
    return pd.read_parquet(f"{measured.path}/{name}")


def radius_deg() -> pd.Series:
    return pd.Series({name: np.degrees(50.0 / row[-2]) for name, *row in ROWS}).sort_index()


def rows(
    measured: SelectionResult, quantity: str, axis: str, p: float, by: str = "votes"
) -> pd.DataFrame:
    curves = table(measured, "selection_function")
    wanted = (curves["quantity"] == quantity) & (curves["axis"] == axis) & (curves["by"] == by)
    return curves[wanted & (curves["probability"] == p) & curves["distance_low"].isna()]


def test_all_twins_are_done(measured: SelectionResult):
    twins = table(measured, "twins")
    assert twins["twin_of"].value_counts().to_dict() == {"Near_1": 2, "Far_1": 2}
    assert (twins["status"] == "done").all()
    # what the real cone has and theirs have not is the cluster itself
    clusters = table(measured, "clusters").set_index("cluster").sort_index()
    own = twins.groupby("twin_of")["n_planted"].mean() / (np.pi * radius_deg() ** 2)
    field = clusters["cone_density"] - clusters["field_density"]
    assert (field.abs() < 1.3 * own + 0.3 * clusters["field_density"]).all()


def test_overlay_lies_in_the_twins_cones_and_shares_no_id(measured: SelectionResult, patch: Patch):
    overlay, truth = table(measured, "overlay"), table(measured, "twin_truth")
    mirror = pd.read_parquet(patch.folder / "mirror")
    assert set(overlay["source_id"]) == set(truth["source_id"])
    assert not set(overlay["source_id"]) & set(mirror["source_id"])
    assert set(overlay.columns) <= set(mirror.columns)
    assert (overlay.dtypes == mirror[overlay.columns].dtypes).all()
    planted = truth.merge(overlay[["source_id", "ra", "dec"]], on="source_id")
    planted = planted.merge(table(measured, "twins"), on="cluster", suffixes=("", "_twin"))
    stars = SkyCoord(planted["ra"], planted["dec"], unit="deg")
    centres = SkyCoord(planted["ra_twin"], planted["dec_twin"], unit="deg")
    apart = stars.separation(centres).rad * planted["distance_twin"]
    assert apart.max() < 31.0
    np.testing.assert_allclose(apart, planted["projected_radius"], rtol=1e-6, atol=1e-6)


def test_completeness_is_what_truth_and_candidates_say(measured: SelectionResult):
    truth = table(measured, "twin_truth")
    run = measured.summary["run_with_twins"]
    candidates = pd.read_parquet(f"{run}/candidates")
    found = truth.merge(candidates[["cluster", "source_id", "probability", "posterior"]])
    twins = table(measured, "twins").set_index("cluster")
    has_posterior = twins.index[twins["expected_members"].notna()]
    assert measured.summary["twins_with_posterior"] == len(has_posterior)
    for by, column, names in (
        ("votes", "probability", twins.index),
        ("posterior", "posterior", has_posterior),
    ):
        planted, own = (t[t["cluster"].isin(names)] for t in (truth, found))
        for p in (0.1, 0.5, 0.9):
            for row in rows(measured, "completeness", "g_mag", p, by).itertuples():
                inside, hits = (
                    t["phot_g_mean_mag"].between(row.bin_low, row.bin_high, inclusive="left")
                    for t in (planted, own)
                )
                assert (row.n, row.k) == (inside.sum(), (hits & (own[column] >= p)).sum())


def test_single_stars_are_candidates_as_often_as_their_errors_allow(measured: SelectionResult):
    """The conditions let 3 errors pass in motion (2-D), parallax and photometry (2-D), and more."""
    truth, overlay = table(measured, "twin_truth"), table(measured, "overlay")
    candidates = pd.read_parquet(f"{measured.summary['run_with_twins']}/candidates")
    measures = ["source_id", "parallax", "phot_bp_mean_mag"]
    complete = overlay.loc[overlay[measures].notna().all(axis=1), "source_id"]
    single = truth["source_id"].isin(complete) & ~truth["is_binary"]
    single &= truth["phot_g_mean_mag"] < 18.0
    own = truth[single].merge(candidates[["cluster", "source_id", "probability"]], how="left")
    within_3 = (1.0 - np.exp(-4.5)) ** 2 * (1.0 - 2.0 * norm.sf(3.0))
    n, found = len(own), own["probability"].notna().mean()
    assert n > 100
    assert found >= within_3 - 3.0 * np.sqrt(within_3 * (1.0 - within_3) / n)
    # and the network takes nearly all of those that lie deep in the cluster
    core = own[(own["projected_radius"] < 5.0) & (own["phot_g_mean_mag"] < 16.0)]
    assert estimate_share([(core["probability"] >= 0.5).sum()], [len(core)]).high > 0.98


def test_offset_search_tells_the_same_contaminants(measured: SelectionResult):
    """The field's stars are the same; what differs is the model, made of the twin or the real."""
    for p in (0.1, 0.3, 0.5):
        twins = rows(measured, "contaminants", "all", p).iloc[0]
        offset = rows(measured, "offset_contaminants", "all", p).iloc[0]
        assert twins["n"] == offset["n"] == 4
        assert offset["low"] <= twins["high"] and twins["low"] <= offset["high"]
    assert rows(measured, "contaminants", "all", 0.1).iloc[0]["k"] > 10  # a crowded field


def test_offsets_hold_no_planted_star(measured: SelectionResult):
    offsets, truth = table(measured, "offsets"), table(measured, "twin_truth")
    assert len(offsets) and not set(offsets["source_id"]) & set(truth["source_id"])
    assert not offsets["is_training_member"].any()


def test_expected_contamination_holds_for_the_real_clusters(
    measured: SelectionResult, patch: Patch
):
    """The patch's clusters are mock ones: their own truth is known, and no twin's."""
    members = pd.read_parquet(patch.folder / "members.parquet")
    run = pd.read_parquet(f"{measured.summary['run']}/candidates")
    clusters = table(measured, "clusters").set_index("cluster")
    for name, own in run[run["probability"] >= 0.5].groupby("cluster"):
        field = own["source_id"] & (1 << 34) == 0
        listed = own["source_id"].isin(members["source_id"])
        assert not (field & listed).any()
        expected = clusters.loc[name]
        sigma = np.sqrt(expected["contaminants_p50"] + 1.0)
        assert abs(field.sum() - expected["contaminants_p50"]) < 4.0 * sigma
        assert 0 <= expected["contamination_p50_low"] <= expected["contamination_p50_high"] <= 1
        assert expected["completeness_g18_p50"] > expected["completeness_p50"]


@pytest.mark.parametrize("limit", [18.0, 30.0])
def test_expected_completeness_holds_for_the_real_clusters(
    measured: SelectionResult, patch: Patch, limit: float
):
    truth = pd.read_parquet(patch.folder / "truth.parquet")
    truth = truth[truth["phot_g_mean_mag"] < limit]
    run = pd.read_parquet(f"{measured.summary['run']}/candidates")
    found = truth.merge(run[["cluster", "source_id", "probability"]], how="left")
    clusters = table(measured, "clusters").set_index("cluster")
    for name, own in found.groupby("cluster"):
        true = (own["probability"] >= 0.5).mean()
        column = "completeness_g18_p50" if limit == 18.0 else "completeness_p50"
        expected, high = clusters.loc[name, [column, f"{column}_high"]]
        sigma = np.hypot((high - expected) / 2.0, np.sqrt(true * (1.0 - true) / len(own)))
        assert len(own) > 30 and abs(true - expected) < 4.0 * max(sigma, 0.01)


def test_same_call_gives_the_same_tables(measured: SelectionResult, patch: Patch, spark, tmp_path):
    settings = make_settings(patch.settings())
    again = measure_selection_function(settings, measured.path, 2, 5, spark)
    assert again.already_finished and again.summary == measured.summary
    with pytest.raises(InputError, match="other inputs or settings"):
        measure_selection_function(settings, measured.path, 2, 6, spark)


def test_what_was_interrupted_goes_on_and_leaves_one_file_a_table(
    measured: SelectionResult, patch: Patch, spark
):
    """As if stopped before its summary, with files of a killed attempt beside the finished ones."""
    folder = Path(measured.path)
    names = "overlay twin_members offsets offset_cones counts twins clusters selection_function"
    before = {name: table(measured, name) for name in names.split()}
    (folder / SUMMARY).unlink()
    for name in before:
        (file,) = (folder / name).iterdir()
        file.with_name("of-a-killed-attempt.parquet").write_bytes(file.read_bytes())
    again = measure_selection_function(make_settings(patch.settings()), measured.path, 2, 5, spark)
    assert not again.already_finished and again.summary == measured.summary
    for name, rows in before.items():
        assert len(list((folder / name).iterdir())) == 1
        pd.testing.assert_frame_equal(table(measured, name), rows, check_exact=True)
    manifests = list((folder / TASKS).glob("*/*.json"))
    assert {path.parent.name for path in manifests} == {"plant", "offsets"}


def test_pictures_are_there(measured: SelectionResult):
    pictures = sorted(Path(measured.path, "figures").iterdir())
    assert len(pictures) == (6 if measured.summary["twins_with_posterior"] else 4)
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in pictures)
    assert json.loads(Path(measured.path, "selection_function.json").read_text())["twins"] == 4


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("", "--output"),
        ("--output {out} --copies 0", "--copies 0"),
        ("--output {out} --copies many", "--copies"),
        ("--output {out} --seed -1", "--seed -1"),
        ("--output {full}", "{full}"),
        ("--output {out} --set mirror.path=table:stars", "mirror"),
        ("--output {out} --set mirror.overlay={full}", "mirror.overlay: unknown setting"),
        ("--output {out} --set nonsense=1", "nonsense"),
        ("--output {out} --set clusters.path=nowhere.csv", "nowhere.csv"),
    ],
)
def test_bad_input_gives_one_line_and_exit_code_2(
    arguments: str, named: str, patch: Patch, tmp_path: Path, capsys, monkeypatch
):
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.tex").write_text("years of work")
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(patch.settings()))
    places = {"out": tmp_path / "out", "full": full}
    line = ["selection_function.py", "--config", str(config), *arguments.format(**places).split()]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "jobs/selection_function.py"), run_name="__main__")
    assert stop.value.code == 2
    printed = capsys.readouterr()
    lines = [x for x in (printed.out + printed.err).splitlines() if x.startswith("ocspark: ")]
    assert len(lines) == 1 and named.format(**places) in lines[0]
    assert not (tmp_path / "out").exists()
    assert [p.name for p in full.iterdir()] == ["thesis.tex"]

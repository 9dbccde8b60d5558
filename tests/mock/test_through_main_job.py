"""A mock goes through the main job and its members are found."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ocspark.catalogue.full_catalogue import run_full_catalogue
from ocspark.mock.generate import write_mock
from ocspark.mock.parameters import MockParameters
from ocspark.settings import make_settings


@pytest.mark.parametrize("release", ["dr3", "dr4"])
def test_members_are_found_with_published_weights(
    spark, tmp_path: Path, release: str, caplog: pytest.LogCaptureFixture
):
    folder = tmp_path / "mock"
    write_mock(spark, str(folder), MockParameters(20_000, 3, 5, release=release))
    settings = {
        "release": release,
        "mirror": {"path": f"{folder}/mirror"},
        "clusters": {"path": f"{folder}/clusters.parquet"},
        "members": {"path": f"{folder}/members.parquet"},
        "isochrones": {"path": f"{folder}/isochrones", "max_age_offset": 0.1},
        "membership": {"n_samples": 10},
        "output": {"path": str(tmp_path / "runs")},
    }
    with caplog.at_level("WARNING", "ocspark"):
        run = run_full_catalogue(make_settings(settings), spark)
    clusters = pd.read_parquet(f"{run.path}/clusters")
    assert len(clusters) == 3 and (clusters["status"] == "done").all()
    candidates = pd.read_parquet(f"{run.path}/candidates")
    truth = pd.read_parquet(folder / "truth.parquet")
    key = ["cluster", "source_id"]
    found = candidates.loc[candidates["probability"] >= 0.5, key]
    # this sky has one star for 90,000 of the real one's: what is found should be true
    assert len(found.merge(truth, on=key)) > 0.97 * len(found)
    # a posterior, or the reason why there is none
    has = clusters["n_members"].notna()
    assert (clusters["posterior_reason"].isna() == has).all() and has.any()
    judged = candidates[candidates["cluster"].isin(clusters["cluster"][has])]
    called = judged.loc[judged["posterior"] >= 0.5, key]
    assert len(called.merge(truth, on=key)) > 0.97 * len(called) > 20
    bright = truth[truth["phot_g_mean_mag"] < 17.0]
    assert len(bright.merge(found, on=key)) > 0.6 * len(bright)
    warnings = run.record["warnings"]
    assert [text in caplog.text for text in warnings] == [True] * len(warnings)
    lacking = [text for text in warnings if "sources in the cones" in text]
    # faint sources have no colour, and some binaries of DR4 no correlations
    expected = ["phot_bp", "phot_rp"] + ["_corr"] * (release == "dr4")
    assert all(any(name in text for name in expected) for text in lacking)
    if release == "dr3":
        assert warnings == lacking
        return
    assert "dr4 is a draft" in warnings[0]
    assert "DS10_v02 were trained on dr3, and are used on dr4" in warnings[1]
    columns = ["source_id", "parallax", "tentative_parallax_bias", "astrometric_params"]
    columns += ["nu_eff_used_in_astrometry", "pseudocolour"]
    mirror = pd.read_parquet(folder / "mirror/dataset", columns=columns)
    both = candidates.merge(mirror, on="source_id", suffixes=("", "_raw"))
    assert len(both) == len(candidates) and (both["tentative_parallax_bias"] < 0).sum() > 100
    expected = both["parallax_raw"] - both["tentative_parallax_bias"].fillna(0.0)
    assert (both["parallax"] == expected).all()
    binaries = both[both["astrometric_params"] >= 128]
    assert len(binaries) > 10 and binaries["tentative_parallax_bias"].isna().any()
    colourless = binaries["nu_eff_used_in_astrometry"].isna() & binaries["pseudocolour"].isna()
    assert colourless.any()
    assert run.record["lacking"]["parallax_bias is missing, kept"] > 0
    assert run.record["lacking"]["pmra_pmdec_corr is missing"] > 0

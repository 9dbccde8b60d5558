"""Posteriors judged by a truth that the test draws, against the measures taken star by star."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from ocspark.validation.judge_posterior import judge_stars, judgement_lines
from ocspark.validation.posterior_counts import counts_above
from ocspark.validation.posterior_figure import draw_posterior_judgement

N = 4000


@pytest.fixture(scope="module")
def stars() -> pd.DataFrame:
    """Two clusters with a posterior that is right, one without; votes in tenths that are not."""
    rng = np.random.default_rng(11)
    q = rng.beta(0.3, 1.0, N)
    table = pd.DataFrame(
        {
            "cluster": rng.choice(["A", "B", "Null"], N),
            "source_id": np.arange(N) * 7 + 3,
            "phot_g_mean_mag": rng.uniform(12.0, 20.9, N),
            "f_r": rng.uniform(0.0, 30.0, N),
            "probability": np.round(np.sqrt(q), 1),
            "posterior": q,
            "is_true": rng.uniform(size=N) < q,
        }
    )
    table.loc[table["cluster"] == "Null", "posterior"] = np.nan
    table.loc[table.index[:20], "posterior"] = np.nan  # beyond R
    return table


@pytest.fixture(scope="module")
def judged(spark, stars):
    names = ["cluster", "source_id", "phot_g_mean_mag", "projected_radius"]
    truth = stars[stars["is_true"]].rename(columns={"f_r": "projected_radius"})[names]
    missed = pd.DataFrame(
        {
            "cluster": ["A"] * 3 + ["Null"],
            "source_id": [-1, -2, -3, -4],
            "phot_g_mean_mag": [17.0, 19.0, 20.5, 17.0],
            "projected_radius": [1.0, 3.0, 25.0, 1.0],
        }
    )
    # true members of A that are field to B
    elsewhere = stars[(stars["cluster"] == "B") & ~stars["is_true"]].head(2).assign(cluster="A")
    elsewhere = elsewhere.rename(columns={"f_r": "projected_radius"})[names]
    own = stars.groupby("cluster")["posterior"].sum()
    clusters = pd.DataFrame(
        {
            "cluster": ["A", "B", "Null"],
            "expected_members": [own["A"], own["B"], np.nan],
            "expected_members_error": [20.0, 20.0, np.nan],
            "posterior_reason": [None, None, "too few"],
            "posterior_flags": ["", "small cone", None],
        }
    )
    result = judge_stars(
        spark.createDataFrame(stars.drop(columns="is_true")),
        spark.createDataFrame(pd.concat([truth, missed, elsewhere])),
        clusters,
    )
    return result, 3 + len(elsewhere)


def test_only_clusters_with_a_posterior_are_judged(judged, stars):
    result, _ = judged
    known = stars[(stars["cluster"] != "Null") & stars["posterior"].notna()]
    assert result["n_clusters"] == 2
    assert result["null"] == {"Null": "too few"}
    assert result["n_members"] == known["is_true"].sum() > 300
    assert [row["flags"] for row in result["clusters"]] == ["", "small cone"]


@pytest.mark.parametrize(("method", "column"), [("votes", "probability"), ("posterior",) * 2])
def test_completeness_and_purity_are_those_of_the_stars(judged, stars, method, column):
    result, n_missed = judged
    known = stars[stars["cluster"] != "Null"]
    for level in (0.1, 0.5, 0.9):
        scores = result[method]["levels"][f"{level:g}"]
        called = known[known[column] >= level]
        assert scores["all"]["n_called"] == len(called)
        assert scores["all"]["purity"] == pytest.approx(called["is_true"].mean())
        planted = known["is_true"].sum() + n_missed
        assert scores["all"]["completeness"] == pytest.approx(called["is_true"].sum() / planted)
        faint = called[called["phot_g_mean_mag"].between(18.0, 20.0, inclusive="left")]
        assert scores["G 18-20"]["n_called"] == len(faint)
        inner = called[called["f_r"] < 5.0]
        assert scores["r < 5 pc"]["n_true"] == inner["is_true"].sum()
    for quantity in ("g", "radius"):
        bins = result[method][quantity]
        assert sum(b["n_planted"] for b in bins) == planted
        assert sum(b["n_called"] for b in bins) == (known[column] >= 0.5).sum()


def test_a_right_posterior_is_calibrated_as_well_as_chance_allows(judged, stars):
    result, _ = judged
    known = stars[(stars["cluster"] != "Null") & (stars["posterior"] > 0.01)]
    order = known.sort_values("posterior")
    parts = [order.iloc[rows] for rows in np.array_split(np.arange(len(order)), 20)]
    by_hand = sum(len(p) * abs(p["posterior"].mean() - p["is_true"].mean()) for p in parts)
    given = result["posterior"]["calibration_error"]["all"]
    # bins of stars here differ by one star at most from bins of exactly equal number
    assert given == pytest.approx(by_hand / len(known), abs=0.004)
    assert given < 0.03 < result["votes"]["calibration_error"]["all"]


def test_stars_of_the_least_probability_do_not_count_however_their_mean_is_rounded():
    """Means of many equal votes of 0.01 come out a little above or below."""
    cells = pd.DataFrame(
        {
            "probability": [0.01 - 1e-17, 0.01 + 2e-17, 0.02, np.nan],
            "true": [1, 2, 3, 4],
            "false": [9, 8, 7, 0],
        }
    )
    assert counts_above(cells, 0.01).all.tolist() == [10]
    assert counts_above(cells).all.tolist() == [10, 10, 10]


def test_log_loss_is_a_sum_over_candidates_a_member(judged, stars):
    result, _ = judged
    known = stars[(stars["cluster"] != "Null") & stars["posterior"].notna()]
    for method, column in (("votes", "probability"), ("posterior", "posterior")):
        p = known[column].clip(1e-6, 1 - 1e-6)
        loss = -np.log(np.where(known["is_true"], p, 1 - p)).sum() / known["is_true"].sum()
        assert result[method]["log_loss"] == pytest.approx(loss, rel=1e-9)


def test_expected_members_are_those_of_the_clusters_table(judged, stars):
    result, _ = judged
    known = stars[stars["posterior"].notna()].groupby("cluster")
    n, true = known["posterior"].sum(), known["is_true"].sum()
    scores = result["posterior"]["expected_members"]
    relative = [abs(n[c] - true[c]) / true[c] for c in "AB"]
    assert scores["largest_relative"] == pytest.approx(max(relative))
    assert scores["within_2_sigma"] == np.mean([abs(n[c] - true[c]) <= 40.0 for c in "AB"])
    votes = known["probability"].sum()
    assert result["votes"]["expected_members"]["total_ratio"] == pytest.approx(
        (votes["A"] + votes["B"]) / (true["A"] + true["B"])
    )


def test_it_is_json_and_drawn(judged, tmp_path):
    result, _ = judged
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    (tmp_path / "judged.png").write_bytes(draw_posterior_judgement(result))
    assert imread(tmp_path / "judged.png").shape[0] > 500
    lines = judgement_lines(result)
    at_half = result["posterior"]["levels"]["0.5"]["all"]
    assert f"{at_half['completeness']:.3f} / {at_half['purity']:.3f}" in lines[2]

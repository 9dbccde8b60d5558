"""Completeness and contamination of counts that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ocspark.selection_function.by_cluster import cone_area_deg2, expected_clusters
from ocspark.selection_function.count import count_planted, done_clusters
from ocspark.selection_function.figures import recovery_figure
from ocspark.selection_function.tabulate import even_bins, recovery, selection_function
from ocspark.tables.candidates import CANDIDATES
from ocspark.tables.fields import struct
from ocspark.tables.member_rule import POSTERIOR, VOTES
from ocspark.tables.mock import MOCK_TRUTH


def known_sky(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Candidates and truth: found with votes >= 0.5 are 0.8 of G < 18 and 0.3 of the others.

    Posteriors are 0.2 higher for planted stars and 0.3 lower for others, null in cluster b.
    """
    rng = np.random.default_rng(seed)
    truth = pd.DataFrame(
        {
            "cluster": np.repeat(["a", "b", "c"], 2000),
            "source_id": np.arange(6000),
            "phot_g_mean_mag": rng.uniform(10, 20.5, 6000),
            "projected_radius": rng.uniform(0, 20, 6000),
        }
    )
    seen = rng.random(6000) < 0.9  # the others are no candidates at all
    high = rng.random(6000) < np.where(truth["phot_g_mean_mag"] < 18, 0.8, 0.3) / 0.9
    planted = truth[seen].assign(probability=np.where(high, 0.7, 0.3)[seen])
    field = pd.DataFrame(
        {
            "cluster": np.repeat(["a", "b"], 300),
            "source_id": 10_000 + np.arange(600),
            "phot_g_mean_mag": 17.5,
            "projected_radius": 4.0,
            "probability": np.tile([0.05, 0.1, 0.6], 200),
        }
    )
    # a star planted in a is found in b too: neither planted nor field there
    other = truth.iloc[:50].assign(cluster="b", probability=0.9)
    shifted = [
        rows.assign(posterior=rows["probability"] + by)
        for rows, by in ((planted, 0.2), (field, -0.3), (other, 0.0))
    ]
    candidates = pd.concat(shifted, ignore_index=True)
    candidates.loc[candidates["cluster"] == "b", "posterior"] = np.nan
    return candidates.rename(columns={"projected_radius": "f_r"}), truth


def _spark(spark: SparkSession, table: pd.DataFrame, fields: list):
    names = [f.name for f in fields]
    whole = table.reindex(columns=names)[[c for c in names if c in table.columns]]
    schema = struct([f for f in fields if f.name in table.columns])
    return spark.createDataFrame(whole, schema)


@pytest.fixture(scope="module")
def counts(spark) -> pd.DataFrame:
    candidates, truth = known_sky(1)
    clusters = {"cluster": ["a", "b", "c"], "status": ["done", "done", "skipped"]}
    done = done_clusters(spark, pd.DataFrame({**clusters, "expected_members": [1.0, None, None]}))
    return count_planted(
        _spark(spark, candidates, CANDIDATES), _spark(spark, truth, MOCK_TRUTH), done
    ).toPandas()


@pytest.fixture(scope="module")
def curves(counts: pd.DataFrame) -> pd.DataFrame:
    twins = pd.DataFrame(
        {
            "cluster": ["a", "b"],
            "expected_members": [1800.0, None],
            "distance": [500.0, 1500.0],
            "richness": [100, 120],
            "field_density": [10.0, 30.0],
        }
    )
    return selection_function(counts, twins)


def value(
    curves: pd.DataFrame, quantity: str, axis: str, p: float, low: float = np.nan, by: str = VOTES
):
    rows = curves[
        (curves["quantity"] == quantity)
        & (curves["by"] == by)
        & (curves["axis"] == axis)
        & np.isclose(curves["probability"], p)
        & curves["distance_low"].isna()
    ]
    return rows.iloc[0] if np.isnan(low) else rows[rows["bin_low"] == low].iloc[0]


@pytest.mark.parametrize(("low", "true"), [(13.0, 0.8), (17.0, 0.8), (19.0, 0.3)])
def test_known_completeness_is_found_again(curves: pd.DataFrame, low: float, true: float):
    row = value(curves, "completeness", "g_mag", 0.5, low)
    error = np.sqrt(true * (1 - true) / row["n"])
    assert abs(row["value"] - true) < 4 * error
    assert row["low"] < row["value"] < row["high"]


def test_candidates_below_a_threshold_are_not_members(curves: pd.DataFrame):
    assert value(curves, "completeness", "all", 0.1)["value"] == pytest.approx(0.9, abs=0.02)
    assert value(curves, "completeness", "all", 0.8)["k"] == 0


def test_counts_are_those_of_pandas(curves: pd.DataFrame):
    candidates, truth = known_sky(1)
    truth = truth[truth["cluster"] != "c"]
    found = candidates.merge(truth[["cluster", "source_id"]])
    for axis, column, low, high in (("g_mag", "phot_g_mean_mag", 16, 17), ("radius", "f_r", 8, 12)):
        row = value(curves, "completeness", axis, 0.3, low)
        name = column.replace("f_r", "projected_radius")
        assert row["n"] == truth[name].between(low, high, inclusive="left").sum()
        some = found[found[column].between(low, high, inclusive="left")]
        assert row["k"] == (some["probability"] >= 0.3).sum()


def test_contaminants_are_field_stars_only(curves: pd.DataFrame):
    # 200 a cone have p = 0.1 or more, 100 have 0.6; stars planted in another cluster do not count
    assert value(curves, "contaminants", "all", 0.1)["value"] == 200
    assert value(curves, "contaminants", "all", 0.5)["value"] == 100
    row = value(curves, "contamination", "all", 0.5)
    members = value(curves, "completeness", "all", 0.5)["k"] + 200
    assert (row["k"], row["n"]) == (200, members)
    assert value(curves, "contaminants", "g_mag", 0.5, 17.0)["k"] == 200
    assert value(curves, "contaminants", "radius", 0.5, 3.0)["k"] == 200


def test_posteriors_are_told_of_clusters_that_have_one(curves: pd.DataFrame):
    row = value(curves, "completeness", "all", 0.5, by=POSTERIOR)
    assert row["n"] == 2000  # b has none
    assert row["value"] == pytest.approx(0.9, abs=0.02)
    # 100 field stars have 0.6 of the votes and a posterior of 0.3
    assert value(curves, "contaminants", "g_mag", 0.3, 17.0, POSTERIOR)["k"] == 100
    assert value(curves, "contamination", "all", 0.5, by=POSTERIOR)["k"] == 0
    told = set(curves.loc[curves["by"] == POSTERIOR, "quantity"])
    assert told == {"completeness", "contamination", "contaminants"}


def test_clusters_fall_into_their_bins(curves: pd.DataFrame):
    rows = curves[(curves["axis"] == "distance") & (curves["quantity"] == "completeness")]
    rows = rows[np.isclose(rows["probability"], 0.5) & (rows["by"] == VOTES)]
    assert rows["n"].sum() == 4000 and set(rows["n"]) <= {0, 2000}


def test_recovery_tells_bright_stars_apart_and_draws_them(counts: pd.DataFrame):
    rows = recovery(counts, {VOTES: ["a", "b"], POSTERIOR: ["a"]})
    bright = rows[(rows["axis"] == "bright") & (rows["quantity"] == "completeness")]
    bright = bright.set_index(["by", "probability"])["value"]
    # what has 0.7 of the votes has a posterior of 0.9, what has 0.3 one of 0.5
    for by, p, true in ((VOTES, 0.5, 0.8), (POSTERIOR, 0.5, 0.9), (POSTERIOR, 0.8, 0.8)):
        assert bright.at[by, p] == pytest.approx(true, abs=0.04)
    assert recovery_figure(rows).startswith(b"\x89PNG")


@pytest.mark.parametrize(("field_density", "known"), [(40.0, True), (0.0, False)])
def test_no_contamination_is_told_without_a_field(
    counts: pd.DataFrame, field_density: float, known: bool
):
    twins = pd.DataFrame({"cluster": ["a", "b"], "twin_of": "A", "n_training_members": [20, 30]})
    twins["expected_members"] = [1800.0, None]
    cluster = {"cluster": "A", "status": "done", "reason": None, "n_training_members": 24}
    found = {"n_cone": 500, "radius_deg": 1.0, "n_p10": 300, "n_p50": 200, "n_p90": 100}
    table = expected_clusters(
        counts, twins.assign(field_density=field_density), pd.DataFrame([cluster | found])
    )
    row = table.iloc[0]
    assert row["completeness_p10"] == pytest.approx(0.9, abs=0.02)
    assert (row["n_twins"], row["n_twins_with_posterior"]) == (2, 1)
    assert row["completeness_posterior_50"] == pytest.approx(0.9, abs=0.02)
    assert row["twin_training_members"] == 25.0
    assert row["cone_density"] == pytest.approx(500 / np.pi, rel=1e-3)
    assert pd.notna(row["contamination_p50"]) == known
    assert pd.notna(row["offset_contamination_p50"]) == known


def test_even_bins_share_values_out():
    edges, at = even_bins(np.arange(100.0))
    assert len(edges) == 6 and np.bincount(at).tolist() == [20] * 5
    edges, at = even_bins(np.full(4, 3.0))
    assert edges == [3.0, 3.0] and set(at) == {0}


def test_cone_area_is_that_of_a_cap():
    assert cone_area_deg2(90.0) == pytest.approx(129600 / np.pi / 2)
    assert cone_area_deg2(0.5) == pytest.approx(np.pi * 0.25, rel=1e-4)

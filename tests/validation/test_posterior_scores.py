"""Measures of probabilities against hand-made counts whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from ocspark.training.judge import Counts
from ocspark.validation.posterior_scores import (
    calibration_error,
    score_expected_members,
    score_level,
)


def counts(probability: list[float], true: list[int], false: list[int]) -> Counts:
    return Counts(np.array(probability), np.array(true), np.array(false))


def test_completeness_counts_members_that_are_no_candidates_and_purity_does_not():
    some = counts([0.2, 0.5, 0.95], [1, 3, 6], [8, 2, 0])
    assert score_level(some, 20, 0.5) == {
        "n_planted": 20,
        "n_called": 11,
        "n_true": 9,
        "completeness": 0.45,
        "purity": 9 / 11,
    }
    assert score_level(some, 20, 0.9)["purity"] == 1.0
    nothing = score_level(some, 0, 0.99)
    assert (nothing["completeness"], nothing["purity"]) == (None, None)


def test_probabilities_that_are_shares_have_no_calibration_error():
    assert calibration_error(counts([0.2, 0.6], [20, 60], [80, 40])) == pytest.approx(
        0.0, abs=1e-12
    )
    # off by 0.1, one too high and one too low
    assert calibration_error(counts([0.3, 0.5], [20, 60], [80, 40])) == pytest.approx(0.1)
    # in one bin for all, both errors cancel
    assert calibration_error(counts([0.3, 0.5], [20, 60], [80, 40]), bins=1) == pytest.approx(0.0)
    assert calibration_error(counts([], [], [])) is None


def test_bins_hold_equal_numbers_of_stars():
    rng = np.random.default_rng(3)
    p = np.sort(rng.uniform(0.01, 1.0, 2000))
    true = rng.uniform(size=2000) < p**2
    parts = zip(np.array_split(p, 20), np.array_split(true, 20), strict=True)
    expected = np.mean([abs(a.mean() - b.mean()) for a, b in parts])
    given = calibration_error(Counts(p, true.astype(int), (~true).astype(int)))
    assert given == pytest.approx(expected, rel=1e-9)


def test_expected_members_are_judged_by_cluster():
    expected, true = np.array([110.0, 80.0, 55.0]), np.array([100.0, 100.0, 50.0])
    scores = score_expected_members(expected, true, np.array([10.0, 15.0, np.nan]))
    assert scores["median_relative"] == pytest.approx(0.1)
    assert scores["largest_relative"] == pytest.approx(0.2)
    assert scores["total_ratio"] == pytest.approx(245 / 250)
    assert (scores["within_1_sigma"], scores["within_2_sigma"]) == (0.5, 1.0)
    assert scores["rms_pull"] == pytest.approx(np.sqrt((1.0 + (4 / 3) ** 2) / 2))
    assert "rms_pull" not in score_expected_members(expected, true, np.full(3, np.nan))

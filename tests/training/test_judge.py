"""Curves, calibration and isotonic fit from counts against scikit-learn on single stars."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from ocspark.training.judge import (
    Counts,
    apply_isotonic,
    calibration,
    confusion_counts,
    curves,
    fit_isotonic,
)


@pytest.fixture(scope="module")
def stars():
    """Probabilities of 100 samples that are too sure of themselves, and the truth."""
    rng = np.random.default_rng(8)
    chance = rng.beta(0.5, 0.7, 5000)
    shown = np.round(np.clip(0.5 + 1.4 * (chance - 0.5), 0, 1), 2)
    return shown, rng.random(5000) < chance


def count(p: np.ndarray, true: np.ndarray) -> Counts:
    values, place = np.unique(p, return_inverse=True)
    return Counts(
        values,
        np.bincount(place[true], minlength=len(values)),
        np.bincount(place[~true], minlength=len(values)),
    )


def test_areas_are_those_of_scikit_learn(stars):
    p, true = stars
    got = curves(count(p, true))
    assert got["roc_auc"] == pytest.approx(roc_auc_score(true, p), rel=1e-12)
    assert got["average_precision"] == pytest.approx(average_precision_score(true, p), rel=1e-12)


def test_curves_are_those_of_scikit_learn(stars):
    p, true = stars
    got = curves(count(p, true))
    fpr, tpr, _ = roc_curve(true, p, drop_intermediate=False)
    np.testing.assert_allclose(got["false_positive_rate"], fpr[1:])
    np.testing.assert_allclose(got["recall"], tpr[1:])
    precision, recall, _ = precision_recall_curve(true, p)
    np.testing.assert_allclose(got["precision"], precision[:-1][::-1])
    np.testing.assert_allclose(got["recall"], recall[:-1][::-1])


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_the_confusion_is_that_of_scikit_learn(stars, threshold):
    p, true = stars
    tn, fp, fn, tp = confusion_matrix(true, p >= threshold).ravel()
    got = confusion_counts(count(p, true), threshold)
    assert (got["tn"], got["fp"], got["fn"], got["tp"]) == (tn, fp, fn, tp)


def test_calibration_by_hand_and_brier_by_scikit_learn(stars):
    p, true = stars
    got = calibration(count(p, true))
    assert got["brier"] == pytest.approx(brier_score_loss(true, p), rel=1e-12)
    assert sum(got["n"]) == len(p)
    inside = (p >= 0.7 - 1e-9) & (p < 0.8 - 1e-9)
    assert got["n"][7] == inside.sum()
    assert got["fraction"][7] == pytest.approx(true[inside].mean())
    assert got["probability"][7] == pytest.approx(p[inside].mean())


def test_isotonic_calibration_mends_probabilities_of_other_stars(stars):
    p, true = stars
    knots = fit_isotonic(count(p[::2], true[::2]))
    assert (np.diff(knots["calibrated"]) >= 0).all()
    other = count(p[1::2], true[1::2])
    after = apply_isotonic(other, knots)
    assert after.all.sum() == other.all.sum()
    assert after.true.sum() == other.true.sum()
    assert calibration(other)["expected_error"] > 0.05
    assert calibration(after)["expected_error"] < 0.03


def test_without_members_or_others_there_is_no_area():
    empty = Counts(np.array([0.0, 1.0]), np.array([0, 0]), np.array([3, 4]))
    assert np.isnan(curves(empty)["roc_auc"])

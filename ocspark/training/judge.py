"""How good probabilities are where the truth is known, from counts at each probability.

A probability is a fraction of a few hundred samples, so stars need not be looked at one by one:
true and false ones are counted at each value, and curves follow exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import auc

from ocspark.training.train_metrics import metrics

#: Equal bins of probability for calibration.
N_BINS = 10


@dataclass(frozen=True)
class Counts:
    """Stars at each probability.

    Attributes
    ----------
    probability : array, shape (k,)
        Distinct values, rising.
    true, false : arrays of int64, shape (k,)
        Members and others at each.
    """

    probability: NDArray[np.float64]
    true: NDArray[np.int64]
    false: NDArray[np.int64]

    @property
    def all(self) -> NDArray[np.int64]:
        """Stars at each probability."""
        return self.true + self.false


def confusion(counts: Counts, threshold: float = 0.5) -> dict[str, Any]:
    """Return tp, fp, tn, fn and metrics where a star with p >= threshold is called a member."""
    called = counts.probability >= threshold
    tp, fp = int(counts.true[called].sum()), int(counts.false[called].sum())
    tn, fn = int(counts.false[~called].sum()), int(counts.true[~called].sum())
    return {"tp": tp, "fp": fp, "tn": tn, "fn": fn, **metrics(tp, fp, tn, fn)}


def curves(counts: Counts) -> dict[str, Any]:
    """Return the ROC and precision–recall curves with their areas.

    Returns
    -------
    dict
        ``threshold`` (falling), ``recall`` (= true positive rate), ``false_positive_rate``,
        ``precision`` at each; ``roc_auc``; ``average_precision`` (a step function's area). NaN
        where there are no members or no others.
    """
    tp, fp = np.cumsum(counts.true[::-1]), np.cumsum(counts.false[::-1])
    n_true, n_false = int(counts.true.sum()), int(counts.false.sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, fpr = tp / n_true, fp / n_false
        precision = tp / (tp + fp)
    both = n_true > 0 and n_false > 0
    return {
        "threshold": counts.probability[::-1].tolist(),
        "recall": recall.tolist(),
        "false_positive_rate": fpr.tolist(),
        "precision": precision.tolist(),
        "roc_auc": float(auc(np.r_[0.0, fpr], np.r_[0.0, recall])) if both else float("nan"),
        "average_precision": float(np.sum(np.diff(recall, prepend=0.0) * precision)),
    }


def calibration(counts: Counts) -> dict[str, Any]:
    """Return whether p = 0.7 means 70 %.

    Returns
    -------
    dict
        Per bin with stars: ``probability`` (mean), ``fraction`` (of members), ``n``; ``brier``
        (mean squared error) and ``expected_error`` (mean over stars of |fraction − probability|
        of their bin).
    """
    n, p = counts.all, counts.probability
    which = np.minimum((p * N_BINS + 1e-9).astype(int), N_BINS - 1)
    size, total, true = (np.bincount(which, weights, N_BINS) for weights in (n, n * p, counts.true))
    some = size > 0
    mean, fraction = total[some] / size[some], true[some] / size[some]
    brier = (counts.true * (1 - p) ** 2 + counts.false * p**2).sum() / n.sum()
    return {
        "probability": mean.tolist(),
        "fraction": fraction.tolist(),
        "n": size[some].astype(int).tolist(),
        "brier": float(brier),
        "expected_error": float((np.abs(fraction - mean) * size[some]).sum() / size.sum()),
    }


def fit_isotonic(counts: Counts) -> dict[str, list[float]]:
    """Return knots (probability, calibrated) of the rising function nearest to the truth."""
    some = counts.all > 0
    share = counts.true[some] / counts.all[some]
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit(
        counts.probability[some], share, sample_weight=counts.all[some]
    )
    return {
        "probability": fitted.X_thresholds_.tolist(),
        "calibrated": fitted.y_thresholds_.tolist(),
    }


def apply_isotonic(counts: Counts, knots: dict[str, list[float]]) -> Counts:
    """Return the counts with calibrated probabilities, equal ones put together."""
    calibrated = np.interp(counts.probability, knots["probability"], knots["calibrated"])
    values, place = np.unique(calibrated, return_inverse=True)
    true, false = (
        np.bincount(place, weights, len(values)).astype(np.int64)
        for weights in (counts.true, counts.false)
    )
    return Counts(values, true, false)

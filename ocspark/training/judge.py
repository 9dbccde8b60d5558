"""Judge probabilities by the truth, from the numbers of members and others at each probability.

A probability is a fraction of a few hundred samples, so it has few distinct values: counts at each
value give all curves exactly.
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
    """Numbers of stars at each probability.

    Attributes
    ----------
    probability : array, shape (k,)
        Distinct values, in ascending order.
    true, false : arrays of int64, shape (k,)
        Numbers of members and of others.
    """

    probability: NDArray[np.float64]
    true: NDArray[np.int64]
    false: NDArray[np.int64]

    @property
    def all(self) -> NDArray[np.int64]:
        """Number of stars at each probability."""
        return self.true + self.false


def confusion_counts(counts: Counts, threshold: float = 0.5) -> dict[str, Any]:
    """Return tp, fp, tn, fn and metrics when stars with p >= threshold are called members."""
    called = counts.probability >= threshold
    tp, fp = int(counts.true[called].sum()), int(counts.false[called].sum())
    tn, fn = int(counts.false[~called].sum()), int(counts.true[~called].sum())
    return {"tp": tp, "fp": fp, "tn": tn, "fn": fn, **metrics(tp, fp, tn, fn)}


def curves(counts: Counts) -> dict[str, Any]:
    """Return the ROC and precision–recall curves with their areas.

    Returns
    -------
    dict
        ``threshold`` (descending) and, at each, ``recall`` (the true positive rate),
        ``false_positive_rate`` and ``precision``; ``roc_auc``; ``average_precision`` (the area
        under the step function). NaN where there are no members or no others.
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
    """Return the fraction of members among stars of similar probability (a reliability diagram).

    Returns
    -------
    dict
        For each of `N_BINS` bins that holds stars: ``probability`` (the mean), ``fraction`` (of
        members) and ``n``. Over all stars: ``brier`` (mean squared error) and ``expected_error``
        (mean of |fraction − probability| of their bins).
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
    """Return knots (``probability``, ``calibrated``) of the isotonic regression of the truth."""
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
    """Return the counts at calibrated probabilities, adding up those of equal values."""
    calibrated = np.interp(counts.probability, knots["probability"], knots["calibrated"])
    values, place = np.unique(calibrated, return_inverse=True)
    true, false = (
        np.bincount(place, weights, len(values)).astype(np.int64)
        for weights in (counts.true, counts.false)
    )
    return Counts(values, true, false)

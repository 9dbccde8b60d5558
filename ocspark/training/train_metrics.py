"""Compute the classification metrics of the paper's Fig. 2."""

from __future__ import annotations

#: Names of the metrics, in the order of the figure's caption.
METRICS = ("precision", "recall", "selectivity", "accuracy", "balanced_accuracy", "f1")


def metrics(tp: int, fp: int, tn: int, fn: int) -> dict[str, float]:
    """Return `METRICS` from the counts of true and false positives and negatives; 0/0 is 0."""
    recall, selectivity = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
    return {
        "precision": _ratio(tp, tp + fp),
        "recall": recall,
        "selectivity": selectivity,
        "accuracy": _ratio(tp + tn, tp + fp + tn + fn),
        "balanced_accuracy": (recall + selectivity) / 2,
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
    }


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0

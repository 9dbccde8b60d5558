"""How good probabilities of membership are where the truth is known (method §13)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocspark.training.judge import Counts

Floats = NDArray[np.float64]

#: Levels from which on a star is called a member.
LEVELS = (0.1, 0.5, 0.9)
#: Bins of equal number for the calibration error, and the probability above which stars count.
CALIBRATION_BINS, LEAST_PROBABILITY = 20, 0.01
#: A mean of equal probabilities may differ from them by so much.
ROUNDING = 1e-9


def score_level(counts: Counts, n_planted: int, level: float) -> dict[str, Any]:
    """Return completeness and purity of the stars with a probability of at least `level`.

    Parameters
    ----------
    counts : Counts
        Candidates at each probability.
    n_planted : int
        True members, candidates or not.
    level : float

    Returns
    -------
    dict
        n_planted, n_called, n_true; completeness = n_true / n_planted and purity =
        n_true / n_called, None where nothing is to share.
    """
    called = counts.probability >= level - ROUNDING
    n_called, n_true = int(counts.all[called].sum()), int(counts.true[called].sum())
    return {
        "n_planted": n_planted,
        "n_called": n_called,
        "n_true": n_true,
        "completeness": n_true / n_planted if n_planted else None,
        "purity": n_true / n_called if n_called else None,
    }


def calibration_error(counts: Counts, bins: int = CALIBRATION_BINS) -> float | None:
    """Return how far probabilities are from shares of members, None where there are no stars.

    Σ_b n_b |mean probability − share of members| / Σ_b n_b over bins b of equal number. Stars of
    one probability that lie across the edge of a bin are divided in proportion.

    Parameters
    ----------
    counts : Counts
        Stars with a probability above `LEAST_PROBABILITY`, at each probability.
    bins : int
    """
    n = counts.all
    total = float(n.sum())
    if total == 0:
        return None
    place = np.append(0.0, np.cumsum(n))
    edges = np.linspace(0.0, total, bins + 1)

    def per_bin(weight: NDArray[Any]) -> Floats:
        return np.diff(np.interp(edges, place, np.append(0.0, np.cumsum(weight))))

    return float(np.abs(per_bin(n * counts.probability) - per_bin(counts.true)).sum() / total)


def score_expected_members(expected: Floats, true: Floats, error: Floats) -> dict[str, Any]:
    """Return how far numbers of members are from the truth, cluster by cluster.

    Parameters
    ----------
    expected, true, error : arrays, shape (c,)
        Expected members N, true members among the candidates (positive), and the 1-sigma errors
        of N; NaN where N has no error.

    Returns
    -------
    dict
        median_relative and largest_relative, of |N − true| / true; total_ratio, ΣN / Σtrue; where
        there are errors, the shares of clusters within 1 and 2 sigma and rms_pull, the root mean
        square of (N − true) / σ.
    """
    relative = np.abs(expected - true) / true
    scores = {
        "median_relative": float(np.median(relative)),
        "largest_relative": float(relative.max()),
        "total_ratio": float(expected.sum() / true.sum()),
    }
    pull = (expected - true)[np.isfinite(error)] / error[np.isfinite(error)]
    if len(pull):
        scores["within_1_sigma"] = float((np.abs(pull) <= 1.0).mean())
        scores["within_2_sigma"] = float((np.abs(pull) <= 2.0).mean())
        scores["rms_pull"] = float(np.sqrt((pull**2).mean()))
    return scores

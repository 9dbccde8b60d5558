"""Score probabilities of membership where the truth is known (method §13)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocspark.training.judge import Counts

Floats = NDArray[np.float64]

#: Least probabilities at which stars are called members.
LEVELS = (0.1, 0.5, 0.9)
#: Number of equally populated bins of the calibration error, and the probability above which stars
#: count in it.
CALIBRATION_BINS, LEAST_PROBABILITY = 20, 0.01
#: Rounding of a mean of equal probabilities.
ROUNDING = 1e-9


def score_level(counts: Counts, n_planted: int, level: float) -> dict[str, Any]:
    """Return completeness and purity of the stars with a probability of `level` or more.

    Parameters
    ----------
    counts : Counts
        Numbers of candidates at each probability.
    n_planted : int
        Number of true members, whether candidates or not.
    level : float
        Least probability of a called member.

    Returns
    -------
    dict
        n_planted, n_called, n_true; completeness = n_true / n_planted and purity =
        n_true / n_called, each None if its denominator is 0.
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
    """Return the expected calibration error, None if there are no stars.

    It is Σ_b n_b |mean probability − share of members| / Σ_b n_b over equally populated bins b.
    Stars of equal probability that fall on the edge of a bin are divided in proportion.

    Parameters
    ----------
    counts : Counts
        Numbers of stars at each probability above `LEAST_PROBABILITY`.
    bins : int
        Number of bins.
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
    """Compare the expected numbers of members of clusters with the true numbers.

    Parameters
    ----------
    expected, true, error : arrays, shape (c,)
        Expected members N, true members among the candidates (positive), and the 1-sigma errors
        of N; NaN where N has no error.

    Returns
    -------
    dict
        median_relative and largest_relative of |N − true| / true; total_ratio, ΣN / Σtrue; if there
        are errors, within_1_sigma and within_2_sigma (shares of clusters) and rms_pull, the root
        mean square of (N − true) / σ.
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

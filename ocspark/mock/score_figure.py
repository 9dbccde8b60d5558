"""Completeness and purity of a run on a mock, as a picture."""

from __future__ import annotations

from collections.abc import Sequence

from ocspark.mock.score import LEVELS, Score
from ocspark.products.style import CURVE, LISTED, OURS, new_figure, png, tidy


def curve_figure(scores: Sequence[Score]) -> bytes:
    """Return a PNG of `score_curve`: both against probability, and one against the other."""
    figure = new_figure(9.0, 3.8)
    left, right = figure.subplots(1, 2)
    level = [s.level for s in scores]
    complete = [100 * s.completeness for s in scores]
    pure = [100 * s.purity for s in scores]
    left.plot(level, complete, color=OURS, label="completeness")
    left.plot(level, pure, color=LISTED, linestyle="--", label="purity")
    left.set_xlim(0, 1)
    left.legend(frameon=False, fontsize=9, loc="lower left")
    right.plot(complete, pure, color=CURVE)
    for p in LEVELS:
        score = min(scores, key=lambda s, p=p: abs(s.level - p))  # type: ignore[misc]
        at = (100 * score.completeness, 100 * score.purity)
        right.plot(*at, "o", color=OURS)
        right.annotate(f"p ≥ {p:g}", at, textcoords="offset points", xytext=(6, -12), fontsize=8)
    right.set_xlim(0, 100)
    for axes in (left, right):
        axes.set_ylim(0, 102)
    tidy(left, "probability at least", "share [%]")
    tidy(right, "completeness [%]", "purity [%]")
    figure.tight_layout()
    return png(figure)

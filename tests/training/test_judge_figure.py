"""The picture of a model's judgement."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from ocspark.training.judge_figure import draw_shares
from ocspark.training.train_metrics import metrics


def test_groups_without_stars_to_share_have_no_point() -> None:
    counts = [(8, 2, 0, 0), (0, 0, 5, 3), (0, 0, 9, 0)]  # tp, fp, tn, fn
    groups = [
        {"from": i, "to": i + 1, "tp": tp, "fp": fp, "fn": fn, **metrics(tp, fp, tn, fn)}
        for i, (tp, fp, tn, fn) in enumerate(counts)
    ]
    axes = Figure().subplots()
    draw_shares(axes, groups, "G [mag]")
    completeness, purity = (line.get_ydata() for line in axes.lines)
    assert list(completeness[:2]) == [1.0, 0.0] and math.isnan(completeness[2])
    assert purity[0] == 0.8 and all(math.isnan(share) for share in purity[1:])

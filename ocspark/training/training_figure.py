"""Draw the paper's Fig. 2: loss and metrics of every epoch, in training and validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ocspark.figures import png
from ocspark.training.train_metrics import METRICS

#: Okabe & Ito (2008), distinct for colour-blind readers and in grey print.
COLOURS = dict(
    zip(
        METRICS,
        ("#0072B2", "#E69F00", "#009E73", "#56B4E9", "#CC79A7", "#D55E00"),
        strict=True,
    )
)


def draw_training(history: Sequence[dict[str, Any]], best_epoch: int) -> bytes:
    """Return a PNG of a training run.

    Parameters
    ----------
    history : sequence of dict
        For each epoch, ``train`` and ``validation`` with loss and `METRICS`.
    best_epoch : int
        Epoch (from 1) of the weights that were kept.
    """
    epochs = range(1, len(history) + 1)
    marker = "o" if len(history) == 1 else ""  # one point makes no line
    figure = Figure(figsize=(7.0, 7.5), dpi=150, layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.6))
    for part, style in (("train", "-"), ("validation", "--")):
        values = [epoch[part] for epoch in history]
        top.plot(epochs, [v["loss"] for v in values], style, marker=marker, color="black")
        for name in METRICS:
            bottom.plot(
                epochs, [v[name] for v in values], style, marker=marker, color=COLOURS[name]
            )
    for axes in (top, bottom):
        axes.axvline(best_epoch, color="0.6", linewidth=1, zorder=0)
        axes.grid(alpha=0.25)
    top.set_yscale("log")
    top.set_ylabel("loss per instance")
    top.set_title(
        f"best validation F1 {history[best_epoch - 1]['validation']['f1']:.4f} "
        f"at epoch {best_epoch}",
        fontsize="medium",
    )
    bottom.set_ylabel("metric")
    bottom.set_xlabel("epoch")
    parts = [Line2D([], [], color="black", linestyle=s) for s in ("-", "--")]
    top.legend(parts, ["training (dropout on)", "validation"], fontsize="small")
    lines = [Line2D([], [], color=COLOURS[name]) for name in METRICS]
    bottom.legend(lines, [n.replace("_", " ").replace("f1", "F1") for n in METRICS], ncols=2)
    return png(figure)

"""Figures of the differences of two runs: probabilities, members of each cluster, reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ocspark import storage
from ocspark.analysis.differences import Differences
from ocspark.figures import INK, LISTED, OURS, new_figure, png, tidy
from ocspark.tables.differences import CHANGE_REASONS

_BINS = 50
#: Room between the probabilities and the strip of the stars that have none, in bins.
_GAP = 7
#: As large as a panel of a cluster's figures: letters are legible on a telephone.
_WIDTH, _HEIGHT, _FONT = 4.4, 4.0, 10.0
_SHORT = {
    "cluster_not_done": "cluster not done",
    "no_counterpart": "no counterpart",
    "merged": "counterpart taken",
    "no_candidate": "no candidate",
    "members_by": "posterior or votes",
    "probability": "votes changed",
    "posterior": "posterior changed",
    "noise": "within noise",
}


def draw_differences(differences: Differences) -> None:
    """Write ``probabilities.png``, ``members.png`` and ``reasons.png`` into their folder."""
    for name, figure in figures(differences).items():
        storage.write_file(storage.join(differences.path, f"{name}.png"), png(figure))


def figures(differences: Differences) -> dict[str, Figure]:
    """Return the figures by name: probabilities, members, reasons."""
    return {
        "probabilities": probabilities_figure(differences.table("probabilities")),
        "members": members_figure(differences.table("clusters")),
        "reasons": reasons_figure(differences.record["totals"]),
    }


def run_label(identity: Mapping[str, Any]) -> str:
    """Return what a run is called: its release and network, then its id."""
    return f"{identity['release'].upper()}, {identity['model']} ({identity['run_id']})"


def probabilities_figure(pairs: pd.DataFrame) -> Figure:
    """Draw a `PROBABILITY_PAIRS` table; the strips are stars without a probability in one run."""
    size = _BINS + _GAP + 1
    counts = np.zeros((size, size))

    def place(bins: pd.Series) -> np.ndarray:
        return np.where(bins < 0, 0, bins + _GAP + 1)

    np.add.at(counts, (place(pairs["with_bin"]), place(pairs["bin"])), pairs["n"])
    figure = new_figure(_WIDTH, _HEIGHT)
    axes = figure.add_axes((0.15, 0.14, 0.64, 0.82))
    shown = np.ma.masked_equal(counts, 0)
    image = axes.pcolormesh(
        shown, cmap="viridis_r", norm=LogNorm(1, max(counts.max(), 10)), edgecolors="face"
    )
    axes.plot([_GAP + 1, size], [_GAP + 1, size], color=INK, linewidth=0.6, alpha=0.5)
    ticks = [0.5, *(_GAP + 1 + _BINS * np.array([0.0, 0.5, 1.0]))]
    tidy(axes, "share of votes before", "share of votes after", _FONT)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, ["none", "0", "0.5", "1"])
    bar = figure.colorbar(image, cax=figure.add_axes((0.82, 0.14, 0.03, 0.82)))
    bar.set_label("stars", fontsize=_FONT, color=INK)
    bar.ax.tick_params(labelsize=_FONT - 1.0, colors=INK)
    return figure


def members_figure(clusters: pd.DataFrame) -> Figure:
    """Draw the members of each cluster in one run against those in the other."""
    figure = new_figure(_WIDTH, _HEIGHT)
    axes = figure.add_axes((0.15, 0.14, 0.81, 0.82))
    before, after = (clusters[name].to_numpy(float) for name in ("n_members", "with_n_members"))
    both = np.concatenate([before, after])
    least, most = (both.min(), max(both.max(), 10.0)) if len(both) else (1.0, 10.0)
    if least > 0:
        scale: dict[str, Any] = {"value": "log"}
        limits = least / 1.4, most * 1.4
    else:  # a logarithm has no room for clusters without a member
        scale = {"value": "symlog", "linthresh": 1.0}
        limits = -0.3, most * 1.4
    axes.plot(limits, limits, color=INK, linewidth=0.6, alpha=0.5)
    axes.plot(before, after, "o", color=OURS, markersize=4, alpha=0.6, markeredgewidth=0)
    tidy(axes, "members before", "members after", _FONT)
    axes.set_xscale(**scale)
    axes.set_yscale(**scale)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    axes.set_xlim(limits)
    axes.set_ylim(limits)
    return figure


def reasons_figure(totals: Mapping[str, Any]) -> Figure:
    """Draw how many members were gained and lost for each reason."""
    figure = new_figure(_WIDTH, _HEIGHT)
    axes = figure.add_axes((0.34, 0.14, 0.62, 0.74))
    reasons = list(CHANGE_REASONS)[::-1]
    places = np.arange(len(reasons))
    for change, colour, shift in (("gained", OURS, 0.2), ("lost", LISTED, -0.2)):
        counts = [totals.get(f"n_{change}_{reason}", 0) for reason in reasons]
        name = f"{change}: {totals.get(f'n_{change}', 0):,}"
        bars = axes.barh(places + shift, counts, 0.38, color=colour, label=name)
        texts = [f"{n:,}" if n else "" for n in counts]
        axes.bar_label(bars, texts, fontsize=_FONT - 2.0, padding=2, color=INK)
    tidy(axes, "members", "", _FONT)
    axes.set_yticks(places, [_SHORT[reason] for reason in reasons])
    axes.margins(x=0.18)
    figure.legend(fontsize=_FONT, frameon=False, loc="upper center", ncols=2)
    return figure

"""Pictures of the differences of two runs: probabilities, members a cluster, reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from ocspark import storage
from ocspark.analysis.differences import Differences
from ocspark.figures import INK, LISTED, OURS, new_figure, png, savable, tidy
from ocspark.tables.differences import CHANGE_REASONS

_BINS = 50
#: Room between the probabilities and the strip of the stars that have none, in bins.
_GAP = 4
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
    """Write ``probabilities.png`` and ``members.png`` into the folder of differences."""
    for name, content in figures(differences).items():
        storage.write_file(storage.join(differences.path, name), content)


def figures(differences: Differences) -> dict[str, bytes]:
    """Return the figures by file name."""
    record = differences.record
    titles = [label(record[side]) for side in ("run", "with_run")]
    pairs, clusters = differences.table("probabilities"), differences.table("clusters")
    return {
        "probabilities.png": probabilities_png(pairs, titles),
        "members.png": members_png(clusters, record["totals"], titles),
    }


def label(identity: Mapping[str, Any]) -> str:
    """Return what a run is called: its release and network, then its id."""
    return f"{identity['release'].upper()}, {identity['model']} ({identity['run_id']})"


def probabilities_png(pairs: pd.DataFrame, titles: list[str]) -> bytes:
    """Return the picture of a `PROBABILITY_PAIRS` table; strips are stars without a probability."""
    size = _BINS + _GAP + 1
    counts = np.zeros((size, size))

    def place(bins: pd.Series) -> np.ndarray:
        return np.where(bins < 0, 0, bins + _GAP + 1)

    np.add.at(counts, (place(pairs["with_bin"]), place(pairs["bin"])), pairs["n"])
    figure = new_figure(5.6, 4.8)
    axes = figure.add_axes((0.15, 0.14, 0.68, 0.78))
    shown = np.ma.masked_equal(counts, 0)
    image = axes.pcolormesh(shown, cmap="viridis_r", norm=LogNorm(1, max(counts.max(), 10)))
    axes.plot([_GAP + 1, size], [_GAP + 1, size], color=INK, linewidth=0.6, alpha=0.5)
    ticks = [0.5, *(_GAP + 1 + _BINS * np.array([0.0, 0.5, 1.0]))]
    tidy(axes, f"p, {savable(titles[0])}", f"p, {savable(titles[1])}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, ["none", "0", "0.5", "1"])
    bar = figure.colorbar(image, cax=figure.add_axes((0.86, 0.14, 0.03, 0.78)))
    bar.set_label("stars", fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8, colors=INK)
    return png(figure)


def members_png(clusters: pd.DataFrame, totals: Mapping[str, Any], titles: list[str]) -> bytes:
    """Return the picture of members a cluster in both runs, and of why members differ."""
    figure = new_figure(9.6, 4.4)
    _draw_clusters(figure.add_axes((0.08, 0.15, 0.36, 0.76)), clusters, titles)
    _draw_reasons(figure.add_axes((0.63, 0.15, 0.34, 0.76)), totals)
    return png(figure)


def _draw_clusters(axes: Axes, clusters: pd.DataFrame, titles: list[str]) -> None:
    x, y = clusters["n_members"].to_numpy(float), clusters["with_n_members"].to_numpy(float)
    most = max(np.max([x, y], initial=1.0), 10.0)
    axes.plot([0, most], [0, most], color=INK, linewidth=0.6, alpha=0.5)
    axes.plot(x, y, "o", color=OURS, markersize=4, alpha=0.6, markeredgewidth=0)
    tidy(axes, f"members, {savable(titles[0])}", f"members, {savable(titles[1])}")
    for axis in ("x", "y"):
        getattr(axes, f"set_{axis}scale")("symlog", linthresh=1.0)
        getattr(axes, f"set_{axis}lim")(-0.3, most * 1.5)


def _draw_reasons(axes: Axes, totals: Mapping[str, Any]) -> None:
    reasons = list(CHANGE_REASONS)[::-1]
    places = np.arange(len(reasons))
    for change, colour, shift in (("gained", OURS, 0.2), ("lost", LISTED, -0.2)):
        counts = [totals.get(f"n_{change}_{reason}", 0) for reason in reasons]
        name = f"{change}: {totals.get(f'n_{change}', 0):,}"
        bars = axes.barh(places + shift, counts, 0.38, color=colour, label=name)
        axes.bar_label(bars, [f"{n:,}" for n in counts], fontsize=7, padding=2, color=INK)
    tidy(axes, "members", "")
    axes.set_yticks(places, [_SHORT[reason] for reason in reasons])
    axes.margins(x=0.15)
    axes.legend(fontsize=8, frameon=False, loc="best")

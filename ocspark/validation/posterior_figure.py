"""Draw the judgement of posteriors beside that of votes."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ocspark.figures import INK, LISTED, OTHER, OURS, new_figure, png, tidy

_COLOURS = {"votes": LISTED, "posterior": OURS}
_LABELS = {"g": "G [mag]", "radius": "projected radius [pc]"}


def draw_posterior_judgement(result: dict[str, Any]) -> bytes:
    """Return a PNG of the result of `ocspark.validation.judge_posterior.judge_stars`.

    Its six panels show reliability, expected members against the truth, their deviations in units
    of their errors, and completeness and purity by G, by radius and by level.
    """
    figure = new_figure(13.0, 8.2)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(2, 3)
    _draw_reliability(axes[0, 0], result)
    clusters = [row for row in result["clusters"] if row["n_true"] > 0]
    columns = ("n_true", "expected_members", "expected_members_error", "sum_votes")
    _draw_numbers(axes[0, 1], *(np.array([row[name] for row in clusters]) for name in columns))
    _draw_pulls(axes[0, 2], clusters, result["posterior"]["expected_members"])
    _draw_bins(axes[1, 0], result, "g")
    _draw_bins(axes[1, 1], result, "radius")
    _draw_levels(axes[1, 2], result)
    figure.suptitle(
        f"{result['n_clusters']} clusters with a posterior, {result['n_members']} true members "
        f"among their candidates; log loss a member {result['votes']['log_loss']:.2f} (votes), "
        f"{result['posterior']['log_loss']:.2f} (posterior)",
        fontsize=11,
        color=INK,
    )
    return png(figure)


def _draw_reliability(axes: Axes, result: dict[str, Any]) -> None:
    axes.plot([0, 1], [0, 1], color=OTHER, linestyle=":")
    for method, colour in _COLOURS.items():
        table = result[method]["reliability"]
        fraction, n = np.array(table["fraction"]), np.array(table["n"])
        error = np.sqrt(fraction * (1.0 - fraction) / n)
        label = f"{method}: error {result[method]['calibration_error']['all']:.3f}"
        axes.errorbar(table["probability"], fraction, error, fmt="o-", color=colour, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.legend(fontsize=8, frameon=False)
    tidy(axes, "mean probability", "share of true members")


def _draw_numbers(
    axes: Axes, true: np.ndarray, expected: np.ndarray, error: np.ndarray, votes: np.ndarray
) -> None:
    axes.axhline(1.0, color=OTHER, linestyle=":")
    axes.plot(true, votes / true, "s", color=_COLOURS["votes"], ms=4, label="sum of votes")
    axes.errorbar(
        true, expected / true, error / true, fmt="o", color=_COLOURS["posterior"], ms=4, label="N"
    )
    axes.set(xscale="log", yscale="log")
    axes.legend(fontsize=8, frameon=False)
    _label_logarithmic(axes, "true members among the candidates", "expected / true")


def _label_logarithmic(axes: Axes, x_label: str, y_label: str) -> None:
    """Label logarithmic axes, leaving their ticks as they are."""
    axes.set_xlabel(x_label, fontsize=9, color=INK)
    axes.set_ylabel(y_label, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, which="both", colors=INK)


def _draw_pulls(axes: Axes, clusters: list[dict[str, Any]], scores: dict[str, Any]) -> None:
    pull = [(c["expected_members"] - c["n_true"]) / c["expected_members_error"] for c in clusters]
    edges = np.arange(-4.0, 4.01, 0.5).tolist()
    axes.hist(np.clip(pull, -3.99, 3.99), edges, color=_COLOURS["posterior"], alpha=0.7)
    x = np.linspace(-4.0, 4.0, 161)
    unit = np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi)
    axes.plot(x, unit * len(pull) * 0.5, color=INK)
    axes.set_title(
        f"within 1σ {scores['within_1_sigma']:.2f}, 2σ {scores['within_2_sigma']:.2f}", fontsize=9
    )
    tidy(axes, "(N − true) / σ", "clusters")


def _draw_bins(axes: Axes, result: dict[str, Any], quantity: str) -> None:
    for method, colour in _COLOURS.items():
        bins = result[method][quantity]
        for name, style in (("completeness", "o-"), ("purity", "s--")):
            values = [np.nan if b[name] is None else b[name] for b in bins]
            axes.plot(
                range(len(bins)), values, style, color=colour, ms=4, label=f"{name}, {method}"
            )
    names = [f"{b['from']:g}–{b['to']:g}" for b in bins[:-1]] + [f"> {bins[-1]['from']:g}"]
    tidy(axes, _LABELS[quantity], "at 0.5")
    axes.set_xticks(range(len(bins)), names)
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize=7, frameon=False, loc="lower left")


def _draw_levels(axes: Axes, result: dict[str, Any]) -> None:
    for method, colour in _COLOURS.items():
        by_level = result[method]["levels"]
        for part, style in (("G < 18", "s--"), ("all", "o-")):
            scores = [by_part[part] for by_part in by_level.values()]
            x, y = ([s[name] for s in scores] for name in ("completeness", "purity"))
            axes.plot(x, y, style, color=colour, ms=4, label=f"{method}, {part}")
            for level, place in zip(by_level, zip(x, y, strict=True), strict=True):
                if None not in place:
                    axes.annotate(level, place, fontsize=7, color=INK)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    tidy(axes, "completeness", "purity")

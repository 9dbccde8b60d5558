"""Draw the judgement of a model: curves, calibration, stability, and scores by group of stars."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ocspark.figures import png

#: Okabe & Ito (2008).
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "0.6"
_LABELS = {
    "phot_g_mean_mag": "G [mag]",
    "distance": "distance of the cluster [pc]",
    "f_r": "projected radius [pc]",
}


def draw_judgement(result: dict[str, Any]) -> bytes:
    """Return a PNG of the result of `ocspark.training.judge_model.judge_model`."""
    figure = Figure(figsize=(11.0, 9.5), dpi=130, layout="constrained")
    axes = figure.subplots(3, 3)
    _line(axes[0, 0], [0.0, *result["false_positive_rate"]], [0.0, *result["recall"]])
    axes[0, 0].set(
        xlabel="false positive rate",
        ylabel="true positive rate",
        title=f"ROC, area {result['roc_auc']:.3f}",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    _line(axes[0, 1], result["recall"], result["precision"])
    axes[0, 1].set(
        xlabel="recall",
        ylabel="precision",
        title=f"mean precision {result['average_precision']:.3f}",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    _reliability(axes[0, 2], result)
    for axis, name in zip(axes[1], _LABELS, strict=True):
        draw_shares(axis, result["groups"][name], _LABELS[name])
    for axis, name in zip(axes[2, :2], ("phot_g_mean_mag", "distance"), strict=True):
        _mean_by_group(axis, result["groups"][name], _LABELS[name])
    _support(axes[2, 2], result["support"])
    for axis in axes.flat:
        axis.grid(alpha=0.25)
    matrix = result["confusion"]
    figure.suptitle(
        f"{result['model']['name']}: {result['n_stars']} candidates of {result['n_clusters']} "
        f"held-out clusters, {result['n_members']} members; at p ≥ 0.5: {matrix['tp']} true and "
        f"{matrix['fp']} false members,\n{matrix['fn']} members missed, {matrix['tn']} others "
        f"rejected (F1 {matrix['f1']:.3f}). Training members are not counted."
    )
    return png(figure)


def _line(axis: Axes, x: list[float], y: list[float]) -> None:
    axis.plot(x, y, ".-", color=_BLUE, clip_on=False)


def _reliability(axis: Axes, result: dict[str, Any]) -> None:
    axis.plot([0, 1], [0, 1], color=_GREY, linestyle=":")
    shown = (
        ("as given", result["calibration"], _BLUE, "o"),
        ("isotonic, other clusters", result["isotonic"]["after"], _ORANGE, "s"),
    )
    for label, table, colour, marker in shown:
        axis.plot(table["probability"], table["fraction"], marker, color=colour, label=label)
    axis.set(
        xlabel="probability",
        ylabel="fraction of true members",
        title=f"calibration, mean error {result['calibration']['expected_error']:.3f}",
    )
    axis.legend(fontsize="small")


def draw_shares(axis: Axes, groups: list[dict[str, Any]], label: str) -> None:
    """Draw completeness and purity of groups of stars; groups without stars get no point.

    Parameters
    ----------
    axis : Axes
        Axes to draw on.
    groups : list of dict
        ``from``, ``to``, ``tp``, ``fp``, ``fn``, ``recall`` and ``precision`` of each group.
    label : str
        Label of the quantity that defines the groups.
    """
    places = range(len(groups))
    styles = (
        ("recall", "fn", "completeness", _BLUE, "o-"),
        ("precision", "fp", "purity", _ORANGE, "s--"),
    )
    for name, missing, words, colour, style in styles:
        shares = [g[name] if g["tp"] + g[missing] else math.nan for g in groups]
        axis.plot(places, shares, style, color=colour, label=words)
    _name_groups(axis, groups, label)
    axis.set(ylim=(0, 1.02), ylabel="at p ≥ 0.5")
    axis.legend(fontsize="small")


def _mean_by_group(axis: Axes, groups: list[dict[str, Any]], label: str) -> None:
    places = range(len(groups))
    share = [g["n_members"] / g["n_stars"] for g in groups]
    mean = [g["mean_probability"] for g in groups]
    axis.plot(places, mean, "o-", color=_BLUE, label="mean probability")
    axis.plot(places, share, "s--", color=_GREEN, label="fraction of true members")
    _name_groups(axis, groups, label)
    axis.set_ylim(0, 1.02)
    axis.legend(fontsize="small")


def _name_groups(axis: Axes, groups: list[dict[str, Any]], label: str) -> None:
    names = [f"{g['from']:g}–{g['to']:g}" for g in groups]
    axis.set_xticks(range(len(groups)), names, rotation=45, ha="right", fontsize="x-small")
    axis.set_xlabel(label)


def _support(axis: Axes, support: dict[str, Any]) -> None:
    axis.bar(support["share"], support["n"], width=0.8 / support["draws"], color=_BLUE)
    axis.set_yscale("log")
    axis.set(
        xlabel=f"share of {support['draws']} support sets: member",
        ylabel="candidates",
        title=f"not unanimous: {100 * support['not_unanimous']:.1f} %",
    )

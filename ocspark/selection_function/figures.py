"""Draw the selection function."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ocspark.figures import png
from ocspark.selection_function.count import FIELD, OFFSET
from ocspark.selection_function.rates import estimate_mean_count
from ocspark.tables.member_rule import POSTERIOR, VOTES

_COLOURS = {0.1: "#7fb3d5", 0.5: "#1f4e79", 0.9: "#0b1f33"}
_WARM = {0.1: "#f5b183", 0.5: "#d95f02", 0.9: "#7f3300"}
_DISTANCES = ("#440154", "#3b528b", "#21918c", "#5ec962", "#d8b500")
#: Label of each axis of the table, and whether its scale is logarithmic.
_AXES = {
    "g_mag": ("G [mag]", False),
    "distance": ("distance [pc]", True),
    "richness": ("stars with G < 18", True),
    "field_density": ("sources that pass the cone's cuts [deg⁻²]", True),
    "radius": ("projected radius [pc]", False),
}
#: Names of votes and posterior in labels.
_SIGNS = {VOTES: "votes", POSTERIOR: "posterior"}
_OF_BOTH = {VOTES: "#d95f02", POSTERIOR: "#1f4e79"}
#: Bins of G in the panel by least probability.
_SOME_G = ((14, 15), (17, 18), (18, 19), (19, 20))
_OF = 0.5  # the least probability in figures that show a single one


def selection_figure(curves: pd.DataFrame) -> bytes:
    """Return a PNG: completeness and contamination along every axis.

    Parameters
    ----------
    curves : DataFrame
        `SELECTION_FUNCTION`, its rows by votes or by posterior.
    """
    sign = _SIGNS[curves["by"].iloc[0]]
    figure = Figure(figsize=(13, 7.5), dpi=100, layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    whole = curves[curves["distance_low"].isna()]
    for axes, (axis, (label, logarithmic)) in zip(
        [panels[0], *panels[2:]], _AXES.items(), strict=True
    ):
        for level in _COLOURS:
            for quantity, colours, style in _QUANTITIES:
                rows = _rows(whole, quantity, axis, level)
                _curve(axes, rows, colours[level], style, f"{quantity}, {sign} ≥ {level:g}")
        axes.set(xlabel=label, ylim=(-0.02, 1.02), ylabel="share")
        if logarithmic and (whole.loc[whole["axis"] == axis, "bin_low"] > 0).all():
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
    _threshold_panel(panels[1], whole, sign)
    panels[0].legend(fontsize=7, frameon=False)
    figure.suptitle(_title(curves))
    return png(figure)


_QUANTITIES = (("completeness", _COLOURS, "-"), ("contamination", _WARM, "--"))


def _threshold_panel(axes: Axes, curves: pd.DataFrame, sign: str) -> None:
    """Draw completeness and contamination by the least probability of members."""
    for (low, high), shade in zip(_SOME_G, _DISTANCES[1:], strict=True):
        inside = curves[(curves["axis"] == "g_mag") & (curves["bin_low"] == low)]
        for quantity, _, style in _QUANTITIES:
            rows = inside[inside["quantity"] == quantity].sort_values("probability")
            axes.plot(
                rows["probability"],
                rows["value"],
                style,
                color=shade,
                lw=1.4,
                label=f"{low} < G < {high}" if style == "-" else None,
            )
    axes.set(xlabel=f"least {sign} (dashed: contamination)", ylim=(-0.02, 1.02), ylabel="share")
    axes.legend(fontsize=7, loc=(0.02, 0.5), frameon=False)


def distance_figure(curves: pd.DataFrame) -> bytes:
    """Return a PNG: completeness and contamination by G, for each range of distances.

    Parameters
    ----------
    curves : DataFrame
        `SELECTION_FUNCTION`, its rows by votes or by posterior.
    """
    figure = Figure(figsize=(11, 4.2), dpi=100, layout="constrained")
    panels = figure.subplots(1, 2)
    apart = curves[curves["distance_low"].notna() & (curves["axis"] == "g_mag")]
    sign = _SIGNS[curves["by"].iloc[0]]
    for axes, quantity in zip(panels, ("completeness", "contamination"), strict=True):
        ranges = sorted(set(zip(apart["distance_low"], apart["distance_high"], strict=True)))
        for (low, high), colour in zip(ranges, _DISTANCES, strict=False):
            rows = _rows(apart[apart["distance_low"] == low], quantity, "g_mag", _OF)
            _curve(axes, rows, colour, "-", f"{low:,.0f} – {high:,.0f} pc")
        axes.set(xlabel="G [mag]", ylabel=f"{quantity}, {sign} ≥ {_OF:g}", ylim=(-0.02, 1.02))
    panels[0].legend(fontsize=8, frameon=False)
    return png(figure)


def check_figure(counts: pd.DataFrame, twins: pd.DataFrame, curves: pd.DataFrame) -> bytes:
    """Return a PNG: contaminants by votes in the run on twins against those at offset positions.

    Parameters
    ----------
    counts : DataFrame
        `SELECTION_COUNTS`.
    twins : DataFrame
        The twins that are done: cluster and twin_of.
    curves : DataFrame
        `SELECTION_FUNCTION`.
    """
    figure = Figure(figsize=(11, 4.8), dpi=100, layout="constrained")
    by_cluster, by_g = figure.subplots(1, 2)
    likely = counts[(counts["by"] == VOTES) & (counts["p_bin"] >= round(10 * _OF))]
    points = []
    for _, group in twins.groupby("twin_of"):
        names = group["cluster"].tolist()
        points.append(
            [estimate_mean_count(_per_twin(likely, kind, names)) for kind in (OFFSET, FIELD)]
        )
    middle = np.array([[rate.value for rate in point] for point in points])
    ends = np.array([[(r.value - r.low, r.high - r.value) for r in point] for point in points])
    by_cluster.errorbar(
        middle[:, 0],
        middle[:, 1],
        xerr=ends[:, 0].T,
        yerr=ends[:, 1].T,
        fmt="o",
        ms=4,
        lw=0.7,
        color=_COLOURS[0.5],
    )
    top = max(1.0, float(np.nanmax(middle)) * 1.3)
    by_cluster.plot([0, top], [0, top], "k:", lw=1)
    by_cluster.set(
        xlim=(-0.05 * top, top),
        ylim=(-0.05 * top, top),
        xlabel="contaminants per cone at offset positions",
        ylabel="contaminants per cone in the run on twins",
        title=f"real clusters, votes ≥ {_OF:g}",
    )
    whole = curves[curves["distance_low"].isna() & (curves["by"] == VOTES)]
    for quantity, colour, label in (
        ("contaminants", _WARM[0.5], "with twins"),
        ("offset_contaminants", _COLOURS[0.5], "offset positions"),
    ):
        _curve(by_g, _rows(whole, quantity, "g_mag", _OF), colour, "-", label)
    by_g.set(xlabel="G [mag]", ylabel="contaminants per cone", title=f"by G, votes ≥ {_OF:g}")
    by_g.legend(fontsize=8, frameon=False)
    return png(figure)


def comparison_figure(curves: pd.DataFrame) -> bytes:
    """Return a PNG: votes and posterior compared at 0.5, by G and by radius.

    Parameters
    ----------
    curves : DataFrame
        `SELECTION_FUNCTION`.
    """
    figure = Figure(figsize=(11, 4.4), dpi=100, layout="constrained")
    whole = curves[curves["distance_low"].isna()]
    for axes, axis in zip(figure.subplots(1, 2), ("g_mag", "radius"), strict=True):
        for by, colour in _OF_BOTH.items():
            for quantity, _, style in _QUANTITIES:
                rows = _rows(whole[whole["by"] == by], quantity, axis, _OF)
                _curve(axes, rows, colour, style, f"{quantity}, {_SIGNS[by]} ≥ {_OF:g}")
        axes.set(xlabel=_AXES[axis][0], ylabel="share", ylim=(-0.02, 1.02))
    axes.legend(fontsize=8, frameon=False)
    return png(figure)


def recovery_figure(rows: pd.DataFrame) -> bytes:
    """Return a PNG: completeness and purity by G, and purity against completeness.

    Parameters
    ----------
    rows : DataFrame
        From `ocspark.selection_function.tabulate.recovery`.
    """
    figure = Figure(figsize=(11, 4.4), dpi=100, layout="constrained")
    by_g, curve = figure.subplots(1, 2)
    # purity is 1 − contamination
    pure = rows["quantity"] == "contamination"
    mirrored = {"value": "value", "low": "high", "high": "low"}
    purity = rows[pure].assign(quantity="purity", **{a: 1.0 - rows[b] for a, b in mirrored.items()})
    both = pd.concat([rows, purity], ignore_index=True)
    for by, colour in _OF_BOTH.items():
        own = both[both["by"] == by]
        for quantity, style in (("completeness", "-"), ("purity", "--")):
            some = _rows(own, quantity, "g_mag", _OF)
            _curve(by_g, some, colour, style, f"{quantity}, {_SIGNS[by]} ≥ {_OF:g}")
        for axis, style, label in (("all", "o--", "all"), ("bright", "o-", "G < 18")):
            x, y = (
                own[(own["axis"] == axis) & (own["quantity"] == q)].sort_values("probability")
                for q in ("completeness", "purity")
            )
            at = (x["value"], y["value"])
            curve.plot(*at, style, ms=3, color=colour, label=f"{_SIGNS[by]}, {label}")
            for p, *place in zip(x["probability"], *at, strict=True):
                if p in _COLOURS:
                    curve.annotate(f"{p:g}", place, (3, -10), textcoords="offset points", size=7)
    by_g.set(xlabel="G [mag]", ylabel="share", ylim=(-0.02, 1.02))
    by_g.legend(fontsize=7, frameon=False, loc="lower left")
    curve.set(xlabel="completeness", ylabel="purity", xlim=(-0.02, 1.02))
    curve.set_title("as the least votes or posterior change", fontsize=9)
    curve.legend(fontsize=8, frameon=False)
    return png(figure)


def _per_twin(counts: pd.DataFrame, kind: str, names: list[str]) -> pd.Series:
    """Return the number of stars of a kind in each twin."""
    some = counts[(counts["kind"] == kind) & counts["cluster"].isin(names)]
    return some.groupby("cluster")["n"].sum().reindex(names, fill_value=0)


def _rows(curves: pd.DataFrame, quantity: str, axis: str, level: float) -> pd.DataFrame:
    """Return the rows of a quantity along an axis at a least probability."""
    wanted = (curves["quantity"] == quantity) & (curves["axis"] == axis)
    return curves[wanted & (curves["probability"] == level)].sort_values("bin_low")


def _curve(axes: Axes, rows: pd.DataFrame, colour: str, style: str, label: str) -> None:
    """Draw estimates at the centres of their bins, with shaded intervals."""
    known = rows.dropna(subset=["value"])
    at = (known["bin_low"].to_numpy(float) + known["bin_high"].to_numpy(float)) / 2.0
    low, high = known["low"].to_numpy(float), known["high"].to_numpy(float)
    axes.plot(
        at,
        known["value"].to_numpy(float),
        style,
        color=colour,
        lw=1.5,
        ms=3,
        marker="o",
        label=label,
    )
    axes.fill_between(at, low, high, color=colour, alpha=0.12, lw=0)


def _title(curves: pd.DataFrame) -> str:
    """Return the title of a figure: numbers of stars and twins."""
    every = curves[(curves["axis"] == "all") & (curves["probability"] == _OF)]
    planted = every[every["quantity"] == "completeness"].iloc[0]
    cones = every[every["quantity"] == "contaminants"].iloc[0]
    return f"{int(planted['n']):,} stars planted in {int(cones['n']):,} twins (95 % intervals)"

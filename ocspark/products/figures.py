"""Figures of one cluster in the paper's manner: selection, members, comparison, structure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from ocspark.analysis.king import king_density, king_number
from ocspark.analysis.structure import FAINT_LEVEL, MEMBER_LEVEL
from ocspark.products.style import (
    BOUNDARY,
    CANDIDATE,
    CURVE,
    INK,
    LISTED,
    OTHER,
    OURS,
    PROBABILITY_MAP,
    TRAINING,
    new_figure,
    png,
    savable,
    tidy,
)
from ocspark.products.view import ClusterView, Columns, ListedStars

#: Stars, colour, size of the dots [points] (rings where it is `_RING`), legend.
Layer = tuple[Columns, str, float, str]
_RING = 4.2


def selection_png(view: ClusterView) -> bytes:
    """Sky, parallax, proper motion and CMD of training members, candidates and the rest (Fig. 1).

    Dashed: the boundary beyond which a star without errors is no candidate.
    """
    figure = new_figure(9.0, 8.6)
    stars = view.stars
    training = stars["is_training_member"].astype(bool)
    layers: list[Layer] = [
        (view.others, OTHER, 2.0, "other stars in the cone"),
        (_some(stars, ~training), CANDIDATE, 2.6, "candidates"),
        (_some(stars, training), TRAINING, 3.4, "training members"),
    ]
    layers = [layer for layer in layers if len(layer[0].get("ra", ()))]
    boxes = [(x, y, 0.4, 0.395) for y in (0.55, 0.065) for x in (0.08, 0.58)]
    sky, parallax, motion, cmd = (figure.add_axes(box) for box in boxes)
    _sky(sky, view, layers)
    _parallax(parallax, view, layers, boundary=True)
    _motion(motion, view, layers, boundary=True)
    _cmd(cmd, view, layers, boundary=True)
    _legend_above(figure, sky)
    return png(figure)


def members_png(view: ClusterView) -> bytes:
    """Sky and CMD of the stars with p ≥ 0.1, coloured by probability."""
    figure = new_figure(9.6, 4.6)
    sky, cmd = figure.add_axes((0.07, 0.11, 0.4, 0.83)), figure.add_axes((0.54, 0.11, 0.34, 0.83))
    own = _some(view.stars, view.members(FAINT_LEVEL))
    rising = np.argsort(own["probability"], kind="stable")
    own = {name: column[rising] for name, column in own.items()}
    norm = Normalize(FAINT_LEVEL, 1.0)
    style: dict[str, Any] = {"s": 9, "cmap": PROBABILITY_MAP, "norm": norm, "linewidths": 0}
    _sky(sky, view, [])
    east, north = view.offsets_deg(own)
    sky.scatter(east, north, c=own["probability"], **style)
    _square(sky, east, north)
    _cmd(cmd, view, [], boundary=True)
    dots = cmd.scatter(own["g_rp"], own["phot_g_mean_mag"], c=own["probability"], **style)
    _cmd_limits(cmd, own)
    bar = figure.colorbar(dots, cax=figure.add_axes((0.9, 0.11, 0.017, 0.83)))
    bar.set_label("membership probability", fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8, colors=INK)
    return png(figure)


def comparison_png(view: ClusterView, listed: ListedStars) -> bytes:
    """Members here and in a list: sky, parallax, proper motion, CMD (Fig. 4), p ≥ 0.1 on both."""
    figure = new_figure(13.0, 3.7)
    known = np.isfinite(listed.stars["ra"]) & (listed.stars["list_probability"] >= FAINT_LEVEL)
    layers = [
        (_some(view.stars, view.members(FAINT_LEVEL)), OURS, 3.0, "this run"),
        (_some(listed.stars, known), LISTED, _RING, savable(listed.name)),
    ]
    width, gap = 0.19, 0.06
    axes = [figure.add_axes((0.045 + i * (width + gap), 0.14, width, 0.72)) for i in range(4)]
    _sky(axes[0], view, layers)
    _parallax(axes[1], view, layers, boundary=False)
    _motion(axes[2], view, layers, boundary=False)
    _cmd(axes[3], view, layers, boundary=False)
    _legend_above(figure, axes[0])
    return png(figure)


def structure_png(view: ClusterView) -> bytes:
    """Density profile with its King fit, and the mass segregation ratio."""
    figure = new_figure(9.6, 4.0)
    profile = figure.add_axes((0.08, 0.14, 0.4, 0.78))
    ratio = figure.add_axes((0.58, 0.14, 0.39, 0.78))
    _profile(profile, view)
    _segregation(ratio, view)
    return png(figure)


def _profile(axes: Axes, view: ClusterView) -> None:
    s = view.structure
    radius, density, error = (
        np.asarray(s[f"profile_{name}"], dtype=float) for name in ("radius", "density", "error")
    )
    tidy(axes, "projected radius [pc]", "members per area [pc$^{-2}$]")
    if not len(radius):
        _note(axes, "too few members for a profile")
        return
    axes.errorbar(radius, density, error, fmt="o", ms=4, lw=1, color=OURS, label="p ≥ 0.5")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.minorticks_off()
    _log_limits(axes, density, error)
    axes.set_xlim(0.7 * radius[0], 1.25 * s["extent_pc"])
    core, tidal = s["core_radius"], s["tidal_radius"]
    if np.isfinite(core) and np.isfinite(tidal):
        line = np.geomspace(0.7 * radius[0], s["extent_pc"], 200)
        area, flat = np.pi * s["extent_pc"] ** 2, s["background_fraction"]
        within = np.pi * core**2 * king_number(np.array(s["extent_pc"]), core, tidal)
        model = (1.0 - flat) * king_density(line, core, tidal) / within + flat / area
        axes.plot(line, s["n_members"] * model, color=BOUNDARY, lw=1.3, label="King profile")
        for value, name in ((core, "$r_c$"), (tidal, "$r_t$")):
            if value < 1.25 * s["extent_pc"]:
                axes.axvline(value, color=OTHER, lw=1, ls=":", zorder=0)
                axes.text(
                    value, 1.01, name, ha="center", fontsize=9, transform=axes.get_xaxis_transform()
                )
    else:
        _note(axes, "King profile " + s["king_status"], low=True)
    axes.legend(fontsize=8, frameon=False, loc="upper right")


def _segregation(axes: Axes, view: ClusterView) -> None:
    s = view.structure
    tidy(axes, "number of brightest members", "mass segregation ratio $\\Lambda_{MSR}$")
    if not len(s["segregation_sizes"]):
        _note(axes, "too few members for a segregation ratio")
        return
    axes.axhline(1.0, color=OTHER, lw=1)
    sizes = np.asarray(s["segregation_sizes"])
    axes.errorbar(
        sizes,
        s["segregation_ratios"],
        s["segregation_errors"],
        fmt="o",
        ms=5,
        lw=1.2,
        capsize=2,
        color=OURS,
    )
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.minorticks_off()
    axes.set_xlim(7, 1.4 * sizes[-1])
    axes.set_ylim(bottom=0.0)
    axes.text(
        0.99,
        1.0,
        "no segregation",
        ha="right",
        va="bottom",
        fontsize=8,
        color="#888888",
        transform=axes.get_yaxis_transform(),
    )


def _sky(axes: Axes, view: ClusterView, layers: Sequence[Layer]) -> None:
    tidy(axes, "Δα cos δ [deg]", "Δδ [deg]")
    places = []
    for stars, colour, size, label in layers:
        places.append(view.offsets_deg(stars))
        _dots(axes, *places[-1], colour, size, label)
    if places:
        _square(axes, *(np.concatenate([place[i] for place in places]) for i in (0, 1)))


def _parallax(axes: Axes, view: ClusterView, layers: Sequence[Layer], boundary: bool) -> None:
    tidy(axes, "G [mag]", "parallax [mas]")
    for stars, colour, size, label in layers:
        _dots(axes, stars["phot_g_mean_mag"], stars["parallax"], colour, size, label)
    centre = view.row["parallax"]
    if boundary:
        for edge in (centre - view.row["delta_plx_plus"], centre + view.row["delta_plx_minus"]):
            if np.isfinite(edge):
                axes.axhline(edge, color=BOUNDARY, lw=1, ls="--")
    # the spread of what matters sets the scale; a few outliers with large errors leave it
    values = np.concatenate([np.array([centre]), *(s["parallax"] for s, *_ in layers[-2:])])
    reach = max(1.15 * float(np.percentile(np.abs(values - centre), 99)), 1e-3)
    axes.set_ylim(centre - reach, centre + reach)


def _motion(axes: Axes, view: ClusterView, layers: Sequence[Layer], boundary: bool) -> None:
    tidy(axes, "$\\mu_{\\alpha*}$ [mas yr$^{-1}$]", "$\\mu_\\delta$ [mas yr$^{-1}$]")
    for stars, colour, size, label in layers:
        _dots(axes, stars["pmra"], stars["pmdec"], colour, size, label)
    centre = np.array([view.row["pmra"], view.row["pmdec"]])
    if boundary:
        axes.add_patch(
            Circle(tuple(centre), view.row["delta_pm"], fill=False, color=BOUNDARY, lw=1, ls="--")
        )
    away = [
        np.hypot(stars["pmra"] - centre[0], stars["pmdec"] - centre[1]) for stars, *_ in layers[-2:]
    ]
    reach = float(np.percentile(np.concatenate(away), 99)) if away else 0.0
    reach = 1.1 * max(reach, 1.05 * view.row["delta_pm"] if boundary else 0.0, 1e-3)
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(centre[0] - reach, centre[0] + reach)
    axes.set_ylim(centre[1] - reach, centre[1] + reach)


def _cmd(axes: Axes, view: ClusterView, layers: Sequence[Layer], boundary: bool) -> None:
    tidy(axes, "G − G$_{RP}$ [mag]", "G [mag]")
    for stars, colour, size, label in layers:
        _dots(axes, stars["g_rp"], stars["phot_g_mean_mag"], colour, size, label)
    axes.plot(*view.curve.T, color=CURVE, lw=0.9, zorder=3)
    if boundary:
        for line in view.boundary:
            axes.plot(*line.T, color=BOUNDARY, lw=1, ls="--", zorder=3)
    main = [stars for stars, *_ in layers[-2:]]
    if main:
        names = ("g_rp", "phot_g_mean_mag")
        _cmd_limits(axes, {name: np.concatenate([s[name] for s in main]) for name in names})


def _cmd_limits(axes: Axes, stars: Columns) -> None:
    colour, g = stars["g_rp"], stars["phot_g_mean_mag"]
    if not len(colour):
        return
    low, high = np.percentile(colour, [0.5, 99.5])
    axes.set_xlim(low - 0.25, high + 0.25)
    axes.set_ylim(g.max() + 0.6, g.min() - 0.8)


def _dots(axes: Axes, x: NDArray, y: NDArray, colour: str, size: float, label: str) -> None:
    ring = size == _RING
    face, edge = ("none", 0.7) if ring else (colour, 0.0)
    axes.plot(x, y, "o", ms=size, mfc=face, mec=colour, mew=edge, alpha=0.8, ls="", label=label)


def _square(axes: Axes, x: NDArray, y: NDArray) -> None:
    """Set equal scales around the origin; RA increases to the left."""
    reach = 1.04 * float(max(np.abs(x).max(initial=0.0), np.abs(y).max(initial=0.0), 1e-3))
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(reach, -reach)
    axes.set_ylim(-reach, reach)


def _log_limits(axes: Axes, density: NDArray, error: NDArray) -> None:
    low = np.where(density > error, density - error, 0.5 * density)
    axes.set_ylim(0.5 * low.min(), 2.0 * (density + error).max())


def _legend_above(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper center", ncols=3, fontsize=9, frameon=False, markerscale=1.6
    )


def _note(axes: Axes, text: str, low: bool = False) -> None:
    y = 0.06 if low else 0.5
    x, align = (0.05, "left") if low else (0.5, "center")
    axes.text(x, y, text, ha=align, fontsize=9, color=INK, transform=axes.transAxes, wrap=True)


def _some(stars: Columns, keep: NDArray[np.bool_]) -> dict[str, NDArray]:
    return {name: np.asarray(column)[keep] for name, column in stars.items()}


def has_members(view: ClusterView) -> bool:
    """Whether there is anything to draw in `members_png`."""
    return bool(view.members(FAINT_LEVEL).any())


def has_structure(view: ClusterView) -> bool:
    """Whether there are enough members for `structure_png` to show anything."""
    return len(view.structure.get("profile_radius", ())) > 0 or bool(
        int(view.members(MEMBER_LEVEL).sum()) >= 20
    )

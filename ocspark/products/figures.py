"""Figures of one cluster in the paper's manner: selection, members, comparison."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from ocspark.analysis.structure import FAINT_LEVEL
from ocspark.products.sheet import CMD, MOTION, PARALLAX, SKY, Panel, Sheet
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
    png,
    savable,
)
from ocspark.products.view import ClusterView, Columns, ListedStars

#: Stars, colour, size of the dots [points] (rings where it is `_RING`), legend.
Layer = tuple[Columns, str, float, str]
_RING = 4.2
_COLOURS: dict[str, Any] = {
    "cmap": PROBABILITY_MAP,
    "norm": Normalize(FAINT_LEVEL, 1.0),
}


def selection_png(view: ClusterView) -> bytes:
    """Sky, parallax, proper motion and CMD of training members, candidates and the rest (Fig. 1).

    Dashed: the boundary beyond which a star without errors is no candidate.
    """
    sheet = _selection_sheet()
    sky, parallax, motion, cmd = sheet.clean()
    stars = view.stars
    training = stars["is_training_member"].astype(bool)
    layers: list[Layer] = [
        (view.others, OTHER, 2.0, "other stars in the cone"),
        (_some(stars, ~training), CANDIDATE, 2.6, "candidates"),
        (_some(stars, training), TRAINING, 3.4, "training members"),
    ]
    layers = [layer for layer in layers if len(layer[0].get("ra", ()))]
    _sky(sky, view, layers)
    _parallax(parallax, view, layers, boundary=True)
    _motion(motion, view, layers, boundary=True)
    _cmd(cmd, view, layers, boundary=True)
    _legend_above(sheet.figure, sky)
    return png(sheet.figure)


@cache
def _selection_sheet() -> Sheet:
    boxes = [(x, y, 0.4, 0.395) for y in (0.55, 0.065) for x in (0.08, 0.58)]
    return Sheet((9.0, 8.6), _four_panels(boxes))


def members_png(view: ClusterView) -> bytes:
    """Sky and CMD of the stars with p ≥ 0.1, coloured by probability."""
    sheet = _members_sheet()
    sky, cmd = sheet.clean()
    own = _some(view.stars, view.members(FAINT_LEVEL))
    rising = np.argsort(own["probability"], kind="stable")
    own = {name: column[rising] for name, column in own.items()}
    style: dict[str, Any] = {"s": 9, "linewidths": 0, **_COLOURS}
    _sky(sky, view, [])
    east, north = view.offsets_deg(own)
    sky.scatter(east, north, c=own["probability"], **style)
    _square(sky, east, north)
    _cmd(cmd, view, [], boundary=True)
    cmd.scatter(own["g_rp"], own["phot_g_mean_mag"], c=own["probability"], **style)
    _cmd_limits(cmd, own)
    return png(sheet.figure)


@cache
def _members_sheet() -> Sheet:
    boxes = ((0.07, 0.11, 0.4, 0.83), (0.54, 0.11, 0.34, 0.83))
    sheet = Sheet((9.6, 4.6), [(boxes[0], *SKY), (boxes[1], *CMD)])
    place = sheet.figure.add_axes((0.9, 0.11, 0.017, 0.83))
    bar = sheet.figure.colorbar(ScalarMappable(**_COLOURS), cax=place)
    bar.set_label("membership probability", fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8, colors=INK)
    return sheet


def comparison_png(view: ClusterView, listed: ListedStars) -> bytes:
    """Members here and in a list: sky, parallax, proper motion, CMD (Fig. 4), p ≥ 0.1 on both."""
    sheet = _comparison_sheet()
    axes = sheet.clean()
    known = np.isfinite(listed.stars["ra"]) & (listed.stars["list_probability"] >= FAINT_LEVEL)
    layers = [
        (_some(view.stars, view.members(FAINT_LEVEL)), OURS, 3.0, "this run"),
        (_some(listed.stars, known), LISTED, _RING, savable(listed.name)),
    ]
    _sky(axes[0], view, layers)
    _parallax(axes[1], view, layers, boundary=False)
    _motion(axes[2], view, layers, boundary=False)
    _cmd(axes[3], view, layers, boundary=False)
    _legend_above(sheet.figure, axes[0])
    return png(sheet.figure)


@cache
def _comparison_sheet() -> Sheet:
    width, gap = 0.19, 0.06
    boxes = [(0.045 + i * (width + gap), 0.14, width, 0.72) for i in range(4)]
    return Sheet((13.0, 3.7), _four_panels(boxes))


def _four_panels(boxes: Sequence[tuple[float, float, float, float]]) -> list[Panel]:
    return [(box, *labels) for box, labels in zip(boxes, (SKY, PARALLAX, MOTION, CMD), strict=True)]


def _sky(axes: Axes, view: ClusterView, layers: Sequence[Layer]) -> None:
    places = []
    for stars, colour, size, label in layers:
        places.append(view.offsets_deg(stars))
        _dots(axes, *places[-1], colour, size, label)
    if places:
        _square(axes, *(np.concatenate([place[i] for place in places]) for i in (0, 1)))


def _parallax(axes: Axes, view: ClusterView, layers: Sequence[Layer], boundary: bool) -> None:
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


def _legend_above(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper center", ncols=3, fontsize=9, frameon=False, markerscale=1.6
    )


def _some(stars: Columns, keep: NDArray[np.bool_]) -> dict[str, NDArray]:
    return {name: np.asarray(column)[keep] for name, column in stars.items()}


def has_members(view: ClusterView) -> bool:
    """Whether there is anything to draw in `members_png`."""
    return bool(view.members(FAINT_LEVEL).any())
